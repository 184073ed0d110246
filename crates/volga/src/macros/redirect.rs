//! `redirect!` and its kin: where to go instead.

use http::{HeaderValue, Response, StatusCode, header};
use volga_core::{BoxError, Error, HttpBody, HttpResult};

/// Sends the client elsewhere for good: status 301. Browsers repeat a POST as a GET; [`permanent_redirect!`](crate::permanent_redirect!) keeps the method.
///
/// It takes the URL as a text with arguments, `redirect!("/users/{id}")`, or as any value that is a header: a `String`, a `HeaderValue`. Headers follow
/// after a semicolon, as in [`ok!`](crate::ok!). What is no header value, such as a text with a line break, makes an error. Arguments are put in as
/// they are, so encode what a client sent.
///
/// | Macro | Status | The next request |
/// |---|---|---|
/// | `redirect!` | 301, for good | GET after POST |
/// | [`found!`](crate::found!) | 302, this time | GET after POST |
/// | [`see_other!`](crate::see_other!) | 303, this time | always GET: shows the result of a form |
/// | [`temp_redirect!`](crate::temp_redirect!) | 307, this time | same method and body |
/// | [`permanent_redirect!`](crate::permanent_redirect!) | 308, for good | same method and body |
///
/// ```
/// use volga::{redirect, see_other};
///
/// let id = 7;
/// let response = see_other!("/users/{id}"; [("cache-control", "no-store")]).unwrap();
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers()["location"], "/users/7");
/// assert_eq!(redirect!(String::from("/new")).unwrap().status(), 301);
/// ```
#[macro_export]
macro_rules! redirect {
    ($($url:tt)*) => { $crate::__redirect!(301; $($url)*) };
}

/// Sends the client elsewhere this time: status 302. Forms as in [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::found!("/login").unwrap().status(), 302);
/// ```
#[macro_export]
macro_rules! found {
    ($($url:tt)*) => { $crate::__redirect!(302; $($url)*) };
}

/// Sends the client to the result of what it did, with GET: status 303. Forms as in [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::see_other!("/orders/{}", 7).unwrap().headers()["location"], "/orders/7");
/// ```
#[macro_export]
macro_rules! see_other {
    ($($url:tt)*) => { $crate::__redirect!(303; $($url)*) };
}

/// Sends the client elsewhere this time, with the same method and body: status 307. Forms as in [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::temp_redirect!("/busy").unwrap().status(), 307);
/// ```
#[macro_export]
macro_rules! temp_redirect {
    ($($url:tt)*) => { $crate::__redirect!(307; $($url)*) };
}

/// Sends the client elsewhere for good, with the same method and body: status 308. Forms as in [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::permanent_redirect!("/v2/users").unwrap().status(), 308);
/// ```
#[macro_export]
macro_rules! permanent_redirect {
    ($($url:tt)*) => { $crate::__redirect!(308; $($url)*) };
}

/// Sorts what follows the status: a URL, then `; [headers]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __redirect {
    ($status:literal; $format:literal $(, $arg:expr)* $(,)? $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::redirect($status, ::std::format!($format $(, $arg)*)) $(, $headers)?
        )
    };
    ($status:literal; $url:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::redirect($status, $url) $(, $headers)?)
    };
}

/// A response that sends the client elsewhere.
pub fn redirect<U>(status: u16, url: U) -> HttpResult
where
    U: TryInto<HeaderValue, Error: Into<BoxError>>,
{
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::from_u16(status).map_err(Error::server_error)?;
    let url = url.try_into().map_err(Error::server_error)?;
    response.headers_mut().insert(header::LOCATION, url);
    Ok(response)
}
