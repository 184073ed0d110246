//! What a request knows of its connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::Extensions;

/// The address of the client's end of the connection, an extension of every request that came over TCP.
///
/// Behind a proxy it is the proxy's. A client of a Unix-domain socket has no address, and its requests not this extension.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// What one client has for itself: its IPv4 address, or the first 64 bits of its IPv6 address, since it may have all of the others. To count clients by.
    pub fn network(&self) -> IpAddr {
        match self.0.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            ip => ip,
        }
    }
}

/// The address of the server's end of the connection, an extension of every request that came over TCP.
///
/// Where the server listens on an unspecified address such as `0.0.0.0`, this is the one that the client reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LocalAddr(pub SocketAddr);

/// Both ends of a connection, where they have addresses: over TCP they do. A pointer; clones share what it points to.
#[derive(Clone, Debug)]
pub struct Ends(Option<Arc<(PeerAddr, LocalAddr)>>);

impl Ends {
    pub(crate) fn tcp(peer: SocketAddr, local: SocketAddr) -> Self {
        Self(Some(Arc::new((PeerAddr(peer), LocalAddr(local)))))
    }

    /// Ends without addresses.
    pub(crate) fn unnamed() -> Self {
        Self(None)
    }

    /// Puts the addresses into the extensions of a request.
    pub fn extend(&self, extensions: &mut Extensions) {
        if let Some((peer, local)) = self.0.as_deref() {
            extensions.insert(*peer);
            extensions.insert(*local);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_one_client_has_for_itself() {
        for (address, network) in [
            ("192.0.2.7:80", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
            ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::"),
        ] {
            let peer = PeerAddr(address.parse().expect("an address"));
            assert_eq!(peer.network().to_string(), network);
        }
    }
}
