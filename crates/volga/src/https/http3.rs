//! HTTP/3 for an app: its listeners, and the header `Alt-Svc`, which tells clients of it (RFC
//! 7838).

use std::{
    io,
    sync::{Arc, OnceLock},
};

use http::{HeaderValue, Version, header::ALT_SVC};
use volga_core::{HttpContext, Middleware, Next, RouterService, WrapMiddleware};
use volga_h3::{Http3Listener, Http3Server};
use volga_http::{ConnectionInfo, DrainOutcome, Listener, Server, TlsAcceptor};

use crate::connection_service::ConnectionService;

/// The settings of an app for HTTP/3.
#[derive(Debug, Default)]
pub(crate) struct Http3Settings {
    pub(crate) is_on: bool,
    announced: Arc<OnceLock<Announced>>,
}

/// The header, by the port of the connection over TCP.
type Announced = Vec<(u16, HeaderValue)>;

impl Http3Settings {
    /// Binds UDP at the address of each listener that gets TLS. `served` are those without a
    /// handshake yet.
    pub(crate) fn bind(
        &self,
        tls: Option<&TlsAcceptor>,
        served: &[Listener],
    ) -> io::Result<Vec<Http3Listener>> {
        if !self.is_on {
            return Ok(Vec::new());
        }
        let Some(tls) = tls else { return Err(invalid("`with_http3` needs TLS: call `with_tls`")) };
        let encrypted = served.iter().filter(|listener| !listener.has_handshake());
        let addresses: Vec<_> = encrypted.filter_map(Listener::tcp_addr).collect();
        if addresses.is_empty() {
            return Err(invalid("`with_http3` needs a TCP address: call `bind` with one"));
        }
        volga_h3::bind(addresses, tls)
    }

    /// Checks that the routes for WebTransport sessions can be reached.
    pub(crate) fn check_webtransport(&self, has_webtransport: bool) -> io::Result<()> {
        if has_webtransport && !self.is_on {
            return Err(invalid("`map_webtransport` needs HTTP/3: call `with_http3`"));
        }
        Ok(())
    }

    /// Sets the header, with the port that clients use if it is another one.
    pub(crate) fn announce(&self, listeners: &[Http3Listener], port: Option<u16>) {
        let header = |listener: &Http3Listener| {
            let own = listener.address().port();
            let text = format!("h3=\":{}\"; ma=86400", port.unwrap_or(own));
            Some((own, HeaderValue::try_from(text).ok()?))
        };
        let mut announced: Announced = listeners.iter().filter_map(header).collect();
        announced.dedup_by_key(|(port, _)| *port);
        // An app runs once.
        let _ = self.announced.set(announced);
    }

    /// The middleware that adds the header to responses over TCP with TLS.
    pub(crate) fn middleware(&self) -> impl Middleware + use<> {
        let announced = Arc::clone(&self.announced);
        WrapMiddleware::new(move |ctx: HttpContext, next: Next| {
            let value = announced.get().and_then(|announced| value(announced, &ctx));
            async move {
                let mut response = next.run(ctx).await;
                if let Some(value) = value {
                    response.headers_mut().entry(ALT_SVC).or_insert(value);
                }
                response
            }
        })
    }
}

/// The header of a response to this request.
fn value(announced: &Announced, ctx: &HttpContext) -> Option<HeaderValue> {
    if ctx.version == Version::HTTP_3 {
        return None;
    }
    let info: &ConnectionInfo = ctx.extensions.get()?;
    info.tls()?;
    let port = info.local()?.port();
    announced.iter().find(|(own, _)| *own == port).map(|(_, value)| value.clone())
}

/// Serves HTTP/3 until the drain is over.
pub(crate) async fn serve(
    server: Server,
    listeners: Vec<Http3Listener>,
    service: RouterService,
    has_webtransport: bool,
) -> io::Result<DrainOutcome> {
    if listeners.is_empty() {
        return Ok(DrainOutcome::Complete);
    }
    let make = move |info| ConnectionService::new(&service, info);
    let server = Http3Server::new(server.settings()).webtransport(has_webtransport);
    server.serve_each(listeners, make).await
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
