//! Rate limits of an app: the client behind proxies, and event streams.

use std::net::{IpAddr, SocketAddr};

use futures_util::stream;
use http::Request;
use http_body_util::BodyExt;
use volga::{
    App, HttpBody,
    http::{ClientAddr, client_ip, sse::Message},
    middleware::{Quota, RateLimit},
    sse,
};

/// A request from a peer, with these headers.
fn request(peer: &str, headers: &[(&str, &str)]) -> Request<HttpBody> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(HttpBody::empty()).unwrap();
    let peer: IpAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ClientAddr(SocketAddr::new(peer, 50_000)));
    request
}

#[tokio::test]
async fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
    let mut app = App::new().with_trusted_proxies(["10.0.0.0/8"]);
    app.attach(RateLimit::by_address(Quota::per_hour(1), client_ip));
    app.map_get("/", || "tea");
    let service = app.into_service().unwrap();
    let name = "x-forwarded-for";
    for (peer, value, status) in [
        ("10.0.0.1", "192.0.2.1", 200),
        // A client cannot change who it is by what it writes before.
        ("10.0.0.1", "1.1.1.1, 192.0.2.1", 429),
        ("10.0.0.1", "10.0.0.7, 2.2.2.2, 192.0.2.1", 429),
        ("10.0.0.2", "3.3.3.3, 192.0.2.1, 10.0.0.1", 429),
        ("10.0.0.1", "192.0.2.2", 200),
        // Nobody believes a peer that is no proxy.
        ("192.0.2.3", "192.0.2.99", 200),
        ("192.0.2.3", "192.0.2.98", 429),
    ] {
        let response = service.respond(request(peer, &[(name, value)])).await;
        assert_eq!(response.status().as_u16(), status, "{peer} {value}");
        assert_eq!(response.headers()["ratelimit-policy"], "\"default\";q=1;w=3600");
    }
    let forwarded = [("forwarded", "for=192.0.2.50, for=192.0.2.1")];
    assert_eq!(service.respond(request("10.0.0.1", &forwarded)).await.status(), 429);
}

#[tokio::test]
async fn of_an_event_stream_the_opening_is_counted_and_no_event() {
    let mut app = App::new();
    let limit = RateLimit::by_address(Quota::per_hour(2), client_ip);
    let text = "x".repeat(100);
    app.map_get("/", move || {
        let messages: Vec<_> = (0..50).map(|_| Message::new().data(&text)).collect();
        sse!(stream::iter(messages))
    })
    .attach(limit.clone());
    let service = app.into_service().unwrap();
    for left in [1, 0] {
        let response = service.respond(request("192.0.2.1", &[])).await;
        assert_eq!(response.status(), 200);
        let limit = response.headers()["ratelimit"].to_str().unwrap();
        assert!(limit.starts_with(&format!("\"default\";r={left};")), "{limit}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(String::from_utf8_lossy(&body).matches("data: ").count(), 50);
    }
    let refused = service.respond(request("192.0.2.1", &[])).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!((limit.keys(), limit.refused()), (1, 1));
}
