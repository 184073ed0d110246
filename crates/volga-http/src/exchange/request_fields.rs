//! Checks and completes the fields of a request, as HTTP/2 and HTTP/3 need it. Pure.

use http::header::{CONTENT_LENGTH, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::exchange::target::{has_one_authority, is_too_long};

/// Completes the head, or returns the status with which to refuse the request.
pub(crate) fn check(head: &mut Parts) -> Result<(), StatusCode> {
    if is_too_long(&head.uri) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    // A body is compared only with the first length.
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
