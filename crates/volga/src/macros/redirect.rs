//! `redirect!` and the other macros for redirects.

use http::{HeaderValue, Response, StatusCode, header};
use volga_core::{BoxError, Error, HttpBody, HttpResult};

/// Redirects the client to another page, which it gets with GET: status 303. Use it after a form,
/// and wherever the method of the request does not matter. It is temporary: no browser stores it.
///
/// It takes the URL as a format string, `redirect!("/users/{id}")`, or as a value that can be a
/// header, such as a `String` or a `HeaderValue`. Headers follow after a semicolon, as in
/// [`ok!`](crate::ok!). An invalid header value, such as a text with a line break, becomes an
/// error. Format arguments are not encoded, so encode text from a client yourself.
///
/// | Macro | Status | The next request |
/// |---|---|---|
/// | `redirect!`, [`see_other!`](crate::see_other!) | 303, temporary | always GET |
/// | [`found!`](crate::found!) | 302, temporary | GET after POST |
/// | [`temp_redirect!`](crate::temp_redirect!) | 307, temporary | same method and body |
/// | [`permanent_redirect!`](crate::permanent_redirect!) | 308, permanent | same method and body |
/// | [`moved_permanently!`](crate::moved_permanently!) | 301, permanent | GET after POST |
///
/// A browser stores a permanent redirect and does not ask the server again, so you cannot take it
/// back.
///
/// ```
/// use volga::{permanent_redirect, redirect};
///
/// let id = 7;
/// let response = redirect!("/users/{id}"; [("cache-control", "no-store")]).unwrap();
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers()["location"], "/users/7");
/// assert_eq!(permanent_redirect!(String::from("/new")).unwrap().status(), 308);
/// ```
#[macro_export]
macro_rules! redirect {
    ($($url:tt)*) => { $crate::__redirect!(303; $($url)*) };
}

/// Redirects the client temporarily: status 302. The forms are those of
/// [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::found!("/login").unwrap().status(), 302);
/// ```
#[macro_export]
macro_rules! found {
    ($($url:tt)*) => { $crate::__redirect!(302; $($url)*) };
}

/// Redirects the client to the result of its request, with GET: status 303. It is
/// [`redirect!`](crate::redirect!) by the name of its status.
///
/// ```
/// assert_eq!(volga::see_other!("/orders/{}", 7).unwrap().headers()["location"], "/orders/7");
/// ```
#[macro_export]
macro_rules! see_other {
    ($($url:tt)*) => { $crate::__redirect!(303; $($url)*) };
}

/// Redirects the client temporarily, with the same method and body: status 307. The forms are those
/// of [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::temp_redirect!("/busy").unwrap().status(), 307);
/// ```
#[macro_export]
macro_rules! temp_redirect {
    ($($url:tt)*) => { $crate::__redirect!(307; $($url)*) };
}

/// Redirects the client permanently, with the same method and body: status 308. The forms are those
/// of [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::permanent_redirect!("/v2/users").unwrap().status(), 308);
/// ```
#[macro_export]
macro_rules! permanent_redirect {
    ($($url:tt)*) => { $crate::__redirect!(308; $($url)*) };
}

/// Redirects the client permanently: status 301. Browsers repeat a POST as a GET.
/// [`permanent_redirect!`](crate::permanent_redirect!) keeps the method. The forms are those of
/// [`redirect!`](crate::redirect!).
///
/// ```
/// assert_eq!(volga::moved_permanently!("/v2/users").unwrap().status(), 301);
/// ```
#[macro_export]
macro_rules! moved_permanently {
    ($($url:tt)*) => { $crate::__redirect!(301; $($url)*) };
}

/// Sorts the arguments after the status: a URL, then `; [headers]`.
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

/// Creates a redirect.
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
