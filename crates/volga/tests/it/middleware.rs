//! Middleware of apps, groups and routes: for handlers, requests without a route, HEAD, panics and
//! event streams.

use std::{
    future::IntoFuture,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use http_body_util::BodyExt;
use tower_http::{
    cors::CorsLayer,
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use volga::{
    App, Group, HttpBody, HttpResponse, Json,
    error::{Error, PanicError, Problem},
    http::{
        Extension, FromRequestParts, HeaderValue, HttpResult, IntoResponse, Method, NoRoute,
        RequestParts, RouterService, StatusCode, sse::Message,
    },
    middleware::{BoxFuture, Endpoint, HttpContext, Middleware, Next, NextCall},
    ok, sse, status,
};

/// Every kind of response that middleware must see.
const KINDS: [(&str, &str, u16); 7] = [
    ("GET", "/in/hello/me", 200),
    ("HEAD", "/in/hello/me", 200),
    ("GET", "/in/nothing", 404),
    ("PUT", "/in/hello/me", 405),
    ("OPTIONS", "/in/hello/me", 204),
    ("GET", "/in/panic", 500),
    ("GET", "/in/events", 200),
];

fn map(group: &mut Group) {
    group.map_get("/hello/{name}", |name: String| ok!("Hello, {name}!"));
    group.map_get("/panic", || -> () { panic!("on purpose") });
    group.map_get("/events", || sse!(stream::iter([Message::new().data("x")])));
    group.map_get("/error", || Err::<(), _>(Error::client_error("no")));
}

async fn ask(service: &RouterService, method: &str, path: &str) -> HttpResponse {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request =
        http::Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
    service.respond(request).await
}

async fn text(response: HttpResponse) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

type Answer = Pin<Box<dyn Future<Output = HttpResponse> + Send>>;

/// Marks each response that passes.
fn mark(name: &'static str) -> impl Fn(HttpContext, Next) -> Answer + Clone {
    move |ctx, next| {
        Box::pin(async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().append("x-mark", HeaderValue::from_static(name));
            response
        })
    }
}

#[track_caller]
fn marks(response: &HttpResponse) -> Vec<&str> {
    response.headers().get_all("x-mark").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn middleware_of_app_and_group_sees_every_kind_of_response() {
    let mut app = App::new();
    app.wrap(mark("app"));
    app.group("/in", |group| {
        map(group);
        group.wrap(mark("group"));
    });
    app.map_get("/out", || "out");
    let service = app.into_service().unwrap();
    for (method, path, status) in KINDS {
        let response = ask(&service, method, path).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(marks(&response), ["group", "app"], "{method} {path}");
    }
    assert_eq!(marks(&ask(&service, "GET", "/out").await), ["app"]);
    assert_eq!(marks(&ask(&service, "GET", "/other").await), ["app"]);
    // A prefix ends at the end of a segment.
    assert_eq!(marks(&ask(&service, "GET", "/inner").await), ["app"]);
}

#[tokio::test]
async fn every_form_of_middleware_sees_every_kind_of_response() {
    let counts: [Arc<AtomicUsize>; 4] = Default::default();
    let [with, filter, tap, ok] = counts.clone();
    let count = |counter: &AtomicUsize| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let mut app = App::new();
    app.with(move |next: NextCall| {
        count(&with);
        next.into_future()
    })
    .filter(move || {
        count(&filter);
        true
    })
    .tap_req(move |_| count(&tap))
    .map_ok(move |response: HttpResponse| {
        count(&ok);
        response
    });
    app.group("/in", map);
    let service = app.into_service().unwrap();
    for (seen, (method, path, status)) in KINDS.into_iter().enumerate() {
        assert_eq!(ask(&service, method, path).await.status().as_u16(), status, "{method} {path}");
        for counter in &counts[..3] {
            assert_eq!(counter.load(Ordering::Relaxed), seen + 1, "{method} {path}");
        }
    }
    // Three of them are errors: two without a route, and a panic.
    assert_eq!(counts[3].load(Ordering::Relaxed), KINDS.len() - 3);
}

#[tokio::test]
async fn middleware_runs_in_the_order_app_groups_route_and_then_of_adding() {
    let mut app = App::new();
    app.group("/a", |outer| {
        outer.group("/b", |inner| {
            inner.map_get("/", || "").wrap(mark("route 1")).wrap(mark("route 2"));
            inner.wrap(mark("inner"));
        });
        outer.wrap(mark("outer"));
    });
    app.wrap(mark("app 1")).wrap(mark("app 2"));
    let service = app.into_service().unwrap();
    let response = ask(&service, "GET", "/a/b").await;
    assert_eq!(marks(&response), ["route 2", "route 1", "inner", "outer", "app 2", "app 1"]);
}

#[tokio::test]
async fn each_form_of_middleware_works_on_app_group_and_route() {
    fn add(group: &mut Group) {
        group
            .filter(|name: Result<String, Error>| name.is_ok_and(|name| name != "nobody"))
            .filter(
                async |name: String| {
                    if name == "late" { Err(Error::new(StatusCode::GONE, "gone")) } else { Ok(()) }
                },
            )
            .with(async |name: String, next: NextCall| {
                let mut response = next.await;
                response.headers_mut().insert("x-name", HeaderValue::from_str(&name)?);
                Ok::<_, Error>(response)
            })
            .tap_req(|parts| {
                parts.headers.insert("x-seen", HeaderValue::from_static("yes"));
            })
            .map_ok(|mut response: HttpResponse| {
                response.headers_mut().insert("x-ok", HeaderValue::from_static("1"));
                response
            });
    }
    let on_app = |app: &mut App| {
        add(app);
        app.map_get("/{name}", handler);
    };
    let on_group = |app: &mut App| {
        app.group("", |group| {
            group.map_get("/{name}", handler);
            add(group);
        });
    };
    let on_route =
        |app: &mut App| {
            let mut route = app.map_get("/{name}", handler);
            route
                .filter(|name: String| name != "nobody")
                .filter(async |name: String| {
                    if name == "late" { Err(Error::new(StatusCode::GONE, "gone")) } else { Ok(()) }
                })
                .with(async |name: String, next: NextCall| {
                    let mut response = next.await;
                    response.headers_mut().insert("x-name", HeaderValue::from_str(&name)?);
                    Ok::<_, Error>(response)
                })
                .tap_req(|parts| {
                    parts.headers.insert("x-seen", HeaderValue::from_static("yes"));
                })
                .map_ok(|mut response: HttpResponse| {
                    response.headers_mut().insert("x-ok", HeaderValue::from_static("1"));
                    response
                });
        };
    async fn handler(name: String, request: volga::HttpRequest) -> Result<String, Error> {
        assert_eq!(request.headers()["x-seen"], "yes");
        if name == "bad" { Err(Error::client_error("bad")) } else { Ok(name) }
    }
    for setup in [&on_app as &dyn Fn(&mut App), &on_group, &on_route] {
        let mut app = App::new();
        setup(&mut app);
        let service = app.into_service().unwrap();
        let good = ask(&service, "GET", "/anna").await;
        assert_eq!(
            (good.status().as_u16(), &good.headers()["x-name"]),
            (200, &HeaderValue::from_static("anna"))
        );
        assert_eq!(good.headers()["x-ok"], "1");
        let bad = ask(&service, "GET", "/bad").await;
        assert_eq!(bad.status(), 400);
        assert!(!bad.headers().contains_key("x-ok") && bad.headers().contains_key("x-name"));
        assert!(bad.extensions().get::<Error>().is_some_and(|error| error.to_string() == "bad"));
        assert_eq!(ask(&service, "GET", "/nobody").await.status(), 403);
        assert_eq!(ask(&service, "GET", "/late").await.status(), 410);
    }
}

#[tokio::test]
async fn middleware_may_respond_and_its_panics_and_errors_become_responses() {
    let mut app = App::new();
    app.wrap(|ctx, next| async move {
        match ctx.uri.path() {
            "/early" => Ok(volga::HttpResponse::new(HttpBody::full("early"))),
            "/error" => Err(Error::new(StatusCode::CONFLICT, "conflict")),
            "/panic" => panic!("on purpose"),
            _ => Ok(next.run(ctx).await),
        }
    });
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "GET", "/early").await).await, "early");
    assert_eq!(ask(&service, "GET", "/error").await.status(), 409);
    assert_eq!(ask(&service, "GET", "/panic").await.status(), 500);
    assert_eq!(ask(&service, "GET", "/x").await.status(), 404);
}

/// Adds middleware that panics, of every form and at every moment.
const PANICS: [fn(&mut Group); 14] = [
    |group| drop_ref(group.wrap(|_, _| -> Answer { panic!("on purpose") })),
    |group| drop_ref(group.wrap(|_, _| async { panics() })),
    |group| {
        drop_ref(group.wrap(|ctx, next| async move {
            next.run(ctx).await;
            panics()
        }));
    },
    |group| drop_ref(group.wrap(|_, _| async { PanicsLater })),
    |group| {
        drop_ref(group.wrap(|_, _| {
            let dropped = PanicsLater;
            async move {
                let _dropped = dropped;
                panics()
            }
        }));
    },
    |group| drop_ref(group.with(async |_: NextCall| panics())),
    |group| drop_ref(group.with(|_: NextCall| -> StatusCode { panic!("on purpose") })),
    |group| drop_ref(group.filter(|| -> bool { panic!("on purpose") })),
    |group| drop_ref(group.filter(async || -> bool { panic!("on purpose") })),
    |group| drop_ref(group.filter(|_: PanicsLater| true)),
    |group| drop_ref(group.tap_req(|_| panic!("on purpose"))),
    |group| drop_ref(group.map_ok(|_| -> HttpResponse { panic!("on purpose") })),
    |group| drop_ref(group.map_ok(async |_: HttpResponse| panics())),
    |group| drop_ref(group.attach(PanicsAtCall)),
];

fn drop_ref(_: &mut Group) {}

fn panics() -> HttpResponse {
    panic!("on purpose")
}

/// Panics as an argument, as a response, and when it is dropped.
struct PanicsLater;

impl FromRequestParts for PanicsLater {
    async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
        panic!("on purpose")
    }
}

impl IntoResponse for PanicsLater {
    fn into_response(self) -> HttpResult {
        std::mem::forget(self);
        panic!("on purpose")
    }
}

impl Drop for PanicsLater {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose")
        }
    }
}

/// Panics as an endpoint that the router knows nothing about.
struct PanicsAtCall;

impl Middleware for PanicsAtCall {
    fn wrap(&self, _: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(Self)
    }
}

impl Endpoint for PanicsAtCall {
    fn call(&self, _: RequestParts, _: HttpBody) -> BoxFuture<HttpResponse> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn a_panic_becomes_a_response_at_its_own_stage_and_passes_everything_outside_it() {
    for (number, panics) in PANICS.into_iter().enumerate() {
        // At the level of the app, and in a group.
        for is_inside in [false, true] {
            let reports = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&reports);
            let mut app = App::new().on_error(move |report| {
                assert!(report.to_string().contains("panic: on purpose"), "{report}");
                counter.fetch_add(1, Ordering::Relaxed);
            });
            app.before_routing(|before| {
                before.wrap(mark("before"));
            });
            app.layer(CorsLayer::permissive()).wrap(mark("app")).map_err(|error: Error| {
                let is_panic = error.cause().is::<PanicError>();
                (error.status(), [("x-panic", if is_panic { "yes" } else { "no" })], "mapped")
            });
            app.group("/in", |group| {
                group.wrap(mark("group"));
                if is_inside {
                    panics(group);
                }
                group.map_get("/hello", || "hello").wrap(mark("route"));
            });
            if !is_inside {
                panics(&mut app);
            }
            let service = app.into_service().unwrap();
            let response = ask(&service, "GET", "/in/hello").await;
            let case = format!("case {number}, inside: {is_inside}");
            assert_eq!(response.status(), 500, "{case}");
            let seen = marks(&response);
            let expect: &[&str] =
                if is_inside { &["group", "app", "before"] } else { &["app", "before"] };
            // What is inside has seen the response before, if the panic came after it.
            assert!(seen.ends_with(expect), "{case}: {seen:?}");
            assert_eq!(response.headers()["access-control-allow-origin"], "*", "{case}");
            assert_eq!(response.headers()["x-panic"], "yes", "{case}");
            let error = response.extensions().get::<Error>().unwrap();
            assert!(error.cause().is::<PanicError>(), "{case}");
            assert_eq!(reports.load(Ordering::Relaxed), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn a_panic_of_a_routes_own_middleware_or_before_routing_passes_everything_outside_it() {
    let mut app = App::new();
    app.before_routing(|before| {
        before.wrap(mark("before"));
        before.tap_req(|parts| assert_ne!(parts.uri.path(), "/before", "on purpose"));
    });
    app.wrap(mark("app"));
    app.map_get("/route", || "").wrap(mark("route")).tap_req(|_| panic!("on purpose"));
    let service = app.into_service().unwrap();
    let route = ask(&service, "GET", "/route").await;
    assert_eq!((route.status().as_u16(), marks(&route)), (500, vec!["route", "app", "before"]));
    let before = ask(&service, "GET", "/before").await;
    assert_eq!((before.status().as_u16(), marks(&before)), (500, vec!["before"]));
}

#[tokio::test]
async fn the_nearest_error_mapper_and_fallback_apply() {
    let mut app = App::new();
    app.group("/in", |group| {
        map(group);
        group
            .map_get("/own", || Err::<(), _>(Error::client_error("no")))
            .map_err(|_: Error| "route");
        group.map_err(async |error: Error| (error.status(), Json(error.to_string())));
        group.map_fallback(|| (StatusCode::NOT_FOUND, "group"));
    });
    app.map_get("/out", || Err::<(), _>(Error::client_error("no")));
    app.map_err(|_: Error| -> Result<(), Error> {
        Err(Error::new(StatusCode::BAD_GATEWAY, "again"))
    });
    app.map_fallback(async |request: volga::HttpRequest| format!("nothing at {}", request.uri()));
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "GET", "/in/own").await).await, "route");
    let group = ask(&service, "GET", "/in/error").await;
    assert_eq!((group.status().as_u16(), &*text(group).await), (400, "\"no\""));
    assert_eq!(ask(&service, "GET", "/out").await.status(), 502, "an error of the mapper");
    assert_eq!(text(ask(&service, "GET", "/in/x/y").await).await, "group");
    assert_eq!(text(ask(&service, "GET", "/x").await).await, "nothing at /x");
    let method = ask(&service, "DELETE", "/out").await;
    assert_eq!(method.headers()["allow"], "GET, HEAD");
    assert_eq!(text(method).await, "nothing at /out");
}

#[tokio::test]
async fn a_fallback_learns_why_the_request_has_no_route() {
    let mut app = App::new();
    map(&mut app);
    app.map_fallback(|Extension(why): Extension<NoRoute>| match why {
        NoRoute::OtherMethods(_) => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    });
    let service = app.into_service().unwrap();
    assert_eq!(ask(&service, "GET", "/nothing").await.status(), 404);
    let response = ask(&service, "DELETE", "/error").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &HeaderValue::from_static("GET, HEAD"))
    );
}

#[tokio::test]
async fn a_fallback_of_a_route_gets_only_the_other_methods_of_its_path() {
    let mut app = App::new();
    app.map_get("/users/{id}", async |id: u32| ok!("{id}"))
        .map_fallback(async |id: u32, method: Method| status!(405, "{method} no {id}"))
        .wrap(|ctx, next| async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().insert("x-route", HeaderValue::from_static("users"));
            response
        });
    app.map_put("/users/{id}", || ok!("put"));
    app.map_get("/users/me", || ok!("me"));
    let service = app.into_service().unwrap();
    let response = ask(&service, "DELETE", "/users/7").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD, PUT");
    assert_eq!(response.headers()["x-route"], "users");
    assert_eq!(text(response).await, "DELETE no 7");
    assert_eq!(text(ask(&service, "PUT", "/users/7").await).await, "put");
    // The path of another route, and paths without a route.
    for (method, path) in [("DELETE", "/users/me"), ("GET", "/users/7/x"), ("GET", "/x")] {
        let response = ask(&service, method, path).await;
        assert!(!response.headers().contains_key("x-route"), "{method} {path}");
    }
}

#[test]
fn a_fallback_of_a_route_takes_no_more_arguments_than_its_pattern_has() {
    let mut app = App::new();
    app.map_get("/users/{id}", async |id: u32| ok!("{id}"))
        .map_fallback(async |a: u32, b: u32| ok!("{a} {b}"));
    let fault = app.check().unwrap_err().to_string();
    assert!(fault.contains("/users/{id}") && fault.contains("middleware.rs"), "{fault}");
}

#[tokio::test]
async fn the_last_fallback_of_a_path_applies_and_the_group_has_the_rest() {
    let mut app = App::new();
    app.map_get("/a", || ok!("get")).map_fallback(|| "first");
    app.map_post("/a", || ok!("post")).map_fallback(|| "second");
    app.map_get("/b", || ok!("get"));
    app.map_fallback(|| "app");
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "PUT", "/a").await).await, "second");
    assert_eq!(text(ask(&service, "PUT", "/b").await).await, "app");
    assert_eq!(text(ask(&service, "GET", "/c").await).await, "app");
}

#[tokio::test]
async fn a_group_without_a_prefix_responds_for_its_own_routes_only() {
    let mut app = App::new();
    app.group("", |group| {
        group.filter(|| Err::<(), _>(Error::new(StatusCode::UNAUTHORIZED, "no key")));
        group.map_get("/members", || "members");
    });
    app.map_get("/open", || "open");
    app.map_fallback(|Extension(why): Extension<NoRoute>| format!("{why:?}"));
    let service = app.into_service().unwrap();
    for (method, path, status) in [
        ("GET", "/members", 401),
        ("POST", "/members", 401),
        ("OPTIONS", "/members", 401),
        ("GET", "/about", 200),
        ("POST", "/", 200),
        ("POST", "/members/x", 200),
        ("POST", "/open", 200),
        ("OPTIONS", "/open", 204),
        ("OPTIONS", "/", 200),
    ] {
        assert_eq!(ask(&service, method, path).await.status().as_u16(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn of_groups_with_one_prefix_each_responds_for_the_paths_of_its_routes() {
    let closed = |app: &mut App| {
        app.group("/api", |group| {
            group.filter(|| Err::<(), _>(Error::new(StatusCode::UNAUTHORIZED, "no key")));
            group.map_get("/closed", || "closed");
            group.map_get("/both", || "both");
        });
    };
    let open = |app: &mut App| {
        app.group("/api/", |group| {
            group.map_get("/open", || "open");
            group.map_post("/both", || "both");
        });
    };
    let elsewhere = |app: &mut App| {
        app.map_get("/other", || "other").map_fallback(|| "fallback of a route");
        app.group("/other", |group| {
            group.map_fallback(|| "fallback of a group");
        });
    };
    let parts: [&dyn Fn(&mut App); 3] = [&closed, &open, &elsewhere];
    for order in [&[0, 1][..], &[1, 0], &[0, 1, 2], &[2, 1, 0], &[1, 2, 0]] {
        let mut app = App::new();
        order.iter().for_each(|part| parts[*part](&mut app));
        let service = app.into_service().unwrap();
        for (method, path, status) in [
            ("PUT", "/api/closed", 401),
            ("OPTIONS", "/api/closed", 401),
            ("PUT", "/api/open", 405),
            ("OPTIONS", "/api/open", 204),
            // Both groups have routes here, so the app responds.
            ("PUT", "/api/both", 405),
            ("GET", "/api/both", 401),
            ("GET", "/api/nothing", 404),
        ] {
            let found = ask(&service, method, path).await.status().as_u16();
            assert_eq!(found, status, "{method} {path} in the order {order:?}");
        }
    }
}

#[tokio::test]
async fn of_groups_with_one_prefix_the_only_one_with_a_fallback_has_unknown_paths() {
    let mut app = App::new();
    app.group("/api", |group| {
        group.map_fallback(|| "nothing in the API");
    });
    app.group("/api", |group| {
        group.map_get("/a", || "a");
    });
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "GET", "/api/x").await).await, "nothing in the API");
    assert_eq!(ask(&service, "PUT", "/api/a").await.status(), 405);
}

#[tokio::test]
async fn middleware_of_a_group_takes_the_arguments_of_its_prefix_without_a_route_too() {
    let mut app = App::new();
    app.group("/shops/{shop}", |group| {
        group.filter(|shop: String, _: Method| shop != "closed");
        group.group("/x/{n}", |inner| {
            inner.filter(|_: String, n: u8| n == 7);
            inner.map_get("/y/{m}", || "y");
            inner.map_fallback(|shop: String, n: u8, parts: Parts| {
                format!("{shop} {n} {:?}", parts.0)
            });
        });
    });
    /// The pattern of the route.
    struct Parts(Option<String>);
    impl FromRequestParts for Parts {
        async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
            Ok(Self(parts.route().map(str::to_owned)))
        }
    }
    let service = app.into_service().unwrap();
    for (method, path, status) in [
        ("GET", "/shops/tea/nothing", 404),
        ("GET", "/shops/tea", 404),
        ("GET", "/shops/closed/nothing", 403),
        ("GET", "/shops/tea/x/7/nothing", 200),
        ("GET", "/shops/tea/x/8/nothing", 403),
        ("PUT", "/shops/tea/x/7/y/z", 200),
        ("PUT", "/shops/tea/x/z/y/z", 400),
        ("OPTIONS", "/shops/tea/x/7/y/z", 204),
    ] {
        assert_eq!(ask(&service, method, path).await.status().as_u16(), status, "{method} {path}");
    }
    assert_eq!(text(ask(&service, "PUT", "/shops/a%20b/x/7/y/z").await).await, "a b 7 None");
}

#[tokio::test]
async fn errors_are_problem_details_or_text_as_the_client_prefers() {
    let mut app = App::new();
    map(&mut app);
    app.map_get("/secret", || Err::<(), _>(std::io::Error::other("password x")));
    app.map_get("/problem", || {
        Err::<(), Error>(Problem::new(402).with_extension("balance", 3).into())
    });
    let service = app.into_service().unwrap();

    let response = ask(&service, "GET", "/error").await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(text(response).await, r#"{"status":400,"title":"Bad Request","detail":"no"}"#);
    let secret = text(ask(&service, "GET", "/secret").await).await;
    assert!(!secret.contains("password"), "{secret}");
    let problem = text(ask(&service, "GET", "/problem").await).await;
    assert_eq!(problem, r#"{"status":402,"title":"Payment Required","balance":3}"#);

    for (path, expect) in [
        ("/error", "no"),
        ("/nothing", "no route matches this path"),
        ("/secret", "Internal Server Error"),
    ] {
        let request = http::Request::get(path)
            .header("accept", "text/plain")
            .body(HttpBody::empty())
            .unwrap();
        let response = service.respond(request).await;
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        let text = text(response).await;
        let (text, reference) = text.split_once(" (reference ").unwrap_or((&text, ""));
        assert_eq!((text, reference.is_empty()), (expect, path != "/secret"));
    }
}

#[tokio::test]
async fn tower_layers_work_on_every_level() {
    let mut app = App::new();
    app.layer(TraceLayer::new_for_http());
    app.layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    app.layer(CorsLayer::permissive());
    app.group("/in", |group| {
        map(group);
        group.layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_millis(20),
        ));
        group
            .map_get("/id/{n}", async |n: u8, request: volga::HttpRequest| {
                assert!(request.headers().contains_key("x-request-id"));
                ok!("{n}")
            })
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
        group.map_get("/slow", std::future::pending::<()>);
    });
    let service = app.into_service().unwrap();
    for (method, path, status) in KINDS {
        let response = ask(&service, method, path).await;
        let cors_answers = method == "OPTIONS";
        assert_eq!(
            response.status().as_u16(),
            if cors_answers { 200 } else { status },
            "{method} {path}"
        );
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{method} {path}");
    }
    assert_eq!(
        text(ask(&service, "GET", "/in/id/7").await).await,
        "7",
        "path arguments pass through layers"
    );
    assert_eq!(ask(&service, "GET", "/in/slow").await.status(), 408);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_does_not_cut_a_running_stream() {
    let mut app = App::new();
    app.layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(1)));
    app.map_get("/events", || {
        let later = stream::once(async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Message::new().data("later")
        });
        sse!(later)
    });
    let service = app.into_service().unwrap();
    let response = ask(&service, "GET", "/events").await;
    assert!(text(response).await.ends_with("data: later\n\n"));
}

#[tokio::test]
async fn a_layer_of_the_app_counts_the_requests_of_all_routes() {
    #[derive(Clone)]
    struct Count(Arc<AtomicUsize>);
    impl<S> tower_layer::Layer<S> for Count {
        type Service = S;
        fn layer(&self, inner: S) -> S {
            self.0.fetch_add(1, Ordering::Relaxed);
            inner
        }
    }
    let applied = Arc::new(AtomicUsize::new(0));
    let mut app = App::new();
    app.layer(Count(Arc::clone(&applied)));
    for path in ["/a", "/b", "/c"] {
        app.map_get(path, || "");
    }
    let _service = app.into_service().unwrap();
    assert_eq!(applied.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_may_be_passed_on_twice() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut app = App::new();
    let calls = Arc::clone(&seen);
    app.map_get("/{name}", move |name: String| {
        calls.lock().unwrap().push(name);
        if calls.lock().unwrap().len() < 2 {
            Err(Error::server_error("first"))
        } else {
            Ok("second")
        }
    });
    app.wrap(|mut ctx: HttpContext, next: Next| async move {
        let name = ctx.extract::<String>().await?;
        assert_eq!(name, "x");
        Ok::<_, Error>(next.run(ctx).await)
    });
    let service = app.into_service().unwrap();
    assert_eq!(ask(&service, "GET", "/x").await.status(), 500);
    assert_eq!(text(ask(&service, "GET", "/x").await).await, "second");
}
