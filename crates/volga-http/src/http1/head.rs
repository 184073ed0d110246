//! The head of a response, as hyper would write it. Pure.

use std::io::Write;

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::framing::Framing;
use crate::long_lived::LongLived;

/// What a request says of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Terms {
    version: Version,
    keep_alive: bool,
}

impl Terms {
    /// The terms of a request whose answer may leave hyper; `None` where hyper is needed to the end.
    ///
    /// A chunked request is left to hyper because only its parser knows whether a length stood beside the chunks, which ends the connection.
    pub(crate) fn of<T>(request: &Request<T>) -> Option<Self> {
        if matches!(*request.method(), Method::HEAD | Method::CONNECT)
            || request.headers().contains_key(TRANSFER_ENCODING)
        {
            return None;
        }
        let headers = request.headers();
        let keep_alive = match request.version() {
            Version::HTTP_11 => !names(headers, "close"),
            Version::HTTP_10 => !names(headers, "close") && names(headers, "keep-alive"),
            _ => return None,
        };
        Some(Self { version: request.version(), keep_alive })
    }

    /// The same terms, on a connection that ends with this answer.
    pub(crate) fn closing(self) -> Self {
        Self { keep_alive: false, ..self }
    }
}

/// Whether a response is marked and may leave hyper: it has a body, and no header field by which the application frames it itself.
pub(crate) fn may_leave<B: Body>(response: &Response<B>) -> bool {
    let (headers, extensions) = (response.headers(), response.extensions());
    extensions.get::<LongLived>().is_some()
        && extensions.get::<ReasonPhrase>().is_none()
        && response.version() == Version::HTTP_11
        && !response.status().is_informational()
        && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        && ![CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER]
            .iter()
            .any(|name| headers.contains_key(name))
        && !response.body().is_end_stream()
        && response.body().size_hint().exact() != Some(0)
}

/// A head on its way out, and what it promises.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
}

impl Head {
    /// Writes the head of a response that [may leave](may_leave) hyper, whose body has `length` bytes where that is known.
    pub(crate) fn new(
        mut parts: Parts,
        length: Option<u64>,
        terms: Terms,
        date: &HeaderValue,
    ) -> Self {
        let framing = match (length, terms.version) {
            (Some(length), _) => Framing::Length(length),
            (None, Version::HTTP_10) => Framing::UntilClose,
            (None, _) => Framing::Chunked,
        };
        if let Some(token) = connection_token(&parts.headers, terms) {
            parts.headers.append(CONNECTION, HeaderValue::from_static(token));
        }
        let keep_alive =
            terms.keep_alive && !names(&parts.headers, "close") && framing != Framing::UntilClose;
        Self { bytes: write(&parts, framing, terms.version, date), framing, keep_alive }
    }
}

/// The answer to a request that no service sees, and the last one of its connection. hyper writes the same for what it refuses itself.
pub(crate) fn refusal(status: StatusCode, date: &HeaderValue) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    head.extend_from_slice(b"connection: close\r\ncontent-length: 0\r\ndate: ");
    head.extend_from_slice(date.as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    head
}

/// What the connection is to do next, where that is not what its version has it do anyway.
fn connection_token(headers: &HeaderMap, terms: Terms) -> Option<&'static str> {
    match (terms.version, terms.keep_alive) {
        (Version::HTTP_10, true) if !names(headers, "keep-alive") => Some("keep-alive"),
        (Version::HTTP_11, false) if !names(headers, "close") => Some("close"),
        _ => None,
    }
}

/// Whether a `connection` field holds the token.
fn names(headers: &HeaderMap, token: &str) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
}

fn write(parts: &Parts, framing: Framing, version: Version, date: &HeaderValue) -> Vec<u8> {
    // Room for the status line, the fields' usual lengths, the framing and the date.
    let mut out = Vec::with_capacity(128 + 48 * parts.headers.len());
    let version = if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let reason = parts.status.canonical_reason().unwrap_or("<none>");
    put(&mut out, &[version.as_bytes(), b" ", parts.status.as_str().as_bytes(), b" "]);
    put(&mut out, &[reason.as_bytes(), b"\r\n"]);
    for name in parts.headers.keys() {
        let mut values = parts.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        if *name == CONNECTION {
            put(
                &mut out,
                &[b"connection: ", &values.by_ref().collect::<Vec<_>>().join(&b", "[..]), b"\r\n"],
            );
        }
        for value in values {
            put(&mut out, &[name.as_str().as_bytes(), b": ", value, b"\r\n"]);
        }
    }
    match framing {
        Framing::Chunked => put(&mut out, &[b"transfer-encoding: chunked\r\n"]),
        Framing::Length(length) => {
            write!(out, "content-length: {length}\r\n").expect("memory does not fail");
        }
        Framing::UntilClose => {}
    }
    if !parts.headers.contains_key(DATE) {
        put(&mut out, &[b"date: ", date.as_bytes(), b"\r\n"]);
    }
    put(&mut out, &[b"\r\n"]);
    out
}

fn put(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    const DATE_VALUE: HeaderValue = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");

    fn request(version: Version, connection: &[&str]) -> Request<()> {
        let request = Request::get("/").version(version);
        let request =
            connection.iter().fold(request, |request, &value| request.header(CONNECTION, value));
        request.body(()).expect("a request")
    }

    /// The head of a plain response on these terms, without its date, and whether the connection is to live on.
    #[track_caller]
    fn check(terms: Terms, length: Option<u64>, own: &[&str], expect: &str, keep_alive: bool) {
        let response = own
            .iter()
            .fold(Response::builder(), |response, &value| response.header(CONNECTION, value));
        let (parts, ()) = response.body(()).expect("a response").into_parts();
        let head = Head::new(parts, length, terms, &DATE_VALUE);
        let text = String::from_utf8(head.bytes).expect("text");
        let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        assert_eq!(text.strip_suffix(date), Some(expect), "{text}");
        assert_eq!(head.keep_alive, keep_alive, "{text}");
    }

    #[test]
    fn a_request_sets_the_terms() {
        let v10 = Version::HTTP_10;
        let v11 = Version::HTTP_11;
        for (version, connection, keep_alive) in [
            (v11, &[][..], true),
            (v11, &["keep-alive"], true),
            (v11, &["x, Close"], false),
            (v11, &["close", "keep-alive"], false),
            (v10, &[], false),
            (v10, &["Keep-Alive"], true),
            (v10, &["keep-alive", "close"], false),
        ] {
            let terms = Terms::of(&request(version, connection));
            assert_eq!(terms, Some(Terms { version, keep_alive }), "{version:?} {connection:?}");
        }
        assert_eq!(Terms::of(&request(Version::HTTP_2, &[])), None);
    }

    #[test]
    fn the_version_the_length_and_both_sides_wishes_decide_what_follows() {
        let v11 = Terms { version: Version::HTTP_11, keep_alive: true };
        let v10 = Terms { version: Version::HTTP_10, keep_alive: true };
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n";
        check(v11, None, &[], chunked, true);
        let chunked = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";
        check(v11, None, &["close"], chunked, false);
        check(v11.closing(), None, &[], chunked, false);
        let both = "HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 5\r\n";
        check(v11.closing(), Some(5), &["x"], both, false);
        let length = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n";
        check(v10, Some(5), &[], length, true);
        check(v10, None, &[], "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", false);
        check(v10.closing(), None, &[], "HTTP/1.0 200 OK\r\n", false);
    }

    #[test]
    fn only_a_marked_response_with_a_body_that_it_does_not_frame_itself_may_leave() {
        let marked = || Response::builder().extension(LongLived);
        let body = || Full::new(&b"body"[..]);
        let refused = [
            Response::builder().body(body()),
            marked().status(StatusCode::SWITCHING_PROTOCOLS).body(body()),
            marked().status(StatusCode::NO_CONTENT).body(body()),
            marked().status(StatusCode::NOT_MODIFIED).body(body()),
            marked().version(Version::HTTP_10).body(body()),
            marked().extension(ReasonPhrase::from_static(b"Fine")).body(body()),
            marked().header(CONTENT_LENGTH, "4").body(body()),
            marked().header(TRANSFER_ENCODING, "gzip").body(body()),
            marked().header(TRAILER, "x-sum").body(body()),
        ];
        for response in refused {
            let response = response.expect("a response");
            assert!(!may_leave(&response), "{response:?}");
        }
        assert!(may_leave(&marked().body(body()).expect("a response")));
        assert!(!may_leave(&marked().body(Empty::<&[u8]>::new()).expect("a response")));
    }
}
