//! `response!`: responses with a given body.

use http::Response;
use volga_core::{HttpBody, HttpResult};

use crate::macros::response::IntoStatus;

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

/// Creates a response from a status and a body.
pub fn raw(status: impl IntoStatus, body: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.into_status()?;
    Ok(response)
}
