//! The settings of an app for HTTPS, and its listeners with and without TLS.

#[cfg(feature = "tls")]
use std::io;

#[cfg(feature = "tls")]
use volga_http::{BindTarget, Tls, TlsAcceptor};
use volga_http::{Listener, Server};

use crate::https::hsts::Hsts;
#[cfg(feature = "http3")]
use crate::https::http3::Http3Settings;
#[cfg(feature = "tls")]
use crate::https::redirect::RedirectService;

/// The settings of an app for HTTPS.
#[derive(Debug, Default)]
pub(crate) struct HttpsSettings {
    pub(crate) hsts: Option<Hsts>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    /// Addresses without TLS, in an app with TLS.
    #[cfg(feature = "tls")]
    pub(crate) plain: Vec<BindTarget>,
    /// Addresses that only redirect to HTTPS.
    #[cfg(feature = "tls")]
    pub(crate) redirects: Vec<BindTarget>,
    /// The port to which they redirect, if it is not that of the first listener.
    #[cfg(feature = "tls")]
    pub(crate) port: Option<u16>,
    #[cfg(feature = "http3")]
    pub(crate) http3: Http3Settings,
}

/// The certificates of an app, once they are loaded.
#[derive(Debug)]
pub(crate) struct LoadedTls {
    #[cfg(feature = "tls")]
    acceptor: Option<TlsAcceptor>,
}

/// The listeners of an app.
#[derive(Debug, Default)]
pub(crate) struct AppListeners {
    /// Those that serve the routes.
    pub(crate) served: Vec<Listener>,
    /// Those that redirect to HTTPS.
    pub(crate) redirects: Vec<Listener>,
    /// The port to which they redirect.
    #[cfg(feature = "tls")]
    https_port: u16,
    /// Those of HTTP/3.
    #[cfg(feature = "http3")]
    pub(crate) http3: Vec<volga_h3::Http3Listener>,
}

impl AppListeners {
    /// All listeners, with the scheme of each.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        self.served
            .iter()
            .chain(&self.redirects)
            .map(|listener| (if listener.has_handshake() { "https" } else { "http" }, listener))
    }
}

#[cfg(not(feature = "tls"))]
impl HttpsSettings {
    /// There are no certificates without the feature `tls`.
    pub(crate) fn load(&mut self) -> std::io::Result<LoadedTls> {
        Ok(LoadedTls {})
    }

    /// Makes the listeners of the app. Without the feature `tls` they are the given ones.
    pub(crate) async fn listeners<E: Into<std::io::Error>>(
        &self,
        _: &LoadedTls,
        bind: impl Future<Output = Result<Vec<Listener>, E>>,
    ) -> std::io::Result<AppListeners> {
        let served = bind.await.map_err(Into::into)?;
        Ok(AppListeners { served, redirects: Vec::new() })
    }
}

#[cfg(feature = "tls")]
impl HttpsSettings {
    /// Reads the certificates.
    pub(crate) fn load(&mut self) -> io::Result<LoadedTls> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let acceptor = self.tls.take().map(Tls::load).transpose().map_err(invalid)?;
        Ok(LoadedTls { acceptor })
    }

    /// Binds the addresses, and adds TLS to the listeners of `bind`.
    pub(crate) async fn listeners<E: Into<io::Error>>(
        &self,
        tls: &LoadedTls,
        bind: impl Future<Output = Result<Vec<Listener>, E>>,
    ) -> io::Result<AppListeners> {
        let mut served = bind.await.map_err(Into::into)?;
        #[cfg(feature = "http3")]
        let http3 = self.http3.bind(tls.acceptor.as_ref(), &served)?;
        if let Some(tls) = &tls.acceptor {
            served = served.into_iter().map(|listener| encrypted(listener, tls)).collect();
        }
        if !self.plain.is_empty() {
            served.extend(volga_http::bind_all(self.plain.iter().cloned()).await?);
        }
        let redirects = match &self.redirects[..] {
            [] => Vec::new(),
            targets => volga_http::bind_all(targets.iter().cloned()).await?,
        };
        let https = served.iter().filter(|listener| listener.has_handshake());
        let port = https.filter_map(Listener::tcp_addr).map(|address| address.port()).next();
        let https_port = match self.port.or(port) {
            Some(port) => port,
            None if redirects.is_empty() => 0,
            None => {
                let text = "`bind_https_redirect` needs an address with TLS: call `with_tls`, or `with_https_port` if another program serves HTTPS";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        Ok(AppListeners {
            served,
            redirects,
            https_port,
            #[cfg(feature = "http3")]
            http3,
        })
    }
}

/// Adds TLS to a listener, unless it has a handshake of its own.
#[cfg(feature = "tls")]
fn encrypted(listener: Listener, tls: &TlsAcceptor) -> Listener {
    if listener.has_handshake() { listener } else { listener.with_tls(tls) }
}

/// Serves the redirects until the drain is over. Returns the number of connections that were
/// aborted.
#[cfg(feature = "tls")]
pub(crate) async fn serve_redirects(
    server: Server,
    listeners: &mut AppListeners,
) -> io::Result<volga_http::DrainOutcome> {
    let redirects = std::mem::take(&mut listeners.redirects);
    if redirects.is_empty() {
        return Ok(volga_http::DrainOutcome::Complete);
    }
    let service = RedirectService { port: listeners.https_port };
    server.serve_each(redirects, move |_| service.clone()).await
}

#[cfg(not(feature = "tls"))]
pub(crate) async fn serve_redirects(
    _: Server,
    _: &mut AppListeners,
) -> std::io::Result<volga_http::DrainOutcome> {
    Ok(volga_http::DrainOutcome::Complete)
}
