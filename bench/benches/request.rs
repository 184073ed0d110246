//! Measures how much it costs to answer a request in process, with the router, three extractors
//! (path, query, header), one middleware and a short text: the CPU time of one request, and its
//! allocations.
//!
//! The peer is axum with the same work, called as the same kind of service.

use std::future::Future;

use axum::response::IntoResponse;
use divan::{AllocProfiler, Bencher, black_box};
use http::{HeaderValue, Request};
use serde::Deserialize;
use tower_service::Service;
use volga::{App, Header, HttpBody, Query, headers::UserAgent};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[derive(Deserialize)]
struct Page {
    from: u32,
    tag: String,
}

const PATH: &str = "/users/17/orders?from=20&tag=new";
const SERVER: HeaderValue = HeaderValue::from_static("bench");

fn volga_service() -> impl Service<Request<HttpBody>, Response = volga::HttpResponse, Future: Send>
{
    let mut app = App::new();
    app.map_get("/", || "root").map_get("/users/{id}", |id: u32| id);
    app.map_get(
        "/users/{id}/orders",
        async |id: u32, page: Query<Page>, agent: Header<UserAgent>| {
            format!("{id} {} {} {}", page.from, page.tag, agent.as_str())
        },
    );
    app.wrap(|ctx, next| async move {
        let mut response = next.run(ctx).await;
        response.headers_mut().insert("server", SERVER);
        response
    });
    app.into_service().expect("no faults")
}

fn axum_service() -> axum::Router {
    use axum::{
        extract::{Path, Query, Request},
        http::HeaderMap,
        middleware::{Next, from_fn},
        routing::get,
    };
    async fn orders(
        Path(id): Path<u32>,
        Query(page): Query<Page>,
        headers: HeaderMap,
    ) -> axum::response::Response {
        let Some(agent) = headers.get("user-agent").and_then(|agent| agent.to_str().ok()) else {
            return axum::http::StatusCode::BAD_REQUEST.into_response();
        };
        format!("{id} {} {} {agent}", page.from, page.tag).into_response()
    }
    axum::Router::new()
        .route("/", get(async || "root"))
        .route("/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/users/{id}/orders", get(orders))
        .layer(from_fn(async |request: Request, next: Next| {
            let mut response = next.run(request).await;
            response.headers_mut().insert("server", SERVER);
            response
        }))
}

fn request<B: Default>() -> Request<B> {
    let mut request = Request::new(B::default());
    *request.uri_mut() = PATH.parse().expect("a path");
    request.headers_mut().insert("user-agent", HeaderValue::from_static("bench/1"));
    request
}

/// Runs a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => unreachable!("nothing here waits"),
    }
}

#[divan::bench]
fn ours(bencher: Bencher) {
    let mut service = volga_service();
    bencher.with_inputs(request::<HttpBody>).bench_local_values(|request| {
        let response = now(service.call(black_box(request))).unwrap_or_else(|_| unreachable!());
        assert_eq!(response.status(), 200);
        response
    });
}

#[divan::bench]
fn axum(bencher: Bencher) {
    let mut service = axum_service();
    bencher.with_inputs(request::<axum::body::Body>).bench_local_values(|request| {
        let response = now(service.call(black_box(request))).unwrap_or_else(|never| match never {});
        assert_eq!(response.status(), 200);
        response
    });
}
