//! What a request knows about its connection: `ConnectionInfo`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Scheme;

/// The connection on which a request arrived. Every request has it as an extension.
///
/// Clones are cheap: they share one allocation. A transport of your own sets what it knows:
///
/// ```
/// use volga_http::ConnectionInfo;
///
/// let info = ConnectionInfo::new().with_peer(([192, 0, 2, 7], 50_000).into());
/// assert_eq!(info.peer().map(|peer| peer.port()), Some(50_000));
/// assert_eq!(info.scheme(), &http::uri::Scheme::HTTP);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionInfo(Arc<ConnectionDetails>);

#[derive(Clone, Debug, Default)]
struct ConnectionDetails {
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    tls: Option<TlsInfo>,
}

/// The result of a TLS handshake.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol that ALPN has chosen, `h2` or `http/1.1`, if the client offered any.
    pub alpn: Option<Bytes>,
    /// The version of TLS, such as `TLSv1.3`.
    pub version: Option<Cow<'static, str>>,
    /// The host name that the client asked for (SNI).
    pub server_name: Option<Arc<str>>,
    /// The certificate chain of the client in DER, with the client's own certificate first. Empty
    /// if the client sent none.
    pub client_certificates: Vec<Bytes>,
}

impl ConnectionInfo {
    /// A connection without addresses and without TLS.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn tcp(peer: SocketAddr, local: SocketAddr) -> Self {
        Self(Arc::new(ConnectionDetails { peer: Some(peer), local: Some(local), tls: None }))
    }

    /// Sets the address of the client.
    #[must_use]
    pub fn with_peer(mut self, peer: SocketAddr) -> Self {
        Arc::make_mut(&mut self.0).peer = Some(peer);
        self
    }

    /// Sets the address of the server that the client connected to.
    #[must_use]
    pub fn with_local(mut self, local: SocketAddr) -> Self {
        Arc::make_mut(&mut self.0).local = Some(local);
        self
    }

    /// Sets the result of the TLS handshake. The scheme is then `https`.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsInfo) -> Self {
        Arc::make_mut(&mut self.0).tls = Some(tls);
        self
    }

    /// The address of the client. Behind a proxy this is the address of the proxy. `None` on a
    /// Unix-domain socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// The address of the server that the client connected to. If the server listens on an
    /// unspecified address such as `0.0.0.0`, this is the specific address that the client used.
    pub fn local(&self) -> Option<SocketAddr> {
        self.0.local
    }

    /// The network that one client is assumed to control, for counting clients: the IPv4 address,
    /// or the first 64 bits of the IPv6 address, because one client may use all addresses that
    /// share them.
    pub fn peer_network(&self) -> Option<IpAddr> {
        self.peer().map(network)
    }

    /// `https` if there was a TLS handshake, otherwise `http`.
    pub fn scheme(&self) -> &'static Scheme {
        const HTTP: &Scheme = &Scheme::HTTP;
        const HTTPS: &Scheme = &Scheme::HTTPS;
        if self.0.tls.is_some() { HTTPS } else { HTTP }
    }

    /// The result of the TLS handshake, if there was one.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.0.tls.as_ref()
    }

    /// The protocol that ALPN has chosen.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls()?.alpn.as_deref()
    }
}

/// The network of the client at this address.
pub(crate) fn network(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_ipv4_address_or_64_bits_of_ipv6() {
        for (address, expect) in [
            ("192.0.2.7:80", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
            ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::"),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(network(address).to_string(), expect);
        }
    }

    #[test]
    fn with_tls_the_scheme_is_https_and_clones_do_not_change() {
        let plain = ConnectionInfo::tcp(([192, 0, 2, 7], 1).into(), ([192, 0, 2, 1], 80).into());
        let tls = TlsInfo { alpn: Some(Bytes::from_static(b"h2")), ..TlsInfo::default() };
        let secure = plain.clone().with_tls(tls);
        assert_eq!((plain.scheme(), secure.scheme()), (&Scheme::HTTP, &Scheme::HTTPS));
        assert_eq!((plain.alpn(), secure.alpn()), (None, Some(&b"h2"[..])));
        assert_eq!(secure.peer(), plain.peer());
    }
}
