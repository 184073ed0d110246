//! What a client is told in place of a stream.

use std::{fmt, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};

use crate::codec::message::Message;

/// The soonest return of a client that was refused.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The window over which refused clients return, after [`DEFAULT_RETRY_AFTER`].
pub const DEFAULT_RETRY_AFTER_SPREAD: Duration = Duration::from_secs(30);

/// What is answered in place of a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 503 with `Retry-After`, for clients that are programs, and for proxies. `EventSource` ends for good, as on any status but 200: the page sees its
    /// `error` event with `readyState` 2, and may make a new one.
    #[default]
    Unavailable,
    /// 204: the client shall not come back. It is the status by which the standard lets a server stop an `EventSource`.
    NoContent,
    /// 200 with an event stream that holds a reconnection time and ends: an `EventSource` comes back by itself after that time.
    Later,
}

/// The bound that was reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ReachedLimit {
    /// As many streams are open as may be in all.
    InAll,
    /// The key has as many streams as one may have.
    PerKey,
}

/// A stream that was refused by a [`StreamLimit`](crate::stream::limit::StreamLimit).
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub(crate) limit: ReachedLimit,
    pub(crate) refusal: Refusal,
    pub(crate) wait: Duration,
}

impl Refused {
    /// The bound that was reached.
    #[must_use]
    pub fn limit(&self) -> ReachedLimit {
        self.limit
    }

    /// When the client may try again. It differs from client to client.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.wait
    }

    /// What the client is told: a response that axum, hyper and others take as it is. It is never stored by caches.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

        let mut response = Response::default();
        response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        match self.refusal {
            Refusal::Unavailable => {
                // Whole seconds, rounded up: nobody is to come too early.
                let part = u64::from(self.wait.subsec_nanos() > 0);
                let seconds = self.wait.as_secs().saturating_add(part);
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                say(&mut response, "text/plain; charset=utf-8", format!("{self}\n"));
            }
            Refusal::NoContent => *response.status_mut() = StatusCode::NO_CONTENT,
            Refusal::Later => {
                let retry = Message::new().retry(self.wait).encode();
                let retry = retry.map(|retry| String::from_utf8_lossy(retry.as_bytes()).into());
                // Only a time beyond 64 bits of milliseconds cannot be said; then there is none.
                say(&mut response, "text/event-stream", retry.unwrap_or_default());
            }
        }
        response
    }
}

fn say(response: &mut Response<String>, content_type: &'static str, body: String) {
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    *response.body_mut() = body;
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.limit {
            ReachedLimit::InAll => "as many event streams are open as may be",
            ReachedLimit::PerKey => "you have as many event streams open as one client may have",
        })
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(refusal: Refusal, wait: Duration, status: u16, retry_after: Option<&str>, body: &str) {
        let response = Refused { limit: ReachedLimit::InAll, refusal, wait }.response();
        assert_eq!(response.status(), status);
        let found = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(found, retry_after);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.body(), body);
    }

    #[test]
    fn each_refusal_says_what_its_clients_understand() {
        let wait = Duration::from_millis(7_001);
        let text = "as many event streams are open as may be\n";
        check(Refusal::Unavailable, wait, 503, Some("8"), text);
        check(Refusal::Unavailable, Duration::from_secs(7), 503, Some("7"), text);
        let most = "18446744073709551615";
        check(Refusal::Unavailable, Duration::MAX, 503, Some(most), text);
        check(Refusal::NoContent, wait, 204, None, "");
        check(Refusal::Later, wait, 200, None, "retry: 7001\n");
        check(Refusal::Later, Duration::MAX, 200, None, "");
    }
}
