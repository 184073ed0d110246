//! The laboratory's server, on bare hyper. It encodes each message once, and serves each connection
//! with the protocol with which the client begins.
//!
//! It does less than the other servers: it sends no heartbeat, and SIGTERM ends it without a drain.

use bench_common::{CHANNEL, Greeting, HELLO, LARGE, Tick};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// A reader that has fallen behind the channel loses its connection.
type Body = UnsyncBoxBody<Bytes, BroadcastStreamRecvError>;
type Topic = broadcast::Sender<Bytes>;

fn main() -> std::io::Result<()> {
    bench_common::run(serve_all())
}

async fn serve_all() -> std::io::Result<()> {
    let listener = TcpListener::bind(bench_common::address()).await?;
    let topic = Topic::new(CHANNEL);
    if let Some(tls) = bench_common::tls() {
        let acceptor = acceptor(&tls).map_err(std::io::Error::other)?;
        let listener = TcpListener::bind(tls.address).await?;
        tokio::spawn(serve_all_tls(listener, acceptor, topic.clone()));
    }
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(serve(socket, topic.clone()));
    }
}

async fn serve(socket: TcpStream, topic: Topic) {
    let _ = socket.set_nodelay(true);
    // The first read has the whole preface of HTTP/2 or none of it, because clients do not send it
    // byte by byte.
    let mut first = [0; 4];
    let is_http2 = socket.peek(&mut first).await.is_ok_and(|read| &first[..read] == b"PRI ");
    speak(socket, is_http2, topic).await;
}

fn acceptor(
    tls: &bench_common::Tls,
) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)?;
    let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(std::sync::Arc::new(config)))
}

async fn serve_all_tls(listener: TcpListener, acceptor: TlsAcceptor, topic: Topic) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (accepting, topic) = (acceptor.accept(socket), topic.clone());
        tokio::spawn(async move {
            // A client whose handshake fails has no response.
            let Ok(stream) = accepting.await else { return };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            speak(stream, is_http2, topic).await;
        });
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    topic: Topic,
) {
    let service = service_fn(move |request| answer(request, topic.clone()));
    let io = TokioIo::new(stream);
    // For hyper it is an error if a client leaves. Here it is normal.
    if is_http2 {
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(io, service).await;
    }
}

async fn answer(request: Request<Incoming>, topic: Topic) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path();
    Ok(match (request.method(), path) {
        (&Method::GET, "/events") => events(&topic),
        (&Method::POST, "/publish") => {
            let data = request.into_body().collect().await?.to_bytes();
            // An error means that nothing listens any more, which is not a fault.
            let _ = topic.send([b"data: ", &data[..], b"\n\n"].concat().into());
            status(StatusCode::NO_CONTENT)
        }
        (&Method::GET, "/firehose") => {
            match request.uri().query().and_then(|query| query.strip_prefix("n=")?.parse().ok()) {
                Some(n) => firehose(n),
                None => status(StatusCode::BAD_REQUEST),
            }
        }
        (&Method::GET, "/plaintext") => full("text/plain; charset=utf-8", HELLO.into()),
        (&Method::GET, "/large") => full("application/octet-stream", Bytes::from_static(LARGE)),
        (&Method::GET, "/built") => full("application/octet-stream", bench_common::built().into()),
        (&Method::POST, "/collect") => {
            let body = request.into_body().collect().await?.to_bytes();
            full("text/plain; charset=utf-8", body.len().to_string().into())
        }
        (&Method::GET, "/json") => full(
            "application/json",
            serde_json::to_vec(&Greeting::HELLO).expect("it has no map").into(),
        ),
        (&Method::GET, _) => {
            match path.strip_prefix("/users/").and_then(|id| id.parse::<u64>().ok()) {
                Some(id) => full("text/plain; charset=utf-8", format!("user {id}").into()),
                None => status(StatusCode::NOT_FOUND),
            }
        }
        _ => status(StatusCode::NOT_FOUND),
    })
}

fn events(topic: &Topic) -> Response<Body> {
    let messages = BroadcastStream::new(topic.subscribe()).map(|bytes| bytes.map(Frame::data));
    event_stream(StreamBody::new(messages).boxed_unsync())
}

fn firehose(n: u64) -> Response<Body> {
    let messages = (0..n).map(|counter| {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut bytes, &Tick::new(counter)).expect("it has no map");
        bytes.extend_from_slice(b"\n\n");
        Ok(Frame::data(bytes.into()))
    });
    event_stream(StreamBody::new(stream::iter(messages)).boxed_unsync())
}

fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn full(content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(whole(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}
