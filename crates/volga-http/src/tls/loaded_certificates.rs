//! The certificates in use, and replacing them while the server runs.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ProducesTickets;

#[cfg(feature = "dev-certificate")]
use crate::tls::development;
use crate::tls::error::TlsError;
use crate::tls::server_config::{ConfigSource, Contents, Fingerprint};

/// A function that is called after each reload.
pub(crate) type ReloadHook = Arc<dyn Fn(Result<(), &TlsError>) + Send + Sync>;

/// Where the configuration of TLS comes from.
pub(crate) enum TlsSource {
    /// The application made it. It never changes.
    RustlsConfig(Arc<ServerConfig>),
    Certificates(ConfigSource),
    /// A certificate that is made, or read again, when the server starts.
    #[cfg(feature = "dev-certificate")]
    Development,
}

/// The certificates in use, and where they come from.
pub(crate) struct LoadedCertificates {
    config: RwLock<Arc<ServerConfig>>,
    /// `None` if the configuration never changes.
    source: Option<ConfigSource>,
    /// The fingerprint of the files that were loaded last. A reload holds this lock from its start
    /// to its end, so that an older state of the files never replaces a newer one.
    loaded: Mutex<Fingerprint>,
    /// Random keys stay the same across reloads, so that sessions can be resumed.
    random_tickets: Arc<dyn ProducesTickets>,
    on_reload: ReloadHook,
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
    pub(crate) fn load(source: TlsSource, on_reload: ReloadHook) -> Result<Self, TlsError> {
        let config_error = |error: rustls::Error| TlsError::Config { reason: error.to_string() };
        let random_tickets = ring::Ticketer::new().map_err(config_error)?;
        let source = match source {
            TlsSource::RustlsConfig(config) => {
                return Ok(Self {
                    config: RwLock::new(config),
                    source: None,
                    loaded: Mutex::default(),
                    random_tickets,
                    on_reload,
                });
            }
            TlsSource::Certificates(source) => source,
            #[cfg(feature = "dev-certificate")]
            TlsSource::Development => development::source()?,
        };
        let contents = Contents::read(&source)?;
        let config = contents.config(&source, &random_tickets)?;
        Ok(Self {
            config: RwLock::new(Arc::new(config)),
            source: Some(source),
            loaded: Mutex::new(contents.fingerprint()),
            random_tickets,
            on_reload,
        })
    }

    pub(crate) fn source(&self) -> Option<&ConfigSource> {
        self.source.as_ref()
    }

    /// Whether the certificates come from files, which may change.
    pub(crate) fn has_files(&self) -> bool {
        self.source().is_some_and(ConfigSource::has_files)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
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

/// Reloads the certificates of a server on call. [`Tls::handle`](crate::Tls::handle) returns it.
/// Clones belong to the same server.
#[derive(Clone, Default)]
pub struct TlsHandle(Arc<OnceLock<Weak<LoadedCertificates>>>);

impl TlsHandle {
    pub(crate) fn set(&self, certificates: &Arc<LoadedCertificates>) {
        // It is set only once, because `Tls::load` consumes the settings.
        let _ = self.0.set(Arc::downgrade(certificates));
    }

    /// Reads the files again, and uses them for new connections if they have changed. Connections
    /// that are open keep their certificates.
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
