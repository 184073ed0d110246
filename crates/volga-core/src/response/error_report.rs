//! `ErrorReport`: a server error, for the server's log.

use std::{
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use http::{Method, StatusCode};

use crate::response::error::Error;

/// A report of a server error, for the server's log.
///
/// A server error is an error whose response has a status of 500 or more. A response with status
/// 500 that was not created from an error is one, too. The client sees only the status and the
/// [`reference`](Self::reference) number. An error is reported once, and so is a panic. An error in
/// the [body](Self::is_body_error) of an event stream is reported, too, unless the stream has an
/// observer of its own. So is an error of work that no request asked for: see
/// [`task`](Self::task).
///
/// As text it is one line: `500 GET /orders/7: payment failed: connection refused (reference
/// 3f0c9a6e51d27b84)`. Line breaks and control characters in it are escaped.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a> {
    error: &'a Error,
    status: StatusCode,
    method: &'a Method,
    path: &'a str,
    is_body_error: bool,
    task: Option<&'a str>,
}

/// The method in the report of a task, because no request has one.
static TASK_METHOD: LazyLock<Method> =
    LazyLock::new(|| Method::from_bytes(b"TASK").unwrap_or_default());

impl<'a> ErrorReport<'a> {
    /// Creates the report of an error that became a response.
    pub(crate) fn new(
        error: &'a Error,
        status: StatusCode,
        method: &'a Method,
        path: &'a str,
    ) -> Self {
        Self { error, status, method, path, is_body_error: false, task: None }
    }

    /// Creates the report of an error in work that no request asked for.
    pub(crate) fn of_task(error: &'a Error, name: &'a str) -> Self {
        let (status, method) = (StatusCode::INTERNAL_SERVER_ERROR, &*TASK_METHOD);
        Self { error, status, method, path: name, is_body_error: false, task: Some(name) }
    }

    /// Creates the report of an error that cut a response body short.
    pub(crate) fn of_body_error(
        error: &'a Error,
        status: StatusCode,
        method: &'a Method,
        path: &'a str,
    ) -> Self {
        Self { error, status, method, path, is_body_error: true, task: None }
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &'a Error {
        self.error
    }

    /// The reference number of the error: 16 hexadecimal digits, random for each error. The client
    /// got the same number, unless the error came after the response had started.
    #[must_use]
    pub fn reference(&self) -> String {
        self.error.reference_text()
    }

    /// The status of the response. For an error in the body, this is the status that the client got
    /// before the error.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the error came after the response had started, and cut its body short.
    #[must_use]
    pub fn is_body_error(&self) -> bool {
        self.is_body_error
    }

    /// The name of the background task or of the readiness check, such as `task cleanup`, if the
    /// error did not come from a request. Then no client saw the error, [`status`](Self::status) is
    /// 500, [`method`](Self::method) is `TASK`, and [`path`](Self::path) is this name.
    #[must_use]
    pub fn task(&self) -> Option<&'a str> {
        self.task
    }

    /// The method of the request.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The path of the request as the client sent it, without the query, which may contain secrets.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The error, its cause, the cause of that, and so on.
    pub fn causes(&self) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> + use<'a> {
        let first: &(dyn std::error::Error + 'static) = self.error.cause();
        iter::successors(Some(first), |cause| cause.source())
    }
}

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(name) => write!(f, "{}", EscapedText(name))?,
            None => {
                write!(f, "{} {} {}", self.status.as_u16(), self.method, EscapedText(self.path))?;
            }
        }
        if self.is_body_error {
            f.write_str(" was cut short")?;
        }
        for cause in self.causes() {
            write!(f, ": {}", EscapedText(&cause.to_string()))?;
        }
        if self.is_body_error || self.task.is_some() {
            return Ok(());
        }
        write!(f, " (reference {})", self.reference())
    }
}

/// Prints text on one line. Otherwise a client could forge lines of the log with a line break.
struct EscapedText<'a>(&'a str);

impl fmt::Display for EscapedText<'_> {
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

/// The function that is called with error reports. It is one thin pointer, because every event
/// stream holds one.
#[derive(Clone)]
pub(crate) struct ErrorHook(Arc<ErrorHookFn>);

type ErrorHookFn = Box<dyn Fn(&ErrorReport<'_>) + Send + Sync>;

impl ErrorHook {
    pub(crate) fn new(hook: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Box::new(hook)))
    }

    pub(crate) fn call(&self, report: &ErrorReport<'_>) {
        // A panic of the hook must not fail the request.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(report)));
    }
}

impl fmt::Debug for ErrorHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorHook").finish_non_exhaustive()
    }
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
        let report = ErrorReport::new(&error, status, method, path);
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
    fn the_report_of_a_task_has_its_name_and_no_reference() {
        let error = Error::server_error(Payment(std::io::Error::other("refused\n")));
        let report = ErrorReport::of_task(&error, "task pay\nall");
        assert_eq!(report.to_string(), "task pay\\nall: payment failed: refused\\n");
        assert_eq!((report.task(), report.path()), (Some("task pay\nall"), "task pay\nall"));
        assert_eq!((report.status().as_u16(), report.method().as_str()), (500, "TASK"));
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
