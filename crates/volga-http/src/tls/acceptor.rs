//! The handshake of a connection, and replacing the certificates while the server runs.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use bytes::Bytes;
use rustls::crypto::ring;
use rustls::server::ProducesTickets;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};

use crate::connection::info::{ConnectionInfo, TlsInfo};
use crate::io::socket::Socket;
use crate::limits::TLS_WRITE_BUFFER;
#[cfg(feature = "dev-certificate")]
use crate::tls::development;
use crate::tls::error::TlsError;
use crate::tls::server_config::{ConfigSource, Contents, Fingerprint};
use crate::tls::settings::{ReloadHook, Tls, TlsSource};
use crate::tls::stream::{CountedSocket, TlsStream};
use crate::tls::watch::Watch;

/// Accepts TLS connections with the certificates of [`Tls::load`]. Clones share them.
///
/// Pass it to [`Listener::with_tls`](crate::Listener::with_tls).
#[derive(Clone)]
pub struct TlsAcceptor {
    certificates: Arc<LoadedCertificates>,
    watch: Arc<Watch>,
}

/// The certificates in use, and where they come from.
pub(crate) struct LoadedCertificates {
    config: RwLock<Arc<ServerConfig>>,
    /// `None` if the configuration never changes.
    source: Option<ConfigSource>,
    /// What was loaded last. Locked for the whole of a reload, so that an older state of the files
    /// never replaces a newer one.
    loaded: Mutex<Fingerprint>,
    /// Random keys stay the same across reloads, so that sessions can be resumed.
    random_tickets: Arc<dyn ProducesTickets>,
    on_reload: ReloadHook,
}

impl TlsAcceptor {
    pub(crate) fn load(tls: Tls) -> Result<Self, TlsError> {
        let Tls { source, reload_interval, on_reload, .. } = tls;
        let config_error = |error: rustls::Error| TlsError::Config { reason: error.to_string() };
        let random_tickets = ring::Ticketer::new().map_err(config_error)?;
        let (config, source, fingerprint) = match source {
            TlsSource::Fixed(config) => (config, None, Fingerprint::default()),
            TlsSource::Made(source) => {
                let contents = Contents::read(&source)?;
                let config = contents.config(&source, &random_tickets)?;
                (Arc::new(config), Some(source), contents.fingerprint())
            }
            #[cfg(feature = "dev-certificate")]
            TlsSource::Development => {
                let source = development::source()?;
                let contents = Contents::read(&source)?;
                let config = contents.config(&source, &random_tickets)?;
                (Arc::new(config), Some(source), contents.fingerprint())
            }
        };
        let interval =
            source.as_ref().is_some_and(ConfigSource::has_files).then_some(reload_interval);
        let certificates = Arc::new(LoadedCertificates {
            config: RwLock::new(config),
            source,
            loaded: Mutex::new(fingerprint),
            random_tickets,
            on_reload,
        });
        Ok(Self { certificates, watch: Arc::new(Watch::new(interval)) })
    }

    /// Begins to watch the files, until all clones are dropped. Needs a runtime.
    pub(crate) fn start_watching(&self) {
        self.watch.start(&self.certificates);
    }

    /// Does the handshake of a connection.
    pub(crate) async fn accept(
        &self,
        socket: Socket,
        info: ConnectionInfo,
    ) -> io::Result<(Socket, ConnectionInfo)> {
        let config = self.certificates.config();
        let handshake = tokio_rustls::TlsAcceptor::from(config).accept_with(
            CountedSocket::new(socket),
            |session| {
                session.set_buffer_limit(Some(TLS_WRITE_BUFFER));
            },
        );
        let stream = handshake.await?;
        let info = info.with_tls(tls_info(stream.get_ref().1));
        Ok((Socket::Tls(Box::new(TlsStream::new(stream, info.clone()))), info))
    }
}

/// The results of the handshake.
fn tls_info(session: &ServerConnection) -> TlsInfo {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3".into()),
        Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2".into()),
        other => other.map(|version| format!("{version:?}").into()),
    };
    TlsInfo {
        alpn: session.alpn_protocol().map(|name| match name {
            // No allocation for the usual names.
            b"h2" => Bytes::from_static(b"h2"),
            b"http/1.1" => Bytes::from_static(b"http/1.1"),
            other => Bytes::copy_from_slice(other),
        }),
        version,
        server_name: session.server_name().map(Into::into),
        client_certificates: session
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| Bytes::copy_from_slice(certificate))
            .collect(),
    }
}

/// The result of a check of the files.
#[derive(Debug)]
pub(crate) enum Reload {
    Unchanged,
    Replaced,
    Failed {
        /// Identifies the state of the files, to tell whether it lasts.
        state: Fingerprint,
        error: TlsError,
    },
}

impl LoadedCertificates {
    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files, and uses them for new connections if they have changed. Blocks the thread
    /// while it reads.
    pub(crate) fn reload(&self) -> Reload {
        let Some(source) = &self.source else { return Reload::Unchanged };
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = match Contents::read(source) {
            Ok(contents) => contents,
            Err(error) => return Reload::Failed { state: Fingerprint::default(), error },
        };
        let fingerprint = contents.fingerprint();
        if *loaded == fingerprint {
            return Reload::Unchanged;
        }
        match contents.config(source, &self.random_tickets) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                *loaded = fingerprint;
                Reload::Replaced
            }
            Err(error) => Reload::Failed { state: fingerprint, error },
        }
    }

    pub(crate) fn report(&self, result: Result<(), &TlsError>) {
        (self.on_reload)(result);
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("source", &self.certificates.source).finish()
    }
}

/// Reloads the certificates of a server on call. [`Tls::handle`] returns it. Clones belong to the
/// same server.
#[derive(Clone, Default)]
pub struct TlsHandle(Arc<OnceLock<Weak<LoadedCertificates>>>);

impl TlsHandle {
    pub(crate) fn set(&self, acceptor: &TlsAcceptor) {
        // It is set only once, because `load` consumes the settings.
        let _ = self.0.set(Arc::downgrade(&acceptor.certificates));
    }

    /// Reads the files again, and uses them for new connections if they have changed. Connections
    /// that are open go on with what they have.
    ///
    /// Before the server starts and after it has ended, this does nothing: the start reads the
    /// files anyway.
    ///
    /// # Errors
    ///
    /// Returns the first fault in the new files. The server keeps what it had.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, but a reload that has begun continues.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn reload(&self) -> Result<(), TlsError> {
        let Some(certificates) = self.0.get().and_then(Weak::upgrade) else { return Ok(()) };
        let reloading = tokio::task::spawn_blocking(move || {
            let reload = certificates.reload();
            if let Reload::Replaced = reload {
                certificates.report(Ok(()));
            }
            reload
        });
        match reloading.await {
            Ok(Reload::Failed { error, .. }) => Err(error),
            Ok(Reload::Unchanged | Reload::Replaced) => Ok(()),
            Err(error) => Err(TlsError::Config { reason: error.to_string() }),
        }
    }
}

impl fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsHandle")
    }
}
