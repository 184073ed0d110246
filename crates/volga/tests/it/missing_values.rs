//! `None` responds like an unknown path of the same scope.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http_body_util::BodyExt;
use volga::{
    App, Group, HttpBody, Json,
    error::Error,
    headers::CacheControl,
    http::{Extension, Method, NoRoute, RequestParts, RouterService, StatusCode, Uri},
    ok, status,
};

/// Maps handlers without a value, each of another form.
fn map(group: &mut Group) {
    fn none() -> Option<Json<u8>> {
        None
    }
    group.map_get("/missing/sync", none);
    group.map_get("/missing/async", async || none());
    group.map_get("/missing/detached", volga::detached(async || none()));
    group.map_get("/missing/result", || Ok::<_, Error>(none()));
    group.map_get("/missing/status", async || Ok::<_, StatusCode>(none()));
    group.map_get("/missing/tuple", || (CacheControl::new().no_store(), none()));
    group.map_get("/missing/nested", || Some(Some(none())));
    group.map_post("/missing/post", async |_: volga::Text| none());
    group.map_get("/present", || Some("here"));
}

const FORMS: [&str; 8] = [
    "GET sync",
    "GET async",
    "GET detached",
    "GET result",
    "GET status",
    "GET tuple",
    "GET nested",
    "POST post",
];

async fn ask(service: &RouterService, method: &str, path: &str, accept: &str) -> String {
    let request = http::Request::builder().method(method).uri(path).header("accept", accept);
    let (head, body) =
        service.respond(request.body(HttpBody::full("body")).unwrap()).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    format!("{} {:?} {}", head.status, head.headers, String::from_utf8_lossy(&body))
}

/// Compares the missing values below a prefix with unknown paths below it.
async fn check(service: &RouterService, prefix: &str) {
    for form in FORMS {
        let (method, name) = form.split_once(' ').unwrap();
        for accept in ["*/*", "text/plain"] {
            let unknown = ask(service, method, &format!("{prefix}/missing/unkn"), accept).await;
            let missing = ask(service, method, &format!("{prefix}/missing/{name}"), accept).await;
            let unknown = unknown.replace("/missing/unkn", "");
            let missing = missing.replace(&format!("/missing/{name}"), "");
            assert_eq!(missing, unknown, "{prefix} {form}");
            assert!(missing.starts_with('4') || missing.starts_with("299"), "{missing}");
        }
    }
    assert!(ask(service, "GET", &format!("{prefix}/present"), "*/*").await.ends_with(" here"));
}

/// Responds with what a fallback knows of the request.
async fn fallback(
    method: Method,
    uri: Uri,
    Extension(reason): Extension<NoRoute>,
) -> (StatusCode, String) {
    (StatusCode::from_u16(299).unwrap(), format!("{method} {uri} {reason:?}"))
}

#[tokio::test]
async fn a_missing_value_responds_like_an_unknown_path_of_its_scope() {
    for has_fallback in [false, true] {
        for has_mapper in [false, true] {
            let mut app = App::new();
            map(&mut app);
            app.group("/plain", map);
            app.group("/own", |group| {
                map(group);
                group.map_fallback(fallback);
                group.group("/inner", map);
            });
            app.group("/tenants/{id}", |group| {
                group.map_get("/missing/sync", |_: u8| None::<String>);
                group.map_fallback(|id: u8| status!(410, "tenant {id}"));
            });
            app.group("/mapped", |group| {
                map(group);
                group.map_err(|error: Error| (StatusCode::GONE, error.public_message()));
            });
            if has_fallback {
                app.map_fallback(fallback);
            }
            if has_mapper {
                app.map_err(|error: Error| (error.status(), format!("mapped {error}")));
            }
            let service = app.into_service().unwrap();
            for prefix in ["", "/plain", "/own", "/own/inner", "/mapped"] {
                check(&service, prefix).await;
            }
            for path in ["/tenants/7/missing/sync", "/tenants/7/unknown"] {
                let response = ask(&service, "GET", path, "*/*").await;
                assert!(
                    response.starts_with("410") && response.ends_with("tenant 7"),
                    "{response}"
                );
            }
        }
    }
}

#[tokio::test]
async fn middleware_around_the_route_sees_the_response_of_the_fallback() {
    let mut app = App::new();
    app.add_singleton(7_u8);
    app.map_get("/", || None::<&str>).map_ok(|mut response: volga::HttpResponse| {
        response.headers_mut().insert("x-seen", 1.into());
        response
    });
    // The fallback needs a service, and the route does not.
    app.map_fallback(|number: volga::di::Dc<u8>| ok!("fallback {}", *number));
    let response = ask(&app.into_service().unwrap(), "GET", "/", "*/*").await;
    assert!(response.ends_with("fallback 7") && response.contains("x-seen"), "{response}");
}

#[tokio::test]
async fn the_error_mapper_is_asked_only_without_a_fallback() {
    for has_fallback in [false, true] {
        let asked = Arc::new(AtomicUsize::new(0));
        let kept = Arc::clone(&asked);
        let mut app = App::new();
        app.map_get("/", || None::<&str>);
        app.map_get("/error", || Err::<Option<&str>, _>(Error::client_error("x")));
        app.map_err(move |error: Error| {
            kept.fetch_add(1, Ordering::Relaxed);
            error.problem()
        });
        if has_fallback {
            app.map_fallback(|| status!(404));
        }
        let service = app.into_service().unwrap();
        assert!(ask(&service, "GET", "/", "*/*").await.starts_with("404"));
        assert_eq!(asked.load(Ordering::Relaxed), usize::from(!has_fallback));
        assert!(ask(&service, "GET", "/error", "*/*").await.starts_with("400"));
        assert_eq!(asked.load(Ordering::Relaxed), 1 + usize::from(!has_fallback));
    }
}

#[tokio::test]
async fn the_fallback_gets_the_request_as_the_middleware_has_left_it() {
    let mut app = App::new();
    app.tap_req(|parts: &mut RequestParts| {
        parts.extensions.insert("from middleware");
    });
    app.map_get("/", || None::<&str>);
    app.map_fallback(|Extension(text): Extension<&'static str>| text);
    let response = ask(&app.into_service().unwrap(), "GET", "/", "*/*").await;
    assert!(response.ends_with(" from middleware"), "{response}");
}
