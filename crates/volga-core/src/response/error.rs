//! `Error`: an error of a request, with the status of its response.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, Response, StatusCode};

use crate::extract::error::COLLECTED_RETRY_AFTER;
use crate::extract::error::ExtractError;
use crate::headers::typed::IntoHeader;
use crate::request::body::HttpBody;
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
/// - the rules of the app for [a type](crate::AppContext::with_error_status) or [any
///   error](crate::AppContext::with_status_rule),
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
/// `thiserror::Error`, say its status once for the app by
/// [`with_error_status`](crate::AppContext::with_error_status). An `IntoResponse` of such a type is
/// used by a function that returns `Result<_, ErrorResponse>`: see
/// [`ErrorResponse`](crate::ErrorResponse).
///
/// A handler may also return `Result<_, StatusCode>` or `Result<_, (StatusCode, String)>`, whose
/// error [becomes](crate::IntoStatusError) an `Error`. `?` in a function that returns an `Error`
/// takes neither; use `.ok_or(Problem::new(404))?` or `.map_err(Problem::of)?` there, or return
/// `Result<_, ErrorResponse>`.
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
    /// The headers of the response. Most errors have none.
    headers: Option<Box<HeaderMap>>,
    /// A finished response, which the client gets in place of one made from the status. Its body
    /// may not be cloneable, so it is sent once. Most errors do not have it.
    response: Option<Box<Mutex<Option<Response<HttpBody>>>>>,
    reference: OnceLock<u64>,
    is_reported: AtomicBool,
}

impl ErrorInner {
    fn new(status: StatusCode, cause: BoxError, problem: Option<Problem>) -> Self {
        Self {
            status,
            is_status_set: true,
            cause,
            problem,
            headers: None,
            response: None,
            reference: OnceLock::new(),
            is_reported: AtomicBool::new(false),
        }
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

    /// Creates an error that the client gets as this problem.
    pub(crate) fn of_cause_and_problem(cause: impl Into<BoxError>, problem: Problem) -> Self {
        Self(Arc::new(ErrorInner::new(problem.status(), cause.into(), Some(problem))))
    }

    /// Creates an error that has a finished response.
    pub(crate) fn of_response(response: Response<HttpBody>) -> Self {
        let status = response.status();
        let cause = format!("the application responded with status {status}").into();
        let response = Some(Box::new(Mutex::new(Some(response))));
        Self(Arc::new(ErrorInner { response, ..ErrorInner::new(status, cause, None) }))
    }

    /// Takes the finished response, if the error has one and it was not taken before.
    #[inline]
    pub(crate) fn take_response(&self) -> Option<Response<HttpBody>> {
        let response = self.0.response.as_ref()?;
        response.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sets the status, unless the head has the default, and adds the headers.
    pub(crate) fn with_head(self, head: http::response::Parts) -> Self {
        self.change(|inner| {
            if head.status != StatusCode::OK {
                (inner.status, inner.is_status_set) = (head.status, true);
            }
            if !head.headers.is_empty() {
                inner.headers.get_or_insert_default().extend(head.headers);
            }
        })
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

    /// Adds a header to the response: a pair of name and value, or a [typed
    /// header](mod@crate::headers). Several headers with one name are all sent.
    ///
    /// The response to the error has these headers, also if a [`MapError`](crate::MapError) creates
    /// it. A header that the mapper has set itself is not replaced, and neither is the
    /// `Content-Type` of the error's message.
    ///
    /// If HTTP does not allow the name or the value, the error becomes a server error that says so.
    ///
    /// ```
    /// use http::StatusCode;
    /// use volga_core::{Error, headers::WwwAuthenticate};
    ///
    /// let error = Error::new(StatusCode::UNAUTHORIZED, "no token")
    ///     .with_header(WwwAuthenticate::from_static("Bearer"));
    /// assert_eq!(error.headers().unwrap()["www-authenticate"], "Bearer");
    ///
    /// let busy = Error::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
    ///     .with_header(("retry-after", "30"));
    /// assert_eq!(busy.headers().unwrap()["retry-after"], "30");
    /// ```
    #[must_use]
    pub fn with_header(self, header: impl IntoHeader) -> Self {
        match header.into_header() {
            Ok((name, value)) => self.change(|inner| {
                inner.headers.get_or_insert_default().append(name, value);
            }),
            Err(fault) => {
                let error = self.to_string();
                Self::server_error(InvalidHeader { error, source: fault })
            }
        }
    }

    /// The headers of the response, if any were added.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.headers.as_deref()
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

    fn replace_status(self, status: StatusCode, is_status_set: bool) -> Self {
        self.change(|inner| (inner.status, inner.is_status_set) = (status, is_status_set))
    }

    fn change(mut self, change: impl FnOnce(&mut ErrorInner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
            return self;
        }
        // A clone of this error exists and must not change, so this becomes another error with the
        // shared one as its cause.
        let shared = self.0;
        let mut inner = ErrorInner {
            status: shared.status,
            is_status_set: shared.is_status_set,
            problem: shared.problem.clone(),
            headers: shared.headers.clone(),
            response: None,
            reference: shared.reference.clone(),
            is_reported: AtomicBool::new(shared.is_reported.load(Ordering::Relaxed)),
            cause: Box::new(SharedError(shared)),
        };
        change(&mut inner);
        Self(Arc::new(inner))
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
        let problem = match self.headers() {
            Some(headers) => problem.with_header_map(headers.clone()),
            None => problem,
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
    fn from(mut problem: Problem) -> Self {
        let message = problem.message();
        if let Some(fault) = problem.header_fault() {
            let source = fault.to_owned().into();
            return Self::server_error(InvalidHeader { error: message, source });
        }
        let headers = problem.take_headers();
        let inner = ErrorInner::new(problem.status(), message.into(), Some(problem));
        Self(Arc::new(ErrorInner { headers, ..inner }))
    }
}

/// An error to which the application has added a header that HTTP does not allow.
#[derive(Debug, thiserror::Error)]
#[error("a header of the error `{error}` is not valid")]
struct InvalidHeader {
    error: String,
    source: BoxError,
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
mod tests;
