//! `Error`: what went wrong while a request was handled, and the status that says so.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

use crate::{
    BoxError, COLLECTED_RETRY_AFTER, ExtractError, HttpResult, IntoResponse, Problem,
    report::random_reference,
};

/// An error with the status that the response will have.
///
/// Like `anyhow::Error` it is not itself a [`std::error::Error`]: so any error becomes one by `?`, with the status
///
/// - of its kind for an [`io::Error`]: 404 for `NotFound`, 403 for `PermissionDenied` and so on,
/// - 400 for a [`serde_json::Error`] about input,
/// - [its own](ExtractError::status) for an [`ExtractError`],
/// - what the facade's [rule](set_status_rule) says of its other crates' errors,
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
///
/// An error type of your own that decides its status implements `From<MyError> for Error`, and not [`std::error::Error`].
///
/// Cloning it is cheap and makes no second error: the clone in the extensions of a response is the error that became it.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

/// The status of an error that this crate does not know; `None` where the rule does not know it either.
pub type StatusRule = fn(&(dyn std::error::Error + 'static)) -> Option<StatusCode>;

static STATUS_RULE: OnceLock<StatusRule> = OnceLock::new();

/// Sets what status the errors of this crate's siblings have when they become an [`Error`]. Only the first call counts.
///
/// It is for the facade, which alone knows all of its crates: the conversion by `?` is here, and the errors are there. It is the same for every app of a
/// process, so it must say what is true of an error wherever it arises.
pub fn set_status_rule(rule: StatusRule) {
    // A second call brings the same rule.
    let _ = STATUS_RULE.set(rule);
}

struct Parts {
    status: StatusCode,
    cause: BoxError,
    /// What the client is told, where the application has said it.
    problem: Option<Problem>,
    reference: OnceLock<u64>,
    is_reported: AtomicBool,
}

impl Parts {
    fn new(status: StatusCode, cause: BoxError, problem: Option<Problem>) -> Self {
        let (reference, is_reported) = (OnceLock::new(), AtomicBool::new(false));
        Self { status, cause, problem, reference, is_reported }
    }
}

impl Error {
    /// An error with this status.
    pub fn new(status: StatusCode, cause: impl Into<BoxError>) -> Self {
        Self(Arc::new(Parts::new(status, cause.into(), None)))
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
    pub fn with_status(self, status: StatusCode) -> Self {
        let (problem, reference) = (self.0.problem.clone(), self.0.reference.clone());
        Self(Arc::new(Parts { reference, ..Parts::new(status, self.into_cause(), problem) }))
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// What went wrong, taken out.
    #[must_use]
    pub fn into_cause(self) -> BoxError {
        match Arc::try_unwrap(self.0) {
            Ok(parts) => parts.cause,
            Err(shared) => Box::new(Shared(shared)),
        }
    }

    /// What the client is told: the [`Problem`] that this error was made of, or one of the status and the
    /// [public message](Self::public_message). That of a server's error has the member `reference`.
    pub fn problem(&self) -> Problem {
        let problem = match &self.0.problem {
            Some(problem) => problem.clone(),
            None if self.status().is_server_error() => Problem::of(self.status()),
            None => Problem::of(self.status()).with_detail(self.public_message()),
        };
        match self.reference() {
            Some(reference) => problem.with_reference(reference),
            None => problem,
        }
    }

    /// What client and server name this error by, where its status is the server's: 16 hexadecimal digits, random for each error. The client reads it in
    /// the response, the server in its log.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        self.status().is_server_error().then(|| self.reference_text())
    }

    pub(crate) fn reference_text(&self) -> String {
        format!("{:016x}", self.0.reference.get_or_init(random_reference))
    }

    /// The same error, which nobody is told of.
    pub(crate) fn without_report(self) -> Self {
        self.0.is_reported.store(true, Ordering::Relaxed);
        self
    }

    /// When the client may try again, where that is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.0.cause.downcast_ref()? {
            ExtractError::TooMuchCollected { .. } => Some(COLLECTED_RETRY_AFTER),
            _ => None,
        }
    }

    /// True once.
    pub(crate) fn is_first_report(&self) -> bool {
        !self.0.is_reported.swap(true, Ordering::Relaxed)
    }

    /// An error that may be an `Error` in a box already.
    pub(crate) fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<Shared>() {
            Ok(shared) => Self(shared.0),
            Err(error) => Self::new(status_of(&*error), error),
        }
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

/// The problem is what the client is told, whatever its status.
impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let cause = problem.message().into();
        Self(Arc::new(Parts::new(problem.status(), cause, Some(problem))))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> HttpResult {
        Err(self)
    }
}

/// An error that is shared with a response, as the cause of something else.
struct Shared(Arc<Parts>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.source()
    }
}

fn status_of(error: &(dyn std::error::Error + 'static)) -> StatusCode {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        status_of_io(error.kind())
    } else if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        // An error of category Io comes from writing or from a source that broke, not from the client's text.
        if error.is_io() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST }
    } else if let Some(error) = error.downcast_ref::<ExtractError>() {
        error.status()
    } else {
        STATUS_RULE.get().and_then(|rule| rule(error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
