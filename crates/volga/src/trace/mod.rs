//! Requests as spans of the crate [`tracing`], with a line at the end of each; with the feature
//! `tracing`.
//!
//! ```
//! use volga::{App, ok, trace::TraceRequests};
//!
//! let mut app = App::new();
//! // First, so that it stands outermost.
//! app.attach(TraceRequests::new());
//! app.map_get("/", || ok!("Hello!"));
//! ```
//!
//! Whoever subscribes, `tracing-subscriber` for example, gets for each request:
//!
//! - a span named `request`, target [`REQUEST_TARGET`], level INFO. It is open until the body of
//!   the response has ended or is dropped; what the handler and its stream log is within it.
//! - at its end an event, target [`ACCESS_TARGET`], level INFO: a line for an access log, complete
//!   without the span.
//!
//! | Field | In | What it is |
//! |---|---|---|
//! | `method`, `path` | both | of the request; the path as it was sent, without the query, which may hold secrets |
//! | `route` | both | the pattern of the route, where there is one |
//! | `version` | both | the version of HTTP, such as `HTTP/2.0` |
//! | `peer` | both | the other end of the connection, where there is one |
//! | `trace_id`, `parent_id` | both | from a proper [`traceparent`](TraceParent), where there is one |
//! | `status` | both | of the response; absent when the client left before there was one |
//! | `bytes` | both | how much of the body the server took to send it |
//! | `messages` | both | how many messages of an event stream it took |
//! | `end` | both | how it ended: `finished`, `failed`, `client left`, `panicked`; of an event stream also `closed`, `max age`, `deadline`, `drained` |
//! | `first_byte_ms` | both | from the request to the first bytes of the body |
//! | `duration_ms` | both | from the request to the end |
//!
//! Where nobody subscribes to either target, all that is done is to look for the `traceparent`.

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
use record::{Asked, Record};

/// The target of the spans.
pub const REQUEST_TARGET: &str = "volga::request";

/// The target of the events at the end of each request.
pub const ACCESS_TARGET: &str = "volga::access";

/// Middleware that makes a span for each request, and an event at its end; see [the module](self).
///
/// It stands where it was attached: on an app before all other middleware, it sees every request,
/// those without a route included. A [`TraceParent`] is put into the request's extensions, for
/// handlers that send requests of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceRequests(());

impl TraceRequests {
    /// The middleware.
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
        let trace_parent = TraceParent::of(&parts.headers);
        if let Some(trace_parent) = trace_parent {
            parts.extensions.insert(trace_parent);
        }
        let span = span(&parts, trace_parent);
        if span.is_disabled() && !tracing::enabled!(target: ACCESS_TARGET, Level::INFO) {
            return self.inner.call(parts, body);
        }
        let is_head = parts.method == Method::HEAD;
        let record = Record::new(span.clone(), Asked::of(&parts, trace_parent), is_head);
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
