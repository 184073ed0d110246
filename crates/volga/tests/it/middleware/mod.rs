//! Middleware of apps, groups and routes: for handlers, requests without a route, HEAD, panics and
//! event streams.

mod errors_and_fallbacks;
mod forms;
mod layers;
mod panics;

use std::pin::Pin;

use futures_util::stream;
use http_body_util::BodyExt;
use volga::{
    Group, HttpBody, HttpResponse,
    error::Error,
    http::{HeaderValue, Method, RouterService, sse::Message},
    middleware::{HttpContext, Next},
    ok, sse,
};

/// Every kind of response that middleware must see.
pub(super) const KINDS: [(&str, &str, u16); 7] = [
    ("GET", "/in/hello/me", 200),
    ("HEAD", "/in/hello/me", 200),
    ("GET", "/in/nothing", 404),
    ("PUT", "/in/hello/me", 405),
    ("OPTIONS", "/in/hello/me", 204),
    ("GET", "/in/panic", 500),
    ("GET", "/in/events", 200),
];

pub(super) fn map(group: &mut Group) {
    group.map_get("/hello/{name}", |name: String| ok!("Hello, {name}!"));
    group.map_get("/panic", || -> () { panic!("on purpose") });
    group.map_get("/events", || sse!(stream::iter([Message::new().data("x")])));
    group.map_get("/error", || Err::<(), _>(Error::client_error("no")));
}

pub(super) async fn ask(service: &RouterService, method: &str, path: &str) -> HttpResponse {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request =
        http::Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
    service.respond(request).await
}

pub(super) async fn text(response: HttpResponse) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(super) type Answer = Pin<Box<dyn Future<Output = HttpResponse> + Send>>;

/// Marks each response that passes.
pub(super) fn mark(name: &'static str) -> impl Fn(HttpContext, Next) -> Answer + Clone {
    move |ctx, next| {
        Box::pin(async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().append("x-mark", HeaderValue::from_static(name));
            response
        })
    }
}

#[track_caller]
pub(super) fn marks(response: &HttpResponse) -> Vec<&str> {
    response.headers().get_all("x-mark").iter().map(|value| value.to_str().unwrap()).collect()
}
