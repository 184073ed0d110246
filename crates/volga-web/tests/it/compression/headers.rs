//! Which responses are compressed, and what their headers say: every combination.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use volga_core::{
    HandlerEndpoint, HttpBody, HttpResponse, Router, RouterService, ScopeId, SettingsLevel,
};
use volga_web::{Compression, ContentCoding};

use super::decode;
use crate::support::{Received, ask};

/// Responds as the headers of the request say: `x-type`, `x-size`, `x-known` and `x-set`.
fn respond(request: HeaderMap) -> HttpResponse {
    let text = |name: &str| request[name].to_str().unwrap().to_owned();
    let bytes = content(text("x-size").parse().unwrap());
    let body = match &*text("x-known") {
        "yes" => HttpBody::full(bytes),
        _ => HttpBody::from_stream(crate::support::pieces([Ok(bytes.into())], true)),
    };
    let mut response = HttpResponse::new(body);
    let headers = response.headers_mut();
    if !text("x-type").is_empty() {
        headers.insert("content-type", text("x-type").parse().unwrap());
    }
    if let Some((name, value)) = text("x-set").split_once(": ") {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    *response.status_mut() = text("x-status").parse::<StatusCode>().unwrap();
    response
}

fn content(size: usize) -> Vec<u8> {
    b"one two three ".iter().copied().cycle().take(size).collect()
}

fn service(compression: &Compression, level: &str) -> RouterService {
    let mut router = Router::new();
    let root = SettingsLevel::Scope(ScopeId::ROOT);
    if level != "route" {
        router.add_middleware(root, compression.clone());
    }
    let route = router.map(Method::GET, "/", HandlerEndpoint::new(respond));
    if level != "app" {
        router.add_middleware(SettingsLevel::Route(route), compression.clone());
    }
    router.into_service().unwrap()
}

const TYPES: [(&str, bool); 9] = [
    ("", true),
    ("text/html; charset=utf-8", true),
    ("Text/Event-Stream", true),
    ("image/svg+xml", true),
    ("image/png", false),
    ("font/woff2", false),
    ("application/zip", false),
    ("application/grpc+proto", false),
    ("IMAGE/PNG", false),
];

/// Headers, and whether a response with them may be compressed.
const SETS: [(&str, bool); 9] = [
    ("", true),
    ("etag: \"v1\"", true),
    ("etag: W/\"v1\"", true),
    ("vary: Origin, Accept-Encoding", true),
    ("vary: *", true),
    ("accept-ranges: bytes", true),
    ("content-encoding: br", false),
    ("content-range: bytes 0-1/2", false),
    ("content-digest: sha-256=:AA==:", false),
];

const ACCEPTS: [(&str, Option<ContentCoding>); 7] = [
    ("gzip", Some(ContentCoding::Gzip)),
    ("br;q=0.9, gzip;q=0.2", Some(ContentCoding::Brotli)),
    ("zstd", Some(ContentCoding::Zstd)),
    ("deflate, identity;q=0", Some(ContentCoding::Deflate)),
    ("identity;q=0", None),
    ("gzip;q=0, *;q=0", None),
    ("rot13", None),
];

#[tokio::test]
async fn every_combination_of_type_size_coding_and_headers_is_right() {
    let service = service(&Compression::new(), "app");
    let mut compressed = 0;
    for (kind, is_compressible) in TYPES {
        for (size, known) in [(0, "yes"), (1023, "yes"), (1024, "yes"), (0, "no"), (3000, "no")] {
            for (set, may_change) in SETS {
                for (accept, coding) in ACCEPTS {
                    // A body of unknown length is compressed, even if it turns out to be empty.
                    let is_large = size >= 1024 || known == "no";
                    let coding = coding.filter(|_| is_compressible && is_large && may_change);
                    let name = format!("{kind} {size} {known} {set} {accept}");
                    for method in [Method::GET, Method::HEAD] {
                        let is_get = method == Method::GET;
                        let headers = fields(accept, kind, &(size, known), set, "200");
                        let received = ask_with(&service, method, &headers).await;
                        check_headers(&name, &received, set, coding);
                        if is_get {
                            check_body(&name, &received, coding, &content(size));
                            compressed += usize::from(coding.is_some());
                        }
                    }
                }
            }
        }
    }
    assert!(compressed > 200, "{compressed}");
}

#[tokio::test]
async fn a_part_and_a_response_without_content_are_not_touched() {
    let service = service(&Compression::new(), "app");
    for (status, is_compressed) in [
        (200, true),
        (404, true),
        (500, true),
        (206, false),
        (304, false),
        (204, false),
        (205, false),
    ] {
        for (set, _) in SETS.into_iter().filter(|(_, may_change)| *may_change) {
            for method in [Method::GET, Method::HEAD] {
                let headers = fields("gzip", "text/css", &(3000, "yes"), set, &status.to_string());
                let received = ask_with(&service, method, &headers).await;
                let coding = is_compressed.then_some(ContentCoding::Gzip);
                check_headers(&format!("{status} {set}"), &received, set, coding);
            }
        }
    }
}

/// The headers of a request for a response.
fn fields(
    accept: &str,
    kind: &str,
    (size, known): &(usize, &str),
    set: &str,
    status: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("accept-encoding", accept.to_owned()),
        ("x-type", kind.to_owned()),
        ("x-size", size.to_string()),
        ("x-known", (*known).to_owned()),
        ("x-set", set.to_owned()),
        ("x-status", status.to_owned()),
    ]
}

async fn ask_with(
    service: &RouterService,
    method: Method,
    headers: &[(&'static str, String)],
) -> Received {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    ask(service, method, "/", &headers).await
}

#[track_caller]
fn check_headers(name: &str, received: &Received, set: &str, coding: Option<ContentCoding>) {
    let vary: Vec<_> = received.headers.get_all("vary").iter().collect();
    match set {
        "vary: *" => assert_eq!(vary, ["*"], "{name}"),
        "vary: Origin, Accept-Encoding" => {
            assert_eq!(vary, ["Origin, Accept-Encoding"], "{name}");
        }
        _ => assert_eq!(vary, ["accept-encoding"], "{name}"),
    }
    let Some(coding) = coding else {
        let mut headers = received.headers.clone();
        // A response to `HEAD` has the length of the plain body.
        headers.remove("content-length");
        headers.remove("vary");
        headers.remove("content-type");
        let mut expect = HeaderMap::new();
        if let Some((name, value)) = set.split_once(": ").filter(|(name, _)| *name != "vary") {
            expect
                .insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        return assert_eq!(headers, expect, "{name}");
    };
    assert_eq!(received.header("content-encoding"), coding.name(), "{name}");
    assert_eq!(received.header("content-length"), "-", "{name}");
    assert_eq!(received.header("accept-ranges"), "-", "{name}");
    let tag = if set.starts_with("etag") { "W/\"v1\"" } else { "-" };
    assert_eq!(received.header("etag"), tag, "{name}");
}

#[track_caller]
fn check_body(name: &str, received: &Received, coding: Option<ContentCoding>, plain: &[u8]) {
    match coding {
        None => assert!(received.body == plain, "{name}"),
        Some(coding) => assert!(decode(coding, &received.body) == plain, "{name}"),
    }
}

/// Sends a request for a text of 2,000 bytes.
async fn text(service: &RouterService, accept: &str, set: &str, kind: &str) -> Received {
    let headers = fields(accept, kind, &(2000, "yes"), set, "200");
    ask_with(service, Method::GET, &headers).await
}

#[tokio::test]
async fn no_transform_is_for_proxies_on_event_streams_and_for_everyone_otherwise() {
    let service = service(&Compression::new(), "app");
    let set = "cache-control: no-cache, No-Transform";
    for (kind, encoding) in [("text/event-stream", "gzip"), ("text/plain", "-")] {
        let received = text(&service, "gzip", set, kind).await;
        assert_eq!(received.header("content-encoding"), encoding, "{kind}");
    }
}

#[tokio::test]
async fn middleware_on_two_levels_compresses_once() {
    for level in ["app", "route", "both"] {
        let received = text(&service(&Compression::new(), level), "gzip", "", "text/plain").await;
        assert_eq!(received.header("content-encoding"), "gzip", "{level}");
        assert_eq!(received.headers.get_all("vary").iter().count(), 1, "{level}");
        assert_eq!(decode(ContentCoding::Gzip, &received.body), content(2000), "{level}");
    }
}

#[tokio::test]
async fn the_order_of_the_codings_is_a_setting() {
    let order = [ContentCoding::Deflate, ContentCoding::Gzip];
    let own = service(&Compression::new().codings(order), "app");
    let default = service(&Compression::new(), "app");
    for (kind, by_default) in [("text/plain", "zstd"), ("text/event-stream", "gzip")] {
        let received = text(&default, "*", "", kind).await;
        assert_eq!(received.header("content-encoding"), by_default);
        assert_eq!(text(&own, "*", "", kind).await.header("content-encoding"), "deflate");
        assert_eq!(text(&own, "br, gzip", "", kind).await.header("content-encoding"), "gzip");
        assert_eq!(text(&own, "br", "", kind).await.header("content-encoding"), "-");
    }
}

#[tokio::test]
async fn the_predicate_and_the_size_are_settings() {
    let pictures = Compression::new().predicate(|response| {
        response.headers().get("content-type").is_some_and(|kind| kind == "image/png")
    });
    let pictures = service(&pictures, "app");
    assert_eq!(text(&pictures, "br", "", "image/png").await.header("content-encoding"), "br");
    assert_eq!(text(&pictures, "br", "", "text/plain").await.header("content-encoding"), "-");
    for (size, encoding) in [(2000, "br"), (2001, "-")] {
        let service = service(&Compression::new().min_size(size), "app");
        let received = text(&service, "br", "", "text/plain").await;
        assert_eq!(received.header("content-encoding"), encoding, "{size}");
    }
}

#[tokio::test]
async fn a_head_handler_says_the_length_of_the_plain_body() {
    let mut router = Router::new();
    router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Compression::new());
    for (path, length) in [("/small", "10"), ("/large", "5000")] {
        let endpoint = HandlerEndpoint::new(move || ([("content-length", length)], ()));
        router.map(Method::HEAD, path, endpoint);
    }
    let service = router.into_service().unwrap();
    let head = async |path| ask(&service, Method::HEAD, path, &[("accept-encoding", "br")]).await;
    let small = head("/small").await;
    assert_eq!((small.header("content-encoding"), small.header("content-length")), ("-", "10"));
    let large = head("/large").await;
    assert_eq!((large.header("content-encoding"), large.header("content-length")), ("br", "-"));
}
