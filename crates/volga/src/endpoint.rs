//! The glue between endpoints and the server: its end, what it counts and reports, and how it serves a stream.

use std::sync::Arc;

use volga_core::{BoxFuture, Endpoint, HttpBody, HttpResponse, LateReporter, Needs, RequestParts};
use volga_http::LongLived;
use volga_sse::{CloseGroup, CloseHandle};

use crate::counters::Counters;

/// What an app knows of its event streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) group: CloseGroup,
    pub(crate) counters: Counters,
}

/// An endpoint whose event streams the server knows for what they are, and can close when it goes away.
///
/// It stands directly at the endpoint, before any middleware sees the response: so nothing that wraps the body can hide the
/// stream from the drain.
pub(crate) struct StreamEndpoint<E> {
    pub(crate) inner: E,
    /// Shared, since each request takes it along.
    pub(crate) streams: Arc<Streams>,
}

impl<E: Endpoint> Endpoint for StreamEndpoint<E> {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let reporter = parts.late_reporter();
        let response = self.inner.call(parts, body);
        let streams = Arc::clone(&self.streams);
        Box::pin(async move {
            let mut response = response.await;
            if let Some(stream) = response.extensions().get::<CloseHandle>() {
                streams.group.add(stream);
                streams.observe(stream, &response, &reporter);
                response.extensions_mut().insert(LongLived);
            }
            response
        })
    }

    fn needs(&self, needs: &mut Needs) {
        self.inner.needs(needs);
    }

    fn path_args(&self) -> usize {
        self.inner.path_args()
    }
}

impl Streams {
    /// Counts the stream, and reports what cuts it short, unless the application looks after that by itself.
    fn observe(&self, stream: &CloseHandle, response: &HttpResponse, reporter: &LateReporter) {
        let open = self.counters.open_stream();
        let report = if stream.is_observed() { None } else { reporter.keep(response.status()) };
        stream.on_end(move |end| {
            open.ended(end.reason());
            if let (Some(report), Some(cause)) = (report, end.cause()) {
                report.tell(cause);
            }
        });
    }
}
