//! Checks which host a request names in its target and its `host` field. Pure.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::limits::MAX_TARGET_BYTES;

/// Whether a target is longer than the server accepts.
pub(crate) fn is_too_long(uri: &Uri) -> bool {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    path + authority > MAX_TARGET_BYTES
}

/// Whether the target and the `host` field name the same authority, or only one of them names one.
///
/// RFC 9113, section 8.3.1, and RFC 9112, section 3.2. If they could differ, a proxy that reads one
/// of them could let a request pass to a host that the server finds in the other.
pub(crate) fn has_one_authority(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return false;
    }
    match (uri.authority(), host) {
        (None, None) => false,
        (None, Some(host)) if is_simple_host(host.as_bytes()) => true,
        (None, Some(host)) => {
            Authority::try_from(host.as_bytes()).is_ok_and(|host| is_host_and_port(&host))
        }
        (Some(authority), None) => is_host_and_port(authority),
        (Some(authority), Some(host)) => Authority::try_from(host.as_bytes())
            .is_ok_and(|host| is_host_and_port(&host) && is_same_authority(authority, &host, uri)),
    }
}

/// Whether an authority is one host with an optional port.
///
/// Text before an `@` is easily taken for the host (RFC 9110, section 4.2.4), and text around a
/// comma may be two hosts that some program joined.
pub(crate) fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    let Some(port) = authority.as_str().strip_prefix(host) else { return false };
    !host.is_empty()
        && !host.contains(',')
        && (matches!(port, "" | ":") || authority.port().is_some())
}

/// Whether this is a name or an address in the form that nearly all requests use. Decided without
/// allocating.
pub(crate) fn is_simple_host(host: &[u8]) -> bool {
    let end = host.iter().position(|&byte| byte == b':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty()
        && name.iter().all(is_of_name)
        && port.iter().skip(1).all(u8::is_ascii_digit)
        // For digits, this is the order of the numbers.
        && (port.len() < ":65535".len() || port.len() == ":65535".len() && *port <= b":65535"[..])
}

fn is_same_authority(authority: &Authority, host: &Authority, uri: &Uri) -> bool {
    let default = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    is_host_and_port(authority)
        && authority.host().eq_ignore_ascii_case(host.host())
        && authority.port_u16().or(default) == host.port_u16().or(default)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check(uri: &str, hosts: &[&str], expect: bool) {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        assert_eq!(has_one_authority(&head.uri, &head.headers), expect, "{uri} with {hosts:?}");
    }

    #[test]
    fn target_and_host_must_agree_and_one_must_be_present() {
        check("http://a/", &[], true);
        check("/", &["a"], true);
        check("/", &["a:8080"], true);
        check("/", &["[::1]:8080"], true);
        check("/", &["a_b"], true);
        check("http://a/", &["A"], true);
        check("http://a/", &["a:80"], true);
        check("https://a:443/", &["a"], true);
        check("http://[::1]:1/", &["[::1]:1"], true);

        check("/", &[], false);
        check("/", &[""], false);
        check("/", &[":80"], false);
        check("/", &["a b"], false);
        check("/", &["a/b"], false);
        check("/", &["a:65535"], true);
        check("/", &["a:65536"], false);
        check("/", &["a:x"], false);
        check("/", &["a,b"], false);
        check("/", &["[::1]x"], false);
        check("/", &["user@a"], false);
        check("http://user@a/", &[], false);
        check("http://a/", &["b"], false);
        check("http://a/", &["a:81"], false);
        check("http://a/", &["a", "a"], false);
    }

    #[test]
    fn the_parser_accepts_every_simple_host() {
        for host in ["a", "a.b-c", "127.0.0.1", "a:1", "a:8080", "a:18080", "a:65535", "a:"] {
            assert!(is_simple_host(host.as_bytes()), "{host}");
            assert!(Authority::try_from(host).is_ok_and(|host| is_host_and_port(&host)), "{host}");
        }
        for host in ["", ":1", "a:b", "a:1:2", "[::1]", "a@b", "a b", "a,b", "a:65536", "a:123456"]
        {
            assert!(!is_simple_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_target_may_be_as_long_as_the_limit() {
        let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        let uri = |text: String| Uri::try_from(text).expect("a target");
        assert!(!is_too_long(&uri(path(MAX_TARGET_BYTES))));
        assert!(is_too_long(&uri(path(MAX_TARGET_BYTES + 1))));
        assert!(is_too_long(&uri(format!("http://a{}", path(MAX_TARGET_BYTES)))));
    }
}
