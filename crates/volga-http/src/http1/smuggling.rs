//! Refuses requests that can be parsed, but that two servers could take for two different requests.
//! Pure.
//!
//! If a proxy reads a request in one way and the server in another, an attacker can smuggle a
//! request past the proxy's checks (RFC 9112, section 11.2). The parser refuses most ambiguous
//! requests. This module refuses the others that can still be recognized after parsing. The guide
//! lists those that cannot.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use crate::exchange::target::{has_one_authority, is_host_and_port, is_simple_host};

/// What the `host` fields of a request amount to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HostFields {
    None,
    /// One field, with a name or an address in the form that nearly all requests use.
    Plain,
    One,
    Several,
}

impl HostFields {
    /// Adds one more field.
    pub(super) fn and(self, host: &HeaderValue) -> Self {
        match self {
            Self::None if is_simple_host(host.as_bytes()) => Self::Plain,
            Self::None => Self::One,
            _ => Self::Several,
        }
    }
}

/// Checks a parsed head.
///
/// # Errors
///
/// The status to respond with.
pub(super) fn check(
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
    hosts: HostFields,
) -> Result<(), StatusCode> {
    let is_clear = has_proper_form(method, uri) && has_proper_host(version, uri, headers, hosts);
    if is_clear { Ok(()) } else { Err(StatusCode::BAD_REQUEST) }
}

/// Whether the target has a form that goes with the method (RFC 9112, section 3.2).
fn has_proper_form(method: &Method, uri: &Uri) -> bool {
    if uri.path() == "*" {
        return method == Method::OPTIONS;
    }
    // A target without its slash looks like a host.
    let is_authority = uri.authority().is_some() && uri.scheme().is_none();
    !is_authority || method == Method::CONNECT
}

/// Whether there is one `host` field that agrees with the target. HTTP/1.0 may have none.
fn has_proper_host(version: Version, uri: &Uri, headers: &HeaderMap, hosts: HostFields) -> bool {
    match hosts {
        HostFields::None => {
            version == Version::HTTP_10 && uri.authority().is_none_or(is_host_and_port)
        }
        // A client that has no name for the server sends an empty field (RFC 9112, section 3.2).
        HostFields::One if headers.get(HOST).is_some_and(|host| host.is_empty()) => {
            uri.authority().is_none()
        }
        // This was checked when the field was read, so the field is not looked up again.
        HostFields::Plain if uri.authority().is_none() => true,
        HostFields::Plain | HostFields::One => has_one_authority(uri, headers),
        HostFields::Several => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(request: http::request::Builder) -> Option<u16> {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let hosts = parts.headers.get_all(HOST).iter().fold(HostFields::None, HostFields::and);
        check(&parts.method, &parts.uri, parts.version, &parts.headers, hosts)
            .err()
            .map(|status| status.as_u16())
    }

    #[test]
    fn a_request_has_one_host_or_on_http_1_0_none() {
        assert_eq!(status(Request::get("/")), Some(400));
        assert_eq!(status(Request::get("/").version(Version::HTTP_10)), None);
        assert_eq!(status(Request::get("/").header("host", "a")), None);
        assert_eq!(status(Request::get("/").header("host", "")), None);
        let two = Request::get("/").header("host", "a").header("host", "a");
        assert_eq!(status(two.version(Version::HTTP_10)), Some(400));
        assert_eq!(status(Request::get("/").header("host", "").header("host", "a")), Some(400));
        assert_eq!(status(Request::get("http://a/").header("host", "")), Some(400));
        assert_eq!(status(Request::get("http://a@b/").version(Version::HTTP_10)), Some(400));
    }

    #[test]
    fn the_form_of_the_target_must_fit_the_method() {
        let of = |method: &str, target: &str| {
            let host = target.trim_start_matches("http://").trim_matches(['/', '*']);
            status(Request::builder().method(method).uri(target).header("host", host))
        };
        assert_eq!(of("OPTIONS", "*"), None);
        assert_eq!(of("GET", "*"), Some(400));
        assert_eq!(of("GET", "http://a/"), None);
        assert_eq!(of("GET", "a"), Some(400));
        assert_eq!(of("CONNECT", "a:80"), None);
    }
}
