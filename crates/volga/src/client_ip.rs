//! `client_ip`: the address of the client, also behind trusted proxies.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header::FORWARDED};
use volga_core::RequestParts;

use crate::client_addr;
use crate::https::forwarded_scheme::{address, split};
use crate::trusted_proxy::BelievedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Returns the address of the client: the client's end of the connection, or the address that
/// [trusted proxies](crate::App::with_trusted_proxies) name in `X-Forwarded-For` or `Forwarded`.
///
/// Each proxy adds the address of its own client at the end of the header. So the last address that
/// is not a trusted proxy is the client. What stands before it was written by the client, and is
/// not believed. If the two headers name different clients, or a proxy hides the address, the
/// result is the nearest address that is known, which is one of a proxy.
///
/// The result is `None` if the client has no address, as on a Unix-domain socket without a trusted
/// proxy.
///
/// ```
/// use volga::http::{RequestParts, client_ip, sse::StreamLimit};
/// use volga::{App, middleware::LimitStreams};
///
/// let mut app = App::new().with_trusted_proxies(["10.0.0.0/8"]);
/// app.attach(LimitStreams::by(StreamLimit::new(20_000).with_max_per_key(10), client_ip));
/// ```
#[must_use]
pub fn client_ip(parts: &RequestParts) -> Option<IpAddr> {
    let peer = client_addr::address(&parts.extensions).map(|address| address.ip());
    let client = match parts.extensions.get::<BelievedProxies>() {
        None => peer,
        Some(proxies) => forwarded(&parts.headers, peer, |ip| proxies.has(ip)),
    };
    client.map(|ip| ip.to_canonical())
}

/// Whether a header names an address.
pub(crate) fn is_present(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED)
}

/// The client of the proxies, whose nearest one has the address `peer`.
fn forwarded(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let of_field = |name: &HeaderName, node: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(name).then(|| {
            let mut nearest = peer;
            for value in headers.get_all(name).iter().rev() {
                let Some(elements) = value.to_str().ok().and_then(|text| split(text, ',')) else {
                    return nearest;
                };
                for element in elements.into_iter().rev() {
                    let Some(ip) = node(element) else { return nearest };
                    nearest = Some(ip);
                    if !is_proxy(ip) {
                        return nearest;
                    }
                }
            }
            nearest
        })
    };
    let by_x = of_field(&X_FORWARDED_FOR, |element| address(element.trim().trim_matches('"')));
    let by_standard = of_field(&FORWARDED, |element| {
        split(element, ';')?.into_iter().find_map(|pair| {
            let (name, node) = pair.split_once('=')?;
            let is_for = name.trim().eq_ignore_ascii_case("for");
            is_for.then(|| address(node.trim().trim_matches('"'))).flatten()
        })
    });
    match (by_x, by_standard) {
        // A client may send the header that its proxy does not set.
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The proxies at 10.* and at `2001:db8::1` are trusted, and the nearest one is 10.0.0.1.
    #[track_caller]
    fn check(fields: &[(HeaderName, &'static str)], expect: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        let is_proxy = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.to_string() == "2001:db8::1",
        };
        let found = forwarded(&headers, "10.0.0.1".parse().ok(), is_proxy);
        assert_eq!(found.map(|ip| ip.to_string()).as_deref(), Some(expect), "{fields:?}");
    }

    #[test]
    fn the_last_address_that_is_not_a_proxy_is_the_client() {
        for (value, expect) in [
            ("192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("10.9.9.9, 192.0.2.1 ,10.0.0.2,2001:db8::1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("192.0.2.1,", "10.0.0.1"),
        ] {
            check(&[(X_FORWARDED_FOR, value)], expect);
        }
        check(&[(X_FORWARDED_FOR, "192.0.2.1"), (X_FORWARDED_FOR, "10.0.0.2")], "192.0.2.1");
        check(&[], "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_in_the_same_way() {
        for (value, expect) in [
            ("for=192.0.2.1;proto=https", "192.0.2.1"),
            ("for=1.1.1.1, For=\"192.0.2.1:80\", for=\"[2001:db8::1]\"", "192.0.2.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
        ] {
            check(&[(FORWARDED, value)], expect);
        }
    }

    #[test]
    fn two_headers_that_contradict_each_other_are_not_believed() {
        let both = |one, other| [(X_FORWARDED_FOR, one), (FORWARDED, other)];
        check(&both("192.0.2.1", "for=192.0.2.1"), "192.0.2.1");
        check(&both("192.0.2.1", "for=1.1.1.1"), "10.0.0.1");
    }
}
