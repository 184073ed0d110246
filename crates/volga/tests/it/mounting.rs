//! Mounted tower services behind the routes, the middleware and the server of an app.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::routing::{any, get};
use futures_util::stream;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower_http::services::ServeDir;
use tower_service::Service;
use volga::{
    App, HttpBody, HttpRequest, HttpResponse,
    error::{BoxError, Error},
    http::{
        Description, Extension, HeaderValue, Method, NoRoute, OriginalUri, RequestParts,
        RouteMethod,
        sse::{Message, Sse},
    },
    middleware::{BoxFuture, Endpoint, HttpContext, Next},
    ok, sse, status,
    test::TestClient,
};

use super::{
    in_process::{send, service},
    support::{ask, get2, http2, run},
};

/// Responds with the method, the URI and the original URI.
async fn seen(request: Request<axum::body::Body>) -> String {
    let original = request.extensions().get().map(|OriginalUri(uri)| uri.to_string());
    format!("{} {} {}", request.method(), request.uri(), original.unwrap_or_default())
}

/// An axum router that does this for every request.
fn mirror() -> axum::Router {
    axum::Router::new().fallback(seen)
}

#[tokio::test]
async fn a_service_gets_paths_without_the_prefix_and_everything_else_unchanged() {
    let service = service(|app| {
        app.map_service("/shop", mirror());
        app.group("/tenants/{id}", |group| {
            group.map_service("/files/", mirror());
        });
    });
    for (line, expect) in [
        ("GET /shop/tea/green?x=%20&y", "GET /tea/green?x=%20&y /shop/tea/green?x=%20&y"),
        ("GET /shop", "GET / /shop"),
        ("GET /shop/", "GET / /shop/"),
        ("GET /shop?x", "GET /?x /shop?x"),
        ("GET /shop//tea%2Fgreen/", "GET //tea%2Fgreen/ /shop//tea%2Fgreen/"),
        ("PUT /shop/tea", "PUT /tea /shop/tea"),
        ("OPTIONS /shop/tea", "OPTIONS /tea /shop/tea"),
        ("PURGE /%73hop/tea", "PURGE /tea /%73hop/tea"),
        ("GET /tenants/a%2Fb/files/x", "GET /x /tenants/a%2Fb/files/x"),
        ("GET http://host/shop/tea", "GET http://host/tea http://host/shop/tea"),
    ] {
        let answer = send(&service, line, &[], "").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, expect), "{line}");
    }
    for (line, status) in [("GET /shopping", 404), ("GET /tenants/a", 404), ("GET /shop/%", 400)] {
        assert_eq!(send(&service, line, &[], "").await.status, status, "{line}");
    }
    let head = send(&service, "HEAD /shop/tea", &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("19")));
}

#[tokio::test]
async fn routes_deeper_mounts_and_groups_come_before_a_service() {
    let service = service(|app| {
        app.map_service("/shop", mirror());
        app.map_service("/shop/old", axum::Router::new().fallback(|| async { "old" }));
        app.map_put("/shop/{name}", async |name: String| ok!("put {name}"));
        app.map_get("/shop/hours", || "9 to 5");
        app.group("/shop/api", |group| {
            group.map_get("/a", || "a");
            group.filter(|request: Method| request != Method::DELETE);
        });
        app.map_get("/shop/own", || "own").map_fallback(|| status!(418, "own fallback"));
    });
    for (line, status, body) in [
        ("GET /shop/hours", 200, "9 to 5"),
        ("POST /shop/hours", 200, "POST /hours /shop/hours"),
        ("PUT /shop/tea", 200, "put tea"),
        ("GET /shop/tea", 200, "GET /tea /shop/tea"),
        ("GET /shop/old/tea", 200, "old"),
        ("GET /shop/old", 200, "old"),
        ("GET /shop/api/a", 200, "a"),
        ("GET /shop/api/b", 404, "no route matches this path"),
        ("GET /shop//api/b", 200, "GET //api/b /shop//api/b"),
        ("GET /shop/api//b", 404, "no route matches this path"),
        ("POST /shop/api/a", 405, "this path does not support this method"),
        ("OPTIONS /shop/api/a", 204, ""),
        ("DELETE /shop/api/b", 403, "a filter refused the request"),
        ("POST /shop/own", 418, "own fallback"),
    ] {
        let answer = send(&service, line, &[], "").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body), "{line}");
    }
}

#[tokio::test]
async fn middleware_runs_around_a_service_and_takes_the_arguments_of_its_prefix() {
    let service = service(|app| {
        app.wrap(|ctx: HttpContext, next: Next| async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().insert("x-app", HeaderValue::from_static("yes"));
            response
        });
        app.group("/tenants/{id}", |group| {
            group.filter(|id: u8| id < 8);
            group.map_service("/files", axum::Router::new().route("/user", get(user))).tap_req(
                |parts| {
                    let id = parts.path_arg("id").unwrap().unwrap().into_owned();
                    parts.extensions.insert(User(id));
                },
            );
        });
        app.map_service("/panic", axum::Router::new().route("/", get(panics)));
    });
    #[derive(Clone)]
    struct User(String);
    async fn user(axum::Extension(User(name)): axum::Extension<User>) -> String {
        name
    }
    async fn panics() {
        panic!("in the service");
    }
    for (line, status, body) in [
        ("GET /tenants/7/files/user", 200, "7"),
        ("GET /tenants/8/files/user", 403, "a filter refused the request"),
        ("GET /tenants/x/files", 400, "path argument `id`: invalid digit found in string"),
        ("GET /tenants/7/files/nothing", 404, ""),
        ("GET /panic", 500, "Internal Server Error"),
    ] {
        let answer = send(&service, line, &[], "").await;
        let body_found = answer.body.split(" (reference").next().unwrap();
        assert_eq!((answer.status.as_u16(), body_found), (status, body), "{line}");
        assert_eq!(answer.header("x-app"), Some("yes"), "{line}");
    }
}

/// Responds with a redirect to the location in the query.
async fn redirect(uri: axum::http::Uri) -> Response<axum::body::Body> {
    let location = uri.query().unwrap_or_default();
    let status = if uri.path() == "/created" { 201 } else { 307 };
    let response = Response::builder().status(status).header("location", location);
    response.body(axum::body::Body::empty()).unwrap()
}

#[tokio::test]
async fn locations_get_the_prefix_back() {
    let service = service(|app| {
        let router = axum::Router::new().fallback(redirect);
        app.map_service("/t/{id}/shop", router.clone());
        app.fallback_service(router);
    });
    for (line, location) in [
        ("GET /t/7/shop/x?/dir/", "/t/7/shop/dir/"),
        ("POST /t/%37/shop/created?/new", "/t/%37/shop/new"),
        ("GET /t/7/shop/x?dir/", "dir/"),
        ("GET /t/7/shop/x?//other/dir/", "//other/dir/"),
        ("GET /t/7/shop/x?https://other/dir/", "https://other/dir/"),
        ("GET http://host/t/7/shop/x?http://host/dir/", "http://host/t/7/shop/dir/"),
        ("GET /t/7/shop//evil?//evil/", "/t/7/shop//evil/"),
        ("GET /elsewhere?/dir/", "/dir/"),
    ] {
        let answer = send(&service, line, &[], "").await;
        assert_eq!(answer.header("location"), Some(location), "{line}");
    }
}

#[tokio::test]
async fn serve_dir_serves_files_and_redirects_to_directories_on_both_protocols() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let server = run(|app| {
        app.map_service("/files", ServeDir::new(tests));
    })
    .await;
    let file = ask(server.address, "GET /files/seed/first.rs").await;
    assert!(file.starts_with("HTTP/1.1 200") && file.contains("fn main"), "{file}");
    let head = ask(server.address, "HEAD /files/seed/first.rs").await;
    let length = std::fs::metadata(format!("{tests}/seed/first.rs")).unwrap().len();
    assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
    let directory = ask(server.address, "GET /files/seed").await;
    assert!(directory.contains("\r\nlocation: /files/seed/\r\n"), "{directory}");
    assert!(ask(server.address, "GET /files/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(ask(server.address, "PUT /files/seed").await.starts_with("HTTP/1.1 405"));

    let client = http2(server.address).await;
    let directory = get2(&client, "/files/seed").await;
    assert_eq!(directory.headers()["location"], "http://test/files/seed/");
    assert_eq!(get2(&client, "/files/seed/first.rs").await.status(), 200);
}

/// A service whose clones become ready one by one, and that fails as the test tells it.
struct Moody {
    is_ready: bool,
    calls: Arc<Mutex<Vec<&'static str>>>,
    fails: Option<&'static str>,
}

impl Clone for Moody {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: Arc::clone(&self.calls), fails: self.fails }
    }
}

impl Service<HttpRequest> for Moody {
    type Response = Response<HttpBody>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.fails == Some("readiness") {
            return Poll::Ready(Err("not ready".into()));
        }
        if !self.is_ready {
            self.is_ready = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: HttpRequest) -> Self::Future {
        self.calls.lock().unwrap().push(if self.is_ready { "ready" } else { "not ready" });
        ready(match self.fails {
            None => Ok(Response::new(HttpBody::full("done"))),
            Some(_) => Err(std::io::Error::from(std::io::ErrorKind::NotFound).into()),
        })
    }
}

#[tokio::test]
async fn the_clone_that_was_ready_is_called_and_its_errors_are_reported() {
    let (calls, reports) = <(Arc<Mutex<Vec<&str>>>, Arc<Mutex<Vec<String>>>)>::default();
    let kept = Arc::clone(&reports);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    for (prefix, fails) in [("/well", None), ("/call", Some("call")), ("/r", Some("readiness"))] {
        app.map_service(prefix, Moody { is_ready: true, calls: Arc::clone(&calls), fails });
    }
    let client = TestClient::new(app);
    client.get("/well/x").send().await.assert_status(200);
    client.get("/call/x").send().await.assert_status(500);
    client.get("/r/x").send().await.assert_status(500);
    assert_eq!(*calls.lock().unwrap(), ["ready", "ready"]);
    let reports = reports.lock().unwrap();
    assert!(reports[0].starts_with("500 GET /call/x: entity not found (reference"), "{reports:?}");
    assert!(reports[1].starts_with("500 GET /r/x: not ready (reference"), "{reports:?}");
    assert_eq!(reports.len(), 2);
}

#[tokio::test]
async fn a_body_beyond_the_limit_never_reaches_the_service() {
    let length = |body: axum::body::Bytes| async move { body.len().to_string() };
    let service = service(|app| {
        let router = axum::Router::new().fallback(any(length));
        app.map_service("/small", router.clone()).body_limit(4);
        app.map_service("/any", router);
    });
    assert_eq!(send(&service, "PUT /small", &[], "12345").await.status, 413);
    assert_eq!(send(&service, "PUT /small", &[], "1234").await.body, "4");
    assert_eq!(send(&service, "PUT /any", &[], "12345").await.body, "5");
}

#[tokio::test]
async fn a_fallback_service_gets_whole_paths_and_the_reason() {
    let service = service(|app| {
        app.map_get("/known", || "");
        app.group("/api", |group| {
            group.map_get("/a", || "");
            group.fallback_service(axum::Router::new().fallback(why));
        });
        app.fallback_service(mirror());
    });
    async fn why(axum::Extension(why): axum::Extension<NoRoute>) -> String {
        format!("{why:?}")
    }
    for (line, body) in [
        ("GET /nothing?x", "GET /nothing?x "),
        ("POST /known", "POST /known "),
        ("GET /api/b", "UnknownPath"),
        ("POST /api/a", "OtherMethods([GET, HEAD])"),
    ] {
        assert_eq!(send(&service, line, &[], "").await.body, body, "{line}");
    }
}

/// Sends the body back, with the route and its arguments.
struct Echo;

impl Endpoint for Echo {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        assert_ne!(parts.method, Method::TRACE, "a panic before there is a future");
        let args: Vec<_> =
            parts.raw_path_args().map(|(name, text)| format!("{name}={text}")).collect();
        let text = format!("{} {} {args:?}", parts.method, parts.route().unwrap_or_default());
        Box::pin(async move {
            let body = body.collect().await.unwrap().to_bytes();
            Response::new(HttpBody::full(format!("{text} {}", String::from_utf8_lossy(&body))))
        })
    }

    fn describe(&self, description: &mut Description) {
        description.reads_path_arg().reads_path();
    }
}

#[tokio::test]
async fn an_endpoint_is_mapped_for_one_method_or_any() {
    let service = service(|app| {
        let route = app.map_endpoint(RouteMethod::Any, "/any/{x}", Echo);
        assert_eq!(route.method().to_string(), "ANY");
        app.map_endpoint(Method::PUT, "/put/{x}", Echo).map_get("/any/{y}", |y: String| y);
    });
    for (line, status, body) in [
        ("POST /any/1", 200, "POST /any/{x} [\"x=1\"] body"),
        ("OPTIONS /any/1", 200, "OPTIONS /any/{x} [\"x=1\"] body"),
        ("GET /any/1", 200, "1"),
        ("PUT /put/2", 200, "PUT /put/{x} [\"x=2\"] body"),
        ("POST /put/2", 405, "this path does not support this method"),
    ] {
        let answer = send(&service, line, &[], "body").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body), "{line}");
    }
    assert_eq!(send(&service, "TRACE /any/1", &[], "").await.status, 500);
}

#[test]
fn faults_of_mounts_are_reported_with_their_locations() {
    let mut app = App::new();
    app.map_service("files", mirror());
    app.map_service("/a/{*rest}", mirror());
    app.map_service("/b/{x}", mirror()).map_service("/b/{y}/", mirror());
    app.map_endpoint(RouteMethod::Any, "/c", Echo);
    app.group("faulty", |group| {
        group.map_service("/x", mirror());
    });
    let text = app.check().unwrap_err().to_string();
    for part in [
        "`files` is malformed at byte 0",
        "`/a/{*rest}` is malformed at byte 3: a prefix cannot end with `{*name}`",
        "`ANY /b/{y}/{*}` conflicts with `ANY /b/{x}/{*}`",
        "the handler of `ANY /c` takes 1 path argument, but the pattern has 0",
        "`faulty` is malformed at byte 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("mounting.rs:").count(), 6, "{text}");
}

#[tokio::test]
async fn event_streams_of_services_and_endpoints_are_closed_at_shutdown() {
    fn events() -> Response<HttpBody> {
        let first = stream::once(async { Message::new().data("first") });
        let all = futures_util::StreamExt::chain(first, stream::pending());
        Sse::new(all).into_response().map(HttpBody::new)
    }
    struct Events;
    impl Endpoint for Events {
        fn call(&self, _: RequestParts, _: HttpBody) -> BoxFuture<HttpResponse> {
            Box::pin(ready(events()))
        }
    }
    #[derive(Clone)]
    struct EventService;
    impl Service<HttpRequest> for EventService {
        type Response = Response<HttpBody>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: HttpRequest) -> Self::Future {
            ready(Ok(events()))
        }
    }
    let mut inner = App::new();
    inner.map_get("/events", || {
        let first = stream::once(async { Message::new().data("first") });
        sse!(futures_util::StreamExt::chain(first, stream::pending()))
    });
    let inner = inner.into_service().unwrap();
    let server = run(|app| {
        app.map_service("/service", EventService).map_service("/app", inner);
        app.map_endpoint(Method::GET, "/endpoint", Events);
        app.fallback_service(EventService);
    })
    .await;
    let mut streams = Vec::new();
    for path in ["/service/x", "/app/events", "/endpoint", "/other"] {
        let mut stream = super::support::send(server.address, &format!("GET {path}")).await;
        super::support::read_until(&mut stream, "data: first").await;
        streams.push(stream);
    }
    server.shutdown.shutdown();
    for stream in &mut streams {
        let rest = super::support::read_to_end(stream).await;
        assert!(rest.ends_with("0\r\n\r\n"), "a proper end: {rest:?}");
    }
    super::support::soon("the end", server.end).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_app_is_a_service_that_another_app_mounts() {
    let mut inner = App::new();
    inner.map_get(
        "/who/{name}",
        |name: String, Extension(OriginalUri(uri)): Extension<OriginalUri>| ok!("{name} at {uri}"),
    );
    inner.map_get("/error", || Err::<(), _>(Error::client_error("no")));
    let inner = inner.into_service().unwrap();
    let service = service(|app| {
        app.group("/a", |group| {
            group.map_service("/b", inner);
        });
    });
    let answer = send(&service, "GET /a/b/who/anna", &[], "").await;
    assert_eq!(answer.body, "anna at /a/b/who/anna");
    assert_eq!(send(&service, "GET /a/b/error", &[], "").await.status, 400);
    assert_eq!(send(&service, "POST /a/b/error", &[], "").await.status, 405);
}
