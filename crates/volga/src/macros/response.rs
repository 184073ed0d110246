//! `ok!`, `status!` and the other macros for responses with text or JSON.

use std::fmt;

use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use volga_core::{
    __private::{to_json, with_content_type},
    Error, HttpBody, HttpResult,
};

/// Creates a response with status 200.
///
/// | Form | Body |
/// |---|---|
/// | `ok!()` | none |
/// | `ok!("text {name}")`, `ok!("text {}", value)` | the text, as `text/plain; charset=utf-8` |
/// | `ok!({ "name": value, .. })` | this JSON object, as `application/json` |
/// | `ok!(value)`, `ok!(json: value)` | the value as JSON; `json:` is needed for a literal |
///
/// Each form takes headers after a semicolon: `ok!("text"; [("x-id", "7")])`. A header is a pair of
/// name and value, or a [typed header](mod@crate::headers):
/// `ok!("text"; [CacheControl::new().no_store()])`. It replaces a default header with the same
/// name. If the list has a name twice, both headers are sent.
///
/// The result is an [`HttpResult`](crate::HttpResult). It is an error if a value cannot be
/// serialized or a header is not valid.
///
/// ```
/// use volga::{HttpResult, ok};
///
/// fn hello(name: &str) -> HttpResult {
///     ok!("Hello, {name}!"; [("cache-control", "no-store")])
/// }
/// assert_eq!(hello("Anna").unwrap().headers()["cache-control"], "no-store");
/// assert_eq!(ok!({ "a": [1, 2] }).unwrap().headers()["content-type"], "application/json");
/// ```
#[macro_export]
macro_rules! ok {
    ($($body:tt)*) => { $crate::__respond!(200; $($body)*) };
}

/// Creates a response with any status: `status!(404)`. A body and headers follow as in
/// [`ok!`](crate::ok): `status!(404, "no {name}")`.
///
/// The status is a number or a [`StatusCode`](crate::http::StatusCode). An invalid number becomes
/// an error.
///
/// ```
/// use volga::status;
///
/// assert_eq!(status!(404, "no such user").unwrap().status(), 404);
/// assert_eq!(status!(201; [("location", "/users/7")]).unwrap().headers()["location"], "/users/7");
/// assert!(status!(1000).is_err());
/// ```
#[macro_export]
macro_rules! status {
    ($status:expr) => { $crate::__respond!($status;) };
    ($status:expr; $($headers:tt)*) => { $crate::__respond!($status; ; $($headers)*) };
    ($status:expr, $($body:tt)*) => { $crate::__respond!($status; $($body)*) };
}

/// Creates a response with status 201: a new resource exists. Put its URL into `Location`. The
/// forms are those of [`ok!`](crate::ok!).
///
/// ```
/// let response = volga::created!({ "id": 7 }; [("location", "/users/7")]).unwrap();
/// assert_eq!(response.status(), 201);
/// ```
#[macro_export]
macro_rules! created {
    ($($body:tt)*) => { $crate::__respond!(201; $($body)*) };
}

/// Creates a response with status 202: the work continues after the response. The forms are those
/// of [`ok!`](crate::ok!).
///
/// ```
/// assert_eq!(volga::accepted!("queued").unwrap().status(), 202);
/// ```
#[macro_export]
macro_rules! accepted {
    ($($body:tt)*) => { $crate::__respond!(202; $($body)*) };
}

/// Creates a response with status 400: the request is wrong. The forms are those of
/// [`ok!`](crate::ok!).
///
/// ```
/// assert_eq!(volga::bad_request!("`from` is after `to`").unwrap().status(), 400);
/// ```
#[macro_export]
macro_rules! bad_request {
    ($($body:tt)*) => { $crate::__respond!(400; $($body)*) };
}

/// Creates a response with status 404: the resource does not exist. The forms are those of
/// [`ok!`](crate::ok!).
///
/// ```
/// let id = 7;
/// assert_eq!(volga::not_found!("no user {id}").unwrap().status(), 404);
/// ```
#[macro_export]
macro_rules! not_found {
    ($($body:tt)*) => { $crate::__respond!(404; $($body)*) };
}

/// Creates a response with status 204, which has no body. Headers may follow: `no_content!(;
/// [("x-id", "7")])`.
///
/// ```
/// assert_eq!(volga::no_content!().unwrap().status(), 204);
/// ```
#[macro_export]
macro_rules! no_content {
    ($(; $headers:tt)?) => { $crate::__respond!(204; $(; $headers)?) };
}

/// Sorts the arguments after the status: a body, then `; [headers]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __respond {
    ($status:expr; $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::respond($status) $(, $headers)?)
    };
    ($status:expr; { $($json:tt)* } $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::json($status, &$crate::__private::serde_json::json!({ $($json)* })) $(, $headers)?
        )
    };
    ($status:expr; json: $value:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::json($status, &$value) $(, $headers)?)
    };
    ($status:expr; $format:literal $(, $arg:expr)* $(,)? $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::text($status, ::core::format_args!($format $(, $arg)*)) $(, $headers)?
        )
    };
    ($status:expr; $value:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::json($status, &$value) $(, $headers)?)
    };
}

/// Adds the header list of a response macro to its response.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_headers {
    ($response:expr) => { $response };
    ($response:expr, [$( $header:expr ),* $(,)?]) => {
        $response.and_then(|mut response: $crate::HttpResponse| {
            let mut named = ::std::vec::Vec::new();
            $( $crate::__private::set_header(response.headers_mut(), &mut named, $header)?; )*
            let _ = &mut named;
            ::core::result::Result::Ok(response)
        })
    };
}

/// A status as an argument of a macro.
pub trait IntoStatus {
    /// Returns the status, or an error if the number is not a status.
    fn into_status(self) -> Result<StatusCode, Error>;
}

impl IntoStatus for StatusCode {
    fn into_status(self) -> Result<StatusCode, Error> {
        Ok(self)
    }
}

impl IntoStatus for u16 {
    fn into_status(self) -> Result<StatusCode, Error> {
        StatusCode::from_u16(self).map_err(|_| {
            Error::server_error(format!("{self} is not a status: use a number from 100 to 999"))
        })
    }
}

/// Creates a response without a body.
pub fn respond(status: impl IntoStatus) -> HttpResult {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = status.into_status()?;
    Ok(response)
}

/// Creates a response with a text.
pub fn text(status: impl IntoStatus, text: fmt::Arguments<'_>) -> HttpResult {
    let body = match text.as_str() {
        Some(text) => HttpBody::full(text),
        None => HttpBody::full(text.to_string()),
    };
    with_body(status, TEXT, body)
}

/// Creates a response with a value as JSON.
pub fn json(status: impl IntoStatus, value: &(impl Serialize + ?Sized)) -> HttpResult {
    let body = to_json(value).map_err(Error::server_error)?;
    with_body(status, JSON, HttpBody::full(body))
}

// These are constants, because creating a value at run time checks it byte by byte.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn with_body(status: impl IntoStatus, content_type: HeaderValue, body: HttpBody) -> HttpResult {
    let status = status.into_status()?;
    let mut response = with_content_type(content_type, body)?;
    *response.status_mut() = status;
    Ok(response)
}
