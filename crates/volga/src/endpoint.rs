//! The glue between endpoints and the server: its end, what it counts and reports, and how it
//! serves a stream.

use std::{fmt, sync::Arc};

use http::StatusCode;
use volga_core::{FinishResponse, HttpResponse, BodyErrorReporterBuilder};
use volga_http::{LongLived, Tunnel};
use volga_sse::{CloseGroup, CloseHandle};

use crate::counters::Counters;

/// What an app knows of its event streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) group: CloseGroup,
    pub(crate) counters: Counters,
}

/// Lets the server know an endpoint's event streams for what they are, and close them when it goes
/// away.
///
/// It sees a response before any middleware does: so nothing that wraps the body can hide the
/// stream from the drain. Shared, since each request takes it along.
#[derive(Clone)]
pub(crate) struct BindStreams(pub(crate) Arc<Streams>);

/// A handler's response has a status that is not final, and no tunnel begins with it.
#[derive(Debug)]
struct NotFinal(StatusCode);

impl fmt::Display for NotFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a handler responded with {}, which is not a final status", self.0)
    }
}

impl std::error::Error for NotFinal {}

impl FinishResponse for BindStreams {
    fn finish(&self, response: &mut HttpResponse, reporter: BodyErrorReporterBuilder<'_>) {
        let status = response.status();
        if status.is_informational() && response.extensions().get::<Tunnel>().is_none() {
            if let Some(report) = reporter.build(StatusCode::INTERNAL_SERVER_ERROR) {
                report.report(&NotFinal(status));
            }
            *response = HttpResponse::default();
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            self.0.group.add(stream);
            self.0.observe(stream, response, reporter);
            response.extensions_mut().insert(LongLived);
        }
    }
}

impl Streams {
    /// Counts the stream, and reports what cuts it short, unless the application looks after that
    /// by itself.
    fn observe(&self, stream: &CloseHandle, response: &HttpResponse, reporter: BodyErrorReporterBuilder<'_>) {
        let open = self.counters.open_stream();
        let report = if stream.is_observed() { None } else { reporter.build(response.status()) };
        stream.on_end(move |end| {
            open.ended(end.reason());
            if let (Some(report), Some(cause)) = (report, end.cause()) {
                report.report(cause);
            }
        });
    }
}
