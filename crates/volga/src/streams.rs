//! Event streams of endpoints: the server closes them at shutdown, counts them, and reports their
//! errors.

use std::sync::Arc;

use http::Extensions;
use volga_core::{BodyErrorReporterBuilder, FinishResponse, HttpResponse};
use volga_http::{LongLived, Tunnel};
use volga_sse::{CloseGroup, CloseHandle};

use crate::counters::Counters;
use crate::framing;

/// The event streams of an app.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) group: CloseGroup,
    pub(crate) counters: Counters,
}

/// Registers the event streams of an endpoint with the app, which closes them at shutdown.
///
/// It sees a response before any middleware does, so middleware that wraps the body cannot hide the
/// stream from the drain. It is an `Arc`, because each request holds a clone.
#[derive(Clone)]
pub(crate) struct BindStreams(pub(crate) Arc<Streams>);

impl FinishResponse for BindStreams {
    fn finish(&self, response: &mut HttpResponse, reporter: BodyErrorReporterBuilder<'_>) {
        framing::check(response, &reporter);
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            if reporter.is_head() {
                // Only the head is sent, so no stream begins or ends.
                return stream.discard();
            }
            self.0.group.add(stream);
            self.0.observe(stream, response, reporter);
            response.extensions_mut().insert(LongLived);
        }
    }
}

impl Streams {
    /// Counts the stream, and reports its error, unless the application observes the stream itself.
    fn observe(
        &self,
        stream: &CloseHandle,
        response: &HttpResponse,
        reporter: BodyErrorReporterBuilder<'_>,
    ) {
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

/// Whether a response begins a tunnel. Only such a response may have an informational status (1xx).
pub(crate) fn is_tunnel(extensions: &Extensions) -> bool {
    extensions.get::<Tunnel>().is_some()
}
