//! `form!`: the fields of a form as a response.

use serde::Serialize;
use volga_core::{Form, HttpResult, IntoResponse};

/// Creates a response with status 200 and the fields of a form, as
/// `application/x-www-form-urlencoded`.
///
/// | Form | Body |
/// |---|---|
/// | `form!({ "name": value, .. })` | these fields |
/// | `form!(value)` | the fields of a struct, a map or a list of pairs |
///
/// A list becomes a name that is repeated, and a struct within the value becomes names with
/// brackets, such as `address[city]`. `None` is left out. Headers follow after a semicolon, as in
/// [`ok!`](crate::ok!). The result is an error if the value is not a struct, a map or a list of
/// pairs.
///
/// ```
/// use http_body_util::BodyExt;
/// use volga::form;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let response = form!({ "name": "tea pot", "tag": [1, 2] }; [("x-id", "7")]).unwrap();
/// assert_eq!(response.headers()["content-type"], "application/x-www-form-urlencoded");
/// let body = response.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, "name=tea+pot&tag=1&tag=2");
/// assert!(form!("text").is_err());
/// # }
/// ```
#[macro_export]
macro_rules! form {
    ({ $($json:tt)* } $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::form(&$crate::__private::serde_json::json!({ $($json)* })) $(, $headers)?
        )
    };
    ($value:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::form(&$value) $(, $headers)?)
    };
}

/// Creates a response with a value as a form.
pub fn form(value: &(impl Serialize + ?Sized)) -> HttpResult {
    Form(value).into_response()
}
