//! The opening handshake (RFC 6455, section 4; RFC 8441, section 5; RFC 9220, section 3). Pure.

use data_encoding::BASE64;
use http::header::{
    CONNECTION, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};

use crate::settings::{OriginRule, WebSocketSettings};

/// What the key is hashed with (RFC 6455, section 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a key: 16 bytes in Base64.
const KEY_BYTES: usize = 16;

/// An opening handshake that the server accepts.
///
/// ```
/// use volga_ws::{Handshake, WebSocketSettings};
///
/// let request = http::Request::get("/chat")
///     .header("host", "example.com")
///     .header("connection", "Upgrade")
///     .header("upgrade", "websocket")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())
///     .unwrap();
/// let (head, ()) = request.into_parts();
/// let response = Handshake::check(&head, None, &WebSocketSettings::new()).unwrap().response();
/// assert_eq!(response.status(), 101);
/// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Debug)]
pub struct Handshake {
    /// `None` for extended CONNECT, which has no key.
    accept: Option<HeaderValue>,
    protocol: Option<HeaderValue>,
}

impl Handshake {
    /// Checks the head of a request. `connect_protocol` is the pseudo-header field `:protocol` of
    /// an extended CONNECT on HTTP/2 or HTTP/3, and `None` for any other request.
    ///
    /// # Errors
    ///
    /// Returns an error with the status to refuse the request with.
    pub fn check(
        head: &Parts,
        connect_protocol: Option<&str>,
        settings: &WebSocketSettings,
    ) -> Result<Self, HandshakeError> {
        let accept = match connect_protocol {
            Some(protocol) => {
                check_connect(head, protocol)?;
                None
            }
            None => Some(check_upgrade(head)?),
        };
        check_origin(head, &settings.origins)?;
        let protocol = choose_protocol(&head.headers, &settings.protocols)?;
        Ok(Self { accept, protocol })
    }

    /// The subprotocol, if the client offers one that the server speaks.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_ref()?.to_str().ok()
    }

    /// Creates the response: status 101 on HTTP/1.1, and 200 for an extended CONNECT.
    #[must_use]
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        if self.accept.is_some() {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        self.add_fields(response.headers_mut());
        response
    }

    /// Adds the fields of the handshake to a response that already has the right status, and the
    /// fields `upgrade` and `connection`.
    pub fn add_fields(&self, headers: &mut HeaderMap) {
        if let Some(accept) = &self.accept {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
        }
        if let Some(protocol) = &self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
    }
}

/// Why a request does not open a WebSocket.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HandshakeError {
    /// The request is an ordinary one. Status 426 on HTTP/1.1; on HTTP/2 and HTTP/3, which have no
    /// upgrade, it is 400.
    #[error(
        "this path opens a WebSocket: send a WebSocket handshake, for example by `new WebSocket(url)`"
    )]
    NotWebSocket {
        /// The protocol of the request.
        version: Version,
    },
    /// The extended CONNECT is for another protocol. Status 501 (RFC 9220, section 3).
    #[error("this path opens a WebSocket: the field `:protocol` must be `websocket`")]
    OtherProtocol,
    /// The client speaks another version of the protocol than 13. Status 426 on HTTP/1.1 and 400 on
    /// HTTP/2 and HTTP/3, with `sec-websocket-version: 13`.
    #[error("the header `sec-websocket-version` must be 13")]
    Version {
        /// The protocol of the request.
        version: Version,
    },
    /// The key is missing, or is not 16 bytes in Base64. Status 400.
    #[error("the request must have one header `sec-websocket-key`, of 16 bytes in Base64")]
    Key,
    /// The request has a body. Status 400.
    #[error("a WebSocket handshake must not have a body")]
    Body,
    /// The list of subprotocols is not a list of names. Status 400.
    #[error(
        "the header `sec-websocket-protocol` must be a list of names, with commas between them"
    )]
    Protocols,
    /// The page that opens the WebSocket comes from elsewhere. Status 403.
    #[error(
        "the page's origin `{origin}` may not open this WebSocket; to allow it, the server lists it in `WebSocketSettings::origins`"
    )]
    Origin {
        /// The origin of the page.
        origin: String,
    },
}

impl HandshakeError {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotWebSocket { version } | Self::Version { version }
                if *version <= Version::HTTP_11 =>
            {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::OtherProtocol => StatusCode::NOT_IMPLEMENTED,
            Self::Origin { .. } => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The fields that the response must have.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let upgrade = (self.status() == StatusCode::UPGRADE_REQUIRED).then(|| {
            [
                (UPGRADE, HeaderValue::from_static("websocket")),
                (CONNECTION, HeaderValue::from_static("upgrade")),
            ]
        });
        let is_version = matches!(self, Self::Version { .. } | Self::NotWebSocket { .. });
        let version = is_version.then(|| (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        upgrade.into_iter().flatten().chain(version)
    }

    /// Creates the response, with the message as its text.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        let mut response = Response::new(self.to_string());
        *response.status_mut() = self.status();
        response.headers_mut().extend(self.fields());
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(http::header::CONTENT_TYPE, text);
        response
    }
}

/// Checks an upgrade on HTTP/1.1. Returns the value of `sec-websocket-accept`, which proves to the
/// client that the server has understood the handshake.
fn check_upgrade(head: &Parts) -> Result<HeaderValue, HandshakeError> {
    let version = head.version;
    let is_upgrade = head.method == Method::GET
        && version == Version::HTTP_11
        && has_token(&head.headers, &CONNECTION, "upgrade")
        && has_token(&head.headers, &UPGRADE, "websocket");
    if !is_upgrade {
        return Err(HandshakeError::NotWebSocket { version });
    }
    check_version(head)?;
    let has_body = head.headers.contains_key(http::header::TRANSFER_ENCODING)
        || head.headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        return Err(HandshakeError::Body);
    }
    let key = single(&head.headers, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    let is_key = BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    if !is_key {
        return Err(HandshakeError::Key);
    }
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(KEY_SUFFIX.as_bytes());
    let accept = BASE64.encode(&hash.digest().bytes());
    HeaderValue::try_from(accept).map_err(|_| HandshakeError::Key)
}

/// Checks an extended CONNECT on HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220). It has no key.
fn check_connect(head: &Parts, protocol: &str) -> Result<(), HandshakeError> {
    if head.method != Method::CONNECT {
        return Err(HandshakeError::NotWebSocket { version: head.version });
    }
    if !protocol.eq_ignore_ascii_case("websocket") {
        return Err(HandshakeError::OtherProtocol);
    }
    check_version(head)
}

fn check_version(head: &Parts) -> Result<(), HandshakeError> {
    match single(&head.headers, &SEC_WEBSOCKET_VERSION) {
        Some("13") => Ok(()),
        _ => Err(HandshakeError::Version { version: head.version }),
    }
}

/// The value of a field that must be there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Whether a field, which is a list of tokens, has this token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

/// Chooses the first of the server's subprotocols that the client offers.
fn choose_protocol(
    headers: &HeaderMap,
    supported: &[String],
) -> Result<Option<HeaderValue>, HandshakeError> {
    let mut offered = Vec::new();
    for list in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let list = list.to_str().map_err(|_| HandshakeError::Protocols)?;
        for name in list.split(',').map(str::trim) {
            // A name is a token (RFC 9110, section 5.6.2), as the name of a header is.
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(HandshakeError::Protocols);
            }
            offered.push(name);
        }
    }
    let chosen = supported.iter().find(|name| offered.contains(&name.as_str()));
    Ok(chosen.and_then(|name| HeaderValue::from_str(name).ok()))
}

fn check_origin(head: &Parts, rule: &OriginRule) -> Result<(), HandshakeError> {
    let listed: &[String] = match rule {
        OriginRule::Any => return Ok(()),
        OriginRule::Listed(listed) => listed,
        OriginRule::SameOrigin => &[],
    };
    if !head.headers.contains_key(ORIGIN) {
        return Ok(());
    }
    // A browser sends one origin. Of several, none can be trusted.
    let origin = single(&head.headers, &ORIGIN);
    let is_allowed = origin.is_some_and(|origin| {
        listed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
            || is_same_origin(origin, head)
    });
    if is_allowed {
        return Ok(());
    }
    let origin = head.headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
    let origin = origin.map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ");
    Err(HandshakeError::Origin { origin })
}

/// Whether the origin has the host and port of the request. The scheme of the request is not known
/// behind a proxy, so only its default port is used.
fn is_same_origin(origin: &str, head: &Parts) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let default = match origin.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return false,
    };
    let target = match head.uri.authority() {
        Some(target) => Some(target.clone()),
        None => single(&head.headers, &HOST).and_then(|host| host.parse::<Authority>().ok()),
    };
    let (Some(origin), Some(target)) = (origin.authority(), target) else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    origin.host().eq_ignore_ascii_case(target.host()) && port(origin) == port(&target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("host", "example.com"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request(fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::get("/chat");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The good request with one field replaced. An empty value removes the field.
    fn with(name: &str, value: &str) -> Parts {
        let mut head = request(GOOD);
        let name: HeaderName = name.parse().unwrap();
        head.headers.remove(&name);
        if !value.is_empty() {
            head.headers.insert(name, value.parse().unwrap());
        }
        head
    }

    fn status(head: &Parts) -> u16 {
        match Handshake::check(head, None, &WebSocketSettings::new()) {
            Ok(handshake) => handshake.response().status().as_u16(),
            Err(error) => error.response().status().as_u16(),
        }
    }

    #[test]
    fn each_fault_has_its_status() {
        for (name, value, expect) in [
            ("x-other", "1", 101),
            ("connection", "", 426),
            ("connection", "keep-alive", 426),
            ("connection", "upgraded", 426),
            ("upgrade", "", 426),
            ("upgrade", "h2c", 426),
            ("upgrade", "h2c, websocket", 101),
            ("sec-websocket-version", "", 426),
            ("sec-websocket-version", "8", 426),
            ("sec-websocket-version", "13, 8", 426),
            ("sec-websocket-key", "", 400),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", 400),
            ("sec-websocket-key", "dGhlIHNhbXBsZQ==", 400),
            ("sec-websocket-key", "not base64 at all!!!!!!!", 400),
            ("content-length", "3", 400),
            ("content-length", "0", 101),
            ("transfer-encoding", "chunked", 400),
            ("sec-websocket-protocol", "a,,b", 400),
            ("sec-websocket-protocol", "a b", 400),
        ] {
            assert_eq!(status(&with(name, value)), expect, "{name}: {value}");
        }
        for name in ["sec-websocket-key", "sec-websocket-version"] {
            let mut head = request(GOOD);
            let value = head.headers[name].clone();
            head.headers.append(name, value);
            assert!([400, 426].contains(&status(&head)), "two fields {name}");
        }
        let mut head = request(GOOD);
        head.method = Method::POST;
        assert_eq!(status(&head), 426);
        head = request(GOOD);
        head.version = Version::HTTP_10;
        assert_eq!(status(&head), 426);
        head.version = Version::HTTP_2;
        assert_eq!(status(&head), 400);
    }

    #[test]
    fn a_refusal_says_which_protocol_and_version_the_path_needs() {
        let response = |head: &Parts| {
            let error = Handshake::check(head, None, &WebSocketSettings::new()).unwrap_err();
            error.response()
        };
        for head in [with("upgrade", ""), with("sec-websocket-version", "8")] {
            let response = response(&head);
            assert_eq!(response.headers()["upgrade"], "websocket");
            assert_eq!(response.headers()["connection"], "upgrade");
            assert_eq!(response.headers()["sec-websocket-version"], "13");
            assert!(!response.body().is_empty());
        }
        let mut http2 = with("upgrade", "");
        http2.version = Version::HTTP_2;
        // HTTP/2 forbids these fields.
        assert!(!response(&http2).headers().contains_key("connection"));
    }

    #[test]
    fn an_extended_connect_needs_no_key_and_is_accepted_with_200() {
        let check = |method: Method, protocol: &str, fields: &[(&str, &str)]| {
            let mut head = request(fields);
            (head.method, head.version) = (method, Version::HTTP_2);
            match Handshake::check(&head, Some(protocol), &WebSocketSettings::new()) {
                Ok(handshake) => handshake.response().map(|()| String::new()),
                Err(error) => error.response(),
            }
        };
        let good = [("sec-websocket-version", "13")];
        let accepted = check(Method::CONNECT, "websocket", &good);
        assert!(accepted.status() == 200 && accepted.headers().is_empty());
        assert_eq!(check(Method::CONNECT, "webtransport", &good).status(), 501);
        assert_eq!(check(Method::GET, "websocket", &good).status(), 400);
        let old = check(Method::CONNECT, "websocket", &[("sec-websocket-version", "8")]);
        assert!(old.status() == 400 && old.headers()["sec-websocket-version"] == "13");
    }

    #[test]
    fn a_page_from_elsewhere_is_refused_unless_it_is_listed() {
        let check = |origin: &str, host: &str, settings: &WebSocketSettings| {
            let mut head = with("host", host);
            head.headers.insert("origin", origin.parse().unwrap());
            match Handshake::check(&head, None, settings) {
                Ok(_) => 101,
                Err(error) => error.status().as_u16(),
            }
        };
        let same = WebSocketSettings::new();
        for (origin, host, expect) in [
            ("https://example.com", "example.com", 101),
            ("https://EXAMPLE.com", "example.com", 101),
            ("https://example.com", "example.com:443", 101),
            ("http://example.com", "example.com:80", 101),
            ("http://example.com:8080", "example.com:8080", 101),
            ("http://[::1]:8080", "[::1]:8080", 101),
            ("https://example.com", "example.com:8443", 403),
            ("https://example.com.evil.net", "example.com", 403),
            ("https://evil.net", "example.com", 403),
            ("https://example.com@evil.net", "example.com", 403),
            ("null", "example.com", 403),
            ("file://", "example.com", 403),
            ("ftp://example.com", "example.com", 403),
        ] {
            assert_eq!(check(origin, host, &same), expect, "{origin} at {host}");
        }
        let listed = WebSocketSettings::new().origins(["https://app.example/"]);
        assert_eq!(check("https://app.example", "example.com", &listed), 101);
        assert_eq!(check("https://example.com", "example.com", &listed), 101);
        assert_eq!(check("http://app.example", "example.com", &listed), 403);
        let any = WebSocketSettings::new().any_origin();
        assert_eq!(check("null", "example.com", &any), 101);
        let mut two = request(GOOD);
        two.headers.append("origin", "https://example.com".parse().unwrap());
        two.headers.append("origin", "https://evil.net".parse().unwrap());
        assert_eq!(status(&two), 403);
    }

    #[test]
    fn the_first_protocol_of_the_server_that_the_client_offers_is_chosen() {
        let settings = WebSocketSettings::new().protocols(["v3", "v2", "v1"]);
        for (offered, expect) in [
            ("v1", Some("v1")),
            ("v1, v2", Some("v2")),
            ("v0,v1", Some("v1")),
            ("V1", None),
            ("v0", None),
            ("", None),
        ] {
            let head = with("sec-websocket-protocol", offered);
            let handshake = Handshake::check(&head, None, &settings).unwrap();
            assert_eq!(handshake.protocol(), expect, "{offered}");
            let field = handshake.response().headers().get("sec-websocket-protocol").cloned();
            assert_eq!(field.as_ref().map(|value| value.to_str().unwrap()), expect);
        }
    }
}
