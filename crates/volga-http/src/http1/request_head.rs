//! Parses the head of a request. Pure.
//!
//! Each accepted head can be read in one way only. A head that two servers could take for two
//! different requests is refused, here and in [`smuggling`](super::smuggling).

use std::mem::{MaybeUninit, forget, replace, take};
use std::ops::Range;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use httparse::Status;

use super::response_framing::{FramingRules, MethodKind, has_token};
use super::smuggling::{self, HostFields};
use crate::exchange::target::is_too_long;
use crate::exchange::tunnel::TunnelOffer;
use crate::limits::{MAX_HEAD_BYTES, MAX_HEAD_FIELDS};

/// The head of a request, and what it says about its body and its response.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) parts: Parts,
    /// How the response must be framed.
    pub(crate) rules: FramingRules,
    pub(crate) body: BodyLength,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// How the end of a request's body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyLength {
    Known(u64),
    Chunked,
}

/// Parses a head into `head`, and returns its length in bytes; `None` while it is incomplete. The
/// head is built in place, because it is large and would otherwise be moved from each caller to the
/// next. `headers` gives an empty map whose capacity is used again.
///
/// # Errors
///
/// The status to respond with. The server then does not know where the request ends, so nothing
/// after it may be read.
pub(crate) fn parse(
    bytes: &[u8],
    headers: impl FnOnce() -> HeaderMap,
    head: &mut Option<RequestHead>,
) -> Result<Option<usize>, StatusCode> {
    let mut fields = [MaybeUninit::uninit(); MAX_HEAD_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(length)) if length <= MAX_HEAD_BYTES as usize => length,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD_BYTES as usize => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(httparse::Error::Version) if speaks_another_version(bytes) => {
            return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        }
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(StatusCode::BAD_REQUEST);
    };
    // One copy of the head, of which the target and all values are slices. Capacity larger than the
    // length makes `Bytes` reference-counted from the start, which saves an allocation at the first
    // `slice`.
    let mut copy = Vec::with_capacity(length + 1);
    copy.extend_from_slice(&bytes[..length]);
    let mut shared = Bytes::from(copy);
    let uri = Uri::from_maybe_shared(shared.slice(range_of(bytes, target.as_bytes())))
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    if is_too_long(&uri) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut reader = FieldReader::new(if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 });
    let mut headers = headers();
    headers.reserve(parsed.headers.len());
    let mut fields = parsed.headers.iter();
    while let Some(field) = fields.next() {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let range = range_of(bytes, field.value);
        // The last value takes over the shared handle, which saves one reference count.
        let is_last = fields.as_slice().is_empty();
        let value = if is_last { narrow(take(&mut shared), range) } else { shared.slice(range) };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| StatusCode::BAD_REQUEST)?;
        if reader.read(&name, &value)? {
            headers.append(name, value);
        }
    }
    smuggling::check(&method, &uri, reader.version, &headers, reader.hosts)?;
    let (body, keep_alive) = reader.finish(&mut headers)?;
    let offer = reader.offer(body);
    let rules = FramingRules {
        method: MethodKind::of(&method),
        is_http_10: reader.version == Version::HTTP_10,
        keep_alive,
        takes_trailers: reader.takes_trailers,
        offers_tunnel: offer.is_some(),
    };
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = uri;
    parts.version = reader.version;
    if let Some(offer) = offer {
        parts.extensions.insert(offer);
    }
    // The empty map that was there owns no memory. Dropping it would check that at run time for
    // each request.
    forget(replace(&mut parts.headers, headers));
    let expects_continue = reader.expects_continue && !rules.is_http_10;
    *head = Some(RequestHead { parts, rules, body, expects_continue });
    Ok(Some(length))
}

/// What the fields about the connection and the framing have said so far.
struct FieldReader {
    version: Version,
    hosts: HostFields,
    length: Option<u64>,
    is_chunked: bool,
    wants_close: bool,
    wants_keep_alive: bool,
    takes_trailers: bool,
    expects_continue: bool,
    wants_upgrade: bool,
    upgrade: Option<HeaderValue>,
}

impl FieldReader {
    fn new(version: Version) -> Self {
        Self {
            version,
            hosts: HostFields::None,
            length: None,
            is_chunked: false,
            wants_close: false,
            wants_keep_alive: false,
            takes_trailers: false,
            expects_continue: false,
            wants_upgrade: false,
            upgrade: None,
        }
    }

    /// Reads a field. Returns whether the service should see it.
    fn read(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, StatusCode> {
        match *name {
            HOST => self.hosts = self.hosts.and(value),
            CONTENT_LENGTH => {
                let length = decimal(value.as_bytes()).ok_or(StatusCode::BAD_REQUEST)?;
                if let Some(before) = self.length.replace(length) {
                    // A repeated length counts once if both agree (RFC 9110, section 8.6).
                    return if before == length { Ok(false) } else { Err(StatusCode::BAD_REQUEST) };
                }
            }
            TRANSFER_ENCODING => {
                // The server knows this one coding, and it may be applied once. HTTP/1.0 has no
                // transfer codings.
                let is_known = value.as_bytes().eq_ignore_ascii_case(b"chunked");
                if !is_known || self.is_chunked || self.version == Version::HTTP_10 {
                    return Err(StatusCode::BAD_REQUEST);
                }
                self.is_chunked = true;
            }
            // The members of the list are tokens (RFC 9110, section 7.6.1). A value with bytes that
            // no token may have is malformed and is ignored, as hyper does.
            CONNECTION if value.to_str().is_ok() => {
                self.wants_close |= has_token(value, "close");
                self.wants_keep_alive |= has_token(value, "keep-alive");
                self.wants_upgrade |= has_token(value, "upgrade");
            }
            // If there are several such fields, the last one counts.
            UPGRADE => self.upgrade = Some(value.clone()),
            TE => self.takes_trailers |= has_token(value, "trailers"),
            EXPECT => {
                self.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
            }
            _ => {}
        }
        Ok(true)
    }

    /// Returns the client's offer to switch to another protocol (RFC 9110, section 7.8). The
    /// `connection` field must name `upgrade` as well; HTTP/1.0 has no upgrade; and the request
    /// must have no body, because that would have to be read first.
    fn offer(&mut self, body: BodyLength) -> Option<TunnelOffer> {
        let may_ask = self.wants_upgrade && self.version == Version::HTTP_11;
        let protocols = self.upgrade.take().filter(|_| may_ask)?;
        (body == BodyLength::Known(0)).then(|| TunnelOffer::upgrade(protocols))
    }

    /// Returns how the body's end is found, and whether the connection may stay open.
    fn finish(&self, headers: &mut HeaderMap) -> Result<(BodyLength, bool), StatusCode> {
        let keep_alive =
            !self.wants_close && (self.version == Version::HTTP_11 || self.wants_keep_alive);
        if !self.is_chunked {
            return Ok((BodyLength::Known(self.length.unwrap_or(0)), keep_alive));
        }
        // RFC 9112, section 6.1: the chunked coding wins, and the connection closes, because the
        // sender may have meant the length.
        let is_clear = self.length.is_none();
        if !is_clear {
            headers.remove(CONTENT_LENGTH);
        }
        Ok((BodyLength::Chunked, keep_alive && is_clear))
    }
}

/// The range of `part` in the bytes from which it was parsed.
fn range_of(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    // The parser may point an empty part anywhere.
    if part.is_empty() { 0..0 } else { start..start + part.len() }
}

/// Narrows `bytes` to this range.
fn narrow(mut bytes: Bytes, Range { start, end }: Range<usize>) -> Bytes {
    bytes.truncate(end);
    bytes.advance(start);
    bytes
}

/// Parses digits and nothing else: no sign, no blank, no list.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether the first line ends with a well-formed version that is not HTTP/1.
fn speaks_another_version(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && *major != b'1' && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<(RequestHead, usize)>, StatusCode> {
        let mut head = None;
        let length = super::parse(bytes, HeaderMap::new, &mut head)?;
        Ok(head.zip(length))
    }

    #[track_caller]
    fn whole(text: &str) -> RequestHead {
        let (head, length) =
            parse(text.as_bytes()).expect("no error_response").expect("a whole head");
        assert_eq!(length, text.len(), "{text:?}");
        head
    }

    #[track_caller]
    fn refused(text: &str) -> u16 {
        parse(text.as_bytes()).expect_err(text).as_u16()
    }

    #[test]
    fn a_head_is_complete_with_its_last_byte_and_later_bytes_are_not_used() {
        let text = "POST /a?b HTTP/1.1\r\nHost: a\r\nx-empty:\r\nX: 1\r\nx: 2\r\ncontent-length: 3\r\n\r\n";
        for end in 0..text.len() {
            let cut = parse(&text.as_bytes()[..end]).expect("no error_response");
            assert!(cut.is_none(), "{end} bytes");
        }
        let more = format!("{text}abc");
        let (head, length) =
            parse(more.as_bytes()).expect("no error_response").expect("a whole head");
        assert_eq!((length, head.body), (text.len(), BodyLength::Known(3)));
        assert_eq!(
            (head.parts.method, head.parts.uri.to_string()),
            (Method::POST, "/a?b".to_owned())
        );
        assert_eq!(head.parts.version, Version::HTTP_11);
        let values: Vec<_> = head.parts.headers.get_all("x").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(
            (&head.parts.headers["host"], &head.parts.headers["x-empty"]),
            (&"a".parse().unwrap(), &"".parse().unwrap())
        );
    }

    #[test]
    fn version_and_connection_tokens_decide_whether_the_connection_stays_open() {
        for (version, fields, keep_alive) in [
            ("1.1", "", true),
            ("1.1", "connection: keep-alive\r\n", true),
            ("1.1", "connection: x, Close\r\n", false),
            ("1.1", "connection: close\r\nconnection: keep-alive\r\n", false),
            ("1.0", "", false),
            ("1.0", "connection: Keep-Alive\r\n", true),
            ("1.0", "connection: keep-alive\r\nconnection: close\r\n", false),
            ("1.0", "connection: keep-alive, \u{e9}\r\n", false),
            ("1.1", "connection: close, \u{e9}\r\n", true),
        ] {
            let head = whole(&format!("GET / HTTP/{version}\r\nhost: a\r\n{fields}\r\n"));
            assert_eq!(head.rules.keep_alive, keep_alive, "{version} {fields}");
        }
    }

    #[test]
    fn with_chunks_and_a_length_the_chunks_win_and_the_connection_closes() {
        for fields in [
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: Chunked\r\ncontent-length: 3\r\n",
        ] {
            let head = whole(&format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
            assert_eq!(head.body, BodyLength::Chunked);
            assert!(!head.parts.headers.contains_key(CONTENT_LENGTH) && !head.rules.keep_alive);
        }
    }

    #[test]
    fn a_length_is_decimal_and_repeated_lengths_must_agree() {
        let of =
            |fields: &str| parse(format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").as_bytes());
        for fields in ["content-length: 5\r\ncontent-length: 5\r\n", "content-length: \t0005 \r\n"]
        {
            let (head, _) = of(fields).expect("no error_response").expect("a whole head");
            assert_eq!(head.body, BodyLength::Known(5), "{fields}");
            assert_eq!(head.parts.headers.get_all(CONTENT_LENGTH).iter().count(), 1, "{fields}");
        }
        for value in ["", "+5", "-5", "5, 5", "0x5", "5.0", "5 5", "18446744073709551616"] {
            let refused = of(&format!("content-length: {value}\r\n"));
            assert_eq!(refused.expect_err(value), StatusCode::BAD_REQUEST);
        }
        let most = format!("content-length: {}\r\n", u64::MAX);
        assert!(of(&most).is_ok());
    }

    #[test]
    fn only_http_1_1_clients_get_100_continue() {
        let of = |version| {
            whole(&format!("POST / HTTP/{version}\r\nhost: a\r\nexpect: 100-Continue\r\n\r\n"))
        };
        assert!(of("1.1").expects_continue && !of("1.0").expects_continue);
    }

    #[test]
    fn a_refused_request_gets_the_status_that_fits() {
        let fields = "x: y\r\n".repeat(MAX_HEAD_FIELDS);
        let long = "a".repeat(MAX_HEAD_BYTES as usize);
        for (status, text) in [
            (431, format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")),
            (431, format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}")),
            (431, format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n")),
            (414, format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", &long[..9_000])),
            (505, "GET / HTTP/2.0\r\nhost: a\r\n\r\n".into()),
            (505, "\r\nGET / HTTP/0.9\r\n\r\n".into()),
            (400, "GET / HTTP/1.2\r\nhost: a\r\n\r\n".into()),
            (400, "GET / HTTP/x.y\r\nhost: a\r\n\r\n".into()),
            (400, "GET / HTTP/1.1\r\n\r\n".into()),
            (400, "G\u{e9}T / HTTP/1.1\r\nhost: a\r\n\r\n".into()),
            (400, "GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".into()),
        ] {
            assert_eq!(refused(&text), status, "{text:.80}");
        }
    }
}
