//! `ErrorResponse`: any value with a response as the error of a function.

use std::fmt;

use crate::response::error::Error;
use crate::response::into_response::IntoResponse;

/// The error of a function that may fail with any value that [becomes a response](IntoResponse).
/// `?` converts such a value: a type of your own that implements `IntoResponse`, also one that
/// derives `thiserror::Error`, a `StatusCode`, a status and a text, a response, a
/// [`Problem`](crate::Problem) or an [`Error`].
///
/// Handlers, filters and middleware may return it as the error of a `Result`. The client gets the
/// response unchanged, even if its status is below 400, as for a redirect to a login page. [Error
/// mappers](crate::MapError) do not see such a response. They do see an [`Error`], a problem that
/// is a server error, and a `StatusCode` with or without a text.
///
/// A type that implements [`std::error::Error`] may also be the error of a `Result` by itself. Its
/// `IntoResponse` is then not used: see [`Error`] for its status.
///
/// ```
/// use http::StatusCode;
/// use volga_core::{ErrorResponse, HttpResult, IntoResponse, Json};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("there is no {0} here")]
/// struct Unknown(String);
///
/// impl IntoResponse for Unknown {
///     fn into_response(self) -> HttpResult {
///         (StatusCode::NOT_FOUND, self.to_string()).into_response()
///     }
/// }
///
/// fn price(item: String) -> Result<u32, Unknown> {
///     if item == "tea" { Ok(3) } else { Err(Unknown(item)) }
/// }
///
/// async fn show(item: String) -> Result<Json<u32>, ErrorResponse> {
///     if item.is_empty() {
///         return Err(StatusCode::BAD_REQUEST.into());
///     }
///     Ok(Json(price(item)?))
/// }
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::GET, "/{item}", volga_core::HandlerEndpoint::new(show));
/// ```
pub struct ErrorResponse(Error);

impl<E: IntoResponse> From<E> for ErrorResponse {
    fn from(error: E) -> Self {
        Self(match error.into_error_result() {
            Ok(response) => Error::of_response(response),
            Err(error) => error,
        })
    }
}

impl From<ErrorResponse> for Error {
    fn from(error: ErrorResponse) -> Self {
        error.0
    }
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorResponse").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::response::into_response::HttpResponse;
    use crate::response::problem::Problem;

    /// The status of the error, and whether it holds a response that is sent as it is.
    #[track_caller]
    fn check(error: impl IntoResponse, status: u16, holds_response: bool) {
        let error = Error::from(ErrorResponse::from(error));
        assert_eq!(error.status().as_u16(), status);
        let response = error.take_response();
        assert_eq!(response.is_some(), holds_response);
        assert!(response.is_none_or(|response| response.status().as_u16() == status));
        assert!(error.take_response().is_none(), "a response is sent once");
    }

    #[test]
    fn statuses_texts_and_problems_are_errors_and_everything_else_is_a_response() {
        check(StatusCode::NOT_FOUND, 404, false);
        check((StatusCode::CONFLICT, "taken"), 409, false);
        check((StatusCode::CONFLICT, [("x-id", "7")], String::from("taken")), 409, false);
        check("text", 500, false);
        check(Problem::new(404), 404, false);
        check(Error::client_error("no"), 400, false);
        check(None::<()>, 404, false);
        check(Err::<(), _>(Error::client_error("no")), 400, false);
        check(crate::Json(1), 200, true);
        check((StatusCode::CONFLICT, crate::Json(1)), 409, true);
        let mut redirect = HttpResponse::default();
        *redirect.status_mut() = StatusCode::SEE_OTHER;
        check(redirect, 303, true);
    }

    #[test]
    fn a_status_with_a_text_keeps_its_headers() {
        let headers = [("retry-after", "7"), ("x-id", "1")];
        let error = ErrorResponse::from((StatusCode::SERVICE_UNAVAILABLE, headers, "busy"));
        let error = Error::from(error);
        assert_eq!((error.status().as_u16(), &*error.to_string()), (503, "busy"));
        assert_eq!(error.headers().unwrap()["retry-after"], "7");
        assert_eq!(error.headers().unwrap()["x-id"], "1");
    }
}
