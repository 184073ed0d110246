//! The laboratory's server for HTTP/3, on the crate `h3` with quinn. It encodes each message once.
//!
//! It serves `/events` over HTTP/3 alone. Over TCP it has bare hyper for the publisher, and no
//! other route. It does less than Volga: it sends no heartbeat, and SIGTERM ends it without a
//! drain.

use std::{error::Error, io, sync::Arc, time::Duration};

use bench_common::{CHANNEL, HELLO};
use bytes::Bytes;
use h3::{error::StreamError, server::RequestResolver};
use http::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderValue},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use quinn::{Endpoint, ServerConfig, TransportConfig, crypto::rustls::QuicServerConfig};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

type AnyError = Box<dyn Error + Send + Sync>;
type Topic = broadcast::Sender<Bytes>;

/// After how much silence the server sends a PING, so that quiet streams stay open. Volga has the
/// same time.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

fn main() -> io::Result<()> {
    bench_common::run(serve_all())
}

async fn serve_all() -> io::Result<()> {
    let missing = || io::Error::other("the laboratory did not ask for a listener with TLS");
    let tls = bench_common::tls().ok_or_else(missing)?;
    let endpoint = Endpoint::server(config(&tls).map_err(io::Error::other)?, tls.address)?;
    let listener = TcpListener::bind(bench_common::address()).await?;
    let topic = Topic::new(CHANNEL);
    tokio::spawn(serve_publishers(listener, topic.clone()));
    while let Some(incoming) = endpoint.accept().await {
        let topic = topic.clone();
        // It is an error if a client leaves. Here it is normal.
        tokio::spawn(async move { drop(serve(incoming, topic).await) });
    }
    Ok(())
}

fn config(tls: &bench_common::Tls) -> Result<ServerConfig, AnyError> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)?;
    let mut config = rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h3".to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config)?));
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    config.transport_config(transport.into());
    Ok(config)
}

async fn serve(incoming: quinn::Incoming, topic: Topic) -> Result<(), AnyError> {
    let connection = h3_quinn::Connection::new(incoming.await?);
    let mut connection = h3::server::Connection::new(connection).await?;
    while let Some(request) = connection.accept().await? {
        tokio::spawn(respond(request, topic.clone()));
    }
    Ok(())
}

async fn respond(
    request: RequestResolver<h3_quinn::Connection, Bytes>,
    topic: Topic,
) -> Result<(), StreamError> {
    let (request, mut stream) = request.resolve_request().await?;
    let mut response = Response::new(());
    if request.method() != Method::GET || request.uri().path() != "/events" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        stream.send_response(response).await?;
        return stream.finish().await;
    }
    let mut messages = topic.subscribe();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    stream.send_response(response).await?;
    // A reader that has fallen behind the channel loses its stream.
    while let Ok(message) = messages.recv().await {
        stream.send_data(message).await?;
    }
    Ok(())
}

async fn serve_publishers(listener: TcpListener, topic: Topic) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve_publisher(socket, topic.clone()));
    }
}

async fn serve_publisher(socket: TcpStream, topic: Topic) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| publish(request, topic.clone()));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn publish(
    request: Request<Incoming>,
    topic: Topic,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut response = Response::new(Full::default());
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/publish") => {
            let data = request.into_body().collect().await?.to_bytes();
            // An error means that nothing listens any more, which is not a fault.
            let _ = topic.send([b"data: ", &data[..], b"\n\n"].concat().into());
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        // The laboratory waits for this response.
        (&Method::GET, "/plaintext") => *response.body_mut() = HELLO.into(),
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}
