//! What hyper takes, and two readers could take for two different requests. Pure.
//!
//! A request that a proxy reads in one way and the server in another is how requests are smuggled past checks (RFC 9112, section 11.2). hyper's parser refuses most of
//! what is ambiguous; this refuses the rest of what can still be seen after it. The guide lists what cannot.

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};

use crate::target::{has_one_authority, is_proper, is_too_long};

/// Says with what status to refuse a request. Its connection then closes, since where the request ends is not certain either.
pub(super) fn check<T>(request: &Request<T>) -> Result<(), StatusCode> {
    if is_too_long(request.uri()) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let is_clear = has_proper_form(request.method(), request.uri())
        && has_proper_host(request.version(), request.uri(), request.headers());
    if !is_clear {
        return Err(StatusCode::BAD_REQUEST);
    }
    check_codings(request.headers())
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
fn has_proper_host(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    match headers.get(HOST) {
        None => version == Version::HTTP_10 && uri.authority().is_none_or(is_proper),
        // What a client sends that knows no name for the server (RFC 9112, section 3.2).
        Some(host) if host.is_empty() => {
            uri.authority().is_none() && headers.get_all(HOST).iter().count() == 1
        }
        Some(_) => has_one_authority(uri, headers),
    }
}

/// The one coding that the server knows is `chunked`, and only hyper has decoded it: once, whatever the field says.
fn check_codings(headers: &HeaderMap) -> Result<(), StatusCode> {
    let Some(first) = headers.get(TRANSFER_ENCODING) else { return Ok(()) };
    if first.as_bytes().eq_ignore_ascii_case(b"chunked")
        && headers.get_all(TRANSFER_ENCODING).iter().count() == 1
    {
        return Ok(());
    }
    Err(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: http::request::Builder) -> Option<u16> {
        let request = request.body(()).expect("a request");
        check(&request).err().map(|status| status.as_u16())
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

    #[test]
    fn the_only_coding_is_chunked_and_it_is_said_once() {
        let of = |values: &[&str]| {
            let request = Request::post("/").header("host", "a");
            let with = |request: http::request::Builder, value: &&str| {
                request.header(TRANSFER_ENCODING, *value)
            };
            status(values.iter().fold(request, with))
        };
        for values in [&[][..], &["chunked"], &["Chunked"]] {
            assert_eq!(of(values), None, "{values:?}");
        }
        for values in [
            &["chunked, chunked"][..],
            &["chunked", "chunked"],
            &["gzip, chunked"],
            &["xchunked", "chunked"],
            &["identity, chunked"],
            &[", chunked"],
            &["\"chunked\""],
        ] {
            assert_eq!(of(values), Some(400), "{values:?}");
        }
    }
}
