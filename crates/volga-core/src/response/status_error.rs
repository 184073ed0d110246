//! `IntoStatusError`: a status as an error.

use std::borrow::Cow;

use http::StatusCode;

use crate::response::error::Error;

/// The error of a handler that is only a status, or a status and a text:
/// `Result<T, StatusCode>` and `Result<T, (StatusCode, String)>`.
///
/// It becomes an [`Error`] with this status, so error mappers see it. The client sees the text of a
/// client error. The text of a server error goes to the log, with the reference that the client
/// gets. Use a [`Problem`](crate::Problem) to show the client more.
///
/// A status below 400 is not the status of an error. It becomes a server error that says so.
///
/// ```
/// use http::StatusCode;
/// use volga_core::{HandlerEndpoint, Json, Router};
///
/// async fn user(id: u32) -> Result<Json<&'static str>, StatusCode> {
///     if id == 7 { Ok(Json("Anna")) } else { Err(StatusCode::NOT_FOUND) }
/// }
///
/// async fn rename(id: u32, name: String) -> Result<(), (StatusCode, String)> {
///     Err((StatusCode::CONFLICT, format!("the name of user {id} is not {name}")))
/// }
/// # let mut router = Router::new();
/// # router.map(http::Method::GET, "/{id}", HandlerEndpoint::new(user));
/// # router.map(http::Method::POST, "/{id}/{name}", HandlerEndpoint::new(rename));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a status, and not a status and a text",
    note = "use a `StatusCode`, `(StatusCode, String)` or `volga::error::Error`"
)]
pub trait IntoStatusError: sealed::Sealed {
    /// Returns the error with this status.
    #[doc(hidden)]
    fn into_status_error(self) -> Error;
}

mod sealed {
    /// A type of another crate cannot be a status. It converts into [`Error`](super::Error)
    /// instead.
    pub trait Sealed {}
}

impl sealed::Sealed for StatusCode {}

impl IntoStatusError for StatusCode {
    fn into_status_error(self) -> Error {
        Error::of_status(self)
    }
}

macro_rules! status_and_text {
    ($($text:ty),*) => { $(
        impl sealed::Sealed for (StatusCode, $text) {}

        impl IntoStatusError for (StatusCode, $text) {
            fn into_status_error(self) -> Error {
                let (status, text) = self;
                Error::new(status, String::from(text))
            }
        }
    )* };
}

status_and_text!(String, &'static str, Box<str>, Cow<'static, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::into_response::IntoResponse;

    #[track_caller]
    fn check(error: impl IntoStatusError, status: u16, problem: serde_json::Value) {
        let error = Err::<(), _>(error).into_response().unwrap_err();
        assert_eq!(error.status().as_u16(), status);
        let mut found = serde_json::to_value(error.problem()).unwrap();
        let reference = found.as_object_mut().unwrap().remove("reference");
        assert_eq!(found, problem);
        assert_eq!(reference.is_some(), status >= 500);
    }

    #[test]
    fn the_text_of_a_client_error_is_shown_and_that_of_a_server_error_is_not() {
        use serde_json::json;
        check(StatusCode::NOT_FOUND, 404, json!({ "status": 404, "title": "Not Found" }));
        let unnamed = StatusCode::from_u16(499).unwrap();
        check(unnamed, 499, json!({ "status": 499 }));
        let failed = json!({ "status": 503, "title": "Service Unavailable" });
        check(StatusCode::SERVICE_UNAVAILABLE, 503, failed.clone());
        let gone = json!({ "status": 410, "title": "Gone", "detail": "sold" });
        check((StatusCode::GONE, "sold"), 410, gone.clone());
        check((StatusCode::GONE, String::from("sold")), 410, gone.clone());
        check((StatusCode::GONE, Box::<str>::from("sold")), 410, gone.clone());
        check((StatusCode::GONE, Cow::Borrowed("sold")), 410, gone);
        check((StatusCode::SERVICE_UNAVAILABLE, "secret"), 503, failed);
    }
}
