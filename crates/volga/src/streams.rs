//! Event streams of endpoints: the server closes them at shutdown, counts them, and reports their
//! errors.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Extensions;
use volga_core::{
    BodyCut, BodyCutObserver, BodyErrorReporterBuilder, BoxError, ExtractError, HttpResponse,
    ResponseWatch,
};
use volga_http::{CutAtEnd, HalfCloseCallback, LongLivedResponse, RequestBodyError, Tunnel};
use volga_sse::{CloseGroup, CloseHandle, EndReason, StreamKind};

use crate::counters::Counters;
use crate::framing;

/// The event streams of an app.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) group: CloseGroup,
    pub(crate) counters: Counters,
    /// Whether HTTP/1 clients may close their sending side and still read.
    pub(crate) half_close: AtomicBool,
    /// Whether the app has a route for WebTransport sessions.
    #[cfg(feature = "http3")]
    pub(crate) has_webtransport: AtomicBool,
    /// Whether the app has middleware, which may change responses.
    pub(crate) has_middleware: AtomicBool,
}

impl ResponseWatch for Streams {
    /// Registers the event stream of an endpoint, which the app closes at shutdown.
    ///
    /// Middleware has not seen the response yet, so middleware that wraps the body cannot hide the
    /// stream from the drain.
    fn finish(&self, response: &mut HttpResponse, reporter: &BodyErrorReporterBuilder<'_>) {
        framing::check(response, reporter);
        #[cfg(any(feature = "http3", feature = "ws"))]
        if let Some(report) = response.extensions().get::<crate::late_report::LateReport>() {
            return report.set(reporter.build(response.status()));
        }
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            if reporter.is_head() {
                // Only the head is sent, so no stream begins or ends.
                return stream.discard();
            }
            self.group.add(stream);
            self.observe(stream, response, reporter);
            if self.half_close.load(Ordering::Relaxed) {
                let on_half_close = end_of_subscription(stream.clone());
                response.extensions_mut().insert(on_half_close);
            }
            response.extensions_mut().insert(LongLivedResponse);
            // A subscription may lag too far while its client reads nothing.
            response.extensions_mut().insert(CutAtEnd);
        }
    }

    fn check(&self, response: &mut HttpResponse, reporter: &BodyErrorReporterBuilder<'_>) {
        // Without middleware, nothing has changed the response since the last step of the endpoint.
        if self.has_middleware.load(Ordering::Relaxed) {
            framing::check(response, reporter);
        }
    }

    fn observer(&self, extensions: &Extensions) -> Option<BodyCutObserver> {
        cut_observer(extensions)
    }

    fn is_client_fault(&self, error: &(dyn StdError + 'static)) -> bool {
        is_client_fault(error)
    }
}

/// The error of an event stream that a layer has ended.
#[derive(Debug, thiserror::Error)]
enum LayerCut {
    #[error("a layer around the stream failed")]
    Failed(#[source] BoxError),
    #[error("a layer around the stream ended it early")]
    Ended,
}

/// Tells an event stream how a layer has ended it.
fn cut_observer(extensions: &Extensions) -> Option<BodyCutObserver> {
    let stream = extensions.get::<CloseHandle>()?.clone();
    Some(Box::new(move |cut| match cut {
        BodyCut::Failed(cause) => stream.cut(EndReason::Failed, LayerCut::Failed(cause)),
        BodyCut::Panicked(cause) => stream.cut(EndReason::Panicked, LayerCut::Failed(cause)),
        BodyCut::Ended => stream.cut(EndReason::Failed, LayerCut::Ended),
    }))
}

/// Whether the client has caused the error of a response body, such as an echo of its own request.
fn is_client_fault(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<ExtractError>()
        || matches!(
            error.downcast_ref(),
            Some(
                RequestBodyError::Incomplete(_)
                    | RequestBodyError::Malformed(_)
                    | RequestBodyError::TimedOut(_)
            )
        )
}

/// Ends a stream without an end of its own when its client closes its sending side.
fn end_of_subscription(stream: CloseHandle) -> HalfCloseCallback {
    HalfCloseCallback::new(move || {
        if stream.kind() == StreamKind::Subscription {
            stream.close();
        }
    })
}

impl Streams {
    /// Counts the stream, and reports its error, unless the application observes the stream itself.
    fn observe(
        &self,
        stream: &CloseHandle,
        response: &HttpResponse,
        reporter: &BodyErrorReporterBuilder<'_>,
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
