//! What `h2` leaves to check and to mend in the head of a request. Pure.
//!
//! `h2` itself refuses what breaks the protocol: a pseudo-header field that is missing, repeated, misplaced or malformed, fields that HTTP/2 forbids, and DATA that
//! contradicts `content-length`.

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// Mends the head, or says with what status to refuse it.
pub(super) fn check(head: &mut Parts) -> Result<(), StatusCode> {
    if head.method == Method::CONNECT {
        // No tunnels. An extended CONNECT (RFC 8441) would be told apart by its `h2::ext::Protocol`; `h2` refuses it until the server offers it.
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    if !has_one_authority(head) {
        return Err(StatusCode::BAD_REQUEST);
    }
    join_cookies(&mut head.headers);
    Ok(())
}

/// Whether `:authority` and `host` name one and the same authority, or one of them does (RFC 9113, section 8.3.1).
fn has_one_authority(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return false;
    }
    let is_proper =
        |authority: &Authority| !authority.host().is_empty() && !authority.as_str().contains('@');
    let host = match host.map(|value| Authority::try_from(value.as_bytes())) {
        None => None,
        Some(Ok(host)) if is_proper(&host) => Some(host),
        Some(_) => return false,
    };
    match (head.uri.authority(), host) {
        (Some(authority), None) => is_proper(authority),
        (Some(authority), Some(host)) => {
            let default = default_port(head);
            is_proper(authority)
                && authority.host().eq_ignore_ascii_case(host.host())
                && authority.port_u16().or(default) == host.port_u16().or(default)
        }
        (None, host) => host.is_some(),
    }
}

fn default_port(head: &Parts) -> Option<u16> {
    match head.uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    }
}

/// Joins cookies that came in fields of their own, for the sake of compression (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    let mut joined = HeaderValue::try_from(joined).expect("valid values joined by valid bytes");
    joined.set_sensitive(true);
    headers.insert(COOKIE, joined);
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check(uri: &str, fields: &[(&str, &str)], expect: Result<(), u16>) -> Parts {
        let mut request = Request::get(uri);
        for &(name, value) in fields {
            request = request.header(name, value);
        }
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        let result = super::check(&mut head).map_err(|status| status.as_u16());
        assert_eq!(result, expect, "{uri} with {fields:?}");
        head
    }

    #[test]
    fn authority_and_host_must_agree_and_one_must_be_there() {
        check("http://a/", &[], Ok(()));
        check("/", &[("host", "a")], Ok(()));
        check("/", &[("host", "a:8080")], Ok(()));
        check("http://a/", &[("host", "A")], Ok(()));
        check("http://a/", &[("host", "a:80")], Ok(()));
        check("https://a:443/", &[("host", "a")], Ok(()));
        check("http://[::1]:1/", &[("host", "[::1]:1")], Ok(()));

        check("/", &[], Err(400));
        check("/", &[("host", "")], Err(400));
        check("/", &[("host", "a b")], Err(400));
        check("/", &[("host", "user@a")], Err(400));
        check("http://user@a/", &[], Err(400));
        check("http://a/", &[("host", "b")], Err(400));
        check("http://a/", &[("host", "a:81")], Err(400));
        check("http://a/", &[("host", "a"), ("host", "a")], Err(400));
    }

    #[test]
    fn a_tunnel_is_not_implemented() {
        let request = Request::connect("a:80").body(()).expect("a request");
        let (mut head, ()) = request.into_parts();
        assert_eq!(super::check(&mut head), Err(StatusCode::NOT_IMPLEMENTED));
    }

    #[test]
    fn cookie_crumbs_become_one_field() {
        let head = check(
            "http://a/",
            &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3"), ("cookie", "d=4")],
            Ok(()),
        );
        let cookies: Vec<_> = head.headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);

        let head = check("http://a/", &[("cookie", "a=1")], Ok(()));
        assert_eq!(head.headers[COOKIE], "a=1");
    }
}
