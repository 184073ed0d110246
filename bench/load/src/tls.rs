//! The second listener of a server, which speaks TLS, and the client's end of it.
//!
//! The client offers one cipher suite and one group for the keys, so that all servers do the same
//! cryptography. It never resumes a session, so every handshake is a full one.

use std::{
    fs,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use mio::net::TcpStream;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite::TLS13_AES_128_GCM_SHA256, kx_group::X25519},
    },
    pki_types::ServerName,
};

use crate::failure::Failure;

/// A listener with TLS, and how a client connects to it.
#[derive(Debug)]
pub(crate) struct TlsListener {
    pub(crate) address: SocketAddr,
    /// The file of the certificate, which has an ECDSA key (P-256).
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    client: Arc<ClientConfig>,
}

/// A connection of a client.
pub(crate) type TlsStream<S> = StreamOwned<ClientConnection, S>;

impl TlsListener {
    /// The name in the certificate.
    pub(crate) const NAME: &str = "localhost";

    /// Makes a certificate, and writes it with its key into the folder. The names of the files
    /// begin with that of the server.
    pub(crate) fn new(address: SocketAddr, folder: &Path, server: &str) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed([Self::NAME.to_owned()])
            .map_err(|error| Failure::new(format!("a certificate: {error}")))?;
        let file = |name| folder.join(format!("{server}-{name}.pem"));
        let (certificate, key) = (file("tls-cert"), file("tls-key"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;

        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let provider = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![X25519],
            ..ring::default_provider()
        };
        let mut client = ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { address, certificate, key, client: client.into() })
    }

    /// Makes a full handshake on this socket, which is in blocking mode.
    pub(crate) fn handshake<S: Read + io::Write>(
        &self,
        mut socket: S,
    ) -> Result<TlsStream<S>, Failure> {
        let name =
            ServerName::try_from(Self::NAME).map_err(|error| Failure::new(error.to_string()))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.client), name)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        // A group that the server does not have would cost a second round.
        if connection.handshake_kind() != Some(HandshakeKind::Full) {
            return Err(Failure::new("the handshake was not a full one"));
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// The settings of a client of HTTP/3 at the same port, over UDP.
    pub(crate) fn quic_client(&self) -> Result<quinn::ClientConfig, Failure> {
        let mut client = ClientConfig::clone(&self.client);
        client.alpn_protocols = vec![b"h3".to_vec()];
        let client = QuicClientConfig::try_from(client)
            .map_err(|error| Failure::new(format!("QUIC: {error}")))?;
        Ok(quinn::ClientConfig::new(Arc::new(client)))
    }
}

impl From<rustls::Error> for Failure {
    fn from(error: rustls::Error) -> Self {
        Self::new(format!("TLS: {error}"))
    }
}

/// A connection that is read with epoll.
pub(crate) enum Transport {
    Plain(TcpStream),
    /// The state of TLS is large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// Whether a read that does not fill the buffer has emptied the socket.
    ///
    /// With TLS, a read ends with the bytes that rustls has decrypted, and the socket may have
    /// more.
    pub(crate) fn short_read_is_last(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}
