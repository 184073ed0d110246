//! A panic becomes a response where it happens, and passes everything outside of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower_http::cors::CorsLayer;
use volga::{
    App, Group, HttpBody, HttpResponse,
    error::{Error, PanicError},
    http::{FromRequestParts, HttpResult, IntoResponse, RequestParts, StatusCode},
    middleware::{BoxFuture, Endpoint, Middleware, NextCall},
};

use super::{Answer, ask, mark, marks};

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
