//! The methods of `App` for HTTPS.

#[cfg(feature = "tls")]
use volga_http::{BindTarget, Tls};

use crate::app::App;
use crate::https::hsts::Hsts;

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
    ///
    /// ```
    /// use volga::{App, tls::Tls};
    ///
    /// let app = App::new()
    ///     .bind("0.0.0.0:8443")
    ///     .with_tls(Tls::pem_files("cert.pem", "key.pem"))
    ///     .bind_plain("unix:/run/app.sock")
    ///     .bind_https_redirect("0.0.0.0:8080")
    ///     .with_https_port(443);
    /// # drop(app);
    /// ```
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

    /// Sets the port that clients use for HTTPS, for [redirects](Self::bind_https_redirect) and for
    /// the announcement of HTTP/3.
    pub fn with_https_port(mut self, port: u16) -> Self {
        self.https.port = Some(port);
        self
    }
}

#[cfg(feature = "http3")]
impl App {
    /// Serves HTTP/3 as well, at all addresses [with TLS](Self::with_tls): over UDP, at the same
    /// port. Needs the feature `http3`.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use volga::{App, ok, tls::Tls};
    ///
    /// let mut app = App::new()
    ///     .bind("0.0.0.0:443")
    ///     .with_tls(Tls::pem_files("cert.pem", "key.pem"))
    ///     .with_http3();
    /// app.map_get("/", || ok!("Hello!"));
    /// app.run().await
    /// # }
    /// ```
    ///
    /// Responses over TCP tell clients of it by the header `Alt-Svc`. Browsers then use HTTP/3 for
    /// their next connection. Routes, middleware, limits and the shutdown are the same. The limit
    /// of connections counts those of HTTP/3 apart from the others.
    ///
    /// Without [`with_tls`](Self::with_tls), [`run`](Self::run) returns an error. So it does if the
    /// port is in use over UDP: two processes cannot share one, even with
    /// [`BindTarget::reuse_port`](crate::BindTarget::reuse_port).
    pub fn with_http3(mut self) -> Self {
        self.https.http3.is_on = true;
        self
    }
}
