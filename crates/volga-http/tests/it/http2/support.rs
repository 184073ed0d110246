//! Scripted bodies, and the server for them.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use volga_http::{Drain, LongLivedResponse, RequestBody, Server, bind};

use crate::support::{Running, connect, within};

/// What a body returns next. It ends when all senders are dropped.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    Panic,
}

pub(crate) type Script = mpsc::UnboundedSender<Piece>;

/// A body of the pieces that its [`Script`] sends.
#[derive(Debug)]
pub(crate) struct Scripted {
    pieces: mpsc::UnboundedReceiver<Piece>,
    taken: Arc<AtomicUsize>,
}

/// A script, its body, and how many pieces were taken.
pub(crate) fn scripted() -> (Script, Scripted, Arc<AtomicUsize>) {
    let (script, pieces) = mpsc::unbounded_channel();
    let taken = Arc::new(AtomicUsize::new(0));
    (script, Scripted { pieces, taken: Arc::clone(&taken) }, taken)
}

/// A body of exactly these pieces.
pub(crate) fn body_of(pieces: impl IntoIterator<Item = Piece>) -> Scripted {
    let (script, body, _taken) = scripted();
    pieces.into_iter().for_each(|piece| say(&script, piece));
    body
}

pub(crate) fn data(bytes: impl Into<Bytes>) -> Piece {
    Piece::Data(bytes.into())
}

#[track_caller]
pub(crate) fn say(script: &Script, piece: Piece) {
    script.send(piece).expect("the body lives");
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(piece) = ready!(self.pieces.poll_recv(cx)) else { return Poll::Ready(None) };
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(match piece {
            Piece::Data(data) => Ok(Frame::data(data)),
            Piece::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Piece::Error => Err("the body fails on purpose".into()),
            Piece::Panic => panic!("the body panics on purpose"),
        }))
    }
}

/// Whether a response is marked as long-lived. Most properties are the same for both kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Ordinary,
    LongLivedResponse,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Ordinary, Kind::LongLivedResponse];

impl Kind {
    pub(crate) fn response<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        if self == Self::LongLivedResponse {
            response.extensions_mut().insert(LongLivedResponse);
        }
        response
    }
}

#[derive(Clone)]
struct Handler<F>(F);

impl<F, Fut, B> tower_service::Service<Request<RequestBody>> for Handler<F>
where
    F: Fn(Request<RequestBody>) -> Fut,
    Fut: Future<Output = Response<B>> + Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let response = (self.0)(request);
        Box::pin(async move { Ok(response.await) })
    }
}

/// A server for responses with any body.
pub(crate) async fn start<F, Fut, B>(handler: F) -> Running
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let drain = Drain::new();
    let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
    let address = listeners[0].tcp_addr().expect("a TCP socket");
    let server = Server::new().drain(drain.clone()).serve(listeners, Handler(handler));
    Running { address, drain, task: tokio::spawn(server) }
}

/// A server whose responses have these bodies, one after the other, and then empty ones.
pub(crate) async fn start_with(kind: Kind, bodies: Vec<Scripted>) -> Running {
    let bodies = Arc::new(Mutex::new(bodies.into_iter()));
    start(move |_| {
        let body = bodies.lock().expect("no panic").next().unwrap_or_else(|| body_of([]));
        async move { kind.response(body) }
    })
    .await
}

/// A client with windows of its own.
pub(crate) async fn connect_with(
    server: &Running,
    builder: &h2::client::Builder,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = connect(server.address).await;
    let (client, connection) = within(builder.handshake(stream)).await.expect("a handshake");
    let driver = tokio::spawn(connection);
    (within(client.ready()).await.expect("an open connection"), driver)
}

/// Requests `path`, and returns the response once its head is there.
pub(crate) async fn ask(client: &mut SendRequest<Bytes>, path: &str) -> Response<RecvStream> {
    let request = Request::get(format!("http://a{path}")).body(()).expect("a request");
    *client = within(client.clone().ready()).await.expect("an open connection");
    let (response, _) = client.send_request(request, true).expect("an open connection");
    within(response).await.expect("a response")
}

/// Reads exactly `expect`, in any number of parts, and releases the window.
pub(crate) async fn read(body: &mut RecvStream, expect: &[u8]) {
    let mut all = Vec::new();
    while all.len() < expect.len() {
        let data = within(body.data()).await.expect("more data").expect("no error");
        body.flow_control().release_capacity(data.len()).expect("an open stream");
        all.extend_from_slice(&data);
    }
    assert!(all == expect, "{:?}", String::from_utf8_lossy(&all[..all.len().min(200)]));
}
