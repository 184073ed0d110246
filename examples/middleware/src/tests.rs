//! Tests the responses that the guide shows, in process.

use http_body_util::BodyExt;
use std::sync::Arc;
use volga::{
    App, HttpResponse,
    http::{HttpBody, RouterService},
};

fn service() -> RouterService {
    crate::app().into_service().unwrap()
}

async fn send(service: &RouterService, line: &str, headers: &[(&str, &str)]) -> HttpResponse {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.respond(request.body(HttpBody::empty()).unwrap()).await
}

async fn text(response: HttpResponse) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

/// The status and the text of a response.
async fn ask(line: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let response = send(&service(), line, headers).await;
    (response.status().as_u16(), text(response).await)
}

#[tokio::test]
async fn middleware_of_the_app_sees_every_response() {
    let service = service();
    for (line, status) in [
        ("GET /shop/tea", 200),
        ("HEAD /shop/tea", 200),
        ("GET /nothing", 404),
        ("PUT /shop/tea", 404),
        ("OPTIONS /shop/tea", 204),
        ("GET /panic", 500),
        ("GET /ticks", 200),
    ] {
        let response = send(&service, line, &[]).await;
        assert_eq!(response.status(), status, "{line}");
        for name in ["x-micros", "x-request-id"] {
            assert!(response.headers().contains_key(name), "{line}: {name}");
        }
    }
}

#[tokio::test]
async fn a_group_has_middleware_of_its_own() {
    let (status, refused) = ask("GET /admin/me", &[("x-api-key", "guess")]).await;
    assert_eq!(status, 403);
    assert!(refused.contains("a filter refused the request"), "{refused}");
    let me = "you are the owner of a key of 6 bytes";
    for name in ["x-api-key", "api-key"] {
        assert_eq!(ask("GET /admin/me", &[(name, "secret")]).await, (200, me.into()));
    }
    let stats = send(&service(), "GET /admin/stats", &[("x-api-key", "secret")]).await;
    assert_eq!(stats.headers()["cache-control"], "no-store");
}

#[tokio::test(start_paused = true)]
async fn layers_of_tower_http_work_at_each_place() {
    let id = [("x-request-id", "7")];
    let response = send(&service(), "GET /open/id", &id).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["x-request-id"], "7");
    assert_eq!(text(response).await, "request 7");
    assert_eq!(ask("GET /slow", &[]).await.0, 504);
}

#[tokio::test]
async fn errors_are_problems_or_text_and_hide_internal_causes() {
    for (line, status, told) in [
        ("GET /shop/tea", 200, r#"{"item":"tea","left":3}"#),
        (
            "GET /shop/gold",
            404,
            r#"{"status":404,"title":"Not Found","detail":"there is no gold here"}"#,
        ),
        (
            "GET /plain/256",
            400,
            "error: path argument `number`: number too large to fit in target type",
        ),
        ("GET /nothing", 404, "nothing is at /nothing"),
    ] {
        assert_eq!(ask(line, &[]).await, (status, told.to_owned()), "{line}");
    }
    let sold_out = ask("POST /shop/tea/5", &[]).await;
    let told = r#"{"status":409,"type":"https://example.com/problems/sold-out","title":"sold out","detail":"5 of tea were asked for","left":3}"#;
    assert_eq!(sold_out, (409, told.to_owned()));
    let as_text = ask("GET /shop/gold", &[("accept", "text/plain")]).await;
    assert_eq!(as_text, (404, "there is no gold here".into()));
    for line in ["GET /secret", "GET /panic", "GET /file"] {
        let (status, told) = ask(line, &[]).await;
        assert_eq!(status, 500, "{line}");
        let hidden = ["password", "purpose", "directory"];
        assert!(!hidden.iter().any(|text| told.contains(text)), "{told}");
    }
}

#[tokio::test]
async fn services_are_shared_scoped_and_replaced() {
    let service = service();
    for (line, expect) in [
        ("GET /visits", "0"),
        ("GET /letter/Anna", "Good day, Anna. You are visitor 1."),
        ("GET /letter/Ben", "Good day, Ben. You are visitor 2."),
        ("GET /visits", "2"),
    ] {
        assert_eq!(text(send(&service, line, &[]).await).await, expect);
    }

    struct Short;
    impl crate::services::Greet for Short {
        fn greet(&self, name: &str) -> String {
            format!("Hi {name}")
        }
    }
    let mut app: App = crate::app();
    app.add_shared::<dyn crate::services::Greet>(Arc::new(Short));
    let service = app.into_service().unwrap();
    let letter = text(send(&service, "GET /letter/Anna", &[]).await).await;
    assert_eq!(letter, "Hi Anna. You are visitor 1.");
}

#[tokio::test(start_paused = true)]
async fn a_detached_handler_responds_like_any_other() {
    assert_eq!(ask("POST /pay/7", &[]).await, (200, "order 7 is paid".into()));
    assert_eq!(ask("GET /primes/100", &[]).await, (200, "25 primes".into()));
}
