//! A service that panics, wherever it does. The client always gets a head: 500 if the service has
//! panicked before its response began, and its own head otherwise.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;
use volga_http::{LongLivedResponse, RequestBody, Server};

use crate::support::{connect, connect_h2, get, read_to_close, send, within};
use crate::transport::serving;

/// Where the service or the body of its response panics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Site {
    PollReady,
    Call,
    /// The future of the response, when it was polled this many times.
    Future(usize),
    IsEndStream,
    SizeHint,
    /// The body, when it has given this many frames.
    Frame(usize),
}

const SITES: [Site; 10] = [
    Site::PollReady,
    Site::Call,
    Site::Future(0),
    Site::Future(1),
    Site::Future(5),
    Site::IsEndStream,
    Site::SizeHint,
    Site::Frame(0),
    Site::Frame(1),
    Site::Frame(100),
];

#[derive(Clone, Copy, Debug)]
struct Panics {
    site: Site,
    is_long_lived: bool,
}

fn reach(here: Site, site: Site) {
    assert!(here != site, "the service panics on purpose");
}

impl Service<Request<RequestBody>> for Panics {
    type Response = Response<PanicBody>;
    type Error = Infallible;
    type Future = PanicFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        reach(Site::PollReady, self.site);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> PanicFuture {
        reach(Site::Call, self.site);
        PanicFuture { panics: *self, polls: 0, _request: request }
    }
}

struct PanicFuture {
    panics: Panics,
    polls: usize,
    _request: Request<RequestBody>,
}

impl Future for PanicFuture {
    type Output = Result<Response<PanicBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        reach(Site::Future(self.polls), self.panics.site);
        self.polls += 1;
        if matches!(self.panics.site, Site::Future(_)) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut response = Response::new(PanicBody { site: self.panics.site, frames: 0 });
        if self.panics.is_long_lived {
            response.extensions_mut().insert(LongLivedResponse);
        }
        Poll::Ready(Ok(response))
    }
}

#[derive(Debug)]
struct PanicBody {
    site: Site,
    frames: usize,
}

impl Body for PanicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        reach(Site::Frame(self.frames), self.site);
        self.frames += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }

    fn is_end_stream(&self) -> bool {
        reach(Site::IsEndStream, self.site);
        false
    }

    fn size_hint(&self) -> SizeHint {
        reach(Site::SizeHint, self.site);
        SizeHint::default()
    }
}

/// All cases, each with its server's address.
async fn servers() -> Vec<(Panics, std::net::SocketAddr)> {
    let mut servers = Vec::new();
    for site in SITES {
        for is_long_lived in [false, true] {
            let panics = Panics { site, is_long_lived };
            let (address, serving) = serving(Server::new(), panics).await;
            tokio::spawn(serving);
            servers.push((panics, address));
        }
    }
    servers
}

#[tokio::test]
async fn on_http1_the_client_gets_a_head_wherever_the_service_panics() {
    let requests = [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nbody",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ];
    for (panics, address) in servers().await {
        for request in requests {
            let case = format!("{panics:?}: {request:?}");
            let mut client = connect(address).await;
            send(&mut client, request.as_bytes()).await;
            let received = within(read_to_close(&mut client)).await;
            let received = String::from_utf8(received).expect("text");
            let (head, body) = received.split_once("\r\n\r\n").expect(&case);
            if let Site::Frame(frames) = panics.site {
                assert!(head.starts_with("HTTP/1.1 200 "), "{case}: {received}");
                assert_eq!(body, "5\r\npiece\r\n".repeat(frames), "{case}");
            } else {
                assert!(head.starts_with("HTTP/1.1 500 "), "{case}: {received}");
                assert!(head.contains("\r\nconnection: close"), "{case}: {received}");
                assert_eq!(body, "", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn on_http2_the_client_gets_a_head_wherever_the_service_panics_and_keeps_its_connection() {
    for (panics, address) in servers().await {
        let (mut client, connection) = connect_h2(address).await;
        tokio::spawn(async move { drop(connection.await) });
        for _ in 0..2 {
            let (response, _) = client.send_request(get(), true).expect("an open connection");
            let response = within(response).await.unwrap_or_else(|error| {
                panic!("{panics:?}: {error}");
            });
            let status = response.status();
            let mut body = response.into_body();
            let (mut received, mut is_cut) = (Vec::new(), false);
            while let Some(data) = within(body.data()).await {
                match data {
                    Ok(data) => received.extend_from_slice(&data),
                    Err(_) => is_cut = true,
                }
                if is_cut {
                    break;
                }
            }
            if let Site::Frame(frames) = panics.site {
                assert_eq!(status, StatusCode::OK, "{panics:?}");
                assert!(is_cut, "{panics:?}");
                assert_eq!(received, b"piece".repeat(frames), "{panics:?}");
            } else {
                assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{panics:?}");
                assert!(!is_cut && received.is_empty(), "{panics:?}");
            }
        }
    }
}
