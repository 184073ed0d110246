//! `html!` and `response!`: responses with a given body.

use http::{HeaderValue, Response, header};
use volga_core::{HttpBody, HttpResult};

use crate::macros::response::IntoStatus;

/// Creates an HTML response with status 200 and the content type `text/html; charset=utf-8`.
///
/// It takes a text or bytes and has no format arguments, because text from a client must be escaped
/// first. Use a template engine for that. Headers follow after a semicolon, as in
/// [`ok!`](crate::ok!).
///
/// ```
/// let response = volga::html!("<h1>Hello</h1>"; [("cache-control", "no-store")]).unwrap();
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// ```
#[macro_export]
macro_rules! html {
    ($html:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::html($html) $(, $headers)?)
    };
}

/// Creates a response from a status and a body: text, bytes, or an [`HttpBody`](crate::HttpBody).
/// It has only the headers that you give after a semicolon.
///
/// ```
/// let response = volga::response!(200, "a,b\n"; [("content-type", "text/csv")]).unwrap();
/// assert_eq!(response.headers()["content-type"], "text/csv");
/// assert!(volga::response!(202, Vec::new()).unwrap().headers().is_empty());
/// ```
#[macro_export]
macro_rules! response {
    ($status:expr, $body:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::raw($status, $body) $(, $headers)?)
    };
}

/// Creates an HTML response.
pub fn html(html: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(html.into());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    Ok(response)
}

/// Creates a response from a status and a body.
pub fn raw(status: impl IntoStatus, body: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.into_status()?;
    Ok(response)
}
