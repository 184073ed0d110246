//! One request for an event stream, redirects followed.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{self, Entry},
};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};

use crate::target::Target;

/// How many redirects one request follows: as many as a browser does.
const MAX_REDIRECTS: usize = 20;
/// How long one address may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// What is meant for one server and told to no other.
const SECRETS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// No connection. Trying again may help.
    Connect(io::Error),
    /// A connection, and no HTTP response on it. Trying again may help.
    Http(hyper::Error),
    /// A redirect that cannot be followed. Trying again does not help.
    Redirect(String),
}

impl From<hyper::Error> for FetchError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error)
    }
}

/// Asks for the stream and returns the response, whatever its status.
///
/// # Errors
///
/// Why there is none.
pub(crate) async fn fetch(
    target: &Target,
    headers: &HeaderMap,
    last_event_id: &str,
    http2: bool,
) -> Result<Response<Incoming>, FetchError> {
    let mut headers = with_defaults(headers, last_event_id);
    let mut target = target.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = send(&target, &headers, http2).await?;
        let Some(location) = location(&response) else {
            return Ok(response);
        };
        let next = target.redirect(location).map_err(FetchError::Redirect)?;
        if next.authority() != target.authority() {
            for name in SECRETS {
                headers.remove(name);
            }
        }
        target = next;
    }
    Err(FetchError::Redirect(format!("more than {MAX_REDIRECTS} redirects: do they form a ring?")))
}

async fn send(
    target: &Target,
    headers: &HeaderMap,
    http2: bool,
) -> Result<Response<Incoming>, FetchError> {
    let connection = timeout(CONNECT, TcpStream::connect(target.address()));
    let stream =
        connection.await.unwrap_or_else(|late| Err(late.into())).map_err(FetchError::Connect)?;
    let stream = TokioIo::new(stream);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.headers_mut() = headers.clone();
    if http2 {
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri(&target.url())?;
        // HTTP/2 has the host in the URL.
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    } else {
        *request.uri_mut() = uri(target.path())?;
        if let Ok(host) = HeaderValue::from_str(target.authority()) {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        let (mut sender, connection) = http1::handshake(stream).await?;
        // Its error comes out of the body, too.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

fn uri(text: &str) -> Result<Uri, FetchError> {
    text.parse().map_err(|_| FetchError::Redirect(format!("`{text}` is no URL")))
}

/// The caller's headers, and those of an event stream that the caller did not set.
fn with_defaults(headers: &HeaderMap, last_event_id: &str) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in [
        (header::ACCEPT, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::USER_AGENT, concat!("sse-tail/", env!("CARGO_PKG_VERSION"))),
    ] {
        if let Entry::Vacant(entry) = headers.entry(name) {
            entry.insert(HeaderValue::from_static(value));
        }
    }
    // An ID with a control character is no header value. A browser cannot send it either.
    if !last_event_id.is_empty()
        && let Ok(id) = HeaderValue::from_bytes(last_event_id.as_bytes())
    {
        headers.insert(LAST_EVENT_ID, id);
    }
    headers
}

fn location<B>(response: &Response<B>) -> Option<&str> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION).filter(|_| is_redirect)?;
    location.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_sets_takes_the_place_of_a_default() {
        let mut own = HeaderMap::new();
        own.insert("accept", HeaderValue::from_static("*/*"));
        let headers = with_defaults(&own, "é/7");
        assert_eq!(headers["accept"], "*/*");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["last-event-id"].as_bytes(), "é/7".as_bytes());
    }

    #[test]
    fn an_id_that_is_no_header_value_or_empty_is_not_sent() {
        for id in ["", "a\u{7f}"] {
            assert!(!with_defaults(&HeaderMap::new(), id).contains_key("last-event-id"), "{id:?}");
        }
    }

    #[test]
    fn only_a_redirect_has_a_place_to_go_to() {
        for (status, expect) in [(307, Some("/x")), (200, None), (304, None)] {
            let response = Response::builder().status(status).header("location", "/x").body(());
            assert_eq!(location(&response.expect("a response")), expect);
        }
    }
}
