//! Reports of errors in a response body, which come after the response has started.

use std::{error::Error as StdError, fmt};

use http::{Method, StatusCode};

use crate::response::error::Error;
use crate::response::error_report::{ErrorHook, ErrorReport};

/// The request that a report names, and the hook that gets the report.
pub(crate) trait ReportContext {
    fn hook(&self) -> Option<&ErrorHook>;
    fn method(&self) -> &Method;
    fn path(&self) -> &str;
}

/// Creates the [`BodyErrorReporter`] of a response. A [`ResponseWatch`](crate::ResponseWatch) gets
/// it.
///
/// Every response makes one, and few use it. So it is a reference, and reads nothing of the request
/// until it is used.
pub struct BodyErrorReporterBuilder<'a>(Option<&'a dyn ReportContext>);

impl<'a> BodyErrorReporterBuilder<'a> {
    pub(crate) fn new(context: Option<&'a dyn ReportContext>) -> Self {
        Self(context)
    }

    /// Whether the method of the request is HEAD, so the body of the response is not sent.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.0.is_some_and(|context| context.method() == Method::HEAD)
    }

    /// Creates the reporter for a response with this status, to be kept as long as the body may
    /// fail. Returns `None` if the app does not report errors.
    ///
    /// The reporter holds copies instead of parts of the request. Otherwise the buffer from which
    /// the request was read would stay in memory as long as the body.
    #[must_use]
    pub fn build(&self, status: StatusCode) -> Option<BodyErrorReporter> {
        let context = self.0?;
        let hook = context.hook()?.clone();
        let request = [context.method().as_str(), " ", context.path()].concat().into();
        Some(BodyErrorReporter { hook, request, status })
    }
}

impl fmt::Debug for BodyErrorReporterBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyErrorReporterBuilder").finish_non_exhaustive()
    }
}

/// Reports one error that cut a response body short.
pub struct BodyErrorReporter {
    hook: ErrorHook,
    /// The method and the path, with a space between them. One text is half as large as two, and
    /// every open stream holds a reporter.
    request: Box<str>,
    status: StatusCode,
}

impl BodyErrorReporter {
    /// Reports the error. The report has copies of its message and of the messages of its causes.
    pub fn report(&self, cause: &(dyn StdError + 'static)) {
        let error = Error::server_error(ErrorCopy::of(cause));
        let (method, path) = self.request.split_once(' ').unwrap_or_default();
        // The text was a method before.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        self.hook.call(&ErrorReport::of_body_error(&error, self.status, &method, path));
    }
}

impl BodyErrorReporter {
    /// Reports a mistake of a handler that does not end the response, such as a header that the
    /// server has removed.
    pub fn report_mistake(&self, mistake: &(dyn StdError + 'static)) {
        let error = Error::server_error(ErrorCopy::of(mistake));
        let (method, path) = self.request.split_once(' ').unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        self.hook.call(&ErrorReport::new(&error, self.status, &method, path));
    }
}

impl fmt::Debug for BodyErrorReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyErrorReporter").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A copy of the messages of an error and its causes.
#[derive(Debug)]
pub(crate) struct ErrorCopy {
    text: String,
    cause: Option<Box<ErrorCopy>>,
}

impl ErrorCopy {
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let cause = error.source().map(|cause| Box::new(Self::of(cause)));
        Self { text: error.to_string(), cause }
    }
}

impl fmt::Display for ErrorCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for ErrorCopy {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no rows")]
    struct NoRows(#[source] std::io::Error);

    #[test]
    fn the_report_is_one_line_with_all_causes_and_the_status_that_the_client_got() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let report = BodyErrorReporter {
            hook: ErrorHook::new(move |report| {
                assert!(report.is_body_error() && report.causes().count() == 2);
                kept.lock().unwrap().push(report.to_string());
            }),
            request: "GET /events".into(),
            status: StatusCode::OK,
        };
        report.report(&NoRows(std::io::Error::other("refused\nforged")));
        let expect = r"200 GET /events was cut short: no rows: refused\nforged";
        assert_eq!(*told.lock().unwrap(), [expect]);
    }

    #[test]
    fn a_reporter_is_four_words() {
        assert_eq!(size_of::<Option<BodyErrorReporter>>(), 4 * size_of::<usize>());
    }
}
