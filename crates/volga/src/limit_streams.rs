//! `LimitStreams`: a limit on open event streams as middleware.

use std::{fmt, future::ready, hash::Hash, net::IpAddr, sync::Arc};

use http::StatusCode;
use http::{HeaderMap, header};
use volga_core::{
    BoxFuture, Description, Endpoint, HttpBody, HttpResponse, Middleware, RequestParts,
};
use volga_http::ConnectionInfo;
use volga_sse::{CloseHandle, StreamLimit, StreamLimitError};

/// A [`StreamLimit`] as middleware of an app, a group or a route. Only responses that are event
/// streams count, each until its body has ended or is dropped.
///
/// A request whose `Accept` names `text/event-stream`, as every `EventSource` sends it, takes its
/// permit before the inner middleware and the handler run. So a flood of these requests costs very
/// little. The permit is given back if the response is not a stream. Other requests take a permit
/// when their response is a stream; if no permit is free, that response is dropped. For routes that
/// respond only with streams, use
/// [`with_permit_for_every_request`](Self::with_permit_for_every_request).
///
/// ```
/// use volga::{App, http::sse::{Message, StreamLimit}, middleware::LimitStreams, sse_stream};
///
/// let mut app = App::new();
/// app.attach(LimitStreams::by_client(StreamLimit::new(20_000).with_max_per_key(10)));
/// app.map_get("/events", async || sse_stream! { yield Message::new().data("one"); });
/// ```
pub struct LimitStreams<K, F> {
    limit: StreamLimit<K>,
    key: F,
    take_permit: TakePermit,
}

/// Which requests take a permit before the handler runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TakePermit {
    IfStreamIsAccepted,
    Always,
}

impl LimitStreams<(), fn(&RequestParts) -> Option<()>> {
    /// Limits all streams together.
    ///
    /// ```
    /// use volga::{App, http::sse::{Message, StreamLimit}, middleware::LimitStreams, sse_stream};
    ///
    /// let mut app = App::new();
    /// app.map_get("/events", async || sse_stream! { yield Message::new().data("one"); })
    ///     .attach(LimitStreams::in_all(StreamLimit::new(1_000)).with_permit_for_every_request());
    /// # app.check().unwrap();
    /// ```
    pub fn in_all(limit: StreamLimit) -> Self {
        Self::by(limit, |_| Some(()))
    }
}

impl LimitStreams<IpAddr, fn(&RequestParts) -> Option<IpAddr>> {
    /// Limits the streams of each client, by its address. Behind a proxy that is the address of the
    /// proxy, so use [`by`](Self::by) with the address that the proxy sends. For an IPv6 address
    /// the first 64 bits count, because one client may have all addresses with these bits. A
    /// request over a Unix-domain socket, or without a connection of Volga, has no address and is
    /// not counted.
    pub fn by_client(limit: StreamLimit<IpAddr>) -> Self {
        Self::by(limit, |parts| parts.extensions.get().and_then(ConnectionInfo::peer_network))
    }
}

impl<K, F> LimitStreams<K, F>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Fn(&RequestParts) -> Option<K> + Clone + Send + Sync + 'static,
{
    /// Limits the streams by a key that a function returns for the head of a request, such as a
    /// user, a tenant, or the client that a proxy names. If the function returns `None`, the stream
    /// is not counted.
    ///
    /// ```
    /// use volga::http::{RequestParts, sse::{Message, StreamLimit}};
    /// use volga::{App, middleware::LimitStreams, sse_stream};
    ///
    /// #[derive(Clone)]
    /// struct UserId(u64); // outer middleware puts it into the extensions
    ///
    /// let mut app = App::new();
    /// app.group("/my", |my| {
    ///     let limit = StreamLimit::new(20_000).with_max_per_key(3);
    ///     let user = |parts: &RequestParts| Some(parts.extensions.get::<UserId>()?.0);
    ///     my.attach(LimitStreams::by(limit.clone(), user));
    ///     my.map_get("/events", async || sse_stream! { yield Message::new().data("one"); });
    ///     my.map_get("/counts", move || format!("{} open", limit.counts().open));
    /// });
    /// ```
    pub fn by(limit: StreamLimit<K>, key: F) -> Self {
        Self { limit, key, take_permit: TakePermit::IfStreamIsAccepted }
    }

    /// Takes a permit before every request, whatever its `Accept` says. This is for routes that
    /// respond only with streams: if no permit is free, every request is refused.
    #[must_use]
    pub fn with_permit_for_every_request(mut self) -> Self {
        self.take_permit = TakePermit::Always;
        self
    }
}

impl<K, F> Middleware for LimitStreams<K, F>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Fn(&RequestParts) -> Option<K> + Clone + Send + Sync + 'static,
{
    fn describe(&self, description: &mut Description) {
        description.reads_head().responds(StatusCode::SERVICE_UNAVAILABLE, &[]);
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let (limit, key) = (self.limit.clone(), self.key.clone());
        Arc::new(LimitEndpoint { limit, key, take_permit: self.take_permit, inner })
    }
}

struct LimitEndpoint<K, F> {
    limit: StreamLimit<K>,
    key: F,
    take_permit: TakePermit,
    inner: Arc<dyn Endpoint>,
}

impl<K, F> Endpoint for LimitEndpoint<K, F>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Fn(&RequestParts) -> Option<K> + Send + Sync + 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let Some(key) = (self.key)(&parts) else { return self.inner.call(parts, body) };
        let before_handler =
            self.take_permit == TakePermit::Always || asks_for_stream(&parts.headers);
        let taken = match before_handler.then(|| self.limit.take(key.clone())).transpose() {
            Ok(taken) => taken,
            Err(refused) => return Box::pin(ready(refuse(refused))),
        };
        let response = self.inner.call(parts, body);
        let limit = self.limit.clone();
        Box::pin(async move {
            let response = response.await;
            let Some(stream) = response.extensions().get::<CloseHandle>() else { return response };
            match taken.map_or_else(|| limit.take(key), Ok) {
                Ok(permit) => stream.hold(permit),
                Err(error) => return refuse(error),
            }
            response
        })
    }
}

/// Returns the response to a refused request. It is not created from an error, because each error
/// with this status would be reported. A flood of refusals is counted instead.
fn refuse(error: StreamLimitError) -> HttpResponse {
    error.response().map(HttpBody::from)
}

fn asks_for_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default();
        range.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

impl<K, F> fmt::Debug for LimitStreams<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitStreams")
            .field("limit", &self.limit)
            .field("take_permit", &self.take_permit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check_accept(accepts: &[&'static str], expect: bool) {
        let accepts = accepts.iter().map(|text| (header::ACCEPT, HeaderValue::from_static(text)));
        assert_eq!(asks_for_stream(&accepts.collect()), expect);
    }

    #[test]
    fn every_accept_field_is_searched_for_the_media_type() {
        check_accept(&["text/event-stream"], true);
        check_accept(&["application/json, Text/Event-Stream;q=0.5"], true);
        check_accept(&["text/html", "text/event-stream"], true);
        check_accept(&["*/*"], false);
        check_accept(&["text/event-streams", "text/html;a=text/event-stream"], false);
        check_accept(&[], false);
    }
}
