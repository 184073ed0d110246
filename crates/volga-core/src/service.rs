//! The router: what is mapped, and the service that it becomes.

use std::{
    convert::Infallible,
    fmt,
    panic::Location,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_service::Service;

use crate::{
    BoxError, BoxFuture, Endpoint, HttpBody, HttpRequest, HttpResponse, RequestParts, RouteError,
    RouteFault, RouteFaults,
    route::{Found, Pattern, Tree},
};

/// Endpoints by method and path.
///
/// A pattern is a path whose segments may be `{arguments}`: `/users/{id}`. A static segment goes before an argument, and a path that leads nowhere
/// this way is tried the other way. One trailing slash is ignored. GET answers HEAD too, unless HEAD is mapped itself.
pub struct Router {
    tree: Tree<Box<dyn Endpoint>>,
    faults: Vec<RouteFault>,
}

impl Router {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { tree: Tree::new(), faults: Vec::new() }
    }

    /// Maps an endpoint. What is wrong with the route is recorded with the caller's place in the source, and told by
    /// [`check`](Self::check) and [`into_service`](Self::into_service).
    #[track_caller]
    pub fn map(&mut self, method: Method, pattern: &str, endpoint: impl Endpoint) {
        let place = Location::caller();
        let mapped = Pattern::parse(pattern)
            .and_then(|pattern| self.tree.insert(method, &pattern, place, Box::new(endpoint)));
        if let Err(error) = mapped {
            self.faults.push(RouteFault { error, place });
        }
    }

    /// As [`map`](Self::map), for an endpoint that takes so many path arguments by position.
    #[track_caller]
    pub fn map_with_args(
        &mut self,
        method: Method,
        pattern: &str,
        taken: usize,
        endpoint: impl Endpoint,
    ) {
        let present = Pattern::parse(pattern).map_or(taken, |pattern| pattern.names().count());
        if present < taken {
            let error =
                RouteError::MissingArgs { method, pattern: pattern.to_owned(), taken, present };
            self.faults.push(RouteFault { error, place: Location::caller() });
        } else {
            self.map(method, pattern, endpoint);
        }
    }

    /// Methods and patterns of all routes, for people to read.
    pub fn routes(&self) -> impl Iterator<Item = (&Method, &str)> {
        self.tree.routes().into_iter()
    }

    /// Tells what is wrong with the routes mapped so far.
    ///
    /// # Errors
    ///
    /// All faults, each with its place in the source.
    pub fn check(&self) -> Result<(), RouteFaults> {
        if self.faults.is_empty() { Ok(()) } else { Err(RouteFaults(self.faults.clone())) }
    }

    /// The service that answers requests by these routes.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn into_service(self) -> Result<RouterService, RouteFaults> {
        self.check()?;
        Ok(RouterService { tree: Arc::new(self.tree) })
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("routes", &self.tree.routes())
            .field("faults", &self.faults)
            .finish()
    }
}

/// Answers requests by the routes of a [`Router`]. Clones share them.
#[derive(Clone)]
pub struct RouterService {
    tree: Arc<Tree<Box<dyn Endpoint>>>,
}

impl RouterService {
    /// Answers a request: 404 for an unknown path; 405, with `Allow`, for a known one that is not mapped for this method.
    pub fn respond(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let response = match self.tree.find(&head.method, head.uri.path()) {
            Found::Target(endpoint, args) => endpoint.call(RequestParts::new(head, args), body),
            Found::OtherMethods(methods) => ready(method_not_allowed(&methods)),
            Found::Nothing => ready(empty(StatusCode::NOT_FOUND)),
        };
        if is_head { Box::pin(async move { without_body(response.await) }) } else { response }
    }
}

impl<B> Service<Request<B>> for RouterService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.respond(request.map(HttpBody::new));
        Box::pin(async move { Ok(response.await) })
    }
}

impl fmt::Debug for RouterService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterService").field("routes", &self.tree.routes()).finish()
    }
}

fn ready(response: HttpResponse) -> BoxFuture<HttpResponse> {
    Box::pin(std::future::ready(response))
}

fn empty(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = status;
    response
}

fn method_not_allowed(methods: &[Method]) -> HttpResponse {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    // Methods are tokens, so they are a header value.
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// The answer to HEAD: what GET would have said of its body's length, and no body. A stream that was to be the body is never polled.
fn without_body(response: HttpResponse) -> HttpResponse {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(head, HttpBody::empty())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::HandlerEndpoint;

    async fn ask(service: &RouterService, method: Method, path: &str) -> HttpResponse {
        let request = Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
        service.respond(request).await
    }

    fn service() -> RouterService {
        let mut router = Router::new();
        router.map(Method::GET, "/a", HandlerEndpoint::new(|| "text"));
        router.map(Method::POST, "/a", HandlerEndpoint::new(|| StatusCode::CREATED));
        router.into_service().unwrap()
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_told_apart() {
        let service = service();
        assert_eq!(ask(&service, Method::GET, "/b").await.status(), 404);
        let response = ask(&service, Method::PUT, "/a").await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
    }

    #[tokio::test]
    async fn head_says_what_get_would_and_sends_no_body() {
        let response = ask(&service(), Method::HEAD, "/a").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[test]
    fn faults_are_told_all_at_once_with_their_places() {
        let mut router = Router::new();
        router.map(Method::GET, "a", HandlerEndpoint::new(|| ""));
        router.map(Method::GET, "/{x}", HandlerEndpoint::new(|| ""));
        router.map(Method::GET, "/{y}", HandlerEndpoint::new(|| ""));
        router.map_with_args(Method::GET, "/z/{y}", 2, HandlerEndpoint::new(|_: u8, _: u8| ""));
        let faults = router.into_service().unwrap_err().to_string();
        for part in [
            "3 of the routes could not be mapped",
            "pattern `a` is malformed at byte 0: a pattern starts with `/`",
            "`GET /{y}` conflicts with `GET /{x}`, mapped before at ",
            "the handler of `GET /z/{y}` takes 2 path arguments, but the pattern has 1",
            "service.rs:",
        ] {
            assert!(faults.contains(part), "{faults}");
        }
    }
}
