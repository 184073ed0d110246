//! Certificates, servers that use them, and TLS clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use volga_http::{ConnectionInfo, Drain, DrainOutcome, RequestBody, Server, Tls, bind};

use crate::support::{TestBody, connect, serving_on, within};

/// A self-signed certificate and its key, as PEM texts.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) fn pair(names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("valid names");
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

impl Pair {
    pub(crate) fn tls(&self) -> Tls {
        Tls::pem(&self.certificate, &self.key)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }
}

/// The behaviour of a TLS client in its handshake.
#[derive(Clone)]
pub(crate) struct Client {
    config: ClientConfig,
}

impl Client {
    /// A client that trusts these certificates.
    pub(crate) fn trusting(pairs: &[&Pair]) -> Self {
        Self::with_versions(pairs, rustls::ALL_VERSIONS)
    }

    pub(crate) fn with_versions(
        pairs: &[&Pair],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self { config: builder(pairs, versions).with_no_client_auth() }
    }

    /// A client with a certificate of its own.
    pub(crate) fn with_certificate(trusted: &Pair, own: &Pair) -> Self {
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
        let config = builder(&[trusted], rustls::ALL_VERSIONS)
            .with_client_auth_cert(vec![own.der()], key)
            .expect("a key that fits");
        Self { config }
    }

    /// Offers these protocols.
    pub(crate) fn alpn(mut self, names: &[&str]) -> Self {
        self.config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) fn without_resumption(mut self) -> Self {
        self.config.resumption = Resumption::disabled();
        self
    }

    /// Asks for no server name.
    pub(crate) fn without_name(mut self) -> Self {
        self.config.enable_sni = false;
        self
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.connect_to("localhost", connect(address).await).await
    }

    pub(crate) async fn connect_to<S>(&self, name: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        within(TlsConnector::from(Arc::new(self.config.clone())).connect(name, stream)).await
    }

    /// The connector, for clients that share their sessions.
    pub(crate) fn connector(self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.config))
    }
}

fn builder(
    pairs: &[&Pair],
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.der()).expect("a certificate");
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has both versions")
        .with_root_certificates(roots)
}

/// A server with TLS on a port of its own.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) task: JoinHandle<io::Result<DrainOutcome>>,
}

impl TlsServer {
    pub(crate) async fn start<F, Fut>(server: Server, tls: Tls, handler: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<TestBody>> + Send + 'static,
    {
        let tls = tls.load().expect("a certificate");
        let listeners: Vec<_> = bind(([127, 0, 0, 1], 0))
            .await
            .expect("a free port")
            .into_iter()
            .map(|listener| listener.with_tls(&tls))
            .collect();
        let address = listeners[0].tcp_addr().expect("TCP");
        let (drain, serving) = serving_on(listeners, server, handler);
        Self { address, drain, task: tokio::spawn(serving) }
    }

    /// A server that responds with [`facts`].
    pub(crate) async fn facts(tls: Tls) -> Self {
        Self::start(Server::new(), tls, facts).await
    }

    pub(crate) async fn drained(self) -> DrainOutcome {
        self.drain.start();
        within(self.task).await.expect("no panic").expect("a listener")
    }
}

/// Responds with the results of the handshake, with a `!` at the end.
pub(crate) async fn facts(request: Request<RequestBody>) -> Response<TestBody> {
    let info: &ConnectionInfo = request.extensions().get().expect("an extension");
    let tls = info.tls().expect("TLS");
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let text = format!(
        "{} {} {} {} {:?}!",
        info.scheme(),
        tls.version.as_deref().unwrap_or("-"),
        tls.alpn.as_ref().map_or("-".to_owned(), text),
        tls.server_name.as_deref().unwrap_or("-"),
        request.version(),
    );
    Response::new(TestBody::full(text))
}

/// The body of the response to a GET over HTTP/2.
pub(crate) async fn get_h2<S>(stream: S) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut client, driver) = within(h2::client::handshake(stream)).await.expect("HTTP/2");
    tokio::spawn(driver);
    let (response, _) = client.send_request(crate::support::get(), true).expect("it is open");
    let mut body = within(response).await.expect("a response").into_body();
    let data = within(body.data()).await.expect("a body").expect("data");
    String::from_utf8_lossy(&data).into_owned()
}
