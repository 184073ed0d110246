//! `Tls`: the settings of HTTPS.
//!
//! To add a setting of the handshake, add its field to `ConfigSource` in `server_config.rs`, use it
//! there in `Contents::config`, and set it by `Tls::set` here, which refuses it together with a
//! configuration that the program made itself. To add a setting of the server, add a field to
//! [`Tls`], as `reload_interval` is. `tests/it/tls/` has the tests, and `docs/src/https.md` the
//! guide's page.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::limits::{DEFAULT_TLS_RELOAD_INTERVAL, LONGEST_WAIT};
use crate::tls::acceptor::TlsAcceptor;
use crate::tls::certificates::CertificateSource;
use crate::tls::client_auth::{ClientAuth, ClientRoots};
use crate::tls::error::TlsError;
use crate::tls::loaded_certificates::{LoadedCertificates, ReloadHook, TlsHandle, TlsSource};
use crate::tls::server_config::ConfigSource;
use crate::tls::tickets::TicketKeys;

/// HTTPS: the certificates of a server, and how it uses them.
///
/// The server speaks TLS 1.3 and 1.2, and offers HTTP/2 and HTTP/1.1 by ALPN. rustls does the work,
/// with ring for the cryptography. The provider is passed explicitly, so neither the process's
/// default provider nor another crate's choice matters.
///
/// ```no_run
/// use volga_http::{CertificateSource, Tls};
///
/// let tls = Tls::pem_files("a.example.pem", "a.example.key")
///     .certificate(CertificateSource::pem_files("b.example.pem", "b.example.key"));
/// # let _ = tls;
/// ```
///
/// The files are read when the server starts. While it runs, it looks every
/// [10 seconds](crate::limits::DEFAULT_TLS_RELOAD_INTERVAL) whether they have changed, and then
/// uses the new ones for new connections. See [`reload_interval`](Self::reload_interval).
#[must_use = "settings do nothing without a server"]
pub struct Tls {
    source: TlsSource,
    reload_interval: Duration,
    on_reload: ReloadHook,
    handle: TlsHandle,
    /// The first setting that has no effect on this source.
    without_effect: Option<&'static str>,
}

impl Tls {
    /// Uses the certificate chain and the private key in these PEM files. The server's own
    /// certificate comes first in the chain. Both may be in one file: then pass its path twice.
    pub fn pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::from_source(CertificateSource::pem_files(certificate, key))
    }

    /// Uses the certificate chain and the private key in these PEM texts, for example those of
    /// `include_bytes!` or of a secret store.
    pub fn pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self::from_source(CertificateSource::pem(certificate, key))
    }

    /// Uses a configuration of rustls that you made yourself. One setting has no effect: early data
    /// (`max_early_data_size`) is never accepted, because an attacker could send it again.
    ///
    /// Set `alpn_protocols` in it to `h2` and `http/1.1`: browsers speak HTTP/2 only if the server
    /// offers it there. Without ALPN, the first bytes of a connection decide between HTTP/1.1 and
    /// HTTP/2. Certificates are not reloaded; bring a
    /// [`ResolvesServerCert`](rustls::server::ResolvesServerCert) that does it.
    pub fn config(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::new(TlsSource::RustlsConfig(config.into()))
    }

    /// Uses a certificate for `localhost`, `127.0.0.1` and `::1` that this machine makes for
    /// itself, for development. Browsers warn of it, because nobody has signed it.
    ///
    /// The certificate is made on the first use, and stored for the next ones in the folder
    /// `volga-dev-certificate` of the user's cache (`$XDG_CACHE_HOME` or `~/.cache`, and on Windows
    /// `%LOCALAPPDATA%`). Standard error says where it is.
    ///
    /// In a release build, [`load`](Self::load) fails instead. A program that reaches production
    /// with this setting would ask its users to accept any certificate.
    #[cfg(feature = "dev-certificate")]
    pub fn development() -> Self {
        Self::new(TlsSource::Development)
    }

    fn from_source(certificate: CertificateSource) -> Self {
        Self::new(TlsSource::Certificates(ConfigSource {
            certificates: vec![certificate],
            client_auth: None,
            tickets: TicketKeys::Random,
        }))
    }

    fn new(source: TlsSource) -> Self {
        Self {
            source,
            reload_interval: DEFAULT_TLS_RELOAD_INTERVAL,
            on_reload: Arc::new(report),
            handle: TlsHandle::default(),
            without_effect: None,
        }
    }

    /// Adds a certificate for other names. The names that it has decide which clients get it: the
    /// server looks for the name that the client asks for (SNI), then for a wildcard. A client that
    /// asks for another name, or for no name, gets the first certificate.
    pub fn certificate(self, certificate: CertificateSource) -> Self {
        self.set("certificate", |source| source.certificates.push(certificate))
    }

    /// Requires a certificate of every client, issued by one of these authorities. Without one the
    /// handshake fails. [`TlsInfo::client_certificates`](crate::TlsInfo::client_certificates) has
    /// the certificate.
    ///
    /// Sessions of clients are not resumed then, because a resumed session does not check the
    /// certificate again. Revocation lists are not checked: give clients certificates that soon
    /// expire, or pass a [`config`](Self::config) of your own.
    pub fn require_client_certificates(self, roots: ClientRoots) -> Self {
        let auth = ClientAuth::Required(roots);
        self.set("require_client_certificates", |source| source.client_auth = Some(auth))
    }

    /// Like [`require_client_certificates`](Self::require_client_certificates), but also serves
    /// clients that send no certificate. A certificate that is not valid still fails the handshake.
    pub fn request_client_certificates(self, roots: ClientRoots) -> Self {
        let auth = ClientAuth::Optional(roots);
        self.set("request_client_certificates", |source| source.client_auth = Some(auth))
    }

    /// Encrypts session tickets with these keys, so that a client can resume its session at another
    /// process that has them: the next version of the server during a deploy, or another machine.
    /// The first key encrypts, and all of them decrypt.
    ///
    /// By default each process has random keys of its own, which change every six hours. Keys that
    /// you set stay until you set others. A person who has a key can decrypt what clients of TLS
    /// 1.2 sent in the sessions of its tickets, so replace keys at least every
    /// [12 hours](crate::limits::TICKET_LIFETIME), best by a [file](Self::ticket_key_file).
    pub fn ticket_keys(self, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let keys = keys.into_iter().collect();
        self.set("ticket_keys", |source| source.tickets = TicketKeys::Shared(keys))
    }

    /// Like [`ticket_keys`](Self::ticket_keys), with the keys in the lines of a file: 64
    /// hexadecimal digits each, such as those of `openssl rand -hex 32`, and the newest first. The
    /// file is reloaded together with the certificates, so a change of it rotates the keys.
    pub fn ticket_key_file(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.set("ticket_key_file", |source| source.tickets = TicketKeys::File(path))
    }

    /// Sets how often the server looks whether the files have changed. The default is
    /// [`DEFAULT_TLS_RELOAD_INTERVAL`](crate::limits::DEFAULT_TLS_RELOAD_INTERVAL), and the minimum
    /// is 10 milliseconds. With [`Duration::MAX`] only [`TlsHandle::reload`] reloads them.
    ///
    /// The server compares the contents, so it does not matter whether the files are replaced,
    /// written again, or behind symbolic links that change, as Kubernetes mounts secrets. If the
    /// new files cannot be used, the server keeps what it has. It reports the error when it has
    /// found the files in the same state twice, because the certificate and its key are seldom
    /// replaced at the same moment.
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval.max(Duration::from_millis(10)).min(LONGEST_WAIT);
        self
    }

    /// Sets what is called after each reload: with `Ok` if new files are in use, and with the error
    /// if they could not be used and the old ones stay. By default the error is written to standard
    /// error as one line.
    pub fn on_reload(
        mut self,
        hook: impl Fn(Result<(), &TlsError>) + Send + Sync + 'static,
    ) -> Self {
        self.on_reload = Arc::new(hook);
        self
    }

    /// Returns the handle that reloads the files on call.
    #[must_use]
    pub fn handle(&self) -> TlsHandle {
        self.handle.clone()
    }

    /// Reads the files, and returns what accepts connections with them.
    ///
    /// # Errors
    ///
    /// Returns the first fault, with its file and line, and with what to do.
    pub fn load(self) -> Result<TlsAcceptor, TlsError> {
        if let Some(setting) = self.without_effect {
            let (source_of, advice) = match &self.source {
                TlsSource::RustlsConfig(_) => {
                    ("Tls::config", "set it in the `rustls::ServerConfig`")
                }
                _ => ("Tls::development", "begin with `Tls::pem_files`"),
            };
            return Err(TlsError::WithoutEffect { setting, source_of, advice });
        }
        let certificates = Arc::new(LoadedCertificates::load(self.source, self.on_reload)?);
        self.handle.set(&certificates);
        Ok(TlsAcceptor::new(certificates, self.reload_interval))
    }

    fn set(mut self, setting: &'static str, change: impl FnOnce(&mut ConfigSource)) -> Self {
        match &mut self.source {
            TlsSource::Certificates(source) => change(source),
            #[cfg(feature = "dev-certificate")]
            TlsSource::Development => {
                self.without_effect.get_or_insert(setting);
            }
            TlsSource::RustlsConfig(_) => {
                self.without_effect.get_or_insert(setting);
            }
        }
        self
    }
}

/// Writes a failed reload to standard error, in one write, so that the lines of two threads do not
/// mix.
fn report(result: Result<(), &TlsError>) {
    use std::io::Write;
    if let Err(error) = result {
        let line = format!("the certificates were not reloaded, and the old ones stay: {error}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        match &self.source {
            TlsSource::RustlsConfig(_) => debug.field("source", &"a rustls::ServerConfig"),
            TlsSource::Certificates(source) => debug.field("source", source),
            #[cfg(feature = "dev-certificate")]
            TlsSource::Development => debug.field("source", &"the development certificate"),
        };
        debug.field("reload_interval", &self.reload_interval).finish_non_exhaustive()
    }
}
