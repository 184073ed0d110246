//! Limits on the rate of requests, on a paused clock.

use std::time::Duration;

use http::Method;
use volga_core::{HandlerEndpoint, RequestParts, Router, RouterService, ScopeId, SettingsLevel};
use volga_web::{Quota, RateLimit};

use crate::support::{Received, get};

fn service<'a>(limits: impl IntoIterator<Item = &'a RateLimit>) -> RouterService {
    let mut router = Router::new();
    for limit in limits {
        router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), limit.clone());
    }
    router.map(Method::GET, "/", HandlerEndpoint::new(|| "tea"));
    router.into_service().unwrap()
}

/// The key of a request is in a header.
fn by_key(quota: Quota) -> RateLimit {
    RateLimit::by(quota, |parts: &RequestParts| parts.headers.get("x-key").cloned())
}

async fn ask(service: &RouterService, key: &str) -> Received {
    get(service, "/", &[("x-key", key)]).await
}

async fn status(service: &RouterService, key: &str) -> u16 {
    ask(service, key).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn every_response_tells_the_quota_and_a_refusal_is_a_problem() {
    let service = service(&[by_key(Quota::per_minute(3))]);
    for (left, reset) in [(2, 20), (1, 40), (0, 60)] {
        let received = ask(&service, "a").await;
        assert_eq!(received.status, 200);
        assert_eq!(received.header("ratelimit-policy"), "\"default\";q=3;w=60");
        assert_eq!(received.header("ratelimit"), format!("\"default\";r={left};t={reset}"));
        assert_eq!(received.header("retry-after"), "-");
    }
    tokio::time::advance(Duration::from_millis(500)).await;
    let refused = ask(&service, "a").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(refused.header("retry-after"), "20");
    assert_eq!(refused.header("ratelimit"), "\"default\";r=0;t=60");
    assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=3;w=60");
    for part in ["#quota-exceeded\"", "\"violated-policies\":[\"default\"]", "in 20 seconds"] {
        assert!(refused.text().contains(part), "{part}: {}", refused.text());
    }
    assert_eq!(status(&service, "b").await, 200, "another key has a quota of its own");
    tokio::time::advance(Duration::from_secs(19)).await;
    assert_eq!(status(&service, "a").await, 429);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(status(&service, "a").await, 200, "after the time of `Retry-After`");
    assert_eq!(status(&service, "a").await, 429);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_not_limited() {
    let service = service(&[by_key(Quota::per_minute(0))]);
    assert_eq!(status(&service, "a").await, 429);
    let received = get(&service, "/", &[]).await;
    assert_eq!((received.status.as_u16(), received.header("ratelimit")), (200, "-"));
}

#[tokio::test(start_paused = true)]
async fn several_limits_each_add_a_member() {
    let second = RateLimit::in_all(Quota::per_second(1)).with_name("burst");
    let service = service(&[by_key(Quota::per_hour(10)).with_name("hour"), second.clone()]);
    let received = ask(&service, "a").await;
    let members = |received: &Received, name| -> Vec<String> {
        let values = received.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        members(&received, "ratelimit-policy"),
        ["\"burst\";q=1;w=1", "\"hour\";q=10;w=3600"]
    );
    let refused = ask(&service, "b").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(members(&refused, "ratelimit").len(), 2);
    assert!(refused.text().contains("[\"burst\"]") && refused.text().contains("in 1 second\""));
    assert_eq!(second.refused(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_client_is_a_network() {
    let address = |parts: &RequestParts| parts.headers["x-key"].to_str().unwrap().parse().ok();
    let limit = || RateLimit::by_address(Quota::per_minute(1), address);
    for (limit, first, other, is_same) in [
        (limit(), "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
        (limit(), "2001:db8:0:1::1", "2001:db8:0:2::1", false),
        (limit().with_ipv6_prefix(56), "2001:db8:0:1::1", "2001:db8:0:2::1", true),
        (limit().with_ipv6_prefix(128), "2001:db8::1", "2001:db8::2", false),
        (limit().with_ipv6_prefix(0), "2001:db8::1", "fe80::1", true),
        (limit(), "192.0.2.1", "::ffff:192.0.2.1", true),
        (limit(), "192.0.2.1", "192.0.2.2", false),
        (limit(), "::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
    ] {
        let service = service(&[limit]);
        assert_eq!(status(&service, first).await, 200);
        let expect = if is_same { 429 } else { 200 };
        assert_eq!(status(&service, other).await, expect, "{first} {other}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_requests_without_the_header_have_one_key() {
    let name = http::HeaderName::from_static("x-key");
    let service = service(&[RateLimit::by_header(Quota::per_minute(1), name)]);
    assert_eq!(get(&service, "/", &[]).await.status, 200);
    assert_eq!(get(&service, "/", &[]).await.status, 429);
    assert_eq!(status(&service, "a").await, 200);
    assert_eq!(status(&service, "").await, 200, "an empty value is a value");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_takes_bounded_memory_and_locks_nobody_out() {
    let limit = by_key(Quota::per_hour(2)).with_max_keys(100);
    let service = service([&limit]);
    for _ in 0..2 {
        assert_eq!(status(&service, "idle").await, 200);
    }
    assert_eq!(status(&service, "idle").await, 429);
    for number in 0..1000 {
        assert_eq!(status(&service, &format!("key {number}")).await, 200);
        // A client that keeps asking stays known, so a flood gives it no new quota.
        let expect = if number < 2 { 200 } else { 429 };
        assert_eq!(status(&service, "busy").await, expect, "{number}");
        assert!(limit.keys() <= 100);
    }
    assert_eq!(limit.keys(), 100);
    assert_eq!(status(&service, "idle").await, 200, "it was forgotten, and has a whole quota");
}

#[tokio::test(start_paused = true)]
async fn keys_with_a_whole_quota_are_forgotten() {
    let limit = by_key(Quota::per_second(10));
    let service = service([&limit]);
    for number in 0..1000 {
        status(&service, &format!("key {number}")).await;
    }
    assert_eq!(limit.keys(), 1000);
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..1000 {
        status(&service, "one").await;
    }
    assert_eq!(limit.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_limit() {
    let limit = RateLimit::in_all(Quota::per_minute(1));
    let services = [service([&limit]), service([&limit])];
    assert_eq!(status(&services[0], "a").await, 200);
    assert_eq!(status(&services[1], "a").await, 429);
}
