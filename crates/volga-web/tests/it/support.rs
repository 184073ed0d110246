//! Sends requests to a router.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use volga_core::{BoxError, Endpoint, HttpBody, HttpResponse, Router, RouterService};

/// A router with one route for every path.
pub(crate) fn service(method: Method, pattern: &str, endpoint: impl Endpoint) -> RouterService {
    let mut router = Router::new();
    router.map(method, pattern, endpoint);
    router.into_service().unwrap()
}

/// A response whose body has arrived.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) async fn new(response: HttpResponse) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    /// The value of a header, or `-`.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request without a body.
pub(crate) async fn ask(
    service: &RouterService,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Received {
    send(service, method, path, headers, HttpBody::empty()).await
}

pub(crate) async fn get(service: &RouterService, path: &str, headers: &[(&str, &str)]) -> Received {
    ask(service, Method::GET, path, headers).await
}

/// Gets a file once it has a tag and a date: a file that was changed a moment ago has none.
pub(crate) async fn get_with_tag(
    service: &RouterService,
    path: &str,
    headers: &[(&str, &str)],
) -> Received {
    loop {
        let received = get(service, path, headers).await;
        // An embedded file has no date.
        if received.headers.contains_key("etag") {
            return received;
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn send(
    service: &RouterService,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: HttpBody,
) -> Received {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Received::new(service.respond(request.body(body).unwrap()).await).await
}

/// A stream of pieces, which are always ready.
pub(crate) struct Pieces<I>(pub(crate) I);

impl<I: Iterator<Item = Result<Bytes, BoxError>> + Unpin> Stream for Pieces<I> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// A stream of pieces. If it does not end, it waits forever after the last piece.
pub(crate) fn pieces(
    pieces: impl IntoIterator<Item = Result<Bytes, BoxError>, IntoIter: Send + Unpin>,
    ends: bool,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    EndlessPieces { pieces: pieces.into_iter(), ends }
}

struct EndlessPieces<I> {
    pieces: I,
    ends: bool,
}

impl<I: Iterator<Item = Result<Bytes, BoxError>> + Unpin> Stream for EndlessPieces<I> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.pieces.next() {
            None if !self.ends => Poll::Pending,
            item => Poll::Ready(item),
        }
    }
}
