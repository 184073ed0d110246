//! Requests of other sites: a table of what browsers send, and faults.

use http::{Method, Request};
use volga_core::{HandlerEndpoint, HttpBody, Router, RouterService, ScopeId, SettingsLevel};
use volga_web::CrossSiteProtection;

use crate::support::{Received, ask};

const ROOT: SettingsLevel = SettingsLevel::Scope(ScopeId::ROOT);

fn service(protection: CrossSiteProtection) -> RouterService {
    let mut router = Router::new();
    for method in ["GET", "HEAD", "OPTIONS", "QUERY", "POST", "PUT", "PATCH", "DELETE", "FOO"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        router.map(method, "/{*path}", HandlerEndpoint::new(|_: String| "done"));
    }
    router.add_middleware(ROOT, protection);
    router.into_service().unwrap()
}

fn protection() -> CrossSiteProtection {
    CrossSiteProtection::new()
        .trusted_origins(["https://login.example", "https://*.trusted.example"])
        .exempt(["/webhook", "/webhooks/*"])
}

#[tokio::test]
async fn what_browsers_send_decides() {
    let service = service(protection());
    let host = ("host", "shop.example");
    for (headers, passes) in [
        // Current browsers.
        (&[("sec-fetch-site", "same-origin")][..], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "")], false),
        (&[("sec-fetch-site", "Same-Origin")], false),
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], true),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", "null")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://login.example")], true),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://a.trusted.example")], true),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://trusted.example")], false),
        (&[("sec-fetch-site", "same-site"), ("origin", "http://login.example")], false),
        // Older browsers.
        (&[("origin", "https://shop.example")], true),
        (&[("origin", "http://shop.example")], true),
        (&[("origin", "https://shop.example:443")], true),
        (&[("origin", "https://SHOP.example")], true),
        (&[("origin", "https://shop.example:8443")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "https://a.shop.example")], false),
        (&[("origin", "https://shop.example.evil")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
        (&[("origin", "shop.example")], false),
        (&[("origin", "https://login.example")], true),
        (&[("origin", "https://login.example"), ("origin", "https://evil.example")], false),
        // Programs.
        (&[], true),
        (&[("cookie", "session=7")], true),
    ] {
        let all: Vec<_> = [host].iter().chain(headers).copied().collect();
        for method in ["POST", "PUT", "PATCH", "DELETE", "FOO"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let response = ask(&service, method.clone(), "/order", &all).await;
            let expect = if passes { 200 } else { 403 };
            assert_eq!(response.status, expect, "{method} {headers:?}");
            if !passes {
                assert!(response.text().contains("does not trust"), "{}", response.text());
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "QUERY"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(ask(&service, method, "/order", &all).await.status, 200, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn the_host_of_an_http2_request_is_in_its_uri() {
    let service = service(protection());
    for (uri, origin, status) in [
        ("https://shop.example/order", "https://shop.example", 200),
        ("https://shop.example:443/order", "https://shop.example", 200),
        ("https://shop.example:8443/order", "https://shop.example:8443", 200),
        ("https://shop.example/order", "https://evil.example", 403),
    ] {
        let request = Request::post(uri).header("origin", origin).header("host", "evil.example");
        let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
        assert_eq!(Received::new(response).await.status, status, "{uri} {origin}");
    }
}

#[tokio::test]
async fn exempt_paths_pass_in_every_spelling_and_no_others_do() {
    let service = service(protection());
    for (path, status) in [
        ("/webhook", 200),
        ("/webhook/", 200),
        ("/%77ebhook", 200),
        ("/webhook2", 403),
        ("/webhook/a", 403),
        ("/webhooks", 403),
        ("/webhooks/a", 200),
        ("/webhooks/a/b", 200),
        ("/webhooks%2Fa", 403),
        ("/Webhook", 403),
        ("/a/webhook", 403),
    ] {
        let response = ask(&service, Method::POST, path, &[("sec-fetch-site", "cross-site")]).await;
        assert_eq!(response.status, status, "{path}");
    }
}

#[test]
fn what_stands_for_nothing_is_a_fault() {
    for (protection, expect) in [
        (CrossSiteProtection::new().exempt(["webhook"]), "does not start with `/`"),
        (CrossSiteProtection::new().exempt(["/*"]), "exempts everything"),
        (CrossSiteProtection::new().exempt(["/web*"]), "not a segment"),
        (CrossSiteProtection::new().exempt(["/{id}"]), "does not stand for itself"),
        (CrossSiteProtection::new().exempt(["/*/a"]), "exempts everything"),
        (CrossSiteProtection::new().exempt(["/a%20b"]), "write the decoded path"),
        (CrossSiteProtection::new().trusted_origins(["https://a.example/"]), "remove the slash"),
        (CrossSiteProtection::new().trusted_origins(["a.example"]), "no scheme"),
    ] {
        let fault = protection.check().unwrap_err();
        assert!(fault.contains(expect), "{fault}");
    }
    protection().check().unwrap();
}
