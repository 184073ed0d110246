//! The response to a client in place of a stream.

use std::{fmt, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};

use crate::codec::message::Message;

/// The earliest time at which a refused client returns.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The window over which refused clients return, after [`DEFAULT_RETRY_AFTER`].
pub const DEFAULT_RETRY_AFTER_SPREAD: Duration = Duration::from_secs(30);

/// The response in place of a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusalResponse {
    /// 503 with `Retry-After`, for clients that are programs, and for proxies. An `EventSource`
    /// ends for good, as it does after any status except 200. The page sees its `error` event with
    /// `readyState` 2, and may make a new one.
    #[default]
    Unavailable,
    /// 204: the client must not return. By this status the standard lets a server stop an
    /// `EventSource`.
    NoContent,
    /// 200 with an event stream that has a reconnection time and ends. An `EventSource` returns by
    /// itself after that time.
    RetryLater,
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ReachedLimit {
    /// The maximum number of streams in total is open.
    InAll,
    /// The maximum number of streams of one key is open.
    PerKey,
}

/// The error of a [`StreamLimit`](crate::stream::limit::StreamLimit) that was reached, with the
/// response for the client.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimitError {
    pub(crate) limit: ReachedLimit,
    pub(crate) refusal: RefusalResponse,
    pub(crate) wait: Duration,
}

impl StreamLimitError {
    /// The limit that was reached.
    #[must_use]
    pub fn limit(&self) -> ReachedLimit {
        self.limit
    }

    /// How long the client has to wait before it may try again. It differs from client to client.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.wait
    }

    /// The response for the client, which axum, hyper and others take as it is. Caches never store
    /// it.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

        let mut response = Response::default();
        response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        match self.refusal {
            RefusalResponse::Unavailable => {
                // Whole seconds, rounded up, so that no client returns too early.
                let part = u64::from(self.wait.subsec_nanos() > 0);
                let seconds = self.wait.as_secs().saturating_add(part);
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                set_body(&mut response, "text/plain; charset=utf-8", format!("{self}\n"));
            }
            RefusalResponse::NoContent => *response.status_mut() = StatusCode::NO_CONTENT,
            RefusalResponse::RetryLater => {
                let retry = Message::new().retry(self.wait).encode();
                let retry = retry.map(|retry| String::from_utf8_lossy(retry.as_bytes()).into());
                // The only time that cannot be encoded has more than 64 bits of milliseconds. Then
                // the response has no reconnection time.
                set_body(&mut response, "text/event-stream", retry.unwrap_or_default());
            }
        }
        response
    }
}

fn set_body(response: &mut Response<String>, content_type: &'static str, body: String) {
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    *response.body_mut() = body;
}

impl fmt::Display for StreamLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.limit {
            ReachedLimit::InAll => "the maximum number of event streams is open; try again later",
            ReachedLimit::PerKey => {
                "the maximum number of event streams for one client is open; close one of them first"
            }
        })
    }
}

impl std::error::Error for StreamLimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        refusal: RefusalResponse,
        wait: Duration,
        status: u16,
        retry_after: Option<&str>,
        body: &str,
    ) {
        let response = StreamLimitError { limit: ReachedLimit::InAll, refusal, wait }.response();
        assert_eq!(response.status(), status);
        let found = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(found, retry_after);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.body(), body);
    }

    #[test]
    fn each_refusal_says_what_its_clients_understand() {
        use RefusalResponse::{NoContent, RetryLater, Unavailable};

        let wait = Duration::from_millis(7_001);
        let text = "the maximum number of event streams is open; try again later\n";
        check(Unavailable, wait, 503, Some("8"), text);
        check(Unavailable, Duration::from_secs(7), 503, Some("7"), text);
        let most = "18446744073709551615";
        check(Unavailable, Duration::MAX, 503, Some(most), text);
        check(NoContent, wait, 204, None, "");
        check(RetryLater, wait, 200, None, "retry: 7001\n");
        check(RetryLater, Duration::MAX, 200, None, "");
    }
}
