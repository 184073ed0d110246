//! The service that a router becomes: it answers requests.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body::Body;
use tower_service::Service;

use crate::{
    AppContext, BodyLimit, BoxError, BoxFuture, Description, Endpoint, Error, HttpBody,
    HttpRequest, HttpResponse, IntoResponse, MapError, Needs, RequestParts, RouteId, RouteMethod,
    catch_panic::CatchPanic,
    request::PathArgs,
    request_context::{RequestContext, RequestLife},
    responder::Responder,
    route::{Found, Pattern, RouteInfo, Spans, Tree},
    way::{Way, lost},
};

/// Answers requests by the routes of a [`Router`](crate::Router). Clones share them.
#[derive(Clone)]
pub struct RouterService {
    shared: Arc<Shared>,
}

struct Shared {
    tree: Tree<RouteId>,
    /// By the number of the route.
    targets: Vec<Target>,
    misses: Misses,
    app: Arc<AppContext>,
}

/// Where a request goes, and who makes the responses of its errors.
pub(crate) struct Target {
    /// What stands on its way, the endpoint as the last.
    pub(crate) stages: Arc<[Arc<dyn Endpoint>]>,
    pub(crate) mapper: Option<Arc<dyn MapError>>,
    pub(crate) body_limit: BodyLimit,
    /// Of the endpoint and all that stands around it.
    pub(crate) needs: Needs,
    /// Whether anything on the way may look at the request's extensions.
    pub(crate) sees_extensions: bool,
    /// That of a mounted service, whose prefix has so many segments.
    pub(crate) mounted: Option<usize>,
}

/// Where requests without a route go, by the paths of routes and the prefixes of scopes.
pub(crate) struct Misses {
    tree: Tree<usize>,
    targets: Vec<MissTarget>,
}

/// Where requests without a route go.
pub(crate) struct MissTarget {
    pub(crate) target: Target,
    /// It is that of a route, whose path arguments it gets.
    pub(crate) has_args: bool,
    /// How many segments the prefix of the scope has, or the pattern of the route.
    pub(crate) depth: usize,
}

impl Misses {
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), targets: Vec::new() }
    }

    /// Adds a target for the patterns that have none yet.
    pub(crate) fn add(&mut self, patterns: &[Pattern], target: MissTarget) {
        for pattern in patterns {
            let place = Location::caller();
            // It conflicts with what was there before, which is what stays.
            let _ = self.tree.insert(RouteMethod::Any, pattern, place, self.targets.len());
        }
        self.targets.push(target);
    }

    /// The target of the route or of the deepest scope that the path lies in. The last one is that of all paths.
    fn find(&self, path: &str) -> (Option<&MissTarget>, PathArgs) {
        let mut spans = Spans::default();
        match self.tree.find(&Method::GET, path, &mut spans) {
            Found::Route(found) => {
                let miss = self.targets.get(found.target);
                let has_args = miss.is_some_and(|miss| miss.has_args);
                let args = has_args.then(|| PathArgs::new(&found.info, spans));
                (miss, args.unwrap_or_default())
            }
            _ => (self.targets.last(), PathArgs::default()),
        }
    }
}

impl RouterService {
    pub(crate) fn new(
        tree: Tree<RouteId>,
        targets: Vec<Target>,
        mut misses: Misses,
        app: AppContext,
    ) -> Self {
        misses.tree.compact();
        Self { shared: Arc::new(Shared { tree, targets, misses, app: Arc::new(app) }) }
    }

    /// Answers a request. Where no route is for it, the status is
    ///
    /// - 404 for an unknown path,
    /// - 405, with `Allow`, for a known one that is not mapped for this method,
    /// - 204, with `Allow`, for OPTIONS of a known one, and of `*`,
    /// - 400 for a path with a `%` that encodes nothing.
    pub fn respond(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        let (head, body) = request.into_parts();
        let response = self.answer(head, body, |_| {});
        Box::pin(async move {
            let Ok(response) = response.await;
            response
        })
    }

    /// Answers a request of which its server knows more than the head says: `extend` puts that into its extensions.
    ///
    /// It is called only where something on the way of the request may look at them: middleware, a fallback, or an extractor that does not take its argument from
    /// the head or the body alone.
    pub fn call_extended<B>(
        &self,
        request: Request<B>,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        // Most requests have no body, and nothing needs no place on the heap.
        let body = if body.is_end_stream() { HttpBody::empty() } else { HttpBody::new(body) };
        self.answer(head, body, extend)
    }

    fn answer(
        &self,
        head: request::Parts,
        body: HttpBody,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let is_head = head.method == Method::HEAD;
        let mut spans = Spans::default();
        let (target, args, why) =
            match self.shared.tree.find(&head.method, head.uri.path(), &mut spans) {
                Found::Route(route) => {
                    let args = PathArgs::new(&route.info, spans);
                    let target = self.shared.targets.get(route.target.index());
                    match target.and_then(|target| self.claimed(target.mounted?, &head)) {
                        None => (target, args, None),
                        Some((miss, args, why)) => (Some(miss), args, Some(why)),
                    }
                }
                found => {
                    let (miss, args) = self.shared.misses.find(head.uri.path());
                    (miss.map(|miss| &miss.target), args, Some(Why::of(found, &head)))
                }
            };
        let mut parts = RequestParts::new(head, args, &body);
        let mut life = None;
        if let Some(Target { stages, mapper, body_limit, needs, sees_extensions, .. }) = target {
            if *sees_extensions {
                extend(&mut parts.extensions);
            }
            *parts.context_mut() = RequestContext::new(&self.shared.app);
            life = Some(RequestLife::begin(needs, &mut parts)).filter(RequestLife::is_needed);
            let carried = parts.carried_mut();
            carried.way = Way::begun(stages);
            carried.body_limit = *body_limit;
            parts.set_mapper(mapper.clone());
        }
        let body = parts.body_limit().bind(body);
        if let Some(why) = why {
            parts.extensions.insert(why);
        }
        let responder = parts.responder();
        // Handlers catch their own panics; this is for middleware.
        let answer = match target.and_then(|target| target.stages.first()) {
            Some(stage) => stage.call(parts, body),
            None => lost(Arc::clone(&responder)),
        };
        let step = Step::Way(CatchPanic::new(answer));
        ResponseFuture { step, responder, is_head, life }
    }

    /// Where a request goes that a service, mounted at a prefix of so many segments, would get if
    /// there were not a scope with a longer prefix around the path, or a route with its own fallback.
    #[cold]
    fn claimed(&self, mounted: usize, head: &request::Parts) -> Option<(&Target, PathArgs, Why)> {
        let path = head.uri.path();
        let (miss, args) = self.shared.misses.find(path);
        let miss = miss.filter(|miss| miss.depth > mounted)?;
        let found = match self.shared.tree.methods_of(path) {
            methods if methods.is_empty() => Found::<RouteId>::Nothing,
            methods => Found::OtherMethods(methods),
        };
        Some((&miss.target, args, Why::of(found, head)))
    }

    /// The route that a request with this method and path would take, if there is one.
    #[must_use]
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Option<RouteMatch<'a>> {
        let mut spans = Spans::default();
        match self.shared.tree.find(method, path, &mut spans) {
            Found::Route(route) => Some(RouteMatch { info: &route.info, spans, path }),
            Found::OtherMethods(_) | Found::Malformed | Found::Nothing => None,
        }
    }
}

/// A route, found for a path; given by [`RouterService::find`].
pub struct RouteMatch<'a> {
    info: &'a RouteInfo,
    spans: Spans,
    path: &'a str,
}

impl<'a> RouteMatch<'a> {
    /// The pattern of the route.
    #[must_use]
    pub fn pattern(&self) -> &'a str {
        &self.info.pattern
    }

    /// The path arguments, from left to right: their names, and their text as it stands in the path.
    pub fn raw_path_args(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = |index| self.spans.slice(self.path, index);
        self.info
            .names
            .iter()
            .enumerate()
            .filter_map(move |(index, name)| Some((&**name, text(index)?)))
    }
}

impl fmt::Debug for RouteMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMatch")
            .field("pattern", &self.pattern())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for RouterService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.call_extended(request, |_| {})
    }
}

/// The future of a response; what a [`RouterService`] gives as a [`Service`].
#[must_use = "a future does nothing until it is awaited"]
pub struct ResponseFuture {
    // Before the life, so that what answers is gone before the services that it uses.
    step: Step,
    responder: Arc<Responder>,
    is_head: bool,
    life: Option<RequestLife>,
}

/// How far an answer is.
enum Step {
    /// The request is on its way.
    Way(CatchPanic<BoxFuture<HttpResponse>>),
    /// Middleware panicked.
    Panic(BoxFuture<HttpResponse>),
    Done,
}

impl Future for ResponseFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = loop {
            match &mut self.step {
                Step::Way(answer) => match ready!(Pin::new(answer).poll(cx)) {
                    Ok(response) => break response,
                    Err(panic) => {
                        let responder = Arc::clone(&self.responder);
                        let response = async move { responder.respond_to(panic).await };
                        self.step = Step::Panic(Box::pin(response));
                    }
                },
                Step::Panic(response) => break ready!(response.as_mut().poll(cx)),
                Step::Done => panic!("a future was polled after its end"),
            }
        };
        // What answered lets go of its services and its token now, or they would seem to be in use.
        self.step = Step::Done;
        if self.is_head {
            response = without_body(response);
        }
        if let Some(life) = self.life.take() {
            response = life.attach(response);
        }
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for RouterService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterService").field("routes", &self.shared.tree.routes()).finish()
    }
}

/// Why a request has no route, as its fallback finds it: `Extension(why): Extension<NoRoute>` is an argument of the handler.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoRoute {
    /// Nothing is mapped at its path: 404.
    UnknownPath,
    /// Its path is mapped, for these methods only: 405. The response gets `Allow` by itself.
    OtherMethods(Vec<Method>),
}

/// Why a request has no route.
#[derive(Clone, Debug)]
enum Why {
    UnknownPath,
    OtherMethods(Vec<Method>),
    Options(Vec<Method>),
    Malformed,
}

impl Why {
    fn of<T>(found: Found<'_, T>, head: &request::Parts) -> Self {
        let is_options = head.method == Method::OPTIONS;
        match found {
            Found::OtherMethods(methods) if is_options => Self::Options(methods),
            Found::OtherMethods(methods) => Self::OtherMethods(methods),
            Found::Malformed => Self::Malformed,
            _ if is_options && head.uri.path() == "*" => Self::Options(Vec::new()),
            _ => Self::UnknownPath,
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Malformed => Error::client_error("path: malformed percent-encoding"),
            Self::OtherMethods(_) | Self::Options(_) => Error::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the path is known, but not for this method",
            ),
            Self::UnknownPath => Error::new(StatusCode::NOT_FOUND, "nothing is at this path"),
        }
    }

    /// The methods that the path is mapped for.
    fn allow(&self) -> Option<HeaderValue> {
        let (Self::OtherMethods(methods) | Self::Options(methods)) = self else { return None };
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        // Methods are tokens, so they are a header value.
        HeaderValue::from_str(&names.join(", ")).ok().filter(|_| !names.is_empty())
    }
}

/// Answers requests without a route.
pub(crate) struct Miss {
    pub(crate) fallback: Option<Arc<dyn Endpoint>>,
}

impl Endpoint for Miss {
    fn describe(&self, description: &mut Description) {
        // Why there is no route is among the extensions.
        description.reads_extensions().responds_error();
        if let Some(fallback) = &self.fallback {
            fallback.describe(description);
        }
    }

    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let why = parts.extensions.remove().unwrap_or(Why::UnknownPath);
        let responder = parts.responder();
        let no_route = match &why {
            Why::UnknownPath => Some(NoRoute::UnknownPath),
            Why::OtherMethods(methods) => Some(NoRoute::OtherMethods(methods.clone())),
            Why::Options(_) | Why::Malformed => None,
        };
        let fallback = no_route.zip(self.fallback.as_ref()).map(|(no_route, endpoint)| {
            parts.extensions.insert(no_route);
            endpoint.call(parts, body)
        });
        Box::pin(async move {
            let mut response = match (fallback, &why) {
                (Some(response), _) => response.await,
                (None, Why::Options(_)) => {
                    responder.respond(StatusCode::NO_CONTENT.into_response()).await
                }
                (None, why) => responder.respond_to(why.error()).await,
            };
            if let Some(allow) = why.allow() {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        })
    }
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
    use crate::{
        Extension, Filter, FromRequestParts, HandlerEndpoint, Place, Router, ScopeId, TapRequest,
        Text,
    };

    async fn ask(service: &RouterService, method: Method, path: &str) -> HttpResponse {
        let request = Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
        service.respond(request).await
    }

    fn service() -> RouterService {
        let mut router = Router::new();
        router.map(Method::GET, "/a", HandlerEndpoint::new(|| "text"));
        router.map(Method::POST, "/a", HandlerEndpoint::new(|| StatusCode::CREATED));
        router.map(Method::OPTIONS, "/own", HandlerEndpoint::new(|| "own"));
        router.map(Method::GET, "/own/{x}", HandlerEndpoint::new(|| ""));
        router.into_service().unwrap()
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_told_apart() {
        let service = service();
        assert_eq!(ask(&service, Method::GET, "/b").await.status(), 404);
        assert_eq!(ask(&service, Method::GET, "/b%").await.status(), 400);
        let response = ask(&service, Method::PUT, "/a").await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
    }

    #[tokio::test]
    async fn options_is_answered_for_known_paths_unless_it_is_mapped() {
        let service = service();
        let response = ask(&service, Method::OPTIONS, "/a").await;
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
        assert_eq!(ask(&service, Method::OPTIONS, "/own").await.status(), 200);
        assert_eq!(ask(&service, Method::OPTIONS, "/b").await.status(), 404);
        assert_eq!(ask(&service, Method::OPTIONS, "*").await.status(), 204);
    }

    #[tokio::test]
    async fn head_says_what_get_would_and_sends_no_body() {
        let response = ask(&service(), Method::HEAD, "/a").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    /// Whether the server is asked what it knows, and whether the handler finds it.
    async fn extended(router: Router, path: &str) -> (bool, bool) {
        let service = router.into_service().unwrap();
        let mut is_asked = false;
        let request = Request::get(path).body(HttpBody::empty()).unwrap();
        let response = service.call_extended(request, |extensions| {
            is_asked = true;
            extensions.insert("known");
        });
        let Ok(response) = response.await;
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (is_asked, &*text == b"known")
    }

    #[tokio::test]
    async fn what_the_server_knows_is_there_wherever_anything_may_look_for_it() {
        fn map(router: &mut Router) {
            router.map(Method::GET, "/none", HandlerEndpoint::new(|| ""));
            router.map(Method::GET, "/{a}/head", HandlerEndpoint::new(|_: u8, _: Method| ""));
            router.map(
                Method::GET,
                "/body",
                HandlerEndpoint::new(async |_: Result<Text, Error>| ""),
            );
            router.map(Method::GET, "/{a}/seen", HandlerEndpoint::new(sees));
            router.map(Method::GET, "/request", HandlerEndpoint::new(has));
            router.map(Method::GET, "/silent", HandlerEndpoint::new(|_: Silent| ""));
            router.map(Method::GET, "/modest", HandlerEndpoint::new(|_: Option<Modest>| ""));
        }
        impl crate::MayBeAbsent for Modest {
            fn is_absent(_: &RequestParts) -> bool {
                true
            }
        }
        async fn sees(_: u8, text: Option<Extension<&'static str>>, _: Method) -> &'static str {
            text.map_or("", |text| *text)
        }
        async fn has(request: HttpRequest) -> &'static str {
            request.extensions().get().copied().unwrap_or_default()
        }
        /// It does not say what it reads.
        struct Silent;
        impl FromRequestParts for Silent {
            async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
                Ok(Self)
            }
        }
        /// It says that it reads no extensions.
        struct Modest;
        impl FromRequestParts for Modest {
            fn describe(description: &mut Description) {
                description.reads_query();
            }

            async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
                Ok(Self)
            }
        }
        for (path, is_asked, is_found) in [
            ("/silent", true, false),
            ("/modest", false, false),
            ("/none", false, false),
            ("/1/head", false, false),
            ("/body", false, false),
            ("/1/seen", true, true),
            ("/request", true, true),
            ("/nowhere", true, false),
        ] {
            let mut router = Router::new();
            map(&mut router);
            assert_eq!(extended(router, path).await, (is_asked, is_found), "{path}");
        }
        let mut router = Router::new();
        map(&mut router);
        router.add_middleware(
            Place::Scope(ScopeId::ROOT),
            TapRequest::new(|_: &mut RequestParts| {}),
        );
        assert!(extended(router, "/none").await.0, "middleware may look at anything");
        let mut router = Router::new();
        map(&mut router);
        router.add_middleware(Place::Scope(ScopeId::ROOT), Filter::new(|_: Method| true));
        assert!(!extended(router, "/none").await.0, "this one says that it does not");
    }

    #[test]
    fn the_route_of_a_request_is_told_without_asking_it() {
        let service = service();
        let found = service.find(&Method::HEAD, "/own/a%20b").unwrap();
        assert_eq!(found.pattern(), "/own/{x}");
        assert_eq!(found.raw_path_args().collect::<Vec<_>>(), [("x", "a%20b")]);
        assert!(service.find(&Method::PUT, "/a").is_none());
    }
}
