//! `Error`: an error of a request, with the status of its response.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

use crate::extract::error::COLLECTED_RETRY_AFTER;
use crate::extract::error::ExtractError;
use crate::response::box_error::BoxError;
use crate::response::causes;
use crate::response::problem::Problem;
use crate::services::error::ServiceError;

/// An error that becomes a response with a status.
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`], so `?` converts an error of
/// any type, also `anyhow::Error`, `Box<dyn Error + Send + Sync>` and text. The other way, into
/// such a box, is `into` or [`into_cause`](Self::into_cause). The first of these that applies
/// decides the status:
///
/// - the [rules](crate::AppContext::with_status_rule) of the app,
/// - the [status](ExtractError::status) of an [`ExtractError`]: what Volga read from the request,
/// - 504 if the error or one of its causes is a time-out: an [`io::Error`](std::io::Error) of the
///   kind `TimedOut`, or the error of tokio's `timeout`,
/// - 500 for everything else.
///
/// So an error that arises in your code is a server error, whatever its type: a file that is
/// missing, or a row of your database that is not JSON, is not the client's mistake. The client
/// sees only the status and a [reference](Self::reference), and the log has the rest.
///
/// The rules are asked when the error becomes a response, because only then is the app known. They
/// do not change a status that was set by [`new`](Self::new) or [`with_status`](Self::with_status).
///
/// ```
/// use volga_core::Error;
///
/// fn read() -> Result<String, Error> {
///     Ok(std::fs::read_to_string("no such file")?)
/// }
/// assert_eq!(read().unwrap_err().status(), 500);
/// ```
///
/// To give your own error type a status, implement `From<MyError> for Error`, and do not implement
/// [`std::error::Error`] for it. If it implements that, for example because it derives
/// `thiserror::Error`, add a [rule](crate::AppContext::with_status_rule) to the app.
///
/// A handler may also return `Result<_, StatusCode>` or `Result<_, (StatusCode, String)>`, whose
/// error [becomes](crate::IntoStatusError) an `Error`. `?` in a function that returns an `Error`
/// takes neither; use `.ok_or(Problem::new(404))?` there.
///
/// A clone is cheap, and is the same error. The extensions of an error response hold a clone of the
/// error.
#[derive(Clone)]
pub struct Error(Arc<ErrorInner>);

/// A rule for the status of errors. It returns `None` for errors that it does not know.
pub(crate) type StatusRule =
    Arc<dyn Fn(&(dyn std::error::Error + 'static)) -> Option<StatusCode> + Send + Sync>;

struct ErrorInner {
    status: StatusCode,
    /// The application has set the status. No rule changes it then.
    is_status_set: bool,
    cause: BoxError,
    /// The problem that the application created the error from.
    problem: Option<Problem>,
    reference: OnceLock<u64>,
    is_reported: AtomicBool,
}

impl ErrorInner {
    fn new(status: StatusCode, cause: BoxError, problem: Option<Problem>) -> Self {
        let (reference, is_reported) = (OnceLock::new(), AtomicBool::new(false));
        Self { status, is_status_set: true, cause, problem, reference, is_reported }
    }
}

impl Error {
    /// Creates an error with this status.
    pub fn new(status: StatusCode, cause: impl Into<BoxError>) -> Self {
        Self(Arc::new(ErrorInner::new(status, cause.into(), None)))
    }

    /// Creates an error of which nothing is known but its status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let problem = Problem::of(status);
        let cause = match status.canonical_reason() {
            Some(reason) => reason.into(),
            None => format!("status {}", status.as_u16()).into(),
        };
        Self(Arc::new(ErrorInner::new(status, cause, Some(problem))))
    }

    /// Creates an error that the client caused: status 400. The client sees its message.
    pub fn client_error(cause: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, cause)
    }

    /// Creates an error that the server caused: status 500. The client does not see its message.
    pub fn server_error(cause: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, cause)
    }

    /// Creates an error with the status of its kind. A rule may change the status.
    pub(crate) fn of_kind(cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        let status = status_of(&*cause, &[]);
        Self(Arc::new(ErrorInner { is_status_set: false, ..ErrorInner::new(status, cause, None) }))
    }

    /// The status of the response.
    ///
    /// An error that was created by `?` has the status of its kind until it becomes a response.
    /// Then the [rules](crate::AppContext::with_status_rule) of the app may change the status. A
    /// [`MapError`](crate::MapError) sees the final status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Sets the status. No rule changes it afterwards.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        self.replace_status(status, true)
    }

    /// Applies rules for the status, unless the application has set it.
    #[must_use]
    pub(crate) fn apply_rules(self, rules: &[StatusRule]) -> Self {
        if self.is_status_set() {
            return self;
        }
        // The status is computed even if no rule applies, because the rules of another app may have
        // changed it before.
        match status_of(self.cause(), rules) {
            status if status == self.status() => self,
            status => self.replace_status(status, false),
        }
    }

    pub(crate) fn is_status_set(&self) -> bool {
        self.0.is_status_set
    }

    fn replace_status(mut self, status: StatusCode, is_status_set: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            (inner.status, inner.is_status_set) = (status, is_status_set);
            return self;
        }
        // A clone of this error exists. Its status must not change, so this becomes another error
        // with the shared one as its cause.
        let (problem, reference) = (self.0.problem.clone(), self.0.reference.clone());
        let is_reported = AtomicBool::new(self.0.is_reported.load(Ordering::Relaxed));
        let cause = Box::new(SharedError(self.0));
        Self(Arc::new(ErrorInner { status, is_status_set, cause, problem, reference, is_reported }))
    }

    /// The cause: the error that was converted by `?` or passed to a constructor.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// Returns the cause itself.
    #[must_use]
    pub fn into_cause(self) -> BoxError {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.cause,
            Err(shared) => Box::new(SharedError(shared)),
        }
    }

    /// The problem details that the client gets: the [`Problem`] that this error was created from,
    /// or the status and the [public message](Self::public_message). For a server error they have
    /// the member `reference`.
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

    /// The reference number of a server error: 16 hexadecimal digits, random for each error. The
    /// response and the server's log have the same number. `None` for other errors.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        self.status().is_server_error().then(|| self.reference_text())
    }

    pub(crate) fn reference_text(&self) -> String {
        format!("{:016x}", self.0.reference.get_or_init(random_reference))
    }

    /// Marks the error as reported, so that it is not reported again.
    pub(crate) fn without_report(self) -> Self {
        self.0.is_reported.store(true, Ordering::Relaxed);
        self
    }

    /// The time after which the client may try again, if it is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.0.cause.downcast_ref()? {
            ExtractError::TooMuchCollected { .. } => Some(COLLECTED_RETRY_AFTER),
            _ => None,
        }
    }

    /// Marks the error as reported. Returns true if it was not reported before.
    pub(crate) fn is_first_report(&self) -> bool {
        !self.0.is_reported.swap(true, Ordering::Relaxed)
    }

    /// Converts a boxed error. If it was an `Error` before, it is that error again.
    pub(crate) fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<SharedError>() {
            Ok(shared) => Self(shared.0),
            Err(error) => Self::of_kind(error),
        }
    }

    /// Converts the error of the factory of a service. A status that the factory has set is kept if
    /// it is a server error. The kind of the error does not count: a file that a factory did not
    /// find is not the client's mistake.
    pub(crate) fn of_factory(service: &str, error: Self) -> Self {
        let status = error.is_status_set().then(|| server_status(error.status()));
        let failed =
            ServiceError::Failed { service: service.to_owned(), source: error.into_cause() };
        match status {
            Some(status) => Self::new(status, failed),
            None => Self::of_kind(failed),
        }
    }

    /// The message for the client: the error's own message for a client error, and only the name of
    /// the status for a server error.
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

/// Converts everything that a boxed error can be made of: errors of any type, `anyhow::Error`,
/// boxed errors, and texts.
impl<E> From<E> for Error
where
    BoxError: From<E>,
{
    fn from(error: E) -> Self {
        Self::from_boxed(error.into())
    }
}

#[expect(
    clippy::from_over_into,
    reason = "with `BoxError: From<Error>`, the conversion from all that becomes a `BoxError` \
              would overlap with the conversion of `Error` into itself"
)]
impl Into<BoxError> for Error {
    fn into(self) -> BoxError {
        self.into_cause()
    }
}

/// The client gets the problem as it is, even for a server error.
impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let cause = problem.message().into();
        Self(Arc::new(ErrorInner::new(problem.status(), cause, Some(problem))))
    }
}

/// An error of which a clone exists, as the cause of another error.
struct SharedError(Arc<ErrorInner>);

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.source()
    }
}

/// Returns the status by the rules, or else by the kind of the error. The last rule is asked first.
fn status_of(error: &(dyn std::error::Error + 'static), rules: &[StatusRule]) -> StatusCode {
    if let Some(error) = error.downcast_ref::<SharedError>() {
        status_of(&*error.0.cause, rules)
    } else if let Some(status) = rules.iter().rev().find_map(|rule| rule(error)) {
        status
    } else if let Some(error) = error.downcast_ref::<ExtractError>() {
        error.status()
    } else if let Some(ServiceError::Failed { source, .. }) = error.downcast_ref() {
        server_status(status_of(&**source, rules))
    } else if causes::is_timeout(error) {
        // Only time-outs of the application come here. One of the request's body is an
        // `ExtractError`.
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// Returns the status if it is a server error, or else 500. For errors that the client cannot have
/// caused.
fn server_status(status: StatusCode) -> StatusCode {
    if status.is_server_error() { status } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// Returns a random number that identifies an error. It protects nothing.
fn random_reference() -> u64 {
    // The only source of random numbers in the standard library: each `RandomState` has new keys.
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_of_the_application_is_a_server_error_whatever_its_kind() {
        use std::collections::HashMap;
        use std::io::ErrorKind as Kind;
        let status = |error: Error| error.status().as_u16();
        for kind in [
            Kind::NotFound,
            Kind::PermissionDenied,
            Kind::AlreadyExists,
            Kind::InvalidInput,
            Kind::InvalidData,
            Kind::UnexpectedEof,
            Kind::Unsupported,
            Kind::ConnectionRefused,
            Kind::AddrInUse,
            Kind::BrokenPipe,
            Kind::WouldBlock,
            Kind::Interrupted,
            Kind::OutOfMemory,
            Kind::Other,
        ] {
            assert_eq!(status(io::Error::from(kind).into()), 500, "{kind}");
            assert_eq!(status(io::Error::new(kind, "text").into()), 500, "{kind}");
        }
        for text in ["", "x", "{", "{}", "300", "1 2"] {
            assert_eq!(status(serde_json::from_str::<u8>(text).unwrap_err().into()), 500, "{text}");
        }
        let unwritable = HashMap::from([(vec![1], 1)]);
        assert_eq!(status(serde_json::to_string(&unwritable).unwrap_err().into()), 500);
        assert_eq!(status("x".parse::<u8>().unwrap_err().into()), 500);
        assert_eq!(status(Error::client_error("text")), 400);
        assert_eq!(status(ExtractError::NotText.into()), 400);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the upstream failed")]
    struct Upstream(#[source] BoxError);

    #[tokio::test]
    async fn a_time_out_is_504_however_often_it_is_wrapped() {
        let elapsed = || async {
            tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err()
        };
        for layers in 0..4 {
            let timed_out = io::Error::from(io::ErrorKind::TimedOut);
            for mut error in [BoxError::from(timed_out), elapsed().await.into()] {
                for layer in 0..layers {
                    error = match layer % 2 {
                        0 => Upstream(error).into(),
                        _ => io::Error::other(error).into(),
                    };
                }
                let error = Error::from_boxed(error);
                assert_eq!(error.status(), 504, "{layers} layers");
                assert_eq!(error.public_message(), "Gateway Timeout");
                assert!(error.reference().is_some());
            }
        }
    }

    #[test]
    fn the_client_sees_the_message_of_a_client_error_only() {
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
    fn rules_change_a_status_that_was_not_set() {
        let status = |error: Error| error.apply_rules(&rules(409)).status().as_u16();
        assert_eq!(status(SoldOut.into()), 409);
        assert_eq!(status(Error::from_boxed(SoldOut.into())), 409);
        assert_eq!(status(io::Error::from(io::ErrorKind::NotFound).into()), 500);
        assert_eq!(status(Error::new(StatusCode::GONE, SoldOut)), 410);
        assert_eq!(status(Error::from(SoldOut).with_status(StatusCode::GONE)), 410);
        let mut both = rules(409);
        both.extend(rules(410));
        assert_eq!(
            Error::from(SoldOut).apply_rules(&both).status(),
            410,
            "the last is asked first"
        );
    }

    #[test]
    fn each_app_applies_its_own_rules_to_the_same_error() {
        let error = Error::from(SoldOut);
        let [one, two] = [409, 410].map(|status| error.clone().apply_rules(&rules(status)));
        let three = one.clone().apply_rules(&[]);
        let statuses = [&error, &one, &two, &three].map(|error| error.status().as_u16());
        assert_eq!(statuses, [500, 409, 410, 500]);
        assert_eq!(one.clone().apply_rules(&rules(410)).status(), 410);
        assert_eq!(one.to_string(), "sold out");
    }

    #[test]
    fn a_failed_factory_is_always_a_server_error() {
        let failed = |error: Error| Error::of_factory("Shop", error);
        let status = |error, status| failed(error).apply_rules(&rules(status)).status().as_u16();
        assert_eq!(status(SoldOut.into(), 503), 503);
        assert_eq!(status(SoldOut.into(), 409), 500);
        assert_eq!(status(Error::new(StatusCode::BAD_GATEWAY, SoldOut), 503), 502);
        assert_eq!(status(failed(SoldOut.into()), 503), 503);
    }

    #[test]
    fn it_converts_to_a_boxed_error_and_is_one_word() {
        let boxed: BoxError = Error::from(io::Error::other("cause")).into();
        assert!(boxed.downcast_ref::<io::Error>().is_some());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
