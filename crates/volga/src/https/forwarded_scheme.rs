//! What trusted proxies say about the scheme of the client's request (pure).
//!
//! `Forwarded` is the standard (RFC 7239), and `X-Forwarded-Proto` is what most proxies send.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::https::client_scheme::ClientScheme;

pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether a header says anything about the scheme.
pub(crate) fn is_present(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_PROTO) || headers.contains_key(FORWARDED)
}

/// The scheme in the headers of a request that a trusted proxy has sent. `None` if they do not say
/// it. `is_trusted` tells whether an address is that of a trusted proxy, too.
///
/// # Errors
///
/// Returns what is wrong with the headers, as a sentence.
pub(crate) fn scheme_of(
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<ClientScheme>, &'static str> {
    match (of_x_forwarded_proto(headers)?, of_forwarded(headers, is_trusted)?) {
        (Some(one), Some(other)) if one != other => Err(
            "`x-forwarded-proto` and `forwarded` contradict each other; let the proxy set one of them and remove the other",
        ),
        (one, other) => Ok(one.or(other)),
    }
}

/// Proxies set the header, or add to it. So the last value is the one that the trusted proxy wrote.
fn of_x_forwarded_proto(headers: &HeaderMap) -> Result<Option<ClientScheme>, &'static str> {
    let Some(value) = headers.get_all(X_FORWARDED_PROTO).iter().next_back() else {
        return Ok(None);
    };
    let last = value.as_bytes().rsplit(|&byte| byte == b',').next().unwrap_or_default();
    parse(last).map(Some).ok_or("`x-forwarded-proto` is neither `http` nor `https`")
}

/// Each proxy adds an element, with the address of its client. An element counts as long as all
/// proxies after it are trusted.
fn of_forwarded(
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<ClientScheme>, &'static str> {
    const MALFORMED: &str = "`forwarded` is not as RFC 7239 says";
    let mut scheme = None;
    for value in headers.get_all(FORWARDED).iter().rev() {
        let text = value.to_str().map_err(|_| MALFORMED)?;
        for element in split(text, ',').ok_or(MALFORMED)?.into_iter().rev() {
            let mut client = None;
            let mut proto = None;
            for pair in split(element, ';').ok_or(MALFORMED)? {
                let Some((name, value)) = pair.split_once('=') else {
                    if pair.trim().is_empty() {
                        continue;
                    }
                    return Err(MALFORMED);
                };
                let (name, value) = (name.trim(), value.trim().trim_matches('"'));
                if name.eq_ignore_ascii_case("for") {
                    client = address(value);
                } else if name.eq_ignore_ascii_case("proto") {
                    let parsed = parse(value.as_bytes());
                    proto =
                        Some(parsed.ok_or("`proto` of `forwarded` is neither `http` nor `https`")?);
                }
            }
            scheme = proto.or(scheme);
            if !client.is_some_and(&is_trusted) {
                return Ok(scheme);
            }
        }
    }
    Ok(scheme)
}

fn parse(scheme: &[u8]) -> Option<ClientScheme> {
    let scheme = scheme.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"https") {
        Some(ClientScheme::Https)
    } else if scheme.eq_ignore_ascii_case(b"http") {
        Some(ClientScheme::Http)
    } else {
        None
    }
}

/// The address of a node, which may have a port. `None` for a name that hides the address.
pub(crate) fn address(node: &str) -> Option<IpAddr> {
    let with_port = || node.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port)
}

/// Splits at a separator outside of quoted strings. `None` if a quoted string does not end.
pub(crate) fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if char == separator && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The proxies at 10.* and at `2001:db8::1` are trusted.
    #[track_caller]
    fn check(fields: &[(&str, &str)], expect: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let is_trusted = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.to_string() == "2001:db8::1",
        };
        let found = scheme_of(&headers, is_trusted);
        let found = found.map(|scheme| scheme.map(ClientScheme::as_str)).map_err(drop);
        assert_eq!(found, expect, "{fields:?}");
    }

    #[test]
    fn the_last_x_forwarded_proto_counts() {
        let name = "x-forwarded-proto";
        check(&[], Ok(None));
        check(&[(name, "https")], Ok(Some("https")));
        check(&[(name, " HTTP ")], Ok(Some("http")));
        check(&[(name, "http, https")], Ok(Some("https")));
        check(&[(name, "https"), (name, "http")], Ok(Some("http")));
        for wrong in ["", "wss", "https,", "https http", "httpss", "\"https\""] {
            check(&[(name, wrong)], Err(()));
        }
    }

    #[test]
    fn an_element_of_forwarded_counts_as_long_as_the_proxies_after_it_are_trusted() {
        let name = "forwarded";
        for (value, expect) in [
            ("proto=https", Some("https")),
            ("for=192.0.2.1;proto=https;by=10.0.0.1", Some("https")),
            ("For=192.0.2.1; Proto=HTTPS", Some("https")),
            ("for=192.0.2.1", None),
            // The nearest proxy is not the client's.
            ("for=192.0.2.1;proto=https, for=10.0.0.2;proto=http", Some("https")),
            ("for=192.0.2.1;proto=https, for=\"10.0.0.2:4711\";proto=http", Some("https")),
            ("for=192.0.2.1;proto=https, for=\"[2001:db8::1]\";proto=http", Some("https")),
            ("for=192.0.2.1;proto=https, for=\"[2001:db8::1]:80\";proto=http", Some("https")),
            ("for=192.0.2.1;proto=https, for=10.0.0.2", Some("https")),
            // What an untrusted client wrote does not count.
            ("for=10.0.0.9;proto=https, for=192.0.2.1;proto=http", Some("http")),
            ("proto=https, for=_hidden;proto=http", Some("http")),
            ("proto=https, for=unknown;proto=http", Some("http")),
            ("for=\"a,b;proto=https\";proto=http", Some("http")),
            ("for=\"a\\\"b\";proto=http;", Some("http")),
        ] {
            check(&[(name, value)], Ok(expect));
        }
        check(&[(name, "for=1.2.3.4;proto=https"), (name, "for=10.0.0.1")], Ok(Some("https")));
        for wrong in ["proto=ftp", "proto", "for=\"10.0.0.1", "proto=https, x"] {
            check(&[(name, wrong)], Err(()));
        }
    }

    #[test]
    fn two_headers_must_agree() {
        let both = |one, other| [("x-forwarded-proto", one), ("forwarded", other)];
        check(&both("https", "proto=https"), Ok(Some("https")));
        check(&both("https", "for=192.0.2.1"), Ok(Some("https")));
        check(&both("https", "proto=http"), Err(()));
    }
}
