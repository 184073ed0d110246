//! What the server is told of an error that the client is not.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http::{Method, StatusCode, uri::PathAndQuery};

use crate::request::context::AppContext;
use crate::response::error::Error;

/// An error that became a response with a status of 500 or more, for the server's log: the client
/// sees its [`reference`](Self::reference) and nothing else of it. An error is reported once,
/// panics included. An error that [cut](Self::is_cut) an event stream short is reported, too,
/// unless the stream has an observer of its own.
///
/// As text it is one line: `500 GET /orders/7: payment failed: connection refused (reference
/// 3f0c9a6e51d27b84)`. Line breaks and control characters in it are escaped.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a> {
    error: &'a Error,
    status: StatusCode,
    method: &'a Method,
    path: &'a str,
    is_cut: bool,
}

impl<'a> ErrorReport<'a> {
    /// Of an error that came after the response had begun.
    pub(crate) fn of_cut(
        error: &'a Error,
        status: StatusCode,
        method: &'a Method,
        path: &'a str,
    ) -> Self {
        Self { error, status, method, path, is_cut: true }
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &'a Error {
        self.error
    }

    /// What the client was given to name the error by: 16 hexadecimal digits, random for each
    /// error. One whose response was cut short was given nothing.
    #[must_use]
    pub fn reference(&self) -> String {
        self.error.reference_text()
    }

    /// The status of the response; where that was cut short, the one that the client read before.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the error came after the response had begun, and cut it short.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The method of the request.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The path of the request, as it was sent. It has no query, since that may hold secrets.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What went wrong, what caused it, and so on.
    pub fn causes(&self) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> + use<'a> {
        let first: &(dyn std::error::Error + 'static) = self.error.cause();
        iter::successors(Some(first), |cause| cause.source())
    }
}

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.status.as_u16(), self.method, Escaped(self.path))?;
        if self.is_cut {
            f.write_str(" was cut short")?;
        }
        for cause in self.causes() {
            write!(f, ": {}", Escaped(&cause.to_string()))?;
        }
        if self.is_cut { Ok(()) } else { write!(f, " (reference {})", self.reference()) }
    }
}

/// Text on one line, so that nobody can forge a second one.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", char.escape_default())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

/// Who is told of errors. One thin pointer, which every event stream holds.
#[derive(Clone)]
pub(crate) struct ErrorHook(Arc<Hook>);

type Hook = Box<dyn Fn(&ErrorReport<'_>) + Send + Sync>;

impl ErrorHook {
    pub(crate) fn new(hook: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Box::new(hook)))
    }

    pub(crate) fn tell(&self, report: &ErrorReport<'_>) {
        // A log that fails is no reason to fail the request.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(report)));
    }
}

impl fmt::Debug for ErrorHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorHook").finish_non_exhaustive()
    }
}

/// Decides the status of the errors of one request, and reports them.
pub(crate) struct Reporter {
    app: Arc<AppContext>,
    method: Method,
    path: Option<PathAndQuery>,
}

impl Reporter {
    pub(crate) fn new(app: &Arc<AppContext>, head: &http::request::Parts) -> Self {
        let path = head.uri.path_and_query().cloned();
        Self { app: Arc::clone(app), method: head.method.clone(), path }
    }

    /// The error with the status that the app has for it.
    pub(crate) fn decide(&self, error: Error) -> Error {
        error.decided_by(self.app.status_rules())
    }

    pub(crate) fn report(&self, error: &Error, status: StatusCode) {
        let Some(hook) = self.hook() else { return };
        if !status.is_server_error() || !error.is_first_report() {
            return;
        }
        let (method, path) = (&self.method, self.path());
        hook.tell(&ErrorReport { error, status, method, path, is_cut: false });
    }

    pub(crate) fn hook(&self) -> Option<&ErrorHook> {
        self.app.error_hook()
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        self.path.as_ref().map_or("*", PathAndQuery::path)
    }
}

/// A random number. It names an error and protects nothing.
pub(crate) fn random_reference() -> u64 {
    // The standard library's only source of random numbers: each `RandomState` has keys of its own.
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("payment failed")]
    struct Payment(#[source] std::io::Error);

    #[test]
    fn a_report_is_one_line_with_the_chain_of_causes() {
        let error = Error::server_error(Payment(std::io::Error::other("refused\n500 GET /forged")));
        let (status, path) = (error.status(), "/orders/7");
        let method = &Method::GET;
        let report = ErrorReport { error: &error, status, method, path, is_cut: false };
        let reference = report.reference();
        assert_eq!(
            report.to_string(),
            format!(
                "500 GET /orders/7: payment failed: refused\\n500 GET /forged (reference {reference})"
            ),
        );
        assert_eq!(report.causes().count(), 2);
        assert_eq!(error.clone().reference(), Some(reference));
    }

    #[test]
    fn references_differ_and_have_16_digits() {
        let reference = || Error::server_error("x").reference().unwrap();
        let (one, two) = (reference(), reference());
        assert_ne!(one, two);
        assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        assert_eq!(Error::client_error("x").reference(), None);
    }
}
