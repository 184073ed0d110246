//! Checks and completes the head of a request, as far as `h2` does not. Pure.
//!
//! `h2` itself refuses requests that break the protocol: pseudo-header fields that are missing,
//! repeated, misplaced or malformed, fields that HTTP/2 forbids, and DATA that contradicts
//! `content-length`.

use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::exchange::target::{has_one_authority, is_too_long};
use crate::exchange::tunnel::TunnelOffer;

/// Completes the head, or returns the status with which to refuse the request.
pub(super) fn check(head: &mut Parts) -> Result<(), StatusCode> {
    if head.method == Method::CONNECT {
        // An ordinary CONNECT asks for a proxy. An extended one (RFC 8441) names a protocol.
        let Some(protocol) = head.extensions.remove::<Protocol>() else {
            return Err(StatusCode::NOT_IMPLEMENTED);
        };
        let protocol =
            HeaderValue::from_str(protocol.as_str()).map_err(|_| StatusCode::BAD_REQUEST)?;
        head.extensions.insert(TunnelOffer::connect(protocol));
    }
    if is_too_long(&head.uri) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    // `h2` compares DATA only with the first length.
    let has_two_lengths = head.headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some();
    if has_two_lengths || !has_one_authority(&head.uri, &head.headers) {
        return Err(StatusCode::BAD_REQUEST);
    }
    join_cookies(&mut head.headers);
    Ok(())
}

/// Joins cookies that the client sent in several fields for the sake of compression (RFC 9113,
/// section 8.2.3).
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
    use crate::limits::MAX_TARGET_BYTES;

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
    fn a_request_has_one_authority_one_length_and_a_limited_target() {
        check("http://a/", &[("host", "a"), ("content-length", "1")], Ok(()));
        check("/", &[], Err(400));
        check("http://a/", &[("host", "b")], Err(400));
        check("http://a/", &[("content-length", "1"), ("content-length", "1")], Err(400));
        check(&format!("http://a/{}", "a".repeat(MAX_TARGET_BYTES)), &[], Err(414));
    }

    #[test]
    fn an_ordinary_connect_is_not_implemented_and_an_extended_one_is_an_offer() {
        let request = Request::connect("a:80").body(()).expect("a request");
        let (mut head, ()) = request.into_parts();
        assert_eq!(super::check(&mut head), Err(StatusCode::NOT_IMPLEMENTED));

        let request = Request::connect("http://a/chat");
        let request = request.extension(Protocol::from("websocket")).body(()).expect("a request");
        let (mut head, ()) = request.into_parts();
        assert_eq!(super::check(&mut head), Ok(()));
        assert!(head.extensions.get::<TunnelOffer>().is_some_and(|offer| offer.has("websocket")));
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
