//! `RouterService`: the service that a router becomes.

pub(crate) mod response_future;
pub(in crate::routing) mod target;

use std::convert::Infallible;
use std::fmt;
use std::hint::cold_path;
use std::mem::take;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, Method, Request, header, request};
use http_body::Body;
use tower_service::Service;

use crate::handler::box_future::BoxFuture;
use crate::request::app_context::{AppContext, AppHandle};
use crate::request::body::HttpBody;
use crate::request::context::RequestContext;
use crate::request::parts::{Endpoint, HttpRequest, RequestParts, RequestState};
use crate::request::path_args::{PathArgs, RouteRef};
use crate::response::box_error::BoxError;
use crate::response::cross_origin::{CrossOriginPolicy, PolicyApplied};
use crate::response::into_response::HttpResponse;
use crate::routing::no_route::NoRouteReason;
use crate::routing::no_route::fallback::{FallbackTable, FallbackTarget};
use crate::routing::service::response_future::ResponseFuture;
use crate::routing::service::target::Target;
use crate::routing::settings::RouteId;
use crate::routing::tree::{Lookup, RouteInfo, Spans, Tree};

/// Responds to requests by the routes of a [`Router`](crate::Router). Clones share the routes.
#[derive(Clone)]
pub struct RouterService(Arc<Shared>);

/// The state that the clones of a service share.
struct Shared {
    routes: Arc<Routes>,
    app: AppHandle,
    /// The middleware before routing, if there is any.
    before_routing: Option<Arc<Target>>,
}

struct Routes {
    tree: Tree<RouteId>,
    /// The target of each route, by the number of the route.
    targets: Vec<Target>,
    fallbacks: FallbackTable,
    app: AppHandle,
    /// Whether any target has a policy about pages of other origins.
    has_policies: bool,
}

impl RouterService {
    pub(crate) fn new(
        tree: Tree<RouteId>,
        targets: Vec<Target>,
        mut fallbacks: FallbackTable,
        app: AppContext,
        has_policies: bool,
    ) -> Self {
        fallbacks.compact();
        let app = AppHandle::new(app, tree.infos());
        Self(Arc::new(Shared {
            app: app.separate(),
            routes: Arc::new(Routes { tree, targets, fallbacks, app, has_policies }),
            before_routing: None,
        }))
    }

    /// Returns a service for the requests of one connection. It responds as a clone does.
    ///
    /// Each request holds a reference to the service's state. Clones share one count of these
    /// references, so the threads of a runtime wait for each other whenever a request begins or
    /// ends. Services from this function do not share it.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        let Shared { routes, app, before_routing } = &*self.0;
        Self(Arc::new(Shared {
            routes: Arc::clone(routes),
            app: app.separate(),
            before_routing: before_routing.clone(),
        }))
    }

    /// Adds middleware before routing. `target` wraps the endpoint that does the routing.
    pub(crate) fn with_before_routing(
        self,
        target: impl FnOnce(Arc<dyn Endpoint>) -> Target,
    ) -> Self {
        let Shared { routes, app, .. } = &*self.0;
        let target = target(Arc::new(Routing(Arc::clone(routes))));
        Self(Arc::new(Shared {
            routes: Arc::clone(routes),
            app: app.clone(),
            before_routing: Some(Arc::new(target)),
        }))
    }

    /// Responds to a request. For a request without a route the status is
    ///
    /// - 404 for an unknown path,
    /// - 405, with `Allow`, for a known path that is not mapped for the method,
    /// - 204, with `Allow`, for OPTIONS of a known path,
    /// - 204 for OPTIONS of `*`,
    /// - 400 for a path with malformed percent-encoding.
    pub fn respond(&self, request: HttpRequest) -> BoxFuture<HttpResponse> {
        let (head, body) = request.into_parts();
        let parts = RequestParts::with_state(head, RequestState::default());
        let response = self.send(parts, body.into_request_body(), |_| {});
        Box::pin(async move {
            let Ok(response) = response.await;
            response
        })
    }

    /// Responds to a request for which the server has extensions, such as the address of the
    /// client. `extend` adds them.
    ///
    /// `extend` is called only if something may read the extensions of the request: middleware, a
    /// fallback, or an extractor that does not declare that it reads only the head or the body. For
    /// most requests it is not called, which saves the allocation of the extensions.
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
        // The head goes into its box at once, because it is large.
        let parts = RequestParts::with_state(head, RequestState::default());
        // Most requests have no body. The check saves an allocation for them.
        let body = if body.is_end_stream() {
            HttpBody::empty()
        } else {
            cold_path();
            HttpBody::new(body).into_request_body()
        };
        self.send(parts, body, extend)
    }

    fn send(
        &self,
        parts: RequestParts,
        body: HttpBody,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let Shared { routes, app, before_routing } = &*self.0;
        match before_routing {
            None => routes.send(parts, body, app, None, extend),
            Some(target) => {
                cold_path();
                target.send_before_routing(parts, body, app, extend)
            }
        }
    }

    /// Finds the route for a method and a path.
    #[must_use]
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Option<RouteMatch<'a>> {
        let mut spans = Spans::default();
        match self.0.routes.tree.find(method, path, &mut spans) {
            Lookup::Route(route) => Some(RouteMatch { info: &route.info, spans, path }),
            Lookup::OtherMethods(_) | Lookup::Malformed | Lookup::UnknownPath => None,
        }
    }
}

impl Routes {
    /// Finds the route of a request, and sends the request to it. It has the context of the app, or
    /// that of a request that has passed the middleware before routing.
    fn send(
        &self,
        mut parts: RequestParts,
        body: HttpBody,
        app: &AppHandle,
        outer: Option<&RequestContext>,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        if self.has_policies
            && parts.method == Method::OPTIONS
            && let Some(response) = self.preflight(&parts)
        {
            return ResponseFuture::of_preflight(parts, response);
        }
        let (head, RequestState { path_args: args, .. }) = parts.split_mut();
        let mut policy = None;
        let found = self.tree.find(&head.method, head.uri.path(), &mut args.spans);
        let target = match found {
            Lookup::Route(route) => {
                args.route = RouteRef::Number(route.index);
                let target = self.targets.get(route.target.index());
                match target.and_then(|target| self.fallback_inside_mount(target.mounted?, head)) {
                    None => target,
                    Some((fallback, prefix, reason)) => {
                        cold_path();
                        *args = prefix;
                        head.extensions.insert(reason);
                        Some(fallback)
                    }
                }
            }
            found => {
                cold_path();
                if let Lookup::OtherMethods(methods) = &found {
                    self.tell_of_query(methods, head);
                    // A preflight that no policy has answered allows nothing.
                    if head.method != Method::OPTIONS {
                        policy = self.policy_of_path(head.uri.path(), methods);
                    }
                }
                let (fallback, prefix) = self.fallback(&found, head.uri.path());
                *args = prefix;
                let reason = NoRouteReason::new(found, head);
                head.extensions.insert(reason);
                fallback.map(|fallback| &fallback.target)
            }
        };
        match target {
            Some(target) => target.send(parts, body, app, outer, policy, extend),
            None => {
                cold_path();
                ResponseFuture::without_target(parts)
            }
        }
    }

    /// Responds to a preflight by the policy of the route that it asks for. `None` if the request
    /// is not a preflight, its path is unknown, or that route has no policy.
    #[cold]
    fn preflight(&self, head: &request::Parts) -> Option<HttpResponse> {
        head.headers.get(header::ORIGIN)?;
        let method = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let path = head.uri.path();
        let mut methods = self.tree.methods_of(path);
        let policy = match self.tree.find(&method, path, &mut Spans::default()) {
            Lookup::Route(route) => {
                // A mounted service takes every method.
                if !methods.contains(&method) {
                    methods.push(method);
                }
                self.targets.get(route.target.index())?.policy.as_deref()
            }
            found @ Lookup::OtherMethods(_) => {
                let fallback = self.fallback(&found, path).0;
                let policy = fallback.and_then(|fallback| fallback.target.policy.as_deref());
                policy.or_else(|| self.policy_of_path(path, &methods))
            }
            Lookup::UnknownPath | Lookup::Malformed => None,
        };
        // The router responds to OPTIONS for every known path.
        if !methods.contains(&Method::OPTIONS) {
            methods.push(Method::OPTIONS);
        }
        let mut response = policy?.preflight(head, &methods);
        response.extensions_mut().insert(PolicyApplied);
        Some(response)
    }

    /// The policy of the first of these methods of a path that has one. It applies to a request
    /// with a method for which the path is not mapped, if no scope around the path has a policy.
    #[cold]
    fn policy_of_path(&self, path: &str, methods: &[Method]) -> Option<&dyn CrossOriginPolicy> {
        if !self.has_policies {
            return None;
        }
        methods.iter().find_map(|method| {
            match self.tree.find(method, path, &mut Spans::default()) {
                Lookup::Route(route) => self.targets.get(route.target.index())?.policy.as_deref(),
                _ => None,
            }
        })
    }

    /// Remembers which media types a QUERY of the path may have, if it is mapped for QUERY.
    #[cold]
    fn tell_of_query(&self, methods: &[Method], head: &mut request::Parts) {
        if !methods.contains(&Method::QUERY) {
            return;
        }
        if let Lookup::Route(route) =
            self.tree.find(&Method::QUERY, head.uri.path(), &mut Spans::default())
            && let Some(target) = self.targets.get(route.target.index())
            && let Some(accept) = target.accept_query.clone()
        {
            head.extensions.insert(accept);
        }
    }

    /// Finds who responds to a request without a route: the fallback of a route, or a scope.
    #[cold]
    fn fallback(
        &self,
        found: &Lookup<'_, RouteId>,
        path: &str,
    ) -> (Option<&FallbackTarget>, PathArgs) {
        let (fallback, args) = match found {
            Lookup::OtherMethods(_) => self.fallbacks.of_routes(path).unzip(),
            // The path has no segments that could be compared with a prefix.
            Lookup::Malformed => (None, None),
            Lookup::UnknownPath | Lookup::Route(_) => self.fallbacks.of_scopes(path).unzip(),
        };
        (fallback.or_else(|| self.fallbacks.root()), args.unwrap_or_default())
    }

    /// Finds the fallback that takes a request away from a mounted service, whose prefix has this
    /// many segments. The path is below the prefix of a scope that is longer, or it has a route
    /// with its own fallback.
    #[cold]
    fn fallback_inside_mount(
        &self,
        mounted: usize,
        head: &request::Parts,
    ) -> Option<(&Target, PathArgs, NoRouteReason)> {
        let path = head.uri.path();
        let found = match self.tree.methods_of(path) {
            methods if methods.is_empty() => Lookup::<RouteId>::UnknownPath,
            methods => Lookup::OtherMethods(methods),
        };
        let (fallback, args) = self.fallback(&found, path);
        let is_deeper = |target: &FallbackTarget| target.depth > mounted;
        let fallback = fallback.filter(|fallback| {
            is_deeper(fallback)
                || self.fallbacks.of_scopes(path).is_some_and(|(scope, _)| is_deeper(scope))
        })?;
        Some((&fallback.target, args, NoRouteReason::new(found, head)))
    }
}

/// The endpoint that does the routing, inside of the middleware before routing.
struct Routing(Arc<Routes>);

impl Endpoint for Routing {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let outer = take(parts.state_mut()).context;
        // The extensions of the server were added before the middleware ran.
        let response = self.0.send(parts, body, &self.0.app, Some(&outer), |_| {});
        Box::pin(async move {
            let Ok(response) = response.await;
            response
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

/// A route that matches a path. [`RouterService::find`] returns it.
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

    /// The path arguments, from left to right: the names, and the texts as they are in the path.
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

impl fmt::Debug for RouterService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterService").field("routes", &self.0.routes.tree.routes()).finish()
    }
}

#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod tests;
