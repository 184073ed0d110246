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

use crate::extract::error::ExtractError;
use crate::handler::description::Description;
use crate::request::body::BoxError;
use crate::request::body_budget::COLLECTED_RETRY_AFTER;
use crate::response::error_report::random_reference;
use crate::response::into_response::{HttpResult, IntoResponse};
use crate::response::problem::Problem;
use crate::services::error::ServiceError;

/// An error that becomes a response with a status.
///
/// Like `anyhow::Error` it is not itself a [`std::error::Error`]: so any error becomes one by `?`,
/// with the status
///
/// - that the [rules](crate::AppContext::with_status_rule) of the app have for it,
/// - of its kind for an [`io::Error`]: 404 for `NotFound`, 403 for `PermissionDenied` and so on,
/// - 400 for a [`serde_json::Error`] about input,
/// - [its own](ExtractError::status) for an [`ExtractError`],
/// - 500 for everything else.
///
/// The rules are asked where the error becomes a response, since before that no app is known. They
/// are not asked about a status that was set by [`new`](Self::new) or
/// [`with_status`](Self::with_status).
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
/// An error type of your own that decides its status implements `From<MyError> for Error`, and not
/// [`std::error::Error`].
///
/// Cloning it is cheap and makes no second error: the clone in the extensions of a response is the
/// error that became it.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

/// The status of an error, or `None` where the rule has none for it.
pub(crate) type StatusRule =
    Arc<dyn Fn(&(dyn std::error::Error + 'static)) -> Option<StatusCode> + Send + Sync>;

struct Parts {
    status: StatusCode,
    /// The application has set the status, so no rule changes it.
    is_status_set: bool,
    cause: BoxError,
    /// What the client is told, where the application has said it.
    problem: Option<Problem>,
    reference: OnceLock<u64>,
    is_reported: AtomicBool,
}

impl Parts {
    fn new(status: StatusCode, cause: BoxError, problem: Option<Problem>) -> Self {
        let (reference, is_reported) = (OnceLock::new(), AtomicBool::new(false));
        Self { status, is_status_set: true, cause, problem, reference, is_reported }
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

    /// An error whose status no one has set: that of its kind, unless a rule has another one.
    pub(crate) fn of_kind(cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        let status = status_of(&*cause, &[]);
        Self(Arc::new(Parts { is_status_set: false, ..Parts::new(status, cause, None) }))
    }

    /// The status of the response.
    ///
    /// The status of an error that was made by `?` is only the one of its kind until it becomes a
    /// response: the [rules](crate::AppContext::with_status_rule) of the app may have another one.
    /// What sees errors after that, such as [`MapError`](crate::MapError), sees the final status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The same error with another status, which no rule changes.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        self.replace_status(status, true)
    }

    /// The same error with the status that it has by these rules, unless its status was set.
    #[must_use]
    pub(crate) fn decided_by(self, rules: &[StatusRule]) -> Self {
        if self.is_status_set() {
            return self;
        }
        // Not only where a rule has a status: another app may have decided about this error before.
        match status_of(self.cause(), rules) {
            status if status == self.status() => self,
            status => self.replace_status(status, false),
        }
    }

    pub(crate) fn is_status_set(&self) -> bool {
        self.0.is_status_set
    }

    fn replace_status(mut self, status: StatusCode, is_status_set: bool) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            (parts.status, parts.is_status_set) = (status, is_status_set);
            return self;
        }
        // Somebody else holds this error, and its status there is not ours to change.
        let (problem, reference) = (self.0.problem.clone(), self.0.reference.clone());
        let is_reported = AtomicBool::new(self.0.is_reported.load(Ordering::Relaxed));
        let cause = Box::new(Shared(self.0));
        Self(Arc::new(Parts { status, is_status_set, cause, problem, reference, is_reported }))
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

    /// What the client is told: the [`Problem`] that this error was made of, or one of the status
    /// and the [public message](Self::public_message). That of a server's error has the member
    /// `reference`.
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

    /// What client and server name this error by, where its status is the server's: 16 hexadecimal
    /// digits, random for each error. The client reads it in the response, the server in its log.
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
            Err(error) => Self::of_kind(error),
        }
    }

    /// An error of a service: the server's, unless it was an `Error` before.
    pub(crate) fn of_service(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Shared>() {
            Ok(shared) => Self(shared.0),
            Err(error) => Self::server_error(error),
        }
    }

    /// What the client is told: the error itself when it is the client's, only the status when it
    /// is the server's.
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
        Self::of_kind(error)
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
    fn describe(description: &mut Description) {
        description.responds_error();
    }

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

/// The status by the rules, of which the last is asked first, or else by the kind of the error.
fn status_of(error: &(dyn std::error::Error + 'static), rules: &[StatusRule]) -> StatusCode {
    if let Some(error) = error.downcast_ref::<Shared>() {
        status_of(&*error.0.cause, rules)
    } else if let Some(status) = rules.iter().rev().find_map(|rule| rule(error)) {
        status
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        status_of_io(error.kind())
    } else if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        // An error of category Io comes from writing or from a source that broke, not from the
        // client's text.
        if error.is_io() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST }
    } else if let Some(error) = error.downcast_ref::<ExtractError>() {
        error.status()
    } else if let Some(ServiceError::Failed { source, .. }) = error.downcast_ref() {
        server_status(status_of(&**source, rules))
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// The status if it is one of the server, or else 500: the client is not to blame.
pub(crate) fn server_status(status: StatusCode) -> StatusCode {
    if status.is_server_error() { status } else { StatusCode::INTERNAL_SERVER_ERROR }
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

    #[derive(Debug, thiserror::Error)]
    #[error("sold out")]
    struct SoldOut;

    fn rules(status: u16) -> Vec<StatusRule> {
        let status = StatusCode::from_u16(status).unwrap();
        vec![Arc::new(move |error| error.is::<SoldOut>().then_some(status))]
    }

    #[test]
    fn rules_decide_about_a_status_that_was_not_set() {
        let decided = |error: Error| error.decided_by(&rules(409)).status().as_u16();
        assert_eq!(decided(SoldOut.into()), 409);
        assert_eq!(decided(Error::from_boxed(SoldOut.into())), 409);
        assert_eq!(decided(io::Error::from(io::ErrorKind::NotFound).into()), 404);
        assert_eq!(decided(Error::new(StatusCode::GONE, SoldOut)), 410);
        assert_eq!(decided(Error::from(SoldOut).with_status(StatusCode::GONE)), 410);
        let mut both = rules(409);
        both.extend(rules(410));
        assert_eq!(Error::from(SoldOut).decided_by(&both).status(), 410, "the last is asked first");
    }

    #[test]
    fn rules_decide_anew_wherever_the_same_error_becomes_a_response() {
        let error = Error::from(SoldOut);
        let [one, two] = [409, 410].map(|status| error.clone().decided_by(&rules(status)));
        let three = one.clone().decided_by(&[]);
        let statuses = [&error, &one, &two, &three].map(|error| error.status().as_u16());
        assert_eq!(statuses, [500, 409, 410, 500]);
        assert_eq!(one.clone().decided_by(&rules(410)).status(), 410);
        assert_eq!(one.to_string(), "sold out");
    }

    #[test]
    fn a_factory_that_failed_is_never_the_clients_fault() {
        let failed = |error: Error| ServiceError::failed("Shop", error);
        let decided = |error, status| failed(error).decided_by(&rules(status)).status().as_u16();
        assert_eq!(decided(SoldOut.into(), 503), 503);
        assert_eq!(decided(SoldOut.into(), 409), 500);
        assert_eq!(decided(Error::new(StatusCode::BAD_GATEWAY, SoldOut), 503), 502);
        assert_eq!(decided(failed(SoldOut.into()), 503), 503);
    }

    #[test]
    fn it_goes_on_as_a_boxed_error_and_is_one_word() {
        let boxed: BoxError = Error::from(io::Error::other("cause")).into();
        assert!(boxed.downcast_ref::<io::Error>().is_some());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
