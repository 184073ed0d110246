//! Writes the head of a response. Pure.

use std::hint::cold_path;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::body_framing::BodyFraming;
use super::response_framing::{FramingRules, MethodKind, has_token};
use super::trailers::AnnouncedTrailers;
use crate::exchange::date::push_date;
use crate::exchange::long_lived_response::is_event_stream;

/// What a written head says about the rest of the response.
#[derive(Debug)]
pub(crate) struct WrittenHead {
    pub(crate) framing: BodyFraming,
    pub(crate) keep_alive: bool,
    pub(crate) trailers: Option<Box<AnnouncedTrailers>>,
}

/// Appends the head of a response to `out`. `length` is the length of the body, if it is known, and
/// `now` is the current time.
///
/// The server decides the framing (RFC 9112, section 6). It ignores a `transfer-encoding` of the
/// application, and a `content-length` that differs from the length of the body. A status of 1xx
/// does not answer a request, so it is the application's mistake, and the client gets 500.
pub(crate) fn write(
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
    rules: FramingRules,
    now: Instant,
    out: &mut Vec<u8>,
) -> WrittenHead {
    if status.is_informational() {
        cold_path();
        let headers = HeaderMap::new();
        let (status, rules) = (StatusCode::INTERNAL_SERVER_ERROR, rules.closing());
        return write(status, &headers, Some(0), rules, now, out);
    }
    push_status(status, rules, out);
    let mut own = push_fields(headers, out);
    if own.length.is_some() && is_event_stream(headers) {
        own.length = None;
    }
    let is_tunnel = rules.method == MethodKind::Connect && status.is_success();
    let rules = if own.closes || is_tunnel { rules.closing() } else { rules };
    // Which responses have a body: RFC 9110, section 6.4.1.
    let has_body = rules.method != MethodKind::Head && !has_no_body(status) && !is_tunnel;
    let framing = own.framing(length, has_body, rules);
    match framing {
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyFraming::Length(length) if has_body => push_length(length, out),
        // The head says what a GET would get, as far as that is known (RFC 9110, section 9.3.2).
        BodyFraming::Length(_) if rules.method == MethodKind::Head && !has_no_body(status) => {
            if let Some(length) = own.length.or(length.filter(|&length| length > 0)) {
                push_length(length, out);
            }
        }
        // It says that the length is 0, unlike 204 and 304 (RFC 9110, section 15.3.6).
        BodyFraming::Length(_) if status == StatusCode::RESET_CONTENT => push_length(0, out),
        BodyFraming::Length(_) | BodyFraming::UntilClose => {}
    }
    let trailers = (own.has_trailer && framing == BodyFraming::Chunked).then(|| {
        cold_path();
        push_list(TRAILER.as_str(), headers.get_all(TRAILER), None, out);
        Box::new(AnnouncedTrailers::new(headers))
    });
    let keep_alive = rules.keep_alive && framing != BodyFraming::UntilClose;
    push_connection(headers, own.has_connection, keep_alive, rules, out);
    if !own.has_date {
        push_date(now, out);
    }
    out.extend_from_slice(b"\r\n");
    let trailers = trailers.filter(|_| rules.takes_trailers);
    WrittenHead { framing, keep_alive, trailers }
}

/// Returns the head of a response that turns the connection into a tunnel. It has no body, so the
/// fields that would frame one are left out (RFC 9110, section 8.6).
pub(crate) fn switching_protocols(headers: &HeaderMap) -> Vec<u8> {
    let mut out = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    let own = push_fields(headers, &mut out);
    let own_connection = headers.get_all(CONNECTION);
    let has_upgrade = own_connection.iter().any(|value| has_token(value, "upgrade"));
    let token = (!has_upgrade).then_some("upgrade");
    push_list(CONNECTION.as_str(), own_connection, token, &mut out);
    if !own.has_date {
        push_date(Instant::now(), &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Returns the response to a request that no service sees. It is the last one of its connection.
pub(crate) fn error_response(status: StatusCode) -> Vec<u8> {
    let mut out = Vec::new();
    let rules = FramingRules {
        method: MethodKind::Other,
        is_http_10: false,
        keep_alive: false,
        takes_trailers: false,
        offers_tunnel: false,
    };
    write(status, &HeaderMap::new(), Some(0), rules, Instant::now(), &mut out);
    out
}

/// The length of a body, if the body knows it.
pub(crate) fn body_length<B: Body<Data = Bytes>>(body: &B) -> Option<u64> {
    if body.is_end_stream() { Some(0) } else { body.size_hint().exact() }
}

/// What the application's own fields say about the message. The fields that concern the framing are
/// written later, when the framing is decided.
#[derive(Default)]
struct FramingFields {
    length: Option<u64>,
    has_trailer: bool,
    has_connection: bool,
    closes: bool,
    has_date: bool,
}

impl FramingFields {
    fn framing(&self, length: Option<u64>, has_body: bool, rules: FramingRules) -> BodyFraming {
        if !has_body {
            return BodyFraming::Length(0);
        }
        match length.or(self.length) {
            Some(length) => BodyFraming::Length(length),
            None if rules.is_http_10 => BodyFraming::UntilClose,
            None => BodyFraming::Chunked,
        }
    }
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

fn push_status(status: StatusCode, rules: FramingRules, out: &mut Vec<u8>) {
    if status == StatusCode::OK && !rules.is_http_10 {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if rules.is_http_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // A status without a registered name has no reason phrase: the line then ends with the space
    // (RFC 9112, section 4).
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn push_fields(headers: &HeaderMap, out: &mut Vec<u8>) -> FramingFields {
    let mut own = FramingFields::default();
    for (name, value) in headers {
        match *name {
            CONTENT_LENGTH => {
                own.length = own.length.or(value.to_str().ok().and_then(|text| text.parse().ok()))
            }
            TRANSFER_ENCODING => {}
            TRAILER => own.has_trailer = true,
            CONNECTION => {
                own.has_connection = true;
                own.closes |= has_token(value, "close");
            }
            _ => {
                own.has_date |= *name == DATE;
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    own
}

fn push_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-length: ");
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), length);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Writes the `connection` field, where it says something that the version does not say by itself.
fn push_connection(
    headers: &HeaderMap,
    has_own: bool,
    keep_alive: bool,
    rules: FramingRules,
    out: &mut Vec<u8>,
) {
    let token = match (rules.is_http_10, keep_alive) {
        (true, true) => Some("keep-alive"),
        (false, false) => Some("close"),
        (true, false) | (false, true) => None,
    };
    // Usually there is nothing to say, and then nothing is looked up.
    if !has_own && token.is_none() {
        return;
    }
    let own = headers.get_all(CONNECTION);
    let token = token.filter(|token| !own.iter().any(|value| has_token(value, token)));
    push_list(CONNECTION.as_str(), own, token, out);
}

/// Writes all values of a field in one line, and `last` after them.
fn push_list(
    name: &str,
    values: http::header::GetAll<'_, HeaderValue>,
    last: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(name.as_bytes());
    let values = values.iter().map(HeaderValue::as_bytes).chain(last.map(str::as_bytes));
    for (index, value) in values.enumerate() {
        out.extend_from_slice(if index == 0 { b": " } else { b", " });
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    const V11: FramingRules = FramingRules {
        method: MethodKind::Other,
        is_http_10: false,
        keep_alive: true,
        takes_trailers: true,
        offers_tunnel: false,
    };
    const V10: FramingRules = FramingRules { is_http_10: true, ..V11 };
    const HEAD: FramingRules = FramingRules { method: MethodKind::Head, ..V11 };
    const CONNECT: FramingRules = FramingRules { method: MethodKind::Connect, ..V11 };

    /// Writes a response with these fields. Returns its head without the date, and what the head
    /// says about the rest.
    fn written(
        rules: FramingRules,
        status: u16,
        own: &[(&str, &str)],
        length: Option<u64>,
    ) -> (String, WrittenHead) {
        let response =
            own.iter().fold(Response::builder().status(status), |response, (name, value)| {
                response.header(*name, *value)
            });
        let (parts, ()) = response.body(()).expect("a response").into_parts();
        let mut out = Vec::new();
        let promise = write(parts.status, &parts.headers, length, rules, Instant::now(), &mut out);
        let text = String::from_utf8(out).expect("text");
        let (fields, date) = text.split_once("date: ").expect("a date");
        assert!(date.ends_with(" GMT\r\n\r\n"), "{text}");
        (fields.to_owned(), promise)
    }

    #[track_caller]
    fn check(
        rules: FramingRules,
        (status, own, length): (u16, &[(&str, &str)], Option<u64>),
        expect: &str,
        framing: BodyFraming,
        keep_alive: bool,
    ) {
        let (text, promise) = written(rules, status, own, length);
        assert_eq!(text.replace("\r\n", "|"), expect);
        assert_eq!((promise.framing, promise.keep_alive), (framing, keep_alive), "{text}");
    }

    #[test]
    fn version_length_and_close_decide_the_framing() {
        use BodyFraming::{Chunked, Length, UntilClose};
        let ok = (200, &[][..], None);
        check(V11, ok, "HTTP/1.1 200 OK|transfer-encoding: chunked|", Chunked, true);
        let sized = (200, &[][..], Some(5));
        check(V11, sized, "HTTP/1.1 200 OK|content-length: 5|", Length(5), true);
        let closes = (200, &[("connection", "close")][..], None);
        let chunked = "HTTP/1.1 200 OK|transfer-encoding: chunked|connection: close|";
        check(V11, closes, chunked, Chunked, false);
        check(V11.closing(), ok, chunked, Chunked, false);
        let own = (200, &[("connection", "x"), ("connection", "y")][..], Some(5));
        let both = "HTTP/1.1 200 OK|content-length: 5|connection: x, y, close|";
        check(V11.closing(), own, both, Length(5), false);
        let kept = "HTTP/1.0 200 OK|content-length: 5|connection: keep-alive|";
        check(V10, sized, kept, Length(5), true);
        check(V10, ok, "HTTP/1.0 200 OK|", UntilClose, false);
        check(V10.closing(), sized, "HTTP/1.0 200 OK|content-length: 5|", Length(5), false);
        check(V11, (299, &[][..], Some(0)), "HTTP/1.1 299 |content-length: 0|", Length(0), true);
    }

    #[test]
    fn a_response_without_a_body_says_only_what_is_true_of_it() {
        use BodyFraming::Length;
        for status in [204, 304] {
            for length in [None, Some(0), Some(5)] {
                let name = StatusCode::from_u16(status).expect("a status");
                let expect = format!("HTTP/1.1 {name}|");
                check(V11, (status, &[("content-length", "5")], length), &expect, Length(0), true);
            }
        }
        let head = "HTTP/1.1 200 OK|content-length: 5|";
        check(HEAD, (200, &[], Some(5)), head, Length(0), true);
        check(HEAD, (200, &[("content-length", "5")], Some(0)), head, Length(0), true);
        check(HEAD, (200, &[], None), "HTTP/1.1 200 OK|", Length(0), true);
        check(HEAD, (200, &[], Some(0)), "HTTP/1.1 200 OK|", Length(0), true);
        check(CONNECT, (200, &[], None), "HTTP/1.1 200 OK|connection: close|", Length(0), false);
        let refused = "HTTP/1.1 405 Method Not Allowed|content-length: 0|";
        check(CONNECT, (405, &[], Some(0)), refused, Length(0), true);
    }

    #[test]
    fn a_101_head_keeps_the_fields_that_do_not_frame_a_body() {
        for (own, connection) in
            [(&[("connection", "Upgrade")][..], "Upgrade"), (&[("connection", "x")], "x, upgrade")]
        {
            let fields = [("upgrade", "echo"), ("content-length", "5"), ("transfer-encoding", "x")];
            let headers = own.iter().chain(&fields).map(|&(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            let text = String::from_utf8(switching_protocols(&headers.collect())).expect("text");
            let (head, date) = text.split_once("date: ").expect("a date");
            let expect = format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: {connection}\r\n"
            );
            assert_eq!(head, expect);
            assert!(date.ends_with(" GMT\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn an_informational_status_becomes_500_and_closes_the_connection() {
        let expect = "HTTP/1.1 500 Internal Server Error|content-length: 0|connection: close|";
        for status in [100, 101, 103] {
            check(V11, (status, &[("x", "y")], None), expect, BodyFraming::Length(0), false);
        }
    }

    #[test]
    fn the_server_decides_the_framing_whatever_the_application_says() {
        use BodyFraming::{Chunked, Length, UntilClose};
        let length = [("content-length", "5")];
        let five = "HTTP/1.1 200 OK|content-length: 5|";
        check(V11, (200, &length, None), five, Length(5), true);
        let seven = "HTTP/1.1 200 OK|content-length: 7|";
        check(V11, (200, &length, Some(7)), seven, Length(7), true);
        check(V11, (200, &length, Some(0)), "HTTP/1.1 200 OK|content-length: 0|", Length(0), true);
        let bad = [("content-length", "x")];
        check(V11, (200, &bad, None), "HTTP/1.1 200 OK|transfer-encoding: chunked|", Chunked, true);
        let chunked = "HTTP/1.1 200 OK|transfer-encoding: chunked|";
        for coding in ["gzip", "identity", "chunked, gzip", "Chunked", "gzip, chunked", ""] {
            let own = [("transfer-encoding", coding), ("content-length", "5")];
            check(V11, (200, &own, Some(5)), five, Length(5), true);
            check(V11, (200, &own, None), five, Length(5), true);
            check(V11, (200, &own[..1], None), chunked, Chunked, true);
            check(V10, (200, &own[..1], None), "HTTP/1.0 200 OK|", UntilClose, false);
        }
        let reset = "HTTP/1.1 205 Reset Content|content-length: 0|";
        for body in [None, Some(0), Some(5)] {
            check(V11, (205, &length, body), reset, Length(0), true);
        }
    }

    #[test]
    fn trailers_are_announced_with_chunks_and_kept_for_clients_that_accept_them() {
        let own = [("trailer", "x-sum"), ("trailer", "x-other")];
        let expect = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-other\r\n";
        let (text, promise) = written(V11, 200, &own, None);
        assert_eq!((&text[..], promise.trailers.is_some()), (expect, true));
        let (text, promise) =
            written(FramingRules { takes_trailers: false, ..V11 }, 200, &own, None);
        assert_eq!((&text[..], promise.trailers.is_some()), (expect, false));
        for (rules, length) in [(V11, Some(5)), (V10, None), (HEAD, None)] {
            let (text, promise) = written(rules, 200, &own, length);
            assert!(!text.contains("trailer") && promise.trailers.is_none(), "{text}");
        }
    }

    #[test]
    fn a_date_of_the_application_is_the_only_one() {
        let mut out = Vec::new();
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static("then"))]);
        write(StatusCode::OK, &headers, Some(0), V11, Instant::now(), &mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\ndate: then\r\ncontent-length: 0\r\n\r\n");
    }

    #[test]
    fn a_length_is_written_in_digits() {
        for length in [0, 1, 9, 10, 99, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_length(length, &mut out);
            assert_eq!(out, format!("content-length: {length}\r\n").as_bytes());
        }
    }
}
