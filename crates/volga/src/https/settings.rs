//! The addresses of an app, with and without TLS.

#[cfg(feature = "tls")]
use std::io;

#[cfg(feature = "tls")]
use volga_http::{BindTarget, Tls, TlsAcceptor};
use volga_http::{Listener, Server};

#[cfg(feature = "tls")]
use crate::https::redirect::RedirectService;
use crate::{app::App, https::hsts::Hsts};

/// The settings of an app for HTTPS.
#[derive(Debug, Default)]
pub(crate) struct HttpsSettings {
    pub(crate) hsts: Option<Hsts>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    /// Addresses without TLS, in an app with TLS.
    #[cfg(feature = "tls")]
    plain: Vec<BindTarget>,
    /// Addresses that only redirect to HTTPS.
    #[cfg(feature = "tls")]
    redirects: Vec<BindTarget>,
    /// The port to which they redirect, if it is not that of the first listener.
    #[cfg(feature = "tls")]
    port: Option<u16>,
}

impl App {
    /// Tells browsers to use HTTPS only, by the header `Strict-Transport-Security` of every
    /// response over HTTPS. The requests of a [trusted proxy](Self::with_trusted_proxies) count as
    /// HTTPS if the proxy says so. Requests for `localhost` or for an IP address do not get the
    /// header.
    pub fn with_hsts(mut self, hsts: Hsts) -> Self {
        self.https.hsts = Some(hsts);
        self
    }
}

#[cfg(feature = "tls")]
impl App {
    /// Serves HTTPS at all addresses of [`bind`](Self::bind), and at the default address without
    /// one. Needs the feature `tls`.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use volga::{App, ok, tls::Tls};
    ///
    /// let mut app = App::new()
    ///     .bind("0.0.0.0:443")
    ///     .with_tls(Tls::pem_files("cert.pem", "key.pem"))
    ///     .bind_https_redirect("0.0.0.0:80");
    /// app.map_get("/", || ok!("Hello!"));
    /// app.run().await
    /// # }
    /// ```
    ///
    /// The files are read when the app starts. A fault in them is an error of [`run`](Self::run),
    /// whose cause is a [`TlsError`](crate::tls::TlsError). [`bind_plain`](Self::bind_plain) adds
    /// addresses without TLS.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.https.tls = Some(tls);
        self
    }

    /// Adds an address that has no TLS, in an app [with TLS](Self::with_tls): for example a
    /// Unix-domain socket for a proxy on the same machine. In an app without TLS it does the same
    /// as [`bind`](Self::bind), except that it does not replace the default address.
    pub fn bind_plain(mut self, target: impl Into<BindTarget>) -> Self {
        self.https.plain.push(target.into());
        self
    }

    /// Adds an address without TLS that redirects every request to HTTPS: to the same host, path
    /// and query, with status 308, so the method and the body stay as well. A request without a
    /// valid host gets status 400. No handler and no middleware sees these requests.
    ///
    /// The port in the redirect is that of the first address with TLS. If clients use another one,
    /// as behind a router that maps ports, set it with
    /// [`with_https_port`](Self::with_https_port).
    ///
    /// The limit of connections counts these connections apart from the others.
    pub fn bind_https_redirect(mut self, target: impl Into<BindTarget>) -> Self {
        self.https.redirects.push(target.into());
        self
    }

    /// Sets the port that clients use for HTTPS, for [redirects](Self::bind_https_redirect).
    pub fn with_https_port(mut self, port: u16) -> Self {
        self.https.port = Some(port);
        self
    }
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
    /// Makes the listeners of the app. Without the feature `tls` they are the given ones.
    pub(crate) async fn listeners<E: Into<std::io::Error>>(
        &mut self,
        bind: impl Future<Output = Result<Vec<Listener>, E>>,
    ) -> std::io::Result<AppListeners> {
        let served = bind.await.map_err(Into::into)?;
        Ok(AppListeners { served, redirects: Vec::new() })
    }
}

#[cfg(feature = "tls")]
impl HttpsSettings {
    /// Reads the certificates, binds the addresses, and adds TLS to the listeners of `bind`.
    pub(crate) async fn listeners<E: Into<io::Error>>(
        &mut self,
        bind: impl Future<Output = Result<Vec<Listener>, E>>,
    ) -> io::Result<AppListeners> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let tls = self.tls.take().map(Tls::load).transpose().map_err(invalid)?;
        let mut served = bind.await.map_err(Into::into)?;
        if let Some(tls) = &tls {
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
        Ok(AppListeners { served, redirects, https_port })
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
