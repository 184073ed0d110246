//! Layers of tower and of tower-http.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use tower_http::{
    cors::CorsLayer,
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use volga::{
    App,
    http::{StatusCode, sse::Message},
    ok, sse,
};

use super::{KINDS, ask, map, text};

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
