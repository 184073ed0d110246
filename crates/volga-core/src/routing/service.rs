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

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::middleware::pipeline::{Pipeline, missing_pipeline};
use crate::request::app_context::AppContext;
use crate::request::body::HttpBody;
use crate::request::body_limit::BodyLimit;
use crate::request::context::{RequestContext, RequestGuard};
use crate::request::original_uri::OriginalUri;
use crate::request::parts::{HttpRequest, RequestParts};
use crate::request::path_args::PathArgs;
use crate::response::box_error::BoxError;
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::error_mapper::MapError;
use crate::response::into_response::{HttpResponse, IntoResponse};
use crate::response::responder::Responder;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;
use crate::routing::router::RouteId;
use crate::routing::tree::{Found, RouteInfo, Spans, Tree};
use crate::services::needs::Needs;

/// Answers requests by the routes of a [`Router`](crate::Router). Clones share them.
#[derive(Clone)]
pub struct RouterService {
    routes: Arc<Routes>,
    /// What stands before routing, if anything does.
    before: Option<Arc<Target>>,
}

struct Routes {
    tree: Tree<RouteId>,
    /// By the number of the route.
    targets: Vec<Target>,
    misses: FallbackTable,
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
    /// It stands before routing.
    pub(crate) is_before: bool,
}

/// Where requests without a route go, by the paths of routes and the prefixes of scopes.
pub(crate) struct FallbackTable {
    tree: Tree<usize>,
    targets: Vec<FallbackTarget>,
}

/// Where requests without a route go.
pub(crate) struct FallbackTarget {
    pub(crate) target: Target,
    /// It is that of a route, whose path arguments it gets.
    pub(crate) has_args: bool,
    /// How many segments the prefix of the scope has, or the pattern of the route.
    pub(crate) depth: usize,
}

impl FallbackTable {
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), targets: Vec::new() }
    }

    /// Adds a target for the patterns that have none yet.
    pub(crate) fn add(&mut self, patterns: &[Pattern], target: FallbackTarget) {
        for pattern in patterns {
            let place = Location::caller();
            // It conflicts with what was there before, which is what stays.
            let _ = self.tree.insert(RouteMethod::Any, pattern, place, self.targets.len());
        }
        self.targets.push(target);
    }

    /// The target of the route or of the deepest scope that the path lies in. The last one is that
    /// of all paths.
    fn find(&self, path: &str) -> (Option<&FallbackTarget>, PathArgs) {
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
        mut misses: FallbackTable,
        app: AppContext,
    ) -> Self {
        misses.tree.compact();
        Self {
            routes: Arc::new(Routes { tree, targets, misses, app: Arc::new(app) }),
            before: None,
        }
    }

    /// Puts something before routing: `target` makes it of the endpoint that routes.
    pub(crate) fn with_before(mut self, target: impl FnOnce(Arc<dyn Endpoint>) -> Target) -> Self {
        self.before = Some(Arc::new(target(Arc::new(Routing(Arc::clone(&self.routes))))));
        self
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

    /// Answers a request of which its server knows more than the head says: `extend` puts that into
    /// its extensions.
    ///
    /// It is called only where something on the way of the request may look at them: middleware, a
    /// fallback, or an extractor that does not take its argument from the head or the body alone.
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
        let context = RequestContext::new(&self.routes.app);
        match &self.before {
            None => self.routes.answer(head, body, context, extend),
            Some(before) => before.answer(head, body, context, extend),
        }
    }

    /// The route that a request with this method and path would take, if there is one.
    #[must_use]
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Option<RouteMatch<'a>> {
        let mut spans = Spans::default();
        match self.routes.tree.find(method, path, &mut spans) {
            Found::Route(route) => Some(RouteMatch { info: &route.info, spans, path }),
            Found::OtherMethods(_) | Found::Malformed | Found::Nothing => None,
        }
    }
}

impl Routes {
    /// Finds the route of a request, and answers by it.
    fn answer(
        &self,
        head: request::Parts,
        body: HttpBody,
        context: RequestContext,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let mut spans = Spans::default();
        let (target, args, why) = match self.tree.find(&head.method, head.uri.path(), &mut spans) {
            Found::Route(route) => {
                let args = PathArgs::new(&route.info, spans);
                let target = self.targets.get(route.target.index());
                match target.and_then(|target| self.claimed(target.mounted?, &head)) {
                    None => (target, args, None),
                    Some((miss, args, why)) => (Some(miss), args, Some(why)),
                }
            }
            found => {
                let (miss, args) = self.misses.find(head.uri.path());
                (miss.map(|miss| &miss.target), args, Some(NoRouteReason::of(found, &head)))
            }
        };
        let parts = RequestParts::new(head, args, &body);
        match target {
            Some(target) => target.send(parts, body, context, why, extend),
            None => ResponseFuture::missing_pipeline(parts),
        }
    }

    /// Where a request goes that a service, mounted at a prefix of so many segments, would get if
    /// there were not a scope with a longer prefix around the path, or a route with its own
    /// fallback.
    #[cold]
    fn claimed(
        &self,
        mounted: usize,
        head: &request::Parts,
    ) -> Option<(&Target, PathArgs, NoRouteReason)> {
        let path = head.uri.path();
        let (miss, args) = self.misses.find(path);
        let miss = miss.filter(|miss| miss.depth > mounted)?;
        let found = match self.tree.methods_of(path) {
            methods if methods.is_empty() => Found::<RouteId>::Nothing,
            methods => Found::OtherMethods(methods),
        };
        Some((&miss.target, args, NoRouteReason::of(found, head)))
    }
}

impl Target {
    /// Answers a request before it is known where it goes.
    fn answer(
        &self,
        mut head: request::Parts,
        body: HttpBody,
        context: RequestContext,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        if head.extensions.get::<OriginalUri>().is_none() {
            let original = OriginalUri(head.uri.clone());
            head.extensions.insert(original);
        }
        let parts = RequestParts::new(head, PathArgs::default(), &body);
        self.send(parts, body, context, None, extend)
    }

    /// Sends a request on its way.
    #[inline]
    fn send(
        &self,
        mut parts: RequestParts,
        body: HttpBody,
        context: RequestContext,
        why: Option<NoRouteReason>,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let is_head = parts.method == Method::HEAD;
        if self.sees_extensions {
            extend(&mut parts.extensions);
        }
        *parts.context_mut() = context;
        let life = RequestGuard::begin(&self.needs, &mut parts);
        let life = Some(life).filter(RequestGuard::is_needed);
        let state = parts.state_mut();
        state.pipeline = Pipeline::after_first(&self.stages);
        state.body_limit = self.body_limit;
        parts.set_mapper(self.mapper.clone());
        // Before routing, nobody knows how long the body may be.
        let body = if self.is_before { body } else { parts.body_limit().apply(body) };
        if let Some(why) = why {
            parts.extensions.insert(why);
        }
        let responder = parts.responder();
        // Handlers catch their own panics; this is for middleware.
        let answer = CatchPanic::call(|| match self.stages.first() {
            Some(stage) => stage.call(parts, body),
            None => missing_pipeline(Arc::clone(&responder)),
        });
        let step = match answer {
            Ok(answer) => Step::Pipeline(CatchPanic::new(answer)),
            Err(panic) => Step::panic(&responder, panic),
        };
        ResponseFuture { step, responder, is_head, life }
    }
}

/// Finds the route of a request, whatever was done to it before.
struct Routing(Arc<Routes>);

impl Endpoint for Routing {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let context = match parts.context() {
            context if context.app().is_some() => context.clone(),
            // A layer has made a request of its own.
            _ => RequestContext::new(&self.0.app),
        };
        // What the server knows was put there before.
        let response = self.0.answer(parts.into_head(), body, context, |_| {});
        Box::pin(async move {
            let Ok(response) = response.await;
            response
        })
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

    /// The path arguments, from left to right: their names, and their text as it stands in the
    /// path.
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
    life: Option<RequestGuard>,
}

/// How far an answer is.
enum Step {
    /// The request is on its way.
    Pipeline(CatchPanic<BoxFuture<HttpResponse>>),
    /// Middleware panicked.
    Panic(BoxFuture<HttpResponse>),
    Done,
}

impl Step {
    fn panic(responder: &Arc<Responder>, panic: Error) -> Self {
        let responder = Arc::clone(responder);
        Self::Panic(Box::pin(async move { responder.respond_to(panic).await }))
    }
}

impl ResponseFuture {
    /// Of a request that goes nowhere.
    fn missing_pipeline(parts: RequestParts) -> Self {
        let (responder, is_head) = (parts.responder(), parts.method == Method::HEAD);
        let step = Step::Pipeline(CatchPanic::new(missing_pipeline(Arc::clone(&responder))));
        Self { step, responder, is_head, life: None }
    }
}

impl Future for ResponseFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = loop {
            match &mut self.step {
                Step::Pipeline(answer) => match ready!(Pin::new(answer).poll(cx)) {
                    Ok(response) => break response,
                    Err(panic) => self.step = Step::panic(&self.responder, panic),
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
        f.debug_struct("RouterService").field("routes", &self.routes.tree.routes()).finish()
    }
}

/// Why a request has no route, as its fallback finds it: `Extension(why): Extension<NoRoute>` is an
/// argument of the handler.
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
enum NoRouteReason {
    UnknownPath,
    OtherMethods(Vec<Method>),
    Options(Vec<Method>),
    Malformed,
}

impl NoRouteReason {
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
pub(crate) struct NoRouteEndpoint {
    pub(crate) fallback: Option<Arc<dyn Endpoint>>,
}

impl Endpoint for NoRouteEndpoint {
    fn describe(&self, description: &mut Description) {
        // Why there is no route is among the extensions.
        description.reads_extensions().responds_error();
        if let Some(fallback) = &self.fallback {
            fallback.describe(description);
        }
    }

    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let why = parts.extensions.remove().unwrap_or(NoRouteReason::UnknownPath);
        let responder = parts.responder();
        let no_route = match &why {
            NoRouteReason::UnknownPath => Some(NoRoute::UnknownPath),
            NoRouteReason::OtherMethods(methods) => Some(NoRoute::OtherMethods(methods.clone())),
            NoRouteReason::Options(_) | NoRouteReason::Malformed => None,
        };
        let fallback = no_route.zip(self.fallback.as_ref()).map(|(no_route, endpoint)| {
            parts.extensions.insert(no_route);
            endpoint.call(parts, body)
        });
        Box::pin(async move {
            let mut response = match (fallback, &why) {
                (Some(response), _) => response.await,
                (None, NoRouteReason::Options(_)) => {
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

/// The answer to HEAD: what GET would have said of its body's length, and no body. A stream that
/// was to be the body is never polled.
fn without_body(response: HttpResponse) -> HttpResponse {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(head, HttpBody::empty())
}

#[cfg(test)]
mod tests;
