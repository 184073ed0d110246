//! Lets a test that speaks HTTP/1 or HTTP/2 reach a server that speaks HTTP/3.
//!
//! The tests of requests, streams and shutdowns run over HTTP/3 as well. Each of their connections
//! ends at a gateway, which is a server of `volga-http`. It opens one connection to the server
//! under test for each of its own, and passes on requests, bodies, trailers, and whoever gives up
//! first. Once the server ends a connection, the gateway drains, as the server does.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::Code;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use volga_http::{Drain, RequestBody, Server, bind};

/// A gateway that runs. Dropping it ends listening, as the end of a server does.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    drain: Drain,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.drain.start();
    }
}

/// Starts a gateway to the server at this address, which has this certificate.
pub(crate) async fn start(server: SocketAddr, certificate: &str) -> Gateway {
    let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
    let address = listeners[0].tcp_addr().expect("a TCP socket");
    let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a free port");
    endpoint.set_default_client_config(client_config(certificate));
    let drain = Drain::new();
    let way = Way { endpoint, server, drain: drain.clone() };
    // Only the test and the server under test end something.
    let hour = Duration::from_secs(60 * 60);
    let gateway = Server::new().header_read_timeout(hour).write_stall_timeout(hour);
    let gateway = gateway.drain_deadline(hour).drain(drain.clone());
    tokio::spawn(gateway.serve_each(listeners, move |_| Forward::new(way.clone())));
    Gateway { address, drain }
}

fn client_config(certificate: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
    roots.add(certificate.expect("a certificate")).expect("a certificate");
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has it")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("TLS 1.3")))
}

/// The way to the server under test.
#[derive(Clone)]
struct Way {
    endpoint: Endpoint,
    server: SocketAddr,
    /// The drain of the gateway.
    drain: Drain,
}

impl Way {
    /// Opens a connection to the server. `None` if the server refuses it.
    async fn connect(&self) -> Option<Upstream> {
        let connecting = self.endpoint.connect(self.server, "localhost").expect("valid settings");
        let Ok(quic) = connecting.await else {
            self.drain.start();
            return None;
        };
        let (drain, ended) = (self.drain.clone(), quic.clone());
        tokio::spawn(async move {
            if ended.closed().await != ConnectionError::LocallyClosed {
                drain.start();
            }
        });
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, requests) = h3::client::new(connection).await.ok()?;
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Some(Upstream { quic, requests })
    }
}

/// A connection to the server under test. It is closed when the client's connection has ended,
/// because only that and its responses hold it.
struct Upstream {
    quic: quinn::Connection,
    requests: SendRequest<h3_quinn::OpenStreams, Bytes>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.quic.close(0x100_u32.into(), b"");
    }
}

type SharedUpstream = Arc<OnceCell<Option<Upstream>>>;

/// Passes on the requests of one connection.
#[derive(Clone)]
struct Forward {
    way: Way,
    upstream: SharedUpstream,
}

impl Forward {
    fn new(way: Way) -> Self {
        let forward = Self { way, upstream: SharedUpstream::default() };
        // The server learns of a connection before its first request, as it does over TCP.
        let (way, upstream) = (forward.way.clone(), Arc::clone(&forward.upstream));
        tokio::spawn(async move {
            let _ = upstream.get_or_init(|| way.connect()).await;
        });
        forward
    }

    async fn forward(self, request: Request<RequestBody>) -> Result<Response<Received>, ()> {
        let upstream = self.upstream.get_or_init(|| self.way.connect()).await;
        let mut requests = upstream.as_ref().ok_or(())?.requests.clone();
        let method = request.method().clone();
        let (head, body) = translate(request);
        let (send, receive) = requests.send_request(head).await.map_err(drop)?.split();
        let mut received = Received {
            stream: receive,
            is_over: false,
            length: None,
            upload: tokio::spawn(Sent { stream: send, is_over: false }.send(body)),
            _upstream: Arc::clone(&self.upstream),
        };
        let response = received.stream.recv_response().await.map_err(drop)?;
        let length = response.headers().get(CONTENT_LENGTH);
        if method != Method::HEAD {
            received.length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        }
        Ok(response.map(|()| received))
    }
}

impl tower_service::Service<Request<RequestBody>> for Forward {
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<GatewayBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let forward = self.clone();
        Box::pin(async move {
            let response = forward.forward(request).await.map(|response| response.map(Some));
            let mut response = response.unwrap_or_else(|()| {
                let mut response = Response::new(None);
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            });
            if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                // After a panic, a server closes an HTTP/1 connection, and the tests expect it.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(GatewayBody))
        })
    }
}

/// The same request for HTTP/3, without the fields that belong to the client's connection.
fn translate(request: Request<RequestBody>) -> (Request<()>, RequestBody) {
    let (mut parts, body) = request.into_parts();
    let host = parts.headers.remove(HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(|authority| authority.as_str()).or(host);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::builder()
        .scheme("https")
        .authority(host.unwrap_or("localhost"))
        .path_and_query(path)
        .build()
        .expect("parts of a URI");
    for name in [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, EXPECT] {
        parts.headers.remove(name);
    }
    parts.headers.remove("keep-alive");
    parts.extensions.clear();
    (Request::from_parts(parts, ()), body)
}

/// The sending half of a request. It is reset if it is dropped before its end: `h3` and quinn would
/// end it properly.
struct Sent {
    stream: RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    is_over: bool,
}

impl Sent {
    async fn send(mut self, mut body: RequestBody) {
        while let Some(frame) = body.frame().await {
            // The client has broken off, so the request is reset.
            let Ok(frame) = frame else { return };
            let sent = match frame.into_data().map_err(Frame::into_trailers) {
                Ok(data) => self.stream.send_data(data).await,
                Err(Ok(trailers)) => self.stream.send_trailers(trailers).await,
                Err(Err(_)) => Ok(()),
            };
            // The server wants no more.
            self.is_over = sent.is_err();
            if self.is_over {
                return;
            }
        }
        self.is_over = true;
        let _ = self.stream.finish().await;
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.is_over {
            self.stream.stop_stream(Code::H3_REQUEST_CANCELLED);
        }
    }
}

/// The receiving half of a request. quinn gives it up if it is dropped before its end, and
/// `stop_sending` of `h3-quinn` panics while a read waits.
struct Received {
    stream: RequestStream<h3_quinn::RecvStream, Bytes>,
    is_over: bool,
    /// How many bytes are still to come, if the server has announced it.
    length: Option<u64>,
    upload: JoinHandle<()>,
    _upstream: SharedUpstream,
}

impl Drop for Received {
    fn drop(&mut self) {
        self.upload.abort();
    }
}

/// The body of a response. `None` fails, because the server gave no response.
struct GatewayBody(Option<Received>);

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(received) = &mut self.0 else {
            return Poll::Ready(Some(Err(io::Error::other("the server gave no response"))));
        };
        if received.is_over {
            return Poll::Ready(None);
        }
        let data = ready!(received.stream.poll_recv_data(cx)).map_err(io::Error::other)?;
        if let Some(mut data) = data {
            let data = data.copy_to_bytes(data.remaining());
            received.length =
                received.length.map(|length| length.saturating_sub(data.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(received.stream.poll_recv_trailers(cx)).map_err(io::Error::other)?;
        received.is_over = true;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.0.as_ref().and_then(|received| received.length);
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
