//! Errors that come after the response has begun: reports that outlive their request.

use std::{error::Error as StdError, fmt};

use http::{Method, StatusCode};

use crate::response::error::Error;
use crate::response::error_report::{ErrorHook, ErrorReport};
use crate::response::responder::Responder;

/// Reports what cuts a response short, after its head was sent; given to [`Finish`](crate::Finish).
pub struct LateReporter<'a>(&'a Responder);

impl<'a> LateReporter<'a> {
    pub(crate) fn new(responder: &'a Responder) -> Self {
        Self(responder)
    }

    /// What is kept while a body goes on that may yet fail, for a response with this status; `None`
    /// when nobody is to be told of errors.
    ///
    /// It holds copies, and nothing of the request: else the buffer from which the request was read
    /// would stay for as long as the body.
    #[must_use]
    pub fn keep(&self, status: StatusCode) -> Option<LateReport> {
        let reporter = self.0.reporter()?;
        let hook = reporter.hook()?.clone();
        let request = format!("{} {}", reporter.method(), reporter.path()).into();
        Some(LateReport { hook, request, status })
    }
}

impl fmt::Debug for LateReporter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateReporter").finish_non_exhaustive()
    }
}

/// Tells of one error that cut a response short.
pub struct LateReport {
    hook: ErrorHook,
    /// The method and the path, with a blank between them: as one text they are half as large, and
    /// a stream holds this for as long as it goes on.
    request: Box<str>,
    status: StatusCode,
}

impl LateReport {
    /// Tells it. The error stays the body's: its text and its causes are told.
    pub fn tell(&self, cause: &(dyn StdError + 'static)) {
        let error = Error::server_error(Retold::of(cause));
        let (method, path) = self.request.split_once(' ').unwrap_or_default();
        // It was one before.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        self.hook.tell(&ErrorReport::of_cut(&error, self.status, &method, path));
    }
}

impl fmt::Debug for LateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateReport").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The texts of an error and its causes.
#[derive(Debug)]
struct Retold {
    text: String,
    cause: Option<Box<Retold>>,
}

impl Retold {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        let cause = error.source().map(|cause| Box::new(Self::of(cause)));
        Self { text: error.to_string(), cause }
    }
}

impl fmt::Display for Retold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Retold {
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
    fn it_is_one_line_with_the_chain_of_causes_and_says_what_the_client_saw() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let report = LateReport {
            hook: ErrorHook::new(move |report| {
                assert!(report.is_cut() && report.causes().count() == 2);
                kept.lock().unwrap().push(report.to_string());
            }),
            request: "GET /events".into(),
            status: StatusCode::OK,
        };
        report.tell(&NoRows(std::io::Error::other("refused\nforged")));
        let expect = r"200 GET /events was cut short: no rows: refused\nforged";
        assert_eq!(*told.lock().unwrap(), [expect]);
    }

    #[test]
    fn what_every_stream_holds_is_four_words() {
        assert_eq!(size_of::<Option<LateReport>>(), 4 * size_of::<usize>());
    }
}
