//! `TrustedProxy`: the address of a proxy whose headers are believed.

use std::net::IpAddr;
use std::sync::Arc;

/// A proxy whose headers are believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TrustedProxy {
    /// All addresses that begin with these bits.
    Network { ip: IpAddr, bits: u32 },
    /// Connections whose client has no address.
    Unix,
}

impl TrustedProxy {
    /// Parses an address, a network, or `unix`.
    ///
    /// # Errors
    ///
    /// Returns the rest of a sentence that begins with the name of the value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let wrong = || {
            format!(
                "is {text:?}: write an address such as 127.0.0.1, a network such as 10.0.0.0/8, or \
                 unix"
            )
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(wrong)?,
            None => width,
        };
        let network = Self::Network { ip, bits };
        let first = masked(ip, bits);
        if first != ip {
            // It may be meant to be one address or the whole network.
            return Err(format!("is {text:?}: write {ip}, or {first}/{bits} for the network"));
        }
        Ok(network)
    }

    /// Whether a client with this address is the proxy.
    pub(crate) fn has(&self, client: Option<IpAddr>) -> bool {
        match (self, client) {
            (Self::Network { ip, bits }, Some(client)) => {
                let client = if ip.is_ipv4() { client.to_canonical() } else { client };
                client.is_ipv4() == ip.is_ipv4() && masked(client, *bits) == *ip
            }
            (Self::Unix, None) => true,
            _ => false,
        }
    }
}

/// The address with all bits after the first ones set to zero.
fn masked(ip: IpAddr, bits: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

/// The proxies of the app, in the extensions of a request that one of them has sent.
#[derive(Clone, Debug)]
pub(crate) struct BelievedProxies(Arc<[TrustedProxy]>);

impl BelievedProxies {
    pub(crate) fn new(proxies: Arc<[TrustedProxy]>) -> Self {
        Self(proxies)
    }

    /// Whether the address is that of a trusted proxy.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|proxy| proxy.has(Some(ip)))
    }
}
