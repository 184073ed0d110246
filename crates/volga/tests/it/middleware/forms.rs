//! Each form of middleware, on each level.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use volga::{
    App, Group, HttpBody, HttpResponse,
    error::Error,
    http::{HeaderValue, StatusCode},
    middleware::{HttpContext, Next, NextCall},
};

use super::{KINDS, ask, map, mark, marks, text};

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
