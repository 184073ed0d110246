//! What can be parsed, and two readers could take for two different requests. Pure.
//!
//! A request that a proxy reads in one way and the server in another is how requests are smuggled
//! past checks (RFC 9112, section 11.2). The parser refuses most of what is ambiguous; this refuses
//! the rest of what can still be seen after it. The guide lists what cannot.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use crate::exchange::target::{has_one_authority, is_plain, is_proper};

/// What the `host` fields come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HostFields {
    None,
    /// One, with a name or address as nearly all requests have it.
    Plain,
    One,
    Several,
}

impl HostFields {
    /// With another one.
    pub(super) fn and(self, host: &HeaderValue) -> Self {
        match self {
            Self::None if is_plain(host.as_bytes()) => Self::Plain,
            Self::None => Self::One,
            _ => Self::Several,
        }
    }
}

/// Says with what status to refuse a request.
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

/// Whether there is one `host`, and the target agrees with it. HTTP/1.0 may have none.
fn has_proper_host(version: Version, uri: &Uri, headers: &HeaderMap, hosts: HostFields) -> bool {
    match hosts {
        HostFields::None => version == Version::HTTP_10 && uri.authority().is_none_or(is_proper),
        // What a client sends that knows no name for the server (RFC 9112, section 3.2).
        HostFields::One if headers.get(HOST).is_some_and(|host| host.is_empty()) => {
            uri.authority().is_none()
        }
        // ScriptedBody without looking for the field again.
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
    fn a_request_has_one_host_and_one_of_http_1_0_may_have_none() {
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
    fn the_form_of_the_target_goes_with_the_method() {
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
