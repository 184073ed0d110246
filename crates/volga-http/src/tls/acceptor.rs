//! The handshake of a connection.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::connection::info::ConnectionInfo;
use crate::io::socket::Socket;
use crate::tls::loaded_certificates::LoadedCertificates;
use crate::tls::stream::TlsStream;
use crate::tls::watch::Watch;

/// Accepts TLS connections with the certificates of [`Tls::load`](crate::Tls::load). Clones share
/// them.
///
/// Pass it to [`Listener::with_tls`](crate::Listener::with_tls).
#[derive(Clone)]
pub struct TlsAcceptor {
    certificates: Arc<LoadedCertificates>,
    watch: Arc<Watch>,
}

impl TlsAcceptor {
    /// Accepts with these certificates, whose files are checked once per interval.
    pub(crate) fn new(certificates: Arc<LoadedCertificates>, reload_interval: Duration) -> Self {
        let interval = certificates.has_files().then_some(reload_interval);
        Self { certificates, watch: Arc::new(Watch::new(interval)) }
    }

    /// The configuration with the certificates in use, for a protocol that does its own handshakes.
    ///
    /// After a reload this is another one, so ask for it for each connection. It offers the
    /// protocols of TCP by ALPN: clone it, and set your own.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.certificates.config()
    }

    /// Begins to watch the files, until all clones are dropped. A [`Server`](crate::Server) does
    /// it. A second call changes nothing.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime, unless nothing is to be watched.
    pub fn start_watching(&self) {
        self.watch.start(&self.certificates);
    }

    /// Does the handshake of a connection.
    pub(crate) async fn accept(
        &self,
        socket: Socket,
        info: ConnectionInfo,
    ) -> io::Result<(Socket, ConnectionInfo)> {
        let stream = TlsStream::accept(socket, &self.certificates.config()).await?;
        let info = info.with_tls(stream.tls_info());
        Ok((Socket::Tls(Box::new(stream)), info))
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("source", &self.certificates.source()).finish()
    }
}
