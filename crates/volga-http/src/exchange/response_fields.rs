//! Completes the head of a response for HTTP/2 and HTTP/3. Pure.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::exchange::long_lived_response::is_event_stream;

/// Fields that belong to one HTTP/1 connection (RFC 9113, section 8.2.2, and RFC 9114, section
/// 4.2).
const FORBIDDEN: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
];

/// Whether the response has no content, whatever its body says (RFC 9110, sections 9.3.2,
/// 15.3.5, 15.3.6 and 15.4.5).
pub(crate) fn is_without_content(method: &Method, status: StatusCode) -> bool {
    let has_no_content = matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    method == Method::HEAD || has_no_content
}

/// Removes the fields that HTTP/2 and HTTP/3 forbid, and adds those that the server must send.
pub(crate) fn complete(headers: &mut HeaderMap, date: impl FnOnce() -> HeaderValue) {
    remove_forbidden(headers);
    headers.entry(DATE).or_insert_with(date);
}

/// Makes `content-length` agree with the response, whatever the application has set. `length` is
/// the length of the body, if it is known.
pub(crate) fn set_length(
    headers: &mut HeaderMap,
    (method, status): (&Method, StatusCode),
    length: Option<u64>,
) {
    let is_empty_by_status = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    if is_empty_by_status || length.is_none() && is_event_stream(headers) {
        headers.remove(CONTENT_LENGTH);
    } else if is_without_content(method, status) {
        // The field says what a GET would get (RFC 9110, section 8.6).
        if let Some(length) = length.filter(|&length| length > 0) {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
    } else if let Some(length) = length
        && (length > 0 || headers.contains_key(CONTENT_LENGTH))
    {
        headers.insert(CONTENT_LENGTH, length.into());
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
    fn the_length_agrees_with_the_response_whatever_the_application_says() {
        let set = |method: &Method, status, own: bool, length| {
            let mut map = headers(if own { &[("content-length", "5")] } else { &[] });
            let status = StatusCode::from_u16(status).expect("a status");
            set_length(&mut map, (method, status), length);
            map.get(CONTENT_LENGTH).map(|value| value.to_str().expect("a number").to_owned())
        };
        for own in [false, true] {
            assert_eq!(set(&Method::GET, 200, own, Some(7)).as_deref(), Some("7"));
            let unknown = own.then_some("5");
            assert_eq!(set(&Method::GET, 200, own, None).as_deref(), unknown);
            assert_eq!(set(&Method::GET, 200, own, Some(0)).as_deref(), own.then_some("0"));
            assert_eq!(set(&Method::HEAD, 200, own, Some(0)).as_deref(), unknown);
            let known = if own { "5" } else { "7" };
            assert_eq!(set(&Method::HEAD, 200, own, Some(7)).as_deref(), Some(known));
            assert_eq!(set(&Method::GET, 304, own, Some(0)).as_deref(), unknown);
            for length in [None, Some(0), Some(7)] {
                assert_eq!(set(&Method::GET, 204, own, length), None);
                assert_eq!(set(&Method::GET, 205, own, length), None);
            }
        }
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
