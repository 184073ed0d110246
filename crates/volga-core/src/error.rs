//! `Error`: what went wrong while a request was handled, and the status that says so.

use std::{any::Any, fmt, io};

use http::StatusCode;

use crate::BoxError;

/// An error with the status that the response will have.
///
/// Like `anyhow::Error` it is not itself a [`std::error::Error`]: so any error becomes one by `?`, with the status
///
/// - of its kind for an [`io::Error`]: 404 for `NotFound`, 403 for `PermissionDenied` and so on,
/// - 400 for a [`serde_json::Error`] about input,
/// - 500 for everything else.
///
/// ```
/// use volga_core::Error;
///
/// fn read() -> Result<String, Error> {
///     Ok(std::fs::read_to_string("no such file")?)
/// }
/// assert_eq!(read().unwrap_err().status(), 404);
/// ```
pub struct Error(Box<Parts>);

struct Parts {
    status: StatusCode,
    cause: BoxError,
}

impl Error {
    /// An error with this status.
    pub fn new(status: StatusCode, cause: impl Into<BoxError>) -> Self {
        Self(Box::new(Parts { status, cause: cause.into() }))
    }

    /// A mistake of the client: status 400.
    pub fn client_error(cause: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, cause)
    }

    /// A mistake of the server: status 500. The response does not show it.
    pub fn server_error(cause: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, cause)
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The same error with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// What went wrong, taken out.
    #[must_use]
    pub fn into_cause(self) -> BoxError {
        self.0.cause
    }

    /// What the client is told: the error itself when it is the client's, only the status when it is the server's.
    #[must_use]
    pub fn public_message(&self) -> String {
        let status = self.status();
        if status.is_server_error() {
            return status.canonical_reason().unwrap_or("the server failed").to_owned();
        }
        self.to_string()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.0.status)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl<E> From<E> for Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        Self::new(status_of(&error), error)
    }
}

impl From<Error> for BoxError {
    fn from(error: Error) -> Self {
        error.into_cause()
    }
}

fn status_of(error: &dyn Any) -> StatusCode {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        status_of_io(error.kind())
    } else if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        // An error of category Io comes from writing or from a source that broke, not from the client's text.
        if error.is_io() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST }
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn status_of_io(kind: io::ErrorKind) -> StatusCode {
    use io::ErrorKind as Kind;
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::PermissionDenied => StatusCode::FORBIDDEN,
        Kind::AlreadyExists => StatusCode::CONFLICT,
        Kind::InvalidInput | Kind::InvalidData => StatusCode::BAD_REQUEST,
        Kind::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Kind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::AddrInUse
        | Kind::AddrNotAvailable
        | Kind::BrokenPipe => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_one_with_the_status_that_fits() {
        let status = |error: Error| error.status().as_u16();
        assert_eq!(status(io::Error::from(io::ErrorKind::NotFound).into()), 404);
        assert_eq!(status(io::Error::other("x").into()), 500);
        assert_eq!(status(serde_json::from_str::<u8>("x").unwrap_err().into()), 400);
        assert_eq!(status("x".parse::<u8>().unwrap_err().into()), 500);
        assert_eq!(status(Error::client_error("text")), 400);
    }

    #[test]
    fn a_clients_error_is_told_and_a_servers_is_not() {
        assert_eq!(Error::client_error("`age` is missing").public_message(), "`age` is missing");
        let secret = Error::server_error("password of db is x");
        assert_eq!(secret.public_message(), "Internal Server Error");
        assert_eq!(secret.to_string(), "password of db is x");
    }

    #[test]
    fn it_goes_on_as_a_boxed_error_and_is_one_word() {
        let boxed: BoxError = Error::from(io::Error::other("cause")).into();
        assert!(boxed.downcast_ref::<io::Error>().is_some());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
