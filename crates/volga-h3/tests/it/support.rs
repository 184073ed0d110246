//! Helpers for the tests: a service from a closure, a server for it, bodies, and clients.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3_quinn::{BidiStream, OpenStreams};
use http::{Request, Response};
use http_body::{Body, Frame};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use volga_h3::Http3Server;
use volga_http::{ConnectionCounts, Drain, DrainOutcome, RequestBody, Server, Tls, TlsAcceptor};

/// Makes a failing test fail instead of hang. No test depends on how long this is.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("the awaited event does not happen in time")
}

/// A self-signed certificate for `localhost`, and its key, as PEM texts.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a valid name");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// The configuration of a client that trusts this certificate and no other.
    pub(crate) fn client(&self) -> ClientConfig {
        let config = QuicClientConfig::try_from(self.client_tls()).expect("TLS 1.3");
        ClientConfig::new(Arc::new(config))
    }

    pub(crate) fn client_tls(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(certificate.expect("a certificate")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has it")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h3".to_vec()];
        config
    }
}

/// The certificate of most servers of this process.
pub(crate) fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(Pair::new)
}

/// A service from a function.
#[derive(Clone)]
pub(crate) struct Handler<F>(F);

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

/// A step of a scripted body.
#[derive(Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(http::HeaderMap),
    Fail,
    Panic,
}

/// A body that is complete, that does what a sender says, or that is the body of a request.
pub(crate) enum TestBody {
    Full(Option<Bytes>),
    Told { steps: mpsc::UnboundedReceiver<Step>, _dropped: mpsc::UnboundedSender<()> },
    Request(RequestBody),
}

impl TestBody {
    pub(crate) fn full(text: impl Into<Bytes>) -> Self {
        Self::Full(Some(text.into()))
    }

    /// A body that does what the sender says, and ends when the sender is dropped. The receiver is
    /// closed when the body is dropped.
    pub(crate) fn told() -> (mpsc::UnboundedSender<Step>, mpsc::UnboundedReceiver<()>, Self) {
        let (sender, steps) = mpsc::unbounded_channel();
        let (dropped, receiver) = mpsc::unbounded_channel();
        (sender, receiver, Self::Told { steps, _dropped: dropped })
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Full(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Told { steps, .. } => steps.poll_recv(cx).map(|step| match step? {
                Step::Data(data) => Some(Ok(Frame::data(data))),
                Step::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
                Step::Fail => Some(Err(std::io::ErrorKind::Other.into())),
                Step::Panic => panic!("on purpose"),
            }),
            Self::Request(body) => Pin::new(body).poll_frame(cx).map_err(std::io::Error::other),
        }
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) counts: ConnectionCounts,
    pub(crate) end: JoinHandle<std::io::Result<DrainOutcome>>,
}

/// Serves a function with the default settings.
pub(crate) fn serve<F, Fut>(handler: F) -> Running
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    serve_with(Server::new(), &tls(pair()), handler)
}

pub(crate) fn tls(pair: &Pair) -> TlsAcceptor {
    Tls::pem(&pair.certificate, &pair.key).load().expect("valid")
}

pub(crate) fn serve_with<F, Fut>(server: Server, tls: &TlsAcceptor, handler: F) -> Running
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    serve_full(server, tls, false, handler)
}

/// Serves with or without WebTransport.
pub(crate) fn serve_full<F, Fut>(
    server: Server,
    tls: &TlsAcceptor,
    has_webtransport: bool,
    handler: F,
) -> Running
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<TestBody>> + Send + 'static,
{
    let (drain, counts) = (Drain::new(), ConnectionCounts::default());
    let settings = server.drain(drain.clone()).counts(counts.clone()).settings();
    let listeners = volga_h3::bind(["127.0.0.1:0".parse().expect("an address")], tls);
    let listeners = listeners.expect("a free port");
    let address = listeners[0].address();
    let server = Http3Server::new(settings).webtransport(has_webtransport);
    let serving = server.serve_each(listeners, move |info| {
        let handler = handler.clone();
        Handler(move |mut request: Request<RequestBody>| {
            request.extensions_mut().insert(info.clone());
            handler(request)
        })
    });
    Running { address, drain, counts, end: tokio::spawn(serving) }
}

/// A client with one connection.
pub(crate) struct Client {
    pub(crate) quic: Connection,
    pub(crate) requests: SendRequest<OpenStreams, Bytes>,
}

pub(crate) type ClientStream = RequestStream<BidiStream<Bytes>, Bytes>;

/// Connects without HTTP/3.
pub(crate) async fn connect_quic(address: SocketAddr, pair: &Pair) -> Connection {
    let endpoint = endpoint();
    let connecting = endpoint.connect_with(pair.client(), address, "localhost");
    within(connecting.expect("a valid configuration")).await.expect("it accepts")
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a free port")
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(connect_quic(address, pair()).await).await
    }

    pub(crate) async fn over(quic: Connection) -> Self {
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, requests) =
            within(h3::client::new(connection)).await.expect("it speaks HTTP/3");
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Self { quic, requests }
    }

    /// Sends a request head.
    pub(crate) async fn send(&mut self, request: http::request::Builder) -> ClientStream {
        let request = request.body(()).expect("a request");
        within(self.requests.send_request(request)).await.expect("it is sent")
    }

    /// Sends a request without a body, and returns the response with its text.
    pub(crate) async fn get(&mut self, path: &str) -> (Response<()>, String) {
        let mut stream = self.send(Request::get(format!("https://localhost{path}"))).await;
        within(stream.finish()).await.expect("it is sent");
        let response = within(stream.recv_response()).await.expect("a response");
        let body = read_to_end(&mut stream).await;
        (response, String::from_utf8(body).expect("text"))
    }
}

/// The next piece of a response.
pub(crate) async fn next(stream: &mut ClientStream) -> Option<Bytes> {
    let data = within(stream.recv_data()).await.expect("no error")?;
    let mut data = data;
    Some(data.copy_to_bytes(data.remaining()))
}

pub(crate) async fn read_to_end(stream: &mut ClientStream) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(data) = next(stream).await {
        body.extend_from_slice(&data);
    }
    body
}
