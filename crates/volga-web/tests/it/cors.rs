//! CORS: the headers of every kind of response, preflights from the table of routes, and faults.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use volga_core::{
    BoxError, Error, HandlerEndpoint, HttpBody, HttpContext, HttpRequest, Next, Router,
    RouterService, ScopeId, SettingsLevel, WrapMiddleware,
};
use volga_web::Cors;

use crate::support::{Pieces, Received, ask};

const ROOT: SettingsLevel = SettingsLevel::Scope(ScopeId::ROOT);
const ORIGIN: &str = "https://app.example";

fn policy() -> Cors {
    Cors::new().origins([ORIGIN, "https://*.b.example"]).credentials()
}

fn with_policy(mut router: Router, policy: Cors) -> RouterService {
    router.set_cross_origin_policy(ROOT, policy);
    router.into_service().unwrap()
}

async fn preflight(
    service: &RouterService,
    path: &str,
    origin: &str,
    method: &str,
    more: &[(&str, &str)],
) -> Received {
    let mut headers = vec![("origin", origin), ("access-control-request-method", method)];
    headers.extend(more);
    ask(service, Method::OPTIONS, path, &headers).await
}

/// A router that responds in every way: the method, the path and the status.
fn every_response() -> (Router, Vec<(Method, &'static str, u16)>) {
    let mut router = Router::new();
    let mut get = |path, endpoint| router.map(Method::GET, path, endpoint);
    get("/text", HandlerEndpoint::new(boxed(|| Ok("text".into()))));
    get("/error", HandlerEndpoint::new(boxed(|| Err(Error::client_error("no")))));
    get("/server-error", HandlerEndpoint::new(boxed(|| Err(Error::server_error("no")))));
    get("/panic", HandlerEndpoint::new(boxed(|| panic!("on purpose"))));
    get(
        "/stream",
        HandlerEndpoint::new(boxed(|| {
            let pieces = [Ok::<_, BoxError>(Bytes::from("data: 1\n\n"))];
            Ok(HttpBody::from_stream(Pieces(pieces.into_iter())))
        })),
    );
    router.map(Method::GET, "/missing", HandlerEndpoint::new(|| None::<String>));
    router.map(Method::GET, "/{n}/number", HandlerEndpoint::new(|n: u8| n));
    router.add_middleware(
        ROOT,
        WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
            match ctx.uri.path() {
                "/limited" => Err(Error::new(http::StatusCode::TOO_MANY_REQUESTS, "slower")),
                "/middleware-panic" => panic!("on purpose"),
                _ => Ok(next.run(ctx).await),
            }
        }),
    );
    router.add_before_routing(WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
        match ctx.uri.path() {
            "/refused-before" => Err(Error::new(http::StatusCode::FORBIDDEN, "no")),
            _ => Ok(next.run(ctx).await),
        }
    }));
    let all = [
        ("/text", 200),
        ("/error", 400),
        ("/server-error", 500),
        ("/panic", 500),
        ("/stream", 200),
        ("/missing", 404),
        ("/7/number", 200),
        ("/x/number", 400),
        ("/unknown", 404),
        ("/%ff%", 400),
        ("/limited", 429),
        ("/middleware-panic", 500),
        ("/refused-before", 403),
    ];
    let mut all: Vec<_> =
        all.into_iter().map(|(path, status)| (Method::GET, path, status)).collect();
    all.extend([
        (Method::HEAD, "/text", 200),
        (Method::POST, "/text", 405),
        (Method::OPTIONS, "/text", 204),
        (Method::OPTIONS, "*", 204),
    ]);
    (router, all)
}

type BoxedHandler = fn() -> Result<HttpBody, Error>;

fn boxed(handler: BoxedHandler) -> BoxedHandler {
    handler
}

#[tokio::test]
async fn every_kind_of_response_has_the_headers_for_each_kind_of_origin() {
    let (router, all) = every_response();
    let named = with_policy(router, policy());
    let open = with_policy(every_response().0, Cors::permissive());
    for (method, path, status) in all {
        for (origin, is_allowed) in [
            (Some(ORIGIN), true),
            (Some("https://a.b.example"), true),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let headers: Vec<_> = origin.into_iter().map(|origin| ("origin", origin)).collect();
            let response = ask(&named, method.clone(), path, &headers).await;
            let case = format!("{method} {path} {origin:?}");
            assert_eq!(response.status, status, "{case}");
            let expect = if is_allowed { origin.unwrap() } else { "-" };
            assert_eq!(response.header("access-control-allow-origin"), expect, "{case}");
            let credentials = if is_allowed { "true" } else { "-" };
            assert_eq!(response.header("access-control-allow-credentials"), credentials, "{case}");
            let exposed = if is_allowed { "retry-after, ratelimit, ratelimit-policy" } else { "-" };
            assert_eq!(response.header("access-control-expose-headers"), exposed, "{case}");
            assert_eq!(response.header("vary"), "origin", "{case}");

            let response = ask(&open, method.clone(), path, &headers).await;
            assert_eq!(response.status, status, "{case}");
            assert_eq!(response.header("access-control-allow-origin"), "*", "{case}");
            assert_eq!(response.header("access-control-allow-credentials"), "-", "{case}");
            assert_eq!(response.headers.get_all("access-control-allow-origin").iter().count(), 1);
        }
    }
}

#[tokio::test]
async fn preflights_are_answered_from_the_table_of_routes() {
    let mut router = Router::new();
    router.map(Method::GET, "/items", HandlerEndpoint::new(|| "items"));
    router.map(Method::POST, "/items", HandlerEndpoint::new(|| "posted"));
    router.map(Method::PUT, "/items/{id}", HandlerEndpoint::new(|id: u8| id));
    router.map(Method::OPTIONS, "/own", HandlerEndpoint::new(|| "own"));
    router.map(Method::DELETE, "/own", HandlerEndpoint::new(|| "deleted"));
    router.mount_in(ScopeId::ROOT, "/mounted", HandlerEndpoint::new(|_: HttpRequest| "mounted"));
    // A preflight has no cookies and no token, so it must not reach what refuses such requests.
    router.add_middleware(
        ROOT,
        WrapMiddleware::new(|_: HttpContext, _: Next| async move {
            Err::<(), _>(Error::new(http::StatusCode::UNAUTHORIZED, "who are you?"))
        }),
    );
    let service = with_policy(router, policy());
    let headers = "accept, cache-control, content-type, last-event-id";
    for (path, method, expect) in [
        ("/items", "GET", "GET, HEAD, POST, OPTIONS"),
        ("/items", "POST", "GET, HEAD, POST, OPTIONS"),
        ("/items/", "POST", "GET, HEAD, POST, OPTIONS"),
        ("/items", "DELETE", "GET, HEAD, POST, OPTIONS"),
        ("/items/7", "PUT", "PUT, OPTIONS"),
        ("/items/x", "PUT", "PUT, OPTIONS"),
        ("/own", "DELETE", "DELETE, OPTIONS"),
        ("/mounted/a/b", "PATCH", "PATCH, OPTIONS"),
    ] {
        let response = preflight(&service, path, ORIGIN, method, &[]).await;
        assert_eq!(response.status, 204, "{method} {path}");
        let mut found: Vec<_> =
            response.header("access-control-allow-methods").split(", ").collect();
        let mut expect: Vec<_> = expect.split(", ").collect();
        found.sort_unstable();
        expect.sort_unstable();
        assert_eq!(found, expect, "{method} {path}");
        assert_eq!(response.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(response.header("access-control-allow-credentials"), "true");
        assert_eq!(response.header("access-control-allow-headers"), headers);
        assert_eq!(response.header("access-control-max-age"), "3600");
        assert_eq!(response.header("access-control-expose-headers"), "-");
        assert!(response.header("vary").starts_with("origin, access-control-request-method"));

        let refused = preflight(&service, path, "https://evil.example", method, &[]).await;
        assert_eq!(refused.status, 204, "{method} {path}");
        assert_eq!(refused.header("access-control-allow-origin"), "-");
        assert_eq!(refused.header("access-control-allow-methods"), "-");
    }
    // These are not preflights of a known path, so the middleware gets them.
    for (path, headers) in [
        ("/unknown", &[("origin", ORIGIN), ("access-control-request-method", "GET")][..]),
        ("/items", &[("origin", ORIGIN)]),
        ("/items", &[("access-control-request-method", "GET")]),
        ("/items", &[("origin", ORIGIN), ("access-control-request-method", "a b")]),
    ] {
        let response = ask(&service, Method::OPTIONS, path, headers).await;
        assert_eq!(response.status, 401, "{path} {headers:?}");
        assert_eq!(response.header("access-control-max-age"), "-");
    }
}

#[tokio::test]
async fn the_nearest_policy_applies_to_responses_and_to_preflights() {
    let mut router = Router::new();
    let group = router.scope(ScopeId::ROOT, "/group");
    let inner = router.scope(group, "/inner");
    router.map(Method::GET, "/", HandlerEndpoint::new(|| "root"));
    router.map_in(group, Method::GET, "/", HandlerEndpoint::new(|| "group"));
    router.map_in(inner, Method::GET, "/", HandlerEndpoint::new(|| "inner"));
    let route = router.map_in(inner, Method::PUT, "/", HandlerEndpoint::new(|| "route"));
    let own = router.map_in(inner, Method::OPTIONS, "/own", HandlerEndpoint::new(|| "options"));
    let put = router.map_in(inner, Method::PUT, "/own", HandlerEndpoint::new(|| "put"));
    let _ = own;
    for (level, host) in [
        (ROOT, "root"),
        (SettingsLevel::Scope(group), "group"),
        (SettingsLevel::Route(route), "route"),
        (SettingsLevel::Route(put), "route"),
    ] {
        let origin = format!("https://{host}.example");
        router.set_cross_origin_policy(level, Cors::new().origins([origin]));
    }
    router.add_before_routing(WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
        next.run(ctx).await
    }));
    let service = router.into_service().unwrap();
    for (method, path, nearest) in [
        ("GET", "/", "root"),
        ("GET", "/unknown", "root"),
        ("GET", "/group", "group"),
        ("GET", "/group/unknown", "group"),
        ("GET", "/group/inner", "group"),
        ("PUT", "/group/inner", "route"),
        ("PUT", "/group/inner/own", "route"),
        ("DELETE", "/group/inner", "group"),
    ] {
        for host in ["root", "group", "route"] {
            let origin = format!("https://{host}.example");
            let expect = if host == nearest { &*origin } else { "-" };
            let response =
                ask(&service, method.parse().unwrap(), path, &[("origin", &origin)]).await;
            let found = response.header("access-control-allow-origin");
            assert_eq!(found, expect, "{method} {path} {host}");
            assert_eq!(response.headers.get_all("vary").iter().count(), 1);
            if !path.contains("unknown") {
                let response = preflight(&service, path, &origin, method, &[]).await;
                let found = response.header("access-control-allow-origin");
                assert_eq!(found, expect, "preflight of {method} {path} {host}");
            }
        }
    }
}

#[tokio::test]
async fn a_route_alone_may_have_a_policy() {
    let mut router = Router::new();
    let route = router.map(Method::PUT, "/a", HandlerEndpoint::new(|| "put"));
    router.map(Method::DELETE, "/a", HandlerEndpoint::new(|| "deleted"));
    router.set_cross_origin_policy(SettingsLevel::Route(route), policy());
    let service = router.into_service().unwrap();
    let response = preflight(&service, "/a", ORIGIN, "PUT", &[]).await;
    assert_eq!(response.header("access-control-allow-origin"), ORIGIN);
    let response = preflight(&service, "/a", ORIGIN, "DELETE", &[]).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), "-");
}

#[tokio::test]
async fn each_setting_has_its_header() {
    let router = || {
        let mut router = Router::new();
        router.map(Method::GET, "/", HandlerEndpoint::new(|| ([("x-count", "7")], "text")));
        router.map(Method::PUT, "/", HandlerEndpoint::new(|| "put"));
        router
    };
    let name = HeaderName::from_static;
    let service = with_policy(
        router(),
        Cors::new()
            .origins_if(|origin| origin.ends_with(".test"))
            .methods([Method::PUT, Method::DELETE])
            .headers([name("x-token"), name("accept")])
            .expose([name("x-count")])
            .max_age(Duration::from_secs(5))
            .private_network(),
    );
    let asks = [("access-control-request-private-network", "true")];
    let response = preflight(&service, "/", "http://a.test", "PUT", &asks).await;
    for (header, expect) in [
        ("access-control-allow-origin", "http://a.test"),
        ("access-control-allow-credentials", "-"),
        ("access-control-allow-methods", "PUT"),
        (
            "access-control-allow-headers",
            "accept, cache-control, content-type, last-event-id, x-token",
        ),
        ("access-control-max-age", "5"),
        ("access-control-allow-private-network", "true"),
    ] {
        assert_eq!(response.header(header), expect, "{header}");
    }
    let response = preflight(&service, "/", "http://a.test", "PUT", &[]).await;
    assert_eq!(response.header("access-control-allow-private-network"), "-");
    let response = ask(&service, Method::GET, "/", &[("origin", "http://a.test")]).await;
    assert!(response.header("access-control-expose-headers").ends_with(", x-count"));
    assert_eq!(
        preflight(&service, "/", "http://a.example", "PUT", &[])
            .await
            .header("access-control-allow-origin"),
        "-"
    );

    let any_header = with_policy(router(), policy().any_header());
    let asks = [("access-control-request-headers", "x-any,authorization")];
    let response = preflight(&any_header, "/", ORIGIN, "PUT", &asks).await;
    assert_eq!(response.header("access-control-allow-headers"), "x-any,authorization");
}

#[tokio::test]
async fn headers_of_a_handler_are_kept_and_vary_is_not_repeated() {
    let mut router = Router::new();
    let own = || ([("access-control-allow-origin", "https://own.example")], "own");
    router.map(Method::GET, "/own", HandlerEndpoint::new(own));
    router.map(Method::GET, "/vary", HandlerEndpoint::new(|| ([("vary", "accept, Origin")], "v")));
    router.map(Method::GET, "/any", HandlerEndpoint::new(|| ([("vary", "*")], "v")));
    router.map(Method::GET, "/other", HandlerEndpoint::new(|| ([("vary", "accept")], "v")));
    let service = with_policy(router, policy());
    for (path, origin, vary) in [
        ("/own", "https://own.example", &[][..]),
        ("/vary", ORIGIN, &["accept, Origin"]),
        ("/any", ORIGIN, &["*"]),
        ("/other", ORIGIN, &["accept", "origin"]),
    ] {
        let response = ask(&service, Method::GET, path, &[("origin", ORIGIN)]).await;
        assert_eq!(response.header("access-control-allow-origin"), origin);
        assert_eq!(response.headers.get_all("vary").iter().collect::<Vec<_>>(), vary);
    }
}

#[test]
fn a_policy_that_cannot_work_is_a_fault_at_start_up_with_its_place() {
    let star = HeaderName::from_static("*");
    for (policy, expect) in [
        (Cors::new(), "no origin is allowed"),
        (Cors::new().any_origin().credentials(), "act in the name of your users"),
        (Cors::permissive().credentials(), "act in the name of your users"),
        (Cors::new().any_origin().origins([ORIGIN]), "makes the other origins useless"),
        (Cors::new().origins(["https://a.example/"]), "\"https://a.example/\" ends with `/`"),
        (Cors::new().origins([ORIGIN, "a.example"]), "\"a.example\" has no scheme"),
        (Cors::new().origins(["*"]), "any_origin"),
        (policy().headers([star.clone()]), "`*` in `headers`"),
        (policy().expose([star]), "`*` in `expose`"),
    ] {
        let mut router = Router::new();
        router.set_cross_origin_policy(ROOT, policy);
        let faults = router.check().unwrap_err().to_string();
        assert!(faults.contains(expect), "{faults}");
        assert!(faults.contains("cors.rs:"), "{faults}");
        assert!(faults.starts_with("1 problem with the settings of routes:\n"), "{faults}");
    }
}

proptest! {
    /// No origin is allowed but those that are named, whatever a client sends.
    #[test]
    fn only_a_named_origin_is_allowed(bytes in prop::collection::vec(0x20_u8..=0xff, 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut router = Router::new();
            router.map(Method::GET, "/", HandlerEndpoint::new(|| "text"));
            let service = with_policy(router, policy());
            for text in [bytes.clone(), [b"https://", &*bytes, b".b.example"].concat()] {
                let Ok(value) = HeaderValue::from_bytes(&text) else { continue };
                let request = http::Request::get("/").header("origin", value);
                let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
                let allowed = response.headers().get("access-control-allow-origin");
                let is_host = |byte: &u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(byte)
                };
                let is_subdomain =
                    text.len() > bytes.len() && !bytes.is_empty() && bytes.iter().all(is_host);
                assert_eq!(allowed.is_some(), is_subdomain, "{text:?}");
            }
        });
    }
}
