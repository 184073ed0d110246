//! Middleware before routing: it changes the route of a request, or responds to it.

use std::sync::{Arc, Mutex};

use tower_http::normalize_path::NormalizePathLayer;
use volga::{
    App,
    di::Dc,
    error::Error,
    http::{Extension, HeaderValue, Method, OriginalUri, RequestParts, StatusCode, Uri},
    middleware::{HttpContext, Next, NextCall},
    ok, status,
    test::TestClient,
};

use super::{
    in_process::{send, service},
    support::{ask, run},
};

/// Removes `/v1` from the path, and takes the method from a header.
fn rewrite(parts: &mut RequestParts) {
    let uri = parts.uri.to_string();
    if let Some(rest) = uri.strip_prefix("/v1") {
        parts.uri = Uri::try_from(rest).unwrap();
    }
    if let Some(method) = parts.headers.get("x-method") {
        parts.method = Method::from_bytes(method.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn the_changed_request_decides_the_route() {
    let service = service(|app| {
        app.before_routing(|before| {
            before.tap_req(rewrite);
        });
        app.map_get(
            "/tea/{n}",
            async |n: u8, uri: Uri, Extension(OriginalUri(first)): Extension<OriginalUri>| {
                ok!("{n} {uri} {first}")
            },
        );
        app.map_delete("/tea/{n}", async |n: u8| ok!("deleted {n}"));
        app.group("/group", |group| {
            group.map_fallback(|| status!(404, "fallback of the group"));
            group.wrap(|ctx: HttpContext, next: Next| async move {
                let mut response = next.run(ctx).await;
                response.headers_mut().insert("x-group", HeaderValue::from_static("yes"));
                response
            });
        });
        app.map_service(
            "/shop",
            axum::Router::new().fallback(
                async |axum::Extension(OriginalUri(uri)): axum::Extension<OriginalUri>| {
                    uri.to_string()
                },
            ),
        );
    });
    for (line, headers, status, body) in [
        ("GET /v1/tea/7?x", &[][..], 200, "7 /tea/7?x /v1/tea/7?x"),
        ("GET /tea/7", &[], 200, "7 /tea/7 /tea/7"),
        ("POST /v1/tea/7", &[("x-method", "DELETE")], 200, "deleted 7"),
        ("PUT /v1/tea/7", &[], 405, "this path does not support this method"),
        ("OPTIONS /v1/tea/7", &[], 204, ""),
        ("GET /v1/nothing", &[], 404, "no route matches this path"),
        ("GET /v1/group/x", &[], 404, "fallback of the group"),
        ("GET /v1/shop/x", &[], 200, "/v1/shop/x"),
        ("HEAD /v1/tea/7", &[], 200, ""),
        ("GET /v1/tea/7", &[("x-method", "HEAD")], 200, ""),
        ("HEAD /v1/tea/7", &[("x-method", "GET")], 200, ""),
    ] {
        let answer = send(&service, line, headers, "").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body), "{line}");
        assert_eq!(answer.header("x-group").is_some(), line.contains("group"), "{line}");
        if answer.status == 405 || answer.status == 204 {
            assert_eq!(answer.header("allow"), Some("GET, HEAD, DELETE"), "{line}");
        }
    }
}

#[tokio::test]
async fn several_run_in_order_around_everything_else() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let log = Arc::clone(&log);
        move |ctx: HttpContext, next: Next| {
            let log = Arc::clone(&log);
            async move {
                log.lock().unwrap().push(format!("{name} {} {:?}", ctx.uri, ctx.route()));
                let response = next.run(ctx).await;
                log.lock().unwrap().push(format!("{name} {}", response.status().as_u16()));
                response
            }
        }
    };
    let service = service(|app| {
        // The order of these calls does not affect the order of the middleware.
        app.wrap(note("app"));
        app.before_routing(|before| {
            before.wrap(note("first")).tap_req(rewrite).wrap(note("second"));
        });
        app.before_routing(|before| {
            before.wrap(note("third"));
        });
        app.map_get("/tea", || -> () { panic!("in the handler") });
    });
    assert_eq!(send(&service, "GET /v1/tea", &[], "").await.status, 500);
    assert_eq!(
        *log.lock().unwrap(),
        [
            "first /v1/tea None",
            "second /tea None",
            "third /tea None",
            "app /tea Some(\"/tea\")",
            "app 500",
            "third 500",
            "second 500",
            "first 500",
        ]
    );
}

#[tokio::test]
async fn it_may_respond_and_its_errors_and_panics_use_the_mapper_of_the_app() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&reports);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.before_routing(|before| {
        before.filter(|uri: Uri| uri.path() != "/filtered");
        before.wrap(|ctx: HttpContext, next: Next| async move {
            match ctx.uri.path() {
                "/answered" => status!(418, "answered"),
                "/failed" => Err(Error::new(StatusCode::BAD_GATEWAY, "failed")),
                "/panicked" => panic!("in a future"),
                _ => Ok(next.run(ctx).await),
            }
        });
        before.tap_req(|parts| assert_ne!(parts.uri.path(), "/tapped", "before a future"));
    });
    app.map_err(|error: Error| (error.status(), format!("mapped {}", error.status().as_u16())));
    app.map_get("/{*path}", || "handled");
    let client = TestClient::new(app);
    for (path, status, body) in [
        ("/x", 200, "handled"),
        ("/filtered", 403, "mapped 403"),
        ("/answered", 418, "answered"),
        ("/failed", 502, "mapped 502"),
        ("/panicked", 500, "mapped 500"),
        ("/tapped", 500, "mapped 500"),
    ] {
        let response = client.get(path).send().await;
        assert_eq!((response.status().as_u16(), &*response.text().await), (status, body), "{path}");
    }
    let head = client.request(Method::HEAD, "/answered").send().await;
    assert_eq!((head.status().as_u16(), &*head.text().await), (418, ""));
    let told: Vec<_> =
        reports.lock().unwrap().iter().map(|report: &String| report[..12].to_owned()).collect();
    assert_eq!(told, ["502 GET /fai", "500 GET /pan", "500 GET /tap"]);
}

#[tokio::test]
async fn a_panic_of_a_tap_of_the_app_becomes_a_response() {
    let service = service(|app| {
        app.tap_req(|_| panic!("in the tap"));
        app.map_get("/", || "");
    });
    assert_eq!(send(&service, "GET /", &[], "").await.status, 500);
}

/// A scoped service.
struct Ticket(u8);

#[tokio::test]
async fn extractors_and_services_are_shared_with_the_route() {
    let made = Arc::new(Mutex::new(0));
    let count = Arc::clone(&made);
    let service = service(|app| {
        app.add_scoped_factory(move || {
            *count.lock().unwrap() += 1;
            Ok(Ticket(*count.lock().unwrap()))
        });
        app.before_routing(|before| {
            before.with(async |ticket: Dc<Ticket>, mut next: NextCall| {
                next.context_mut().extensions.insert(ticket.0);
                next.await
            });
        });
        app.map_get("/", async |ticket: Dc<Ticket>, Extension(first): Extension<u8>| {
            ok!("{} {first}", ticket.0)
        });
    });
    assert_eq!(send(&service, "GET /", &[], "").await.body, "1 1");
    assert_eq!(send(&service, "GET /", &[], "").await.body, "2 2");

    let mut app = App::new();
    app.before_routing(|before| {
        before.filter(|_: Dc<Ticket>| true);
    });
    let text = app.check().unwrap_err().to_string();
    assert!(text.contains("before routing") && text.contains("before_routing.rs:"), "{text}");
}

#[tokio::test]
async fn the_route_decides_the_body_limit() {
    let service = service(|app| {
        app.body_limit(2);
        app.before_routing(|before| {
            before.tap_req(|_| {});
        });
        app.map_post("/{a}", async |_: String, text: volga::Text| ok!("{}", text.len()))
            .body_limit(4);
    });
    assert_eq!(send(&service, "POST /x", &[], "1234").await.body, "4");
    assert_eq!(send(&service, "POST /x", &[], "12345").await.status, 413);
}

#[tokio::test]
async fn layers_of_tower_normalise_paths_and_the_client_keeps_its_address() {
    let server = run(|app| {
        app.before_routing(|before| {
            before.layer(NormalizePathLayer::trim_trailing_slash());
        });
        app.map_get("/tea", async |uri: Uri, client: volga::http::ClientAddr| {
            ok!("{uri} {}", client.ip())
        });
    })
    .await;
    let response = ask(server.address, "GET /tea///").await;
    assert!(response.ends_with("\r\n\r\n/tea 127.0.0.1"), "{response}");
}
