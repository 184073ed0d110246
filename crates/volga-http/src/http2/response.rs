//! Completes the head of a response for HTTP/2. Pure.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::SizeHint;

/// Fields that belong to one HTTP/1 connection (RFC 9113, section 8.2.2).
const FORBIDDEN: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
];

/// Whether the response has no content, whatever its body says (RFC 9110, sections 9.3.2, 15.3.5
/// and 15.4.5).
pub(super) fn is_without_content(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Removes the fields that HTTP/2 forbids, and adds those that the server must send.
pub(super) fn complete(headers: &mut HeaderMap, date: impl FnOnce() -> HeaderValue) {
    remove_forbidden(headers);
    headers.entry(DATE).or_insert_with(date);
}

/// Adds the length of the content, if it is known and not set.
pub(super) fn announce_length(headers: &mut HeaderMap, size: &SizeHint) {
    if let Some(length) = size.exact() {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

fn remove_forbidden(headers: &mut HeaderMap) {
    for name in FORBIDDEN {
        headers.remove(name);
    }
    if !headers.contains_key(CONNECTION) {
        return;
    }
    // Each field that `connection` names concerns only the connection, too.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    headers.remove(CONNECTION);
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        fields.iter().map(field).collect()
    }

    #[test]
    fn connection_fields_and_the_fields_that_they_name_are_removed() {
        let mut map = headers(&[
            ("connection", "keep-token, X-Hop"),
            ("connection", ",, not a name ,x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("x-end-to-end", "stays"),
        ]);
        remove_forbidden(&mut map);
        assert_eq!(map, headers(&[("x-end-to-end", "stays")]));
    }

    #[test]
    fn a_date_is_added_and_never_replaced() {
        let now = || HeaderValue::from_static("now");
        let mut map = HeaderMap::new();
        complete(&mut map, now);
        assert_eq!(map, headers(&[("date", "now")]));
        let mut map = headers(&[("date", "then")]);
        complete(&mut map, now);
        assert_eq!(map, headers(&[("date", "then")]));
    }

    #[test]
    fn a_length_is_added_where_it_is_known_and_never_replaced() {
        let mut map = HeaderMap::new();
        announce_length(&mut map, &SizeHint::default());
        assert!(map.is_empty());
        announce_length(&mut map, &SizeHint::with_exact(5));
        assert_eq!(map, headers(&[("content-length", "5")]));
        announce_length(&mut map, &SizeHint::with_exact(6));
        assert_eq!(map, headers(&[("content-length", "5")]));
    }

    #[test]
    fn head_no_content_and_not_modified_have_no_content() {
        let bare = |method: &Method, status| {
            is_without_content(method, StatusCode::from_u16(status).expect("a status"))
        };
        assert!(bare(&Method::HEAD, 200));
        assert!(bare(&Method::GET, 204));
        assert!(bare(&Method::GET, 304));
        assert!(!bare(&Method::GET, 200));
        assert!(!bare(&Method::POST, 404));
    }
}
