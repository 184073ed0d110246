//! A body that a handler reads is the client's fault only if it is the body of the request.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use volga::{
    App, HttpBody, HttpRequest, Json, NdJson, Text,
    error::{BoxError, Error},
    http::{Bytes, HttpResult, RouterService},
    middleware::{HttpContext, Next},
    ok,
};

#[derive(Debug, thiserror::Error)]
#[error("the connection failed")]
struct Wrapped(#[source] BoxError);

/// The errors of bodies, and the statuses for a request and for an upstream.
const ERRORS: [(&str, u16, u16); 4] =
    [("reset", 400, 500), ("timed-out", 408, 504), ("elapsed", 408, 504), ("length", 413, 500)];

/// A body that fails after its first bytes. Its error is wrapped in others.
struct Failing {
    kind: &'static str,
    layers: usize,
    has_begun: bool,
}

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Poll::Ready(Some(Ok(http_body::Frame::data("[".into()))));
        }
        let mut error = error(self.kind);
        for layer in 0..self.layers {
            error = match layer % 2 {
                0 => Wrapped(error).into(),
                _ => io::Error::other(error).into(),
            };
        }
        Poll::Ready(Some(Err(error)))
    }
}

fn error(kind: &str) -> BoxError {
    let now = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match kind {
        "reset" => io::Error::from(io::ErrorKind::ConnectionReset).into(),
        "timed-out" => io::Error::from(io::ErrorKind::TimedOut).into(),
        "elapsed" => std::thread::spawn(move || {
            let never =
                async { tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await };
            now().block_on(never).unwrap_err().into()
        })
        .join()
        .unwrap(),
        _ => {
            let body = http_body_util::Full::new(Bytes::from_static(b"long"));
            let limited = http_body_util::Limited::new(body, 1).collect();
            futures_util::FutureExt::now_or_never(limited).unwrap().unwrap_err()
        }
    }
}

fn failing(kind: &'static str, layers: usize) -> Failing {
    Failing { kind, layers, has_begun: false }
}

async fn read(mut body: HttpBody) -> HttpResult {
    while let Some(bytes) = body.next().await {
        bytes?;
    }
    ok!("read")
}

/// Passes a body on as a stream, as code that counts its bytes does.
fn passed_on(body: HttpBody) -> HttpBody {
    HttpBody::from_stream(body.into_data_stream())
}

fn app(kind: &'static str, layers: usize) -> (RouterService, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    // The request fails.
    app.map_post("/request/next", async |body: HttpBody| read(body).await);
    app.map_post("/request/request", async |request: HttpRequest| read(request.into_body()).await);
    app.map_post("/request/limited", async |body: HttpBody| read(body.limited(9)).await);
    app.map_post("/request/passed-on", async |body: HttpBody| read(passed_on(body)).await);
    app.map_post("/request/collect", async |body: HttpBody| {
        let all = body.collect().await?.to_bytes();
        ok!("{}", all.len())
    });
    app.map_post("/request/json", async |_: Json<Vec<u8>>| ok!());
    app.map_post("/request/text", async |_: Text| ok!());
    app.map_post("/request/optional", async |_: Option<Json<Vec<u8>>>| ok!());
    app.map_post("/request/lines", async |mut lines: NdJson<u8>| {
        while let Some(value) = lines.next().await {
            value?;
        }
        ok!()
    });
    app.map_post("/request/wrapped", async |body: HttpBody| read(body).await).wrap(
        |mut ctx: HttpContext, next: Next| async move {
            let body = std::mem::take(ctx.body_mut());
            *ctx.body_mut() = passed_on(body);
            next.run(ctx).await
        },
    );
    app.map_post("/request/layer", async |body: HttpBody| read(body).await)
        .layer(tower_http::limit::RequestBodyLimitLayer::new(99));
    // An upstream fails, whatever the client sends.
    app.map_post("/upstream/next", async move || read(HttpBody::new(failing(kind, layers))).await);
    app.map_post("/upstream/stream", async move || {
        let body = HttpBody::new(failing(kind, layers)).into_data_stream().map(|item| item);
        read(HttpBody::from_stream(body)).await
    });
    app.map_post("/upstream/limited", async move || {
        read(HttpBody::new(failing(kind, layers)).limited(9)).await
    });
    app.map_post("/upstream/collect", async move || {
        let all = HttpBody::new(failing(kind, layers)).collect().await?.to_bytes();
        ok!("{}", all.len())
    });
    (app.into_service().unwrap(), log)
}

const REQUEST: [&str; 11] = [
    "next",
    "request",
    "limited",
    "passed-on",
    "collect",
    "json",
    "text",
    "optional",
    "lines",
    "wrapped",
    "layer",
];
const UPSTREAM: [&str; 4] = ["next", "stream", "limited", "collect"];

async fn ask(service: &RouterService, path: &str, body: HttpBody) -> u16 {
    let content_type =
        if path.ends_with("lines") { "application/x-ndjson" } else { "application/json" };
    let content_type = if path.ends_with("text") { "text/plain" } else { content_type };
    let request = http::Request::post(path).header("content-type", content_type);
    service.respond(request.body(body).unwrap()).await.status().as_u16()
}

#[tokio::test]
async fn only_the_body_of_the_request_is_the_clients_fault() {
    for (kind, of_request, of_upstream) in ERRORS {
        for layers in 0..4 {
            let (service, log) = app(kind, layers);
            for name in REQUEST {
                let body = HttpBody::new(failing(kind, layers));
                let status = ask(&service, &format!("/request/{name}"), body).await;
                assert_eq!(status, of_request, "{name}: {kind} in {layers} layers");
                assert!(log.lock().unwrap().is_empty(), "{name}");
            }
            for name in UPSTREAM {
                let path = format!("/upstream/{name}");
                let status = ask(&service, &path, HttpBody::full("[]")).await;
                assert_eq!(status, of_upstream, "{name}: {kind} in {layers} layers");
                assert_eq!(std::mem::take(&mut *log.lock().unwrap()).len(), 1, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_limit_of_the_handler_counts_against_whoever_sent_the_body() {
    let mut app = App::new();
    app.map_post("/request", async |body: HttpBody| read(body.limited(2)).await);
    app.map_post("/upstream", async || {
        let pieces = stream::iter(["ab", "cd"].map(Ok::<_, Error>));
        read(HttpBody::from_stream(pieces).limited(2)).await
    });
    app.map_post("/upstream-length", async || read(HttpBody::full("long").limited(2)).await);
    let service = app.into_service().unwrap();
    for body in ["abc", "a"] {
        let expect = if body.len() > 2 { 413 } else { 200 };
        let pieces: Vec<_> = body.chars().map(|char| Ok::<_, Error>(char.to_string())).collect();
        let pieces = HttpBody::from_stream(stream::iter(pieces));
        assert_eq!(ask(&service, "/request", pieces).await, expect);
        assert_eq!(ask(&service, "/request", HttpBody::full(body)).await, expect);
        assert_eq!(ask(&service, "/upstream", HttpBody::full(body)).await, 500);
        assert_eq!(ask(&service, "/upstream-length", HttpBody::full(body)).await, 500);
    }
}
