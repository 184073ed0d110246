//! Every 500 has a line in the log, with the reference that the client gets: whatever has failed,
//! and wherever it has failed.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use serde_json::Value;
use tower::{load_shed::LoadShed, timeout::Timeout};
use tower_service::Service;
use volga::{
    App, Group, HttpBody, HttpRequest, HttpResponse, HttpResult,
    di::Dc,
    error::{BoxError, Error, Problem},
    http::{FromRequestParts, RequestParts, RouteMethod, RouterService, StatusCode},
    middleware::{BoxFuture, Endpoint, EndpointService, HttpContext, Middleware, Next, NextCall},
    ok, response, status,
};

type Log = Arc<Mutex<Vec<String>>>;

fn logging() -> (App, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    (app, log)
}

async fn ask(service: &RouterService, path: &str) -> (StatusCode, http::HeaderMap, String) {
    let request = http::Request::get(path).body(HttpBody::empty()).unwrap();
    let (head, body) = service.respond(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// Asks for the path, and checks that the log has one line, with the reference of the response.
#[track_caller]
fn check_reported(path: &str, body: &str, log: &Log, reason: &str) {
    let body: Value = serde_json::from_str(body).unwrap();
    let reference = body["reference"].as_str().expect("a reference");
    let lines = std::mem::take(&mut *log.lock().unwrap());
    let [line] = &*lines else { panic!("{path}: {lines:?}") };
    assert!(line.contains(reason) && line.contains(reference), "{path}: {line}");
}

/// A response with this status, and no body.
fn bare(status: u16) -> HttpResponse {
    let mut response = HttpResponse::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Responds with a status, as a service, an endpoint and middleware.
#[derive(Clone)]
struct Responds(u16);

impl<R> Service<http::Request<R>> for Responds {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = std::future::Ready<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<R>) -> Self::Future {
        ready(Ok(bare(self.0)))
    }
}

impl Endpoint for Responds {
    fn call(&self, _: RequestParts, _: HttpBody) -> BoxFuture<HttpResponse> {
        Box::pin(ready(bare(self.0)))
    }
}

impl Middleware for Responds {
    fn wrap(&self, _: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(self.clone())
    }
}

/// Lets every place of an app respond with a status, each at its own path. The paths are returned.
fn map_every_place(app: &mut App, status: u16) -> Vec<String> {
    type Place = (&'static str, fn(&mut Group, u16));
    let places: [Place; 15] = [
        ("handler", |group, status| {
            group.map_get("/", move || StatusCode::from_u16(status).unwrap());
        }),
        ("async", |group, status| {
            group.map_get("/", async move || status!(status));
        }),
        ("detached", |group, status| {
            group.map_get("/", volga::detached(async move || bare(status)));
        }),
        ("problem", |group, status| {
            group.map_get("/", move || Problem::new(status));
        }),
        ("error", |group, status| {
            let status = StatusCode::from_u16(status).unwrap();
            group.map_get("/", move || Err::<(), _>(Error::new(status, "text")));
        }),
        ("wrap", |group, status| {
            group.wrap(move |_: HttpContext, _: Next| ready(bare(status)));
            group.map_get("/", || "");
        }),
        ("with", |group, status| {
            group.with(async move |next: NextCall| {
                next.await;
                bare(status)
            });
            group.map_get("/", || "");
        }),
        ("map_ok", |group, status| {
            group.map_ok(move |_| bare(status));
            group.map_get("/", || "");
        }),
        ("layer", |group, status| {
            group.layer(tower_layer::layer_fn(move |_| Responds(status)));
            group.map_get("/", || "");
        }),
        ("route-layer", |group, status| {
            let layer = tower_layer::layer_fn(move |_: EndpointService| Responds(status));
            group.map_get("/", || "").layer(layer);
        }),
        ("attach", |group, status| {
            group.attach(Responds(status));
            group.map_get("/", || "");
        }),
        ("endpoint", |group, status| {
            group.map_endpoint(RouteMethod::Any, "/", Responds(status));
        }),
        ("service", |group, status| {
            group.map_service("/", Responds(status));
        }),
        ("fallback", |group, status| {
            group.map_fallback(move || bare(status));
        }),
        ("fallback-service", |group, status| {
            group.fallback_service(Responds(status));
        }),
    ];
    for (name, map) in places {
        app.group(&format!("/{name}"), |group| map(group, status));
    }
    places.iter().map(|(name, _)| format!("/{name}")).collect()
}

#[tokio::test]
async fn a_status_that_is_not_final_is_reported_wherever_it_comes_from() {
    for status in [100, 101, 102, 103, 199] {
        let (mut app, log) = logging();
        // Middleware around the place sees the 500.
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        app.wrap(move |ctx: HttpContext, next: Next| {
            let kept = Arc::clone(&kept);
            async move {
                let response = next.run(ctx).await;
                kept.lock().unwrap().push(response.status().as_u16());
                response
            }
        });
        let paths = map_every_place(&mut app, status);
        app.group("/mapper", |group| {
            group.map_get("/", || Err::<(), _>(Error::client_error("x")));
            group.map_err(move |_| bare(status));
        });
        let service = app.into_service().unwrap();
        for path in paths.iter().map(String::as_str).chain(["/mapper"]) {
            let (found, _, body) = ask(&service, path).await;
            assert_eq!(found, 500, "{path} {status}");
            check_reported(path, &body, &log, &status.to_string());
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            // Middleware of any kind may give any response. The last check finds it.
            assert!(seen == [500] || (path == "/attach" && seen == [status]), "{path}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_status_of_middleware_before_routing_is_checked_too() {
    for status in [100, 103, 500] {
        for is_attached in [false, true] {
            let (mut app, log) = logging();
            app.before_routing(|before| {
                match is_attached {
                    true => before.attach(Responds(status)),
                    false => before.wrap(move |_: HttpContext, _: Next| ready(bare(status))),
                };
            });
            let (found, _, body) = ask(&app.into_service().unwrap(), "/").await;
            assert_eq!(found, 500);
            check_reported("/", &body, &log, "responded with");
        }
    }
}

#[tokio::test]
async fn a_500_without_an_error_is_reported_wherever_it_comes_from() {
    let (mut app, log) = logging();
    app.wrap(async |ctx: HttpContext, next: Next| {
        let mut response = next.run(ctx).await;
        response.headers_mut().append("x-outer", 1.into());
        response.headers_mut().append("x-outer", 2.into());
        response
    });
    let paths = map_every_place(&mut app, 500);
    app.map_get("/text", || status!(500, "shown to the client"));
    let service = app.into_service().unwrap();
    for path in paths {
        let (status, headers, body) = ask(&service, &path).await;
        assert_eq!(status, 500, "{path}");
        check_reported(&path, &body, &log, &format!("500 GET {path}: "));
        // Middleware around it has not worked in vain.
        assert_eq!(headers.get_all("x-outer").iter().count(), 2, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
        assert_eq!(headers.get_all("content-length").iter().count(), 0, "{path}");
    }
    // A text that a handler shows stays as it is.
    let (_, _, body) = ask(&service, "/text").await;
    assert_eq!(body, "shown to the client");
    let lines = std::mem::take(&mut *log.lock().unwrap());
    assert!(lines.len() == 1 && lines[0].contains("return the error"), "{lines:?}");
    // A client error is no failure, and neither is a deliberate 503.
    for status in [404, 503] {
        let (mut app, log) = logging();
        app.map_get("/", move || status!(status));
        assert_eq!(ask(&app.into_service().unwrap(), "/").await.0, status);
        assert!(log.lock().unwrap().is_empty());
    }
}

/// A value that cannot be written as JSON.
fn unwritable() -> std::collections::HashMap<Vec<u8>, u8> {
    [(vec![1], 1)].into()
}

#[tokio::test]
async fn every_failure_and_misuse_is_reported_with_the_reference_of_the_response() {
    let (mut app, log) = logging();
    app.map_get("/panic", || -> () { panic!("on purpose") });
    app.map_get("/async-panic", async || -> () { panic!("on purpose") });
    app.map_get("/200", || Err::<(), _>(Error::new(StatusCode::OK, "fine")));
    app.map_get("/303", || Err::<(), _>(Error::from(Problem::new(303))));
    app.map_get("/status", || status!(1000));
    app.map_get("/response", || response!(99, "text"));
    app.map_get("/header", || ok!("text"; [("x-id", "a\nb")]));
    app.map_get("/tuple", || ([("x id", "7")], "text"));
    app.map_get("/redirect", || volga::redirect!("/a\nb"));
    app.map_get("/json", || ok!(unwritable()));
    app.map_get("/json-argument", || volga::Json(unwritable()));
    app.map_get("/extension", |_: volga::http::Extension<u8>| "");
    app.map_get("/service", async |number: UndescribedService| ok!("{}", number.0));
    app.map_get("/mapper", || Err::<(), _>(Error::client_error("x")))
        .map_err(|_: Error| -> HttpResult { panic!("on purpose") });
    app.map_get("/mapper-error", || Err::<(), _>(Error::client_error("x")))
        .map_err(|_: Error| Err::<(), _>(StatusCode::INTERNAL_SERVER_ERROR));
    app.map_get("/filter", || "").filter(|| -> bool { panic!("on purpose") });
    app.map_get("/tap", || "").tap_req(|_| panic!("on purpose"));
    let service = app.into_service().unwrap();
    for (path, reason) in [
        ("/panic", "panic: on purpose"),
        ("/async-panic", "panic: on purpose"),
        ("/200", "an error has the status 200 OK"),
        ("/303", "an error has the status 303 See Other"),
        ("/status", "1000 is not a status"),
        ("/response", "99 is not a status"),
        ("/header", "failed to parse header value"),
        ("/tuple", "invalid HTTP header name"),
        ("/redirect", "failed to parse header value"),
        ("/json", "key must be a string"),
        ("/json-argument", "key must be a string"),
        ("/extension", "no extension of type `u8`"),
        ("/service", "u64"),
        ("/mapper", "panic: on purpose"),
        ("/mapper-error", "Internal Server Error"),
        ("/filter", "panic: on purpose"),
        ("/tap", "panic: on purpose"),
    ] {
        let (status, _, body) = ask(&service, path).await;
        assert_eq!(status, 500, "{path}");
        check_reported(path, &body, &log, reason);
    }
}

/// Takes a service that nothing has registered, without describing it.
struct UndescribedService(u64);

impl FromRequestParts for UndescribedService {
    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let service = Dc::<u64>::from_request_parts(parts).await?;
        Ok(Self(*service))
    }
}

/// A service that is never ready, or never responds.
#[derive(Clone)]
struct Busy {
    is_ready: bool,
}

impl Service<HttpRequest> for Busy {
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = std::future::Pending<Result<HttpResponse, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.is_ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: HttpRequest) -> Self::Future {
        std::future::pending()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the stack failed")]
struct StackError(#[source] BoxError);

/// Wraps the errors of a service, as middleware of tower does.
fn wrapping<S>(
    service: S,
    layers: usize,
) -> impl Service<HttpRequest, Response = HttpResponse, Error = BoxError, Future: Send> + Clone + Send
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError, Future: Send>,
    S: Clone + Send,
{
    tower::ServiceExt::map_err(service, move |mut error: BoxError| {
        for layer in 0..layers {
            error = match layer % 2 {
                0 => std::io::Error::other(error).into(),
                _ => StackError(error).into(),
            };
        }
        error
    })
}

#[tokio::test(start_paused = true)]
async fn load_shed_is_503_and_timeout_is_504_in_layers_and_in_mounted_services() {
    let second = Duration::from_secs(1);
    let shed = || LoadShed::new(Busy { is_ready: false });
    let slow = move || Timeout::new(Busy { is_ready: true }, second);
    for layers in 0..4 {
        let (mut app, log) = logging();
        app.map_service("/service/shed", wrapping(shed(), layers));
        app.map_service("/service/timeout", wrapping(slow(), layers));
        app.group("/fallback/shed", |group| {
            group.fallback_service(wrapping(shed(), layers));
        });
        app.group("/fallback/timeout", |group| {
            group.fallback_service(wrapping(slow(), layers));
        });
        app.map_get("/layer/shed", || "")
            .layer(tower_layer::layer_fn(move |_| wrapping(shed(), layers)));
        app.map_get("/layer/timeout", || "")
            .layer(tower_layer::layer_fn(move |_| wrapping(slow(), layers)));
        let service = app.into_service().unwrap();
        for place in ["service", "fallback", "layer"] {
            for (kind, expect, reason) in
                [("shed", 503, "service overloaded"), ("timeout", 504, "request timed out")]
            {
                let path = format!("/{place}/{kind}");
                let (status, _, body) = ask(&service, &path).await;
                assert_eq!(status, expect, "{path} in {layers} layers");
                check_reported(&path, &body, &log, reason);
            }
        }
    }
}

#[tokio::test]
async fn the_error_of_a_mounted_service_has_the_status_that_it_would_have_in_a_handler() {
    let failing = |error: fn() -> BoxError| {
        tower::service_fn(move |_: HttpRequest| ready(Err::<HttpResponse, _>(error())))
    };
    let (app, log) = logging();
    let mut app =
        app.with_status_rule(|error| error.is::<StackError>().then_some(StatusCode::BAD_GATEWAY));
    app.map_service("/io", failing(|| std::io::Error::other("secret").into()));
    app.map_service("/rule", failing(|| StackError("secret".into()).into()));
    app.map_service("/error", failing(|| Error::new(StatusCode::GONE, "sold").into()));
    let service = app.into_service().unwrap();
    for (path, expect) in [("/io", 500), ("/rule", 502)] {
        let (status, _, body) = ask(&service, path).await;
        assert!(status == expect && !body.contains("secret"), "{path}: {status} {body}");
        check_reported(path, &body, &log, "");
    }
    // `Error` becomes its cause when it becomes a box, and loses its status.
    let (status, _, body) = ask(&service, "/error").await;
    assert_eq!(status, 500);
    check_reported("/error", &body, &log, "sold");
}

/// Passes on a new request with the method and the URI of the old one, and nothing else. The
/// response may be a new one as well.
#[derive(Clone)]
struct Rebuilt {
    inner: EndpointService,
    is_response_new: bool,
}

impl Service<HttpRequest> for Rebuilt {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let uri = request.uri().clone();
        let response = self.inner.call(http::Request::get(uri).body(HttpBody::empty()).unwrap());
        let is_response_new = self.is_response_new;
        Box::pin(async move {
            let response = response.await?;
            match is_response_new {
                true => Ok(bare(response.status().as_u16())),
                false => Ok(response),
            }
        })
    }
}

#[tokio::test]
async fn a_layer_that_rebuilds_the_request_is_told_what_to_do_on_every_level() {
    for is_response_new in [false, true] {
        let layer = || tower_layer::layer_fn(move |inner| Rebuilt { inner, is_response_new });
        let (mut app, log) = logging();
        app.group("/group", |group| {
            group.layer(layer());
            group.map_get("/", || "");
            group.map_get("/{n}", |_: u8| "");
            group.map_service("/mounted", Responds(200));
        });
        app.map_get("/route", || "").layer(layer());
        app.map_get("/route/{n}", |_: u8| "").layer(layer());
        app.map_get("/filtered", || "").layer(layer()).filter(|| true);
        app.map_service("/service", Responds(200)).layer(layer());
        app.map_endpoint(RouteMethod::Any, "/endpoint", Responds(200)).layer(layer());
        app.group("/fallback", |group| {
            group.layer(layer());
            group.map_fallback(|| "");
        });
        let service = app.into_service().unwrap();
        for path in [
            "/group",
            "/group/7",
            "/group/mounted/x",
            "/route",
            "/route/7",
            "/filtered",
            "/service/x",
            "/endpoint",
            "/fallback/x",
        ] {
            let (status, _, body) = ask(&service, path).await;
            assert_eq!(status, 500, "{path}");
            // A layer that replaces the response, too, hides what has happened.
            let reason = match is_response_new {
                false => "let the layer move the extensions",
                true => "without an error",
            };
            check_reported(path, &body, &log, reason);
        }
    }
}

#[tokio::test]
async fn a_layer_before_routing_may_rebuild_the_request() {
    let (mut app, log) = logging();
    app.before_routing(|before| {
        before.layer(tower_layer::layer_fn(|inner| Rebuilt { inner, is_response_new: false }));
    });
    app.map_get("/{n}", |n: u8| ok!("{n}"));
    let service = app.into_service().unwrap();
    assert_eq!(ask(&service, "/7").await.2, "7");
    assert_eq!(ask(&service, "/x").await.0, 400);
    assert!(log.lock().unwrap().is_empty());
}
