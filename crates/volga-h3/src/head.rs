//! Makes the head of a request from its fields (RFC 9114, section 4.3). Pure.

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use crate::limits::MAX_HEAD_BYTES;
use crate::qpack::{self, QpackError};

/// Fields that belong to one HTTP/1 connection (RFC 9114, section 4.2).
const FORBIDDEN: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HeadError {
    /// The connection ends.
    #[error(transparent)]
    Qpack(#[from] QpackError),
    /// The response is 431.
    #[error("the head is larger than {MAX_HEAD_BYTES} bytes")]
    TooLarge,
    /// The stream ends with `H3_MESSAGE_ERROR`. If two programs could read a request differently, a
    /// proxy could let it pass to a place that it must not reach.
    #[error("the head breaks the rules of HTTP/3")]
    Malformed,
}

/// Decodes the head of a request.
pub(crate) fn decode(section: &[u8]) -> Result<Parts, HeadError> {
    let mut head = HeadBuilder::default();
    qpack::decode(section, |name, value| head.add(name, value))??;
    head.build()
}

/// Decodes trailers.
pub(crate) fn decode_trailers(section: &[u8]) -> Result<HeaderMap, HeadError> {
    // Pseudo-header fields come before all others, so they are refused.
    let mut head = HeadBuilder { has_fields: true, ..HeadBuilder::default() };
    qpack::decode(section, |name, value| head.add(name, value))??;
    Ok(head.fields)
}

/// The protocol of an extended CONNECT (RFC 9220), such as `websocket`. It is an extension of the
/// head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConnectProtocol(pub(crate) HeaderValue);

impl ConnectProtocol {
    fn from_name(name: &[u8]) -> Option<Self> {
        // The name is a token (RFC 9110, section 5.6.2), as the name of a field is.
        let is_token = HeaderName::from_bytes(name).is_ok();
        is_token.then(|| HeaderValue::from_bytes(name).ok())?.map(Self)
    }

    pub(crate) fn is_webtransport(&self) -> bool {
        // The second name is that of the newer drafts.
        matches!(self.0.as_bytes(), b"webtransport" | b"webtransport-h3")
    }
}

#[derive(Default)]
struct HeadBuilder {
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
    protocol: Option<ConnectProtocol>,
    fields: HeaderMap,
    has_fields: bool,
    size: usize,
}

impl HeadBuilder {
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        // RFC 9114, section 4.2.2: each field counts as 32 bytes more than it has.
        self.size = self.size.saturating_add(name.len() + value.len() + 32);
        if self.size > MAX_HEAD_BYTES as usize {
            return Err(HeadError::TooLarge);
        }
        if name.first() == Some(&b':') {
            return self.add_pseudo(name, value).ok_or(HeadError::Malformed);
        }
        self.has_fields = true;
        // Names in upper case are refused.
        let name = HeaderName::from_lowercase(name).map_err(|_| HeadError::Malformed)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| HeadError::Malformed)?;
        let is_trimmed = value.as_bytes().trim_ascii().len() == value.len();
        if FORBIDDEN.contains(&name) || name == TE && value != "trailers" || !is_trimmed {
            return Err(HeadError::Malformed);
        }
        self.fields.try_append(name, value).map_err(|_| HeadError::TooLarge)?;
        Ok(())
    }

    /// Sets a pseudo-header field. `None` if it is unknown, malformed, comes twice, or comes after
    /// an ordinary field.
    fn add_pseudo(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        if self.has_fields {
            return None;
        }
        let text = || Bytes::copy_from_slice(value);
        match name {
            b":method" => set(&mut self.method, Method::from_bytes(value).ok()?),
            // Any other scheme asks for a proxy.
            b":scheme" if value == b"https" => set(&mut self.scheme, Scheme::HTTPS),
            b":scheme" if value == b"http" => set(&mut self.scheme, Scheme::HTTP),
            b":authority" => set(&mut self.authority, Authority::from_maybe_shared(text()).ok()?),
            b":path" if value.first() == Some(&b'/') || value == b"*" => {
                set(&mut self.path, PathAndQuery::from_maybe_shared(text()).ok()?)
            }
            b":protocol" => set(&mut self.protocol, ConnectProtocol::from_name(value)?),
            _ => None,
        }
    }

    fn build(self) -> Result<Parts, HeadError> {
        let Self { method, scheme, authority, path, protocol, fields, .. } = self;
        let method = method.ok_or(HeadError::Malformed)?;
        let mut uri = http::uri::Parts::default();
        if method == Method::CONNECT && protocol.is_none() {
            // An ordinary CONNECT has an authority and nothing else (RFC 9114, section 4.4).
            if scheme.is_some() || path.is_some() || authority.is_none() {
                return Err(HeadError::Malformed);
            }
            uri.authority = authority;
        } else {
            let is_star = path.as_ref().is_some_and(|path| path.as_str() == "*");
            if protocol.is_some() && method != Method::CONNECT
                || is_star && method != Method::OPTIONS
            {
                return Err(HeadError::Malformed);
            }
            uri.path_and_query = Some(path.ok_or(HeadError::Malformed)?);
            let scheme = scheme.ok_or(HeadError::Malformed)?;
            // Without an authority, the field `host` has it.
            uri.scheme = authority.is_some().then_some(scheme);
            uri.authority = authority;
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| HeadError::Malformed)?;
        *request.version_mut() = Version::HTTP_3;
        *request.headers_mut() = fields;
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(protocol);
        }
        Ok(request.into_parts().0)
    }
}

/// Sets a value that must not come twice.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[(&str, &str)] =
        &[(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/x?y")];

    /// Writes fields in the form without any table.
    fn section<'a>(fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
        let mut out = vec![0, 0];
        for (name, value) in fields {
            // Texts of up to 133 bytes need one byte more.
            let name_length = name.len();
            if name_length < 7 {
                out.push(0x20 | name_length as u8);
            } else {
                out.extend([0x27, (name_length - 7) as u8]);
            }
            out.extend_from_slice(name.as_bytes());
            let mut rest = value.len();
            if rest < 127 {
                out.push(rest as u8);
            } else {
                out.push(127);
                rest -= 127;
                while rest >= 128 {
                    out.push(rest as u8 | 128);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
            out.extend_from_slice(value.as_bytes());
        }
        out
    }

    fn head(fields: &[(&str, &str)]) -> Result<Parts, HeadError> {
        decode(&section(fields))
    }

    #[test]
    fn a_request_has_its_target_and_its_fields() {
        let head = head(&[GET, &[("accept", "a"), ("accept", "b"), ("te", "trailers")]].concat())
            .expect("valid");
        assert_eq!((head.method, head.version), (Method::GET, Version::HTTP_3));
        assert_eq!(head.uri, "https://a/x?y");
        let accepted: Vec<_> = head.headers.get_all("accept").iter().collect();
        assert_eq!(accepted, ["a", "b"]);
    }

    #[test]
    fn without_an_authority_the_target_is_a_path() {
        let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), ("host", "a")];
        assert_eq!(head(&fields).expect("valid").uri, "/x");
    }

    #[test]
    fn each_pseudo_header_field_comes_exactly_once_and_before_the_others() {
        for index in 0..GET.len() {
            let twice = [GET, &GET[index..=index]].concat();
            assert_eq!(head(&twice).err(), Some(HeadError::Malformed), "{twice:?}");
            let mut late = GET.to_vec();
            let moved = late.remove(index);
            late.extend([("x", "y"), moved]);
            assert_eq!(head(&late).err(), Some(HeadError::Malformed), "{late:?}");
            let mut missing = GET.to_vec();
            missing.remove(index);
            // The authority may be in `host`, which a later check looks at.
            assert_eq!(head(&missing).is_ok(), GET[index].0 == ":authority", "{missing:?}");
        }
    }

    #[test]
    fn fields_that_http3_forbids_are_refused() {
        for field in [
            ("connection", "close"),
            ("keep-alive", "5"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("Accept", "a"),
            ("a b", "c"),
            ("", "c"),
            ("a", "b\r\nc: d"),
            ("a", "b\0"),
            ("a", " b"),
            ("a", "b\t"),
            (":status", "200"),
            (":unknown", "x"),
        ] {
            let fields = if field.0.starts_with(':') {
                [&[field], GET].concat()
            } else {
                [GET, &[field]].concat()
            };
            assert_eq!(head(&fields).err(), Some(HeadError::Malformed), "{field:?}");
        }
    }

    #[test]
    fn malformed_targets_are_refused() {
        for (index, value) in [
            (0, ""),
            (0, "A B"),
            (1, ""),
            (1, "ht tp"),
            (1, "ftp"),
            (1, "HTTPS"),
            (2, ""),
            (2, "a b"),
            (3, ""),
            (3, "x"),
            (3, "*"),
            (3, "/a b"),
        ] {
            let mut fields = GET.to_vec();
            fields[index].1 = value;
            assert_eq!(head(&fields).err(), Some(HeadError::Malformed), "{:?}", fields[index]);
        }
    }

    #[test]
    fn options_may_ask_for_the_whole_server_and_connect_has_an_authority_alone() {
        let mut fields = GET.to_vec();
        (fields[0].1, fields[3].1) = ("OPTIONS", "*");
        assert!(head(&fields).is_ok());
        let connect = [(":method", "CONNECT"), (":authority", "a:80")];
        assert_eq!(head(&connect).expect("valid").uri, "a:80");
        assert!(head(&[&connect[..], &[(":path", "/")]].concat()).is_err());
        let mut extended = GET.to_vec();
        extended[0].1 = "CONNECT";
        extended.push((":protocol", "websocket"));
        let parts = head(&extended).expect("valid");
        let protocol = parts.extensions.get::<ConnectProtocol>().expect("a protocol");
        assert_eq!(
            (protocol.0.to_str().ok(), protocol.is_webtransport()),
            (Some("websocket"), false)
        );
        for malformed in ["", "web socket", "a, b"] {
            let mut fields = extended.clone();
            fields[4].1 = malformed;
            assert_eq!(head(&fields).err(), Some(HeadError::Malformed), "{malformed:?}");
        }
        extended[0].1 = "GET";
        assert!(head(&extended).is_err());
    }

    #[test]
    fn a_head_may_be_as_large_as_the_limit() {
        let size: usize = GET.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        let fill = MAX_HEAD_BYTES as usize - size - 33;
        for (length, expect) in [(fill, None), (fill + 1, Some(HeadError::TooLarge))] {
            let value = "v".repeat(length);
            let fields = [GET, &[("a", value.as_str())]].concat();
            assert_eq!(head(&fields).err(), expect, "{length}");
        }
        let many = vec![("a", ""); 1_000];
        assert_eq!(head(&[GET, &many[..]].concat()).err(), Some(HeadError::TooLarge));
    }

    #[test]
    fn trailers_have_no_pseudo_header_fields() {
        let trailers = decode_trailers(&section(&[("etag", "x")])).expect("valid");
        assert_eq!(trailers["etag"], "x");
        assert!(decode_trailers(&section(&[(":path", "/")])).is_err());
    }
}
