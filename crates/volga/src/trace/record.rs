//! `Record`: the facts about a request, which are logged at its end.

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

use crate::trace::ACCESS_TARGET;
use crate::trace::trace_parent::TraceParent;

/// Facts about the request, as copies. Parts of the request itself would keep the buffer from which
/// it was read in memory.
pub(super) struct RequestFacts {
    method: Method,
    path: Box<str>,
    route: Option<Box<str>>,
    version: Version,
    peer: Option<SocketAddr>,
    trace_parent: Option<TraceParent>,
}

impl RequestFacts {
    pub(super) fn new(parts: &RequestParts, trace_parent: Option<TraceParent>) -> Self {
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

/// The end of a response, as its body sees it.
#[derive(Clone, Copy)]
pub(super) enum BodyEnd {
    Finished,
    Failed,
}

/// The end of an event stream, as the stream reports it.
struct StreamEndFacts {
    reason: EndReason,
    messages: u64,
}

/// The record of a request. It is dropped at the end of the request, and logs the facts then.
pub(super) struct Record {
    span: Span,
    request: RequestFacts,
    start: Instant,
    is_head: bool,
    status: Option<u16>,
    bytes: u64,
    first_byte: Option<Duration>,
    end: Option<BodyEnd>,
    stream: Option<Arc<OnceLock<StreamEndFacts>>>,
    /// A future or a body of the request is being polled. If the record is dropped during that, a
    /// panic has happened.
    is_polled: bool,
}

impl Record {
    pub(super) fn new(span: Span, request: RequestFacts, is_head: bool) -> Self {
        Self {
            span,
            request,
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

    /// Polls in the span.
    pub(super) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.is_polled = true;
        let polled = self.span.in_scope(poll);
        self.is_polled = false;
        polled
    }

    /// Drops a value in the span.
    pub(super) fn drop_in_span<T>(&self, value: T) {
        self.span.in_scope(|| drop(value));
    }

    pub(super) fn responded(&mut self, response: &HttpResponse) {
        self.status = Some(response.status().as_u16());
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            let end = Arc::new(OnceLock::new());
            self.stream = Some(Arc::clone(&end));
            stream.on_end(move |ended| {
                // The value is set only here, so this cannot fail.
                let (reason, messages) = (ended.reason(), ended.messages());
                let _ = end.set(StreamEndFacts { reason, messages });
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

    fn stream(&self) -> Option<&StreamEndFacts> {
        self.stream.as_ref()?.get()
    }

    /// Returns the name of the end. The body of the response counts more than its event stream,
    /// because middleware may have replaced the stream. But only the stream knows why it was
    /// closed.
    fn end(&self) -> &'static str {
        match (self.end, self.stream()) {
            _ if self.is_polled => "panicked",
            // The response to HEAD has no body.
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
        EndReason::Panicked => "panicked",
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

        let RequestFacts { method, path, route, version, peer, trace_parent } = &self.request;
        tracing::info!(
            target: ACCESS_TARGET,
            // The event has all fields itself. In the span, most subscribers would print every
            // field twice.
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

/// Returns milliseconds with three decimal places.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}
