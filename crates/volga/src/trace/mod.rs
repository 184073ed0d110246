//! Requests as spans of the crate [`tracing`], with an access log. It needs the feature `tracing`.
//!
//! ```
//! use volga::{App, ok, trace::TraceRequests};
//!
//! let mut app = App::new();
//! // Attached first, so that it is the outermost middleware.
//! app.attach(TraceRequests::new());
//! app.map_get("/", || ok!("Hello!"));
//! ```
//!
//! A subscriber, such as `tracing-subscriber`, gets two things for each request:
//!
//! - A span named `request` with the target [`REQUEST_TARGET`] and the level INFO. It is open until
//!   the body of the response has ended or is dropped. The handler and its stream log in this span.
//! - At the end of the request an event with the target [`ACCESS_TARGET`] and the level INFO. It is
//!   a line for an access log, and is complete without the span.
//!
//! | Field | In | Meaning |
//! |---|---|---|
//! | `method`, `path` | both | the method and the path of the request; the path as the client sent it, without the query, which may contain secrets |
//! | `route` | both | the pattern of the route, if the request has one |
//! | `version` | both | the version of HTTP, such as `HTTP/2.0` |
//! | `peer` | both | the address of the client's end of the connection, if it has one |
//! | `trace_id`, `parent_id` | both | from a valid [`traceparent`](TraceParent), if the request has one |
//! | `status` | both | the status of the response; absent if the client left before the response |
//! | `bytes` | both | the number of bytes of the body that the server took for sending |
//! | `messages` | both | the number of messages of an event stream that the server took for sending |
//! | `end` | both | how the request ended: `finished`, `failed`, `client left` or `panicked`; for an event stream also `closed`, `max age`, `deadline` or `drained` |
//! | `first_byte_ms` | both | milliseconds from the request to the first bytes of the body |
//! | `duration_ms` | both | milliseconds from the request to the end |
//!
//! Without a subscriber to either target, the middleware only parses the `traceparent`.

mod body;
mod call;
mod record;
mod trace_parent;

use std::sync::Arc;

use http::Method;
use tracing::{Level, Span, field::Empty};
use volga_core::{
    BoxFuture, Description, Endpoint, HttpBody, HttpResponse, Middleware, RequestParts,
};
use volga_http::ConnectionInfo;

pub use trace_parent::{ParentId, TraceId, TraceParent};

use call::TracedCall;
use record::{Record, RequestFacts};

/// The target of the spans.
pub const REQUEST_TARGET: &str = "volga::request";

/// The target of the events at the end of each request.
pub const ACCESS_TARGET: &str = "volga::access";

/// Middleware that creates a span for each request, and an event at its end. See [the
/// module](self).
///
/// Attach it to an app before all other middleware. It then sees every request, also requests
/// without a route. It puts the [`TraceParent`] into the extensions of the request, for handlers
/// that send requests themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceRequests(());

impl TraceRequests {
    /// Creates the middleware.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Middleware for TraceRequests {
    fn describe(&self, description: &mut Description) {
        description.reads_head();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(TraceEndpoint { inner })
    }
}

struct TraceEndpoint {
    inner: Arc<dyn Endpoint>,
}

impl Endpoint for TraceEndpoint {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let trace_parent = TraceParent::from_headers(&parts.headers);
        if let Some(trace_parent) = trace_parent {
            parts.extensions.insert(trace_parent);
        }
        let span = span(&parts, trace_parent);
        if span.is_disabled() && !tracing::enabled!(target: ACCESS_TARGET, Level::INFO) {
            return self.inner.call(parts, body);
        }
        let is_head = parts.method == Method::HEAD;
        let record = Record::new(span.clone(), RequestFacts::new(&parts, trace_parent), is_head);
        let response = span.in_scope(|| self.inner.call(parts, body));
        Box::pin(TracedCall::new(response, record))
    }
}

fn span(parts: &RequestParts, trace_parent: Option<TraceParent>) -> Span {
    tracing::info_span!(
        target: REQUEST_TARGET,
        "request",
        method = tracing::field::display(&parts.method),
        path = tracing::field::display(parts.uri.path()),
        route = parts.route().map(tracing::field::display),
        version = tracing::field::debug(parts.version),
        peer = parts.extensions.get().and_then(ConnectionInfo::peer).map(tracing::field::display),
        trace_id = trace_parent.map(|parent| tracing::field::display(parent.trace_id())),
        parent_id = trace_parent.map(|parent| tracing::field::display(parent.parent_id())),
        status = Empty,
        bytes = Empty,
        messages = Empty,
        end = Empty,
        first_byte_ms = Empty,
        duration_ms = Empty,
    )
}
