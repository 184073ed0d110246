//! Lets a test that speaks plain TCP reach a server that speaks TLS.
//!
//! With `VOLGA_TEST_TLS=1` the tests of requests, streams and shutdowns run over TLS. Each of their
//! connections goes through a relay, which encrypts what the test sends. An end and a reset pass
//! through it in both directions: the end of a client's input becomes a `close_notify` and FIN.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// The certificate of all servers of this process, and its key.
struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a valid name");
        Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    })
}

/// Whether this run of the tests is the one over TLS.
pub(crate) fn is_on() -> bool {
    std::env::var_os("VOLGA_TEST_TLS").is_some()
}

/// The certificate and the key that a server behind a relay uses, as PEM texts.
pub(crate) fn pem() -> (&'static str, &'static str) {
    (&pair().certificate, &pair().key)
}

/// Starts a relay to the server at this address, and returns the address of the relay.
pub(crate) async fn relay(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let connector = connector();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Once the server does not listen any more, neither does the relay.
            let Ok(stream) = TcpStream::connect(server).await else { return };
            tokio::spawn(pass(client, stream, connector.clone()));
        }
    });
    address
}

fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificate = PemObject::from_pem_slice(pair().certificate.as_bytes());
    roots.add(certificate.expect("a certificate")).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Passes the bytes of one connection.
async fn pass(client: TcpStream, server: TcpStream, connector: TlsConnector) {
    let sockets = [&client, &server].map(|socket| {
        let socket = socket2::SockRef::from(socket).try_clone();
        socket.expect("a descriptor")
    });
    let name = ServerName::try_from("localhost").expect("a name");
    let Ok(stream) = connector.connect(name, server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(stream);
    let up = copy(&mut from_client, &mut to_server);
    let down = copy(&mut from_server, &mut to_client);
    if tokio::try_join!(up, down).is_err() {
        // One side has reset its connection, so the other side gets a reset as well.
        for socket in sockets {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}

/// Passes the bytes of one direction, with its end. An error is a reset.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<(), ()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = match from.read(&mut bytes).await {
            Ok(count) => count,
            // The server has aborted. On plain TCP that is an end like any other.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(_) => return Err(()),
        };
        if count == 0 {
            let _ = to.shutdown().await;
            return Ok(());
        }
        to.write_all(&bytes[..count]).await.map_err(drop)?;
        to.flush().await.map_err(drop)?;
    }
}
