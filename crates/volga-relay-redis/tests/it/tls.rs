//! Connections to Redis over TLS.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use volga_relay_redis::{RedisHub, RedisHubError};
use volga_sse::hub::Hub;

use crate::node::{next_text, node, send, until, until_ready};
use crate::redis_server::{RedisServer, is_missing};

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Clients find an authority by its name, so each has another one.
        let name = format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server with a second port, which has TLS and wants certificates of its clients.
struct TlsServer {
    server: RedisServer,
    authority: Authority,
    port: u16,
    folder: PathBuf,
}

impl TlsServer {
    /// The certificate of the server is for this name.
    fn start(name: &str) -> Self {
        let authority = Authority::new();
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
        let port = port.expect("an address").port();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("tls-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let write = |file: &str, text: &str| {
            let path = folder.join(file);
            std::fs::write(&path, text).expect("a file");
            path.into_os_string().into_string().expect("a path of text")
        };
        let (certificate, key) = authority.sign(name);
        let certificate = write("certificate.pem", &certificate);
        let key = write("key.pem", &key);
        let authorities = write("authority.pem", &authority.pem());
        let port_text = port.to_string();
        let options = ["--tls-port", &port_text, "--tls-cert-file", &certificate];
        let options = [&options[..], &["--tls-key-file", &key, "--tls-ca-cert-file", &authorities]];
        Self { server: RedisServer::start(&options.concat()), authority, port, folder }
    }

    /// Settings that name nothing but the address.
    fn settings(&self) -> RedisHub {
        RedisHub::new(format!("rediss://127.0.0.1:{}", self.port))
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes a hub, waits until it has reported an error, and returns the text.
async fn first_error(settings: RedisHub) -> String {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&errors);
    let settings = settings
        .on_connection_error(move |error| log.lock().expect("no panic").push(error.to_string()));
    let hub = settings.build(Hub::builder()).expect("valid settings");
    until("an error", || !errors.lock().expect("no panic").is_empty()).await;
    assert!(!hub.is_ready());
    errors.lock().expect("no panic").remove(0)
}

#[tokio::test]
async fn nodes_with_and_without_tls_share_a_hub() {
    if is_missing() {
        return;
    }
    let server = TlsServer::start("127.0.0.1");
    let (chain, key) = server.authority.sign("a-node");
    let secure = server
        .settings()
        .tls_authorities(server.authority.pem())
        .tls_client_certificate(chain, key)
        .build(Hub::builder())
        .expect("valid settings");
    let plain = node(&server.server);
    for hub in [&secure, &plain] {
        until_ready(hub).await;
    }
    let mut subscriptions =
        [&secure, &plain].map(|hub| hub.subscribe("t").open().expect("the hub is open"));
    for (hub, text) in [(&secure, "one"), (&plain, "two"), (&secure, "three")] {
        send(hub, "t", text).await;
        for subscription in &mut subscriptions {
            assert_eq!(next_text(subscription).await.0, text);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_nothing_and_the_error_says_why() {
    if is_missing() {
        return;
    }
    let server = TlsServer::start("another.example");
    let (chain, key) = server.authority.sign("a-node");
    let trusted = || server.settings().tls_authorities(server.authority.pem());
    for (settings, reason) in [
        // The authorities of the system have not signed it.
        (server.settings(), "UnknownIssuer"),
        (server.settings().tls_authorities(Authority::new().pem()), "UnknownIssuer"),
        (trusted().tls_client_certificate(chain, key), "not valid for name"),
    ] {
        let error = first_error(settings).await;
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("does not trust the certificate"), "{error}");
        assert!(error.contains("`tls_authorities`"), "{error}");
    }
}

/// The first bytes that a node sends to a server after the handshake. None if it does not trust it.
async fn first_bytes(authority: &Authority, name: &str, is_trusted: bool) -> Vec<u8> {
    let (chain, key) = authority.sign(name);
    let chain = CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::task::spawn_blocking(move || {
        let (socket, _) = listener.accept().expect("a node");
        let connection = rustls::ServerConnection::new(Arc::new(config)).expect("valid");
        let mut buffer = vec![0; 4_096];
        // The handshake of a node that does not trust the server fails.
        let length = rustls::StreamOwned::new(connection, socket).read(&mut buffer).unwrap_or(0);
        buffer.truncate(length);
        buffer
    });
    let settings = RedisHub::new(format!("rediss://:secret@127.0.0.1:{port}"));
    let settings = if is_trusted { settings.tls_authorities(authority.pem()) } else { settings };
    let _hub = settings.build(Hub::builder()).expect("valid settings");
    server.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_server_that_is_trusted_gets_the_password() {
    let authority = Authority::new();
    for (name, is_trusted) in [("127.0.0.1", true), ("another.example", true), ("127.0.0.1", false)]
    {
        let bytes = first_bytes(&authority, name, is_trusted).await;
        let has_password = bytes.windows(6).any(|bytes| bytes == b"secret");
        let expect = is_trusted && name == "127.0.0.1";
        assert_eq!((has_password, bytes.is_empty()), (expect, !expect), "{name} {is_trusted}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_trusted_is_refused() {
    if is_missing() {
        return;
    }
    let server = TlsServer::start("127.0.0.1");
    let trusted = || server.settings().tls_authorities(server.authority.pem());
    let (chain, key) = Authority::new().sign("a-node");
    for settings in [trusted(), trusted().tls_client_certificate(chain, key)] {
        let error = first_error(settings).await;
        assert!(error.starts_with("no connection to Redis at 127.0.0.1:"), "{error}");
    }
    let _: String = server.server.command(&["CONFIG", "SET", "tls-auth-clients", "no"]);
    let hub = trusted().build(Hub::builder()).expect("valid settings");
    until_ready(&hub).await;
}

#[tokio::test]
async fn certificates_and_urls_that_cannot_work_are_refused() {
    let (chain, key) = Authority::new().sign("a-node");
    let settings = || RedisHub::new("rediss://localhost");
    let broken = "-----BEGIN CERTIFICATE-----\nsecret";
    for settings in [
        settings().tls_authorities(""),
        settings().tls_authorities("secret"),
        settings().tls_authorities(broken),
        settings().tls_authorities(key.clone()),
        settings().tls_client_certificate("secret", key.clone()),
        settings().tls_client_certificate(chain.clone(), chain.clone()),
        settings().tls_client_certificate(chain, "secret"),
    ] {
        let error = settings.build(Hub::builder()).expect_err("invalid");
        assert!(matches!(error, RedisHubError::Certificate { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let insecure = RedisHub::new("rediss://localhost/#insecure").build(Hub::builder());
    let error = insecure.expect_err("invalid");
    assert!(matches!(error, RedisHubError::Url { .. }), "{error}");
    assert!(error.to_string().contains("#insecure"), "{error}");
}
