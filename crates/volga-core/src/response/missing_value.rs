//! `MissingValue`: a handler has returned `None`.

use http::StatusCode;

use crate::response::error::Error;

/// What a client reads if nothing is at the path that it asked for.
pub(crate) const UNKNOWN_PATH: &str = "no route matches this path";

/// The cause of the error that `None` becomes. The client must not be able to tell it from an
/// unknown path, so the text is the same.
#[derive(Debug, thiserror::Error)]
#[error("{UNKNOWN_PATH}")]
struct MissingValue;

/// The error that `None` becomes.
pub(crate) fn missing_value() -> Error {
    Error::new(StatusCode::NOT_FOUND, MissingValue)
}

/// Whether the error is a `None` of a handler.
pub(crate) fn is_missing_value(error: &Error) -> bool {
    error.cause().is::<MissingValue>()
}
