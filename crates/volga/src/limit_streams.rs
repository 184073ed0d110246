//! `LimitStreams`: a limit on open event streams as middleware.

use std::{fmt, future::ready, hash::Hash, net::IpAddr, sync::Arc};

use http::StatusCode;
use http::{HeaderMap, header};
use volga_core::{
    BoxFuture, Description, Endpoint, HttpBody, HttpResponse, Middleware, RequestParts,
};
use volga_http::ConnectionInfo;
use volga_sse::{CloseHandle, StreamLimit, StreamLimitError};

/// A [`StreamLimit`] as middleware, on an app, a group or a route: only responses that are event
/// streams count, each until its body has ended or is dropped.
///
/// A request whose `Accept` names `text/event-stream`, as that of every `EventSource` does, takes
/// its place before anything further in runs; so a flood of them costs next to nothing. It is given
/// back when the response turns out to be no stream. Of other requests the place is taken when
/// their response is a stream; where there is none, that is dropped.
/// [`before_every_request`](Self::before_every_request) is for routes that give nothing but
/// streams.
///
/// ```
/// use volga::{App, http::sse::{Message, StreamLimit}, middleware::LimitStreams, sse};
///
/// let mut app = App::new();
/// app.attach(LimitStreams::by_client(StreamLimit::new(20_000).per_key(10)));
/// app.map_get("/events", || sse!(futures_util::stream::pending::<Message>()));
/// ```
pub struct LimitStreams<K, F> {
    limit: StreamLimit<K>,
    key: F,
    at: At,
}

/// Which requests take their place before they go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    ThoseThatAskForStreams,
    EveryRequest,
}

impl LimitStreams<(), fn(&RequestParts) -> Option<()>> {
    /// Counts the streams in all.
    pub fn in_all(limit: StreamLimit) -> Self {
        Self::by(limit, |_| Some(()))
    }
}

impl LimitStreams<IpAddr, fn(&RequestParts) -> Option<IpAddr>> {
    /// Counts by the address of the client, which behind a proxy is the proxy's: there, count
    /// [by](Self::by) what the proxy says. Of an IPv6 address the first 64 bits count, since one
    /// client may have all of the others. A request that came over a Unix-domain socket or no
    /// connection of Volga has no address, and is not counted.
    pub fn by_client(limit: StreamLimit<IpAddr>) -> Self {
        Self::by(limit, |parts| parts.extensions.get().and_then(ConnectionInfo::peer_network))
    }
}

impl<K, F> LimitStreams<K, F>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Fn(&RequestParts) -> Option<K> + Clone + Send + Sync + 'static,
{
    /// Counts by what a function makes of the head of a request: a user, a tenant, the client that
    /// a proxy names. A stream for which it gives `None` is not counted.
    ///
    /// ```
    /// use volga::{App, http::{RequestParts, sse::{Message, StreamLimit}}, middleware::LimitStreams, sse};
    ///
    /// #[derive(Clone)]
    /// struct UserId(u64); // put into the extensions by middleware further out
    ///
    /// let mut app = App::new();
    /// app.group("/my", |my| {
    ///     let limit = StreamLimit::new(20_000).per_key(3);
    ///     let user = |parts: &RequestParts| Some(parts.extensions.get::<UserId>()?.0);
    ///     my.attach(LimitStreams::by(limit.clone(), user));
    ///     my.map_get("/events", || sse!(futures_util::stream::pending::<Message>()));
    ///     my.map_get("/counts", move || format!("{} open", limit.counts().open));
    /// });
    /// ```
    pub fn by(limit: StreamLimit<K>, key: F) -> Self {
        Self { limit, key, at: At::ThoseThatAskForStreams }
    }

    /// Takes a place before any request goes on, whatever it accepts. For routes that give nothing
    /// but streams: where there is no place, other requests are refused as well.
    #[must_use]
    pub fn before_every_request(mut self) -> Self {
        self.at = At::EveryRequest;
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
        Arc::new(LimitEndpoint { limit, key, at: self.at, inner })
    }
}

struct LimitEndpoint<K, F> {
    limit: StreamLimit<K>,
    key: F,
    at: At,
    inner: Arc<dyn Endpoint>,
}

impl<K, F> Endpoint for LimitEndpoint<K, F>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Fn(&RequestParts) -> Option<K> + Send + Sync + 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let Some(key) = (self.key)(&parts) else { return self.inner.call(parts, body) };
        let early = self.at == At::EveryRequest || asks_for_stream(&parts.headers);
        let taken = match early.then(|| self.limit.take(key.clone())).transpose() {
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
                Err(refused) => return refuse(refused),
            }
            response
        })
    }
}

/// Not by way of an error: a flood of refusals is none of the server's, and is counted rather than
/// reported one by one.
fn refuse(refused: StreamLimitError) -> HttpResponse {
    refused.response().map(HttpBody::from)
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
            .field("at", &self.at)
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
    fn who_asks_for_a_stream_is_read_from_every_accept() {
        check_accept(&["text/event-stream"], true);
        check_accept(&["application/json, Text/Event-Stream;q=0.5"], true);
        check_accept(&["text/html", "text/event-stream"], true);
        check_accept(&["*/*"], false);
        check_accept(&["text/event-streams", "text/html;a=text/event-stream"], false);
        check_accept(&[], false);
    }
}
