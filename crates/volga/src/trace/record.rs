//! What is known of a request, and told when it is over.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{Method, Version};
use tracing::Span;
use volga_core::{HttpResponse, RequestParts};
use volga_http::ConnectionInfo;
use volga_sse::{CloseHandle, EndReason};

use super::{ACCESS_TARGET, TraceParent};

/// What was asked, in copies: the request's own would keep the buffer that it was read from.
pub(super) struct Asked {
    method: Method,
    path: Box<str>,
    route: Option<Box<str>>,
    version: Version,
    peer: Option<SocketAddr>,
    trace_parent: Option<TraceParent>,
}

impl Asked {
    pub(super) fn of(parts: &RequestParts, trace_parent: Option<TraceParent>) -> Self {
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().into(),
            route: parts.route().map(Into::into),
            version: parts.version,
            peer: parts.extensions.get().and_then(ConnectionInfo::peer),
            trace_parent,
        }
    }
}

/// How a response ended, as far as its body can tell.
#[derive(Clone, Copy)]
pub(super) enum BodyEnd {
    Finished,
    Failed,
}

/// How an event stream ended, as it said by itself.
struct StreamEnded {
    reason: EndReason,
    messages: u64,
}

/// A request from its begin to its end, which is where this is dropped: by then all is known that
/// ever will be.
pub(super) struct Record {
    span: Span,
    asked: Asked,
    start: Instant,
    is_head: bool,
    status: Option<u16>,
    bytes: u64,
    first_byte: Option<Duration>,
    end: Option<BodyEnd>,
    stream: Option<Arc<OnceLock<StreamEnded>>>,
    /// Something of the request is being polled. Where this is dropped meanwhile, that has
    /// panicked.
    is_polled: bool,
}

impl Record {
    pub(super) fn new(span: Span, asked: Asked, is_head: bool) -> Self {
        Self {
            span,
            asked,
            start: Instant::now(),
            is_head,
            status: None,
            bytes: 0,
            first_byte: None,
            end: None,
            stream: None,
            is_polled: false,
        }
    }

    /// Polls within the span.
    pub(super) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.is_polled = true;
        let polled = self.span.in_scope(poll);
        self.is_polled = false;
        polled
    }

    /// Drops within the span.
    pub(super) fn drop_in_span<T>(&self, value: T) {
        self.span.in_scope(|| drop(value));
    }

    pub(super) fn answered(&mut self, response: &HttpResponse) {
        self.status = Some(response.status().as_u16());
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            let ended = Arc::new(OnceLock::new());
            self.stream = Some(Arc::clone(&ended));
            stream.on_end(move |end| {
                // The only one who sets it.
                let _ = ended.set(StreamEnded { reason: end.reason(), messages: end.messages() });
            });
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if bytes > 0 && self.first_byte.is_none() {
            self.first_byte = Some(self.start.elapsed());
        }
    }

    pub(super) fn ended(&mut self, end: BodyEnd) {
        self.end.get_or_insert(end);
    }

    fn stream(&self) -> Option<&StreamEnded> {
        self.stream.as_ref()?.get()
    }

    /// The body of the whole response comes before its stream, which middleware may have cut short
    /// or replaced; but only the stream knows why it was closed.
    fn end(&self) -> &'static str {
        match (self.end, self.stream()) {
            _ if self.is_polled => "panicked",
            // There is no body to send.
            _ if self.is_head && self.status.is_some() => "finished",
            (Some(BodyEnd::Failed), _) => "failed",
            (Some(BodyEnd::Finished), None) => "finished",
            (Some(BodyEnd::Finished), Some(stream)) => name(stream.reason),
            (None, _) => "client left",
        }
    }
}

fn name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Finished => "finished",
        EndReason::Failed => "failed",
        EndReason::MaxAge => "max age",
        EndReason::Deadline => "deadline",
        EndReason::Drained => "drained",
        EndReason::ClientLeft => "client left",
        _ => "closed",
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (end, messages) = (self.end(), self.stream().map(|stream| stream.messages));
        let first_byte_ms = self.first_byte.map(millis);
        let duration_ms = millis(self.start.elapsed());
        let span = &self.span;
        span.record("status", self.status);
        span.record("bytes", self.bytes);
        span.record("messages", messages);
        span.record("end", end);
        span.record("first_byte_ms", first_byte_ms);
        span.record("duration_ms", duration_ms);

        let Asked { method, path, route, version, peer, trace_parent } = &self.asked;
        tracing::info!(
            target: ACCESS_TARGET,
            // It says all by itself. Within its span, most subscribers would write everything
            // twice.
            parent: None,
            method = tracing::field::display(method),
            path = tracing::field::display(path),
            route = route.as_deref().map(tracing::field::display),
            version = tracing::field::debug(version),
            peer = peer.map(tracing::field::display),
            trace_id = trace_parent.map(|parent| tracing::field::display(parent.trace_id())),
            parent_id = trace_parent.map(|parent| tracing::field::display(parent.parent_id())),
            status = self.status,
            bytes = self.bytes,
            messages,
            end,
            first_byte_ms,
            duration_ms,
        );
    }
}

/// With three places, as logs have them.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}
