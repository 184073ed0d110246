//! `IntoResponse`: values that become responses.
//!
//! To add a kind of response, implement [`IntoResponse`] for its type, beside the type or here, and
//! add it to the note of `on_unimplemented` below. A body that is not text or bytes implements
//! `http_body::Body` and is passed to [`HttpBody::new`]. The response macros, such as `ok!`, are in
//! `volga/src/macros`, and the tests of an app's responses in `volga/tests/it/responses.rs`.

use std::{
    borrow::Cow,
    convert::Infallible,
    mem::{forget, replace},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;

use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::response::box_error::BoxError;
use crate::response::error::Error;
use crate::response::missing_value::missing_value;
use crate::response::spare_headers;
use crate::response::status_error::IntoStatusError;

/// A response as an application creates it.
pub type HttpResponse = Response<HttpBody>;

/// The result of the response macros: a response, or an error that becomes one.
pub type HttpResult = Result<HttpResponse, Error>;

/// A value that a handler may return.
///
/// The parameter `Out` keeps the implementations for `Result` apart. Leave it out for your own
/// type, and let the compiler infer it for the value of a function:
///
/// ```
/// use http::StatusCode;
/// use volga_core::{HttpResult, IntoResponse};
///
/// fn respond<Out>(value: impl IntoResponse<Out>) -> HttpResult {
///     value.into_response()
/// }
/// assert_eq!(respond("text").unwrap().status(), 200);
/// assert_eq!(respond(Err::<(), _>(StatusCode::GONE)).unwrap_err().status(), 410);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a response",
    label = "this is what the handler returns",
    note = "a handler returns text, bytes, a number, `()`, a `StatusCode`, `Json`, `Form`, an `http::Response`, an `Option` or `Result` of one of them, a tuple of a status, headers and one of them, or what `ok!`, `status!` and `sse!` give",
    note = "a value of your own is returned as JSON: `Json(value)` or `ok!(value)`",
    note = "the error of a `Result` is `volga::error::Error`, a type that implements `std::error::Error`, `anyhow::Error`, a boxed error, a `StatusCode`, a status and a text `(StatusCode, String)`, a type of your own with `impl From<MyError> for Error`, or `ErrorResponse`, whose `?` takes every type that implements `IntoResponse`"
)]
pub trait IntoResponse<Out = OutValue> {
    /// Turns the value into a response.
    ///
    /// # Errors
    ///
    /// Returns an error if the response cannot be created. The error then becomes the response.
    fn into_response(self) -> HttpResult;

    /// Turns the value into a response as the error of a function. Only types of this crate differ
    /// here from [`into_response`](Self::into_response).
    #[doc(hidden)]
    fn into_error_result(self) -> HttpResult
    where
        Self: Sized,
    {
        self.into_response()
    }

    /// Describes the responses that values of this type may become. It is called at start-up, once
    /// for each route, and never for a request. The default says that any response is possible.
    ///
    /// ```
    /// use http::StatusCode;
    /// use volga_core::{Description, HttpResult, IntoResponse};
    ///
    /// struct Csv(String);
    ///
    /// impl IntoResponse for Csv {
    ///     fn into_response(self) -> HttpResult {
    ///         ([("content-type", "text/csv")], self.0).into_response()
    ///     }
    ///
    ///     fn describe(description: &mut Description) {
    ///         description.responds(StatusCode::OK, &["text/csv"]);
    ///     }
    /// }
    /// ```
    fn describe(description: &mut Description)
    where
        Self: Sized,
    {
        description.responds_anything();
    }
}

/// Marks a value that is a response, or a `Result` whose error converts into [`Error`].
#[derive(Debug)]
pub enum OutValue {}

/// Marks a `Result` whose error is a [status](IntoStatusError).
#[derive(Debug)]
pub enum OutStatus {}

impl<B> IntoResponse for Response<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn into_response(self) -> HttpResult {
        Ok(self.map(HttpBody::new))
    }
}

impl IntoResponse for HttpBody {
    fn into_response(self) -> HttpResult {
        Ok(Response::new(self))
    }
}

impl IntoResponse for () {
    fn into_response(self) -> HttpResult {
        HttpBody::empty().into_response()
    }

    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &[]);
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> HttpResult {
        match self {}
    }

    fn describe(_: &mut Description) {}
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> HttpResult {
        let mut response = Response::new(HttpBody::empty());
        *response.status_mut() = self;
        Ok(response)
    }

    fn into_error_result(self) -> HttpResult {
        Err(self.into_status_error())
    }
}

/// `None` responds like an unknown path: by the [fallback](crate::Router::set_fallback) of the
/// scope around the route, or else by an error with status 404. The fallback gets the request
/// without its body, because the handler may have read it.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> HttpResult {
        match self {
            Some(value) => value.into_response(),
            None => Err(missing_value()),
        }
    }

    fn describe(description: &mut Description) {
        T::describe(description);
        description.may_be_missing();
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> HttpResult {
        self.map_err(Into::into)?.into_response()
    }

    fn describe(description: &mut Description) {
        T::describe(description);
        description.responds_error();
    }
}

/// An error that is a status, without or with a text, becomes an [`Error`] with this status.
impl<T: IntoResponse, E: IntoStatusError> IntoResponse<OutStatus> for Result<T, E> {
    fn into_response(self) -> HttpResult {
        self.map_err(IntoStatusError::into_status_error)?.into_response()
    }

    fn describe(description: &mut Description) {
        T::describe(description);
        description.responds_error();
    }
}

impl IntoResponse for Error {
    fn describe(description: &mut Description) {
        description.responds_error();
    }

    fn into_response(self) -> HttpResult {
        Err(self)
    }
}

/// Creates a response with a body. Pass the content type as a constant, because creating a value at
/// run time checks it byte by byte.
pub fn with_content_type(content_type: HeaderValue, body: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(body.into());
    let mut headers = spare_headers::take();
    headers.insert(header::CONTENT_TYPE, content_type);
    // The empty map that was there owns no memory. Dropping it would check that at run time for
    // each response.
    forget(replace(response.headers_mut(), headers));
    Ok(response)
}

macro_rules! text {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
                with_content_type(TEXT, self)
            }

            fn into_error_result(self) -> HttpResult {
                Err(self.into())
            }

            fn describe(description: &mut Description) {
                description.responds(StatusCode::OK, &["text/plain"]);
            }
        }
    )* };
}

macro_rules! to_string {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                self.to_string().into_response()
            }

            fn describe(description: &mut Description) {
                String::describe(description);
            }
        }
    )* };
}

macro_rules! bytes {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
                with_content_type(BYTES, self)
            }

            fn describe(description: &mut Description) {
                description.responds(StatusCode::OK, &["application/octet-stream"]);
            }
        }
    )* };
}

text!(&'static str, String);
to_string!(bool, char, f32, f64, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
bytes!(&'static [u8], Vec<u8>, Bytes);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> HttpResult {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }

    fn describe(description: &mut Description) {
        String::describe(description);
    }
}

impl IntoResponse for Box<str> {
    fn into_response(self) -> HttpResult {
        String::from(self).into_response()
    }

    fn describe(description: &mut Description) {
        String::describe(description);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: impl IntoResponse, status: u16, content_type: Option<&str>, length: u64) {
        let response = value.into_response().unwrap();
        assert_eq!(response.status().as_u16(), status);
        let found = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(found, content_type);
        assert_eq!(response.body().size_hint().exact(), Some(length));
    }

    #[test]
    fn values_become_responses_with_status_and_content_type() {
        const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
        check("text", 200, TEXT, 4);
        check(String::from("text"), 200, TEXT, 4);
        check(Cow::Borrowed("text"), 200, TEXT, 4);
        check(-42, 200, TEXT, 3);
        check(true, 200, TEXT, 4);
        check(vec![1_u8, 2], 200, Some("application/octet-stream"), 2);
        check((), 200, None, 0);
        check(StatusCode::ACCEPTED, 202, None, 0);
        check((StatusCode::CREATED, "text"), 201, TEXT, 4);
        assert_eq!(None::<&str>.into_response().unwrap_err().status(), 404);
        check(Ok::<_, Infallible>("text"), 200, TEXT, 4);
    }

    #[test]
    fn an_error_stays_an_error() {
        let error = "x".parse::<u8>().map(|_| ()).into_response().unwrap_err();
        assert_eq!(error.status(), 500);
    }
}
