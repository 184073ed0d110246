//! Helpers for the tests: a service from a closure, a server for it, bodies, and clients that send
//! bytes.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use volga_http::{Drain, DrainOutcome, Listener, LongLivedResponse, RequestBody, Server};

/// Makes a failing test fail instead of hang. No test depends on how long this is.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("the awaited event does not happen in time")
}

/// A service from a function.
#[derive(Clone)]
struct Handler<F>(F);

impl<F, Fut> tower_service::Service<Request<RequestBody>> for Handler<F>
where
    F: Fn(Request<RequestBody>) -> Fut,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let response = (self.0)(request);
        Box::pin(async move { Ok(response.await) })
    }
}

/// A body of one piece, which then ends, or first waits for a signal or forever.
#[derive(Default)]
pub(crate) struct TestBody {
    piece: Option<Bytes>,
    then: Then,
    length: Option<u64>,
    _held: Option<Box<dyn Any + Send>>,
}

#[derive(Default)]
enum Then {
    #[default]
    End,
    Wait,
    WaitFor(oneshot::Receiver<Bytes>),
    Told(mpsc::UnboundedReceiver<Step>),
    Request(RequestBody),
    Repeat(Bytes, Arc<AtomicUsize>),
}

/// The next step of a scripted body.
#[derive(Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Fail,
    Panic,
}

pub(crate) fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

impl TestBody {
    pub(crate) fn full(piece: impl Into<Bytes>) -> Self {
        Self { piece: Some(piece.into()), ..Self::default() }
    }

    /// Sends `piece` and never ends.
    pub(crate) fn endless(piece: &'static str) -> Self {
        Self { then: Then::Wait, ..Self::full(piece) }
    }

    /// Sends `piece`, then the text that `last` receives, then ends.
    pub(crate) fn ending_with(piece: &'static str, last: oneshot::Receiver<Bytes>) -> Self {
        Self { then: Then::WaitFor(last), ..Self::full(piece) }
    }

    /// Sends `first`, then the text that `last` receives, then ends.
    pub(crate) fn ending_after(first: impl Into<Bytes>, last: oneshot::Receiver<Bytes>) -> Self {
        Self { then: Then::WaitFor(last), ..Self::full(first) }
    }

    /// Sends the body of a request.
    pub(crate) fn of_request(body: RequestBody) -> Self {
        Self { then: Then::Request(body), ..Self::default() }
    }

    /// Does what the sender says, and ends when the sender is dropped.
    pub(crate) fn told() -> (mpsc::UnboundedSender<Step>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { then: Then::Told(receiver), ..Self::default() })
    }

    /// Always has another piece of this size, and counts in `taken` the bytes that were taken.
    pub(crate) fn repeating(size: usize, taken: Arc<AtomicUsize>) -> Self {
        Self { then: Then::Repeat(vec![b'.'; size].into(), taken), ..Self::default() }
    }

    /// Does these steps, and then ends.
    pub(crate) fn steps(steps: impl IntoIterator<Item = Step>) -> Self {
        let (sender, body) = Self::told();
        steps.into_iter().for_each(|step| sender.send(step).expect("an open channel"));
        body
    }

    /// Claims this length, whatever the pieces have.
    pub(crate) fn of_length(self, length: u64) -> Self {
        Self { length: Some(length), ..self }
    }

    /// Holds `what` until the body is dropped.
    pub(crate) fn holding(self, what: impl Send + 'static) -> Self {
        Self { _held: Some(Box::new(what)), ..self }
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(piece) = self.piece.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let piece = match &mut self.then {
            Then::End => return Poll::Ready(None),
            Then::Wait => return Poll::Pending,
            Then::WaitFor(last) => std::task::ready!(Pin::new(last).poll(cx)),
            Then::Request(body) => {
                return Pin::new(body).poll_frame(cx).map_err(io::Error::other);
            }
            Then::Repeat(piece, taken) => {
                taken.fetch_add(piece.len(), Ordering::Relaxed);
                return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
            }
            Then::Told(steps) => {
                return steps.poll_recv(cx).map(|step| match step? {
                    Step::Data(data) => Some(Ok(Frame::data(data))),
                    Step::Fail => Some(Err(io::Error::other("told to fail"))),
                    Step::Panic => panic!("told to panic"),
                });
            }
        };
        self.then = Then::End;
        Poll::Ready(piece.ok().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none() && matches!(self.then, Then::End)
    }

    fn size_hint(&self) -> SizeHint {
        match (self.length, &self.then) {
            (Some(length), _) => SizeHint::with_exact(length),
            (None, Then::End) => {
                SizeHint::with_exact(self.piece.as_ref().map_or(0, Bytes::len) as u64)
            }
            (None, _) => SizeHint::default(),
        }
    }
}

/// A response that is marked as long-lived.
pub(crate) fn long_lived(body: TestBody) -> Response<TestBody> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(LongLivedResponse);
    response
}

/// A server on a port of its own, with the handle to drain it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) task: JoinHandle<io::Result<DrainOutcome>>,
}

impl Running {
    pub(crate) async fn start<F, Fut>(server: Server, handler: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<TestBody>> + Send + 'static,
    {
        let (address, drain, serving) = serving(server, handler).await;
        Self { address, drain, task: tokio::spawn(serving) }
    }

    /// A server that responds with `hello` to everything.
    pub(crate) async fn hello() -> Self {
        Self::start(Server::new(), |_| async { Response::new(TestBody::full("hello")) }).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        connect(self.address).await
    }

    /// An HTTP/2 client. A task drives its connection until the server closes it.
    pub(crate) async fn connect_h2(
        &self,
    ) -> (h2::client::SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
        connect_h2(self.address).await
    }

    pub(crate) async fn drained(self) -> DrainOutcome {
        within(self.task)
            .await
            .expect("the server does not panic")
            .expect("the server does not fail")
    }
}

/// A server that the caller polls, its address, and the handle to drain it.
pub(crate) async fn serving<F, Fut>(
    server: Server,
    handler: F,
) -> (SocketAddr, Drain, impl Future<Output = io::Result<DrainOutcome>> + Send)
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    let (drain, server) = drained_server(server);
    let (address, serving) = crate::transport::serving(server, Handler(handler)).await;
    (address, drain, serving)
}

/// The same with existing listeners.
pub(crate) fn serving_on<F, Fut>(
    listeners: Vec<Listener>,
    server: Server,
    handler: F,
) -> (Drain, impl Future<Output = io::Result<DrainOutcome>> + Send)
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    let (drain, server) = drained_server(server);
    (drain, server.serve(listeners, Handler(handler)))
}

/// The server with the settings of this run of the tests, and the handle to drain it.
fn drained_server(server: Server) -> (Drain, Server) {
    let drain = Drain::new();
    // All tests run a second time without the direct data path.
    let is_direct = std::env::var_os("VOLGA_TEST_HTTP2_VIA_H2").is_none();
    (drain.clone(), server.http2_direct_data(is_direct).drain(drain))
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("the server listens")
}

pub(crate) async fn connect_h2(
    address: SocketAddr,
) -> (h2::client::SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    connect_h2_on(connect(address).await).await
}

/// The same on a stream of any kind.
pub(crate) async fn connect_h2_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> (h2::client::SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let (client, connection) = within(h2::client::handshake(stream)).await.expect("a handshake");
    let driver = tokio::spawn(connection);
    (within(client.ready()).await.expect("an open connection"), driver)
}

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A `GET /` for the `h2` client.
pub(crate) fn get() -> Request<()> {
    Request::get("http://a/").body(()).expect("a request")
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    within(stream.write_all(bytes)).await.expect("the server reads");
}

/// Reads until the text ends with `end`, and returns all of it.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        match within(stream.read_u8()).await {
            Ok(byte) => all.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8(all).expect("text")
}

/// Reads until the server closes or resets the connection.
pub(crate) async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = within(stream.read_to_end(&mut all)).await;
    all
}

/// The bytes of a `GET /` on an HTTP/2 connection.
pub(crate) fn raw_get(stream: u32) -> Vec<u8> {
    // HEADERS with END_STREAM and END_HEADERS.
    let mut frame = vec![0, 0, 6, 1, 5];
    frame.extend_from_slice(&stream.to_be_bytes());
    // From the static table: `:method: GET`, `:scheme: http`, `:path: /`, and the name of
    // `:authority`, whose value is `a`.
    frame.extend_from_slice(&[0x82, 0x86, 0x84, 0x01, 1, b'a']);
    frame
}

/// The bytes of one HTTP/2 frame.
#[derive(Debug)]
pub(crate) struct RawFrame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const GOAWAY: u8 = 7;

    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut head = [0; 9];
        within(stream.read_exact(&mut head)).await.expect("another frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        within(stream.read_exact(&mut payload)).await.expect("a whole frame");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Self { kind: head[3], stream, payload }
    }

    /// Reads until a frame of this kind.
    pub(crate) async fn read_kind(stream: &mut TcpStream, kind: u8) -> Self {
        loop {
            let frame = Self::read(stream).await;
            if frame.kind == kind {
                return frame;
            }
        }
    }
}
