//! Trailers: the fields after a chunked body (RFC 9110, section 6.5). Pure.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName};

/// The names of the trailers that a head has announced.
#[derive(Debug)]
pub(crate) struct AnnouncedTrailers(Vec<HeaderName>);

/// Fields that say how to read or handle a message. The recipient must know them before the body,
/// so they may not be trailers.
const FORBIDDEN: [HeaderName; 12] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HOST,
    MAX_FORWARDS,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
];

impl AnnouncedTrailers {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(TRAILER).iter().map(|value| value.as_bytes());
        let names = lists.flat_map(|list| list.split(|&byte| byte == b','));
        let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        Self(names.filter(|name| !FORBIDDEN.contains(name)).collect())
    }

    /// Appends the end of a chunked body to `out`, with those trailers that were announced.
    pub(crate) fn write(&self, trailers: &HeaderMap, out: &mut Vec<u8>) {
        out.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().filter(|(name, _)| self.0.contains(name)) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_announced_and_allowed_trailers_are_sent() {
        let value = HeaderValue::from_static;
        let headers = HeaderMap::from_iter([
            (TRAILER, value("X-Sum, content-length, ")),
            (TRAILER, value("x-b")),
        ]);
        let trailers = HeaderMap::from_iter([
            (HeaderName::from_static("x-sum"), value("1")),
            (HeaderName::from_static("x-other"), value("2")),
            (CONTENT_LENGTH, value("3")),
        ]);
        let mut out = Vec::new();
        AnnouncedTrailers::new(&headers).write(&trailers, &mut out);
        assert_eq!(out, b"0\r\nx-sum: 1\r\n\r\n");
    }
}
