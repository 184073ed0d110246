//! `Router`: routes and settings before they become a service.

mod build;
mod checks;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use http::Method;

use self::checks::{check_args, check_prefix, check_start, described};
use crate::handler::description::Description;
use crate::middleware::Middleware;
use crate::request::app_context::AppContext;
use crate::request::body_limit::BodyLimit;
use crate::request::parts::Endpoint;
use crate::response::cross_origin::CrossOriginPolicy;
use crate::response::error_format::ErrorFormat;
use crate::response::error_mapper::MapError;
use crate::routing::fault::{RouteError, RouteFault, RouteFaults};
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;
use crate::routing::query_method::{AcceptQuery, QueryEndpoint};
use crate::routing::settings::{RouteId, ScopeId, Settings, SettingsLevel};
use crate::routing::strip_prefix::StripPrefix;
use crate::routing::tree::Tree;
use crate::services::builder::ServicesBuilder;
use crate::services::check::{ServiceConsumer, ServiceFaults};

/// Maps methods and paths to endpoints.
///
/// A pattern is a path whose segments may be arguments:
///
/// | Segment | Matches |
/// |---|---|
/// | `users` | itself, percent-decoded and case-sensitive |
/// | `{id:int}` | one segment that satisfies the constraint: `uuid`, `bool`, `uint` (fits `u64`), `int` (fits `i64`), `hex`, `alpha` (ASCII letters) |
/// | `{id}` | one segment that is not empty |
/// | `{*path}`, as the last segment | one or more segments, of which the first is not empty |
///
/// At each segment of a path, the router tries the kinds of segments in this order, and constraints
/// in the order of the table. If the rest of the path does not match, it tries the next kind. One
/// trailing slash is ignored in the pattern and in the path. A GET route also responds to HEAD, and
/// the router responds to OPTIONS for every known path, unless you map these methods yourself.
pub struct Router {
    tree: Tree<RouteId>,
    routes: Vec<MappedRoute>,
    scopes: Vec<RouteScope>,
    faults: Vec<RouteFault>,
    app: AppContext,
    /// The middleware before routing.
    before_routing: Vec<BeforeRouting>,
}

/// Middleware before routing, and the place in the source where it was added.
struct BeforeRouting {
    middleware: Box<dyn Middleware>,
    location: &'static Location<'static>,
}

/// A mapped route. Faulty routes are kept, too, so that every `RouteId` identifies a route.
///
/// The settings of the route, of its scope, of the scopes around that and of the router are looked
/// up when the router becomes a service. So the order of settings and routes does not matter.
struct MappedRoute {
    method: RouteMethod,
    pattern: String,
    /// The number of segments of the prefix, for a mounted service.
    mounted: Option<usize>,
    /// The media types of the body, for a route that [`Router::map_query_in`] has mapped.
    accept_query: Option<AcceptQuery>,
    scope: ScopeId,
    endpoint: Arc<dyn Endpoint>,
    settings: Settings,
    location: &'static Location<'static>,
}

struct RouteScope {
    /// `None` for the root.
    parent: Option<ScopeId>,
    /// The prefix with the prefixes of the scopes around it, without a trailing slash.
    prefix: String,
    /// The prefix of this scope, or of a scope around it, is malformed. That is reported once, and
    /// not again for each route.
    is_faulty: bool,
    settings: Settings,
}

impl Router {
    /// Creates a router without routes.
    #[must_use]
    pub fn new() -> Self {
        let root = RouteScope {
            parent: None,
            prefix: String::new(),
            is_faulty: false,
            settings: Settings::default(),
        };
        Self {
            tree: Tree::new(),
            routes: Vec::new(),
            scopes: vec![root],
            faults: Vec::new(),
            app: AppContext::default(),
            before_routing: Vec::new(),
        }
    }

    /// Maps an endpoint.
    ///
    /// An error in the route is recorded with the caller's place in the source.
    /// [`check`](Self::check) and [`into_service`](Self::into_service) return all of these errors.
    #[track_caller]
    pub fn map(
        &mut self,
        method: impl Into<RouteMethod>,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> RouteId {
        self.map_in(ScopeId::ROOT, method, pattern, endpoint)
    }

    /// Maps an endpoint as [`map`](Self::map) does, with the prefix of a scope before the pattern.
    /// The empty pattern and `/` stand for the prefix itself.
    #[track_caller]
    pub fn map_in(
        &mut self,
        scope: ScopeId,
        method: impl Into<RouteMethod>,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> RouteId {
        let description = described(&endpoint);
        let route = self.new_route(scope, method.into(), pattern, endpoint);
        if let Err(error) = self.insert(&route, &description) {
            self.faults.push(RouteFault { error, location: route.location });
        }
        self.push(route)
    }

    /// Maps an endpoint for the method QUERY (RFC 10008), with the prefix of a scope before the
    /// pattern.
    ///
    /// A request without `content-type` gets status 400. Responses of the path have `Accept-Query`
    /// with the media types of the body that the endpoint takes: those to QUERY, GET, HEAD and
    /// OPTIONS, and those with status 405.
    #[track_caller]
    pub fn map_query_in(
        &mut self,
        scope: ScopeId,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> RouteId {
        let accept = AcceptQuery::of(&described(&endpoint));
        let endpoint = QueryEndpoint { endpoint, accept: accept.clone() };
        let id = self.map_in(scope, Method::QUERY, pattern, endpoint);
        self.routes[id.0].accept_query = accept;
        id
    }

    /// Maps an endpoint for a prefix and for everything below it, with any method. The endpoint
    /// gets the path without the prefixes of the scope and of the mount, as [`StripPrefix`]
    /// describes.
    ///
    /// The prefix is a pattern and may have arguments. These requests below the prefix go
    /// elsewhere:
    ///
    /// - to a route that is mapped for the path and the method,
    /// - to an endpoint that is mounted at a longer prefix,
    /// - to the fallback of a scope with a longer prefix, or of a route that has its own fallback.
    #[track_caller]
    pub fn mount_in(&mut self, scope: ScopeId, prefix: &str, endpoint: impl Endpoint) -> RouteId {
        let description = described(&endpoint);
        let outer = &self.scopes[scope.0].prefix;
        let full = format!("{outer}{prefix}");
        let below = if full.is_empty() { Ok(()) } else { check_start(&full, outer.len()) };
        let below = below.and_then(|()| Pattern::below(&full));
        let depth = below.as_ref().map_or(0, |below| below.segments().len() - 1);
        let endpoint = StripPrefix::new(depth, endpoint);
        let mut route = self.new_route(scope, RouteMethod::Any, prefix, endpoint);
        route.mounted = Some(depth);
        let inserted = below.and_then(|below| self.insert_mount(&route, below, &description));
        match inserted {
            Ok(below) => route.pattern = below.text().to_owned(),
            Err(_) if self.scopes[scope.0].is_faulty => {}
            Err(error) => self.faults.push(RouteFault { error, location: route.location }),
        }
        self.push(route)
    }

    /// Sets the context that the requests share.
    pub fn set_context(&mut self, app: AppContext) {
        self.app = app;
    }

    /// Checks that the services which the routes need are registered and can be created.
    ///
    /// # Errors
    ///
    /// Returns all faults, each with its place in the source.
    pub fn check_services(&self, services: &ServicesBuilder) -> Result<(), ServiceFaults> {
        self.check_services_with(services, [])
    }

    /// Checks services as [`check_services`](Self::check_services) does, and also that the services
    /// of other consumers are registered, such as those of background tasks.
    ///
    /// # Errors
    ///
    /// Returns all faults.
    pub fn check_services_with<'a>(
        &self,
        services: &ServicesBuilder,
        others: impl IntoIterator<Item = ServiceConsumer<'a>>,
    ) -> Result<(), ServiceFaults> {
        let routes = self.routes.iter().map(|route| {
            let description = self.description_of(route.position(), &*route.endpoint);
            (format!("{} {}", route.method, route.pattern), description, route.location)
        });
        let before = self.before_routing.iter().map(|BeforeRouting { middleware, location }| {
            let mut description = Description::new();
            middleware.describe(&mut description);
            ("middleware before routing".to_owned(), description, *location)
        });
        let consumers: Vec<_> = before.chain(routes).collect();
        let own = consumers.iter().map(|(name, description, location)| ServiceConsumer {
            name,
            needs: description.needs(),
            location,
        });
        let mut consumers: Vec<ServiceConsumer<'_>> = own.collect();
        // Their lifetime is longer, so `extend` would not take them.
        for other in others {
            consumers.push(other);
        }
        services.check(consumers)
    }

    /// The description of a route: of its endpoint, and of the middleware around it at this time.
    #[must_use]
    pub fn description(&self, id: RouteId) -> Description {
        let route = &self.routes[id.0];
        self.description_of(route.position(), &*route.endpoint)
    }

    /// Creates a scope within another scope. The prefix is a pattern, which is appended to the
    /// prefix of the other scope.
    #[track_caller]
    pub fn scope(&mut self, parent: ScopeId, prefix: &str) -> ScopeId {
        let id = ScopeId(self.scopes.len());
        let outer = &self.scopes[parent.0].prefix;
        let full = format!("{outer}{prefix}");
        let mut is_faulty = self.scopes[parent.0].is_faulty;
        let check = || check_start(&full, outer.len()).and_then(|()| check_prefix(&full));
        if !prefix.is_empty()
            && let Err(error) = check()
        {
            self.faults.push(RouteFault { error, location: Location::caller() });
            is_faulty = true;
        }
        let prefix = full.strip_suffix('/').unwrap_or(&full).to_owned();
        let settings = Settings::default();
        self.scopes.push(RouteScope { parent: Some(parent), prefix, is_faulty, settings });
        id
    }

    /// Adds middleware, inside of the middleware that was added at the same level before. The
    /// middleware of a scope wraps the middleware of the scopes and routes in it.
    pub fn add_middleware(&mut self, level: SettingsLevel, middleware: impl Middleware) {
        self.settings_mut(level).middleware.push(Box::new(middleware));
    }

    /// Adds middleware before routing, around the middleware that is there already.
    #[track_caller]
    pub fn add_outermost(&mut self, middleware: impl Middleware) {
        let (middleware, location) = (Box::new(middleware), Location::caller());
        self.before_routing.insert(0, BeforeRouting { middleware, location });
    }

    /// Adds middleware before routing, inside of the middleware that was added there before.
    ///
    /// It gets every request before the router looks for a route, and may change the method, the
    /// URI and the extensions. The router then looks for the route of the changed request. The
    /// middleware may also respond itself.
    ///
    /// Its errors and panics become responses by the error mapper of the root scope. A request has
    /// no route, no path arguments and no body limit yet. Its extensions hold the
    /// [`OriginalUri`](crate::OriginalUri).
    ///
    /// ```
    /// use http::{Method, Request, Uri};
    /// use volga_core::{HandlerEndpoint, HttpBody, RequestParts, Router, TapRequest};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new();
    /// router.add_before_routing(TapRequest::new(|parts: &mut RequestParts| {
    ///     if parts.uri.path() == "/old" {
    ///         parts.uri = Uri::from_static("/new");
    ///     }
    /// }));
    /// router.map(Method::GET, "/new", HandlerEndpoint::new(|| "new"));
    /// let request = Request::get("/old").body(HttpBody::empty()).unwrap();
    /// let response = router.into_service().unwrap().respond(request).await;
    /// assert_eq!(response.status(), 200);
    /// # }
    /// ```
    #[track_caller]
    pub fn add_before_routing(&mut self, middleware: impl Middleware) {
        let (middleware, location) = (Box::new(middleware), Location::caller());
        self.before_routing.push(BeforeRouting { middleware, location });
    }

    /// Sets the error mapper of a level. The nearest mapper applies: of the route, of its scope, of
    /// the scopes around that, of the router.
    pub fn set_error_mapper(&mut self, level: SettingsLevel, mapper: impl MapError) {
        self.settings_mut(level).mapper = Some(Arc::new(mapper));
    }

    /// Sets the format of errors that no mapper turns into responses. The nearest format applies.
    pub fn set_error_format(&mut self, level: SettingsLevel, format: ErrorFormat) {
        self.settings_mut(level).error_format = Some(format);
    }

    /// Sets the limit of request bodies at a level. The nearest limit applies.
    pub fn set_body_limit(&mut self, level: SettingsLevel, limit: BodyLimit) {
        self.settings_mut(level).body_limit = Some(limit);
    }

    /// Sets what pages of other origins may do. The nearest policy applies: of the route, of its
    /// scope, of the scopes around that, of the router. A preflight gets the policy of the route
    /// that it asks for.
    #[track_caller]
    pub fn set_cross_origin_policy(
        &mut self,
        level: SettingsLevel,
        policy: impl CrossOriginPolicy,
    ) {
        if let Err(reason) = policy.check() {
            self.refuse_setting("cors", reason);
        }
        self.settings_mut(level).policy = Some(Arc::new(policy));
    }

    /// Records that a setting is not valid, with the caller's place in the source. `setting` is the
    /// name of the method that sets it. [`check`](Self::check) returns the fault.
    #[track_caller]
    pub fn refuse_setting(&mut self, setting: &'static str, reason: String) {
        let error = RouteError::Setting { setting, reason };
        self.faults.push(RouteFault { error, location: Location::caller() });
    }

    /// Sets the endpoint for requests without a route. The nearest fallback applies.
    ///
    /// The fallback of a route gets requests for its path with a method that is not mapped there,
    /// and their path arguments. If no route at this path has a fallback, the innermost scope
    /// around these routes responds.
    ///
    /// For an unknown path, the scope with the longest prefix responds. A scope whose own prefix is
    /// empty does not respond then. Of several scopes with the same prefix, the only one with a
    /// fallback responds, or else the innermost scope around all of them.
    #[track_caller]
    pub fn set_fallback(&mut self, level: SettingsLevel, endpoint: impl Endpoint) {
        if let SettingsLevel::Route(id) = level {
            let MappedRoute { method, pattern, .. } = &self.routes[id.0];
            // A malformed pattern was reported when it was mapped. A mounted service responds to
            // every method, so its fallback is never called.
            let checked = Pattern::parse(pattern).map_or(Ok(()), |parsed| {
                check_args(method, &parsed, pattern, &described(&endpoint))
            });
            if let Err(error) = checked {
                self.faults.push(RouteFault { error, location: Location::caller() });
            }
        }
        self.settings_mut(level).fallback = Some(Arc::new(endpoint));
    }

    fn settings_mut(&mut self, level: SettingsLevel) -> &mut Settings {
        match level {
            SettingsLevel::Scope(id) => &mut self.scopes[id.0].settings,
            SettingsLevel::Route(id) => &mut self.routes[id.0].settings,
        }
    }

    /// The method and the pattern of a route. The pattern has the prefixes of its scopes.
    #[must_use]
    pub fn route(&self, id: RouteId) -> (&RouteMethod, &str) {
        let route = &self.routes[id.0];
        (&route.method, &route.pattern)
    }

    /// The prefix of a scope with the prefixes of the scopes around it, without a trailing slash.
    #[must_use]
    pub fn prefix(&self, id: ScopeId) -> &str {
        &self.scopes[id.0].prefix
    }

    /// The scopes of a route, from the inside out: the last one is the root.
    pub fn scopes_of(&self, id: RouteId) -> impl Iterator<Item = ScopeId> {
        self.enclosing(self.routes[id.0].scope)
    }

    /// The methods and patterns of all routes, for people to read.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteMethod, &str)> {
        self.tree.routes().into_iter()
    }

    /// Checks the routes that are mapped so far.
    ///
    /// # Errors
    ///
    /// Returns all faults, each with its place in the source.
    pub fn check(&self) -> Result<(), RouteFaults> {
        if self.faults.is_empty() { Ok(()) } else { Err(RouteFaults(self.faults.clone())) }
    }

    /// Starts a route. `pattern` is appended to the prefix of the scope.
    #[track_caller]
    fn new_route(
        &self,
        scope: ScopeId,
        method: RouteMethod,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> MappedRoute {
        MappedRoute {
            method,
            pattern: format!("{}{pattern}", self.scopes[scope.0].prefix),
            mounted: None,
            accept_query: None,
            scope,
            endpoint: Arc::new(endpoint),
            settings: Settings::default(),
            location: Location::caller(),
        }
    }

    fn push(&mut self, route: MappedRoute) -> RouteId {
        let id = self.next_id();
        self.routes.push(route);
        id
    }

    fn next_id(&self) -> RouteId {
        RouteId(self.routes.len())
    }

    /// Inserts the next route into the tree. `endpoint` is the description of its endpoint.
    fn insert(&mut self, route: &MappedRoute, endpoint: &Description) -> Result<(), RouteError> {
        let RouteScope { is_faulty, ref prefix, .. } = self.scopes[route.scope.0];
        if is_faulty {
            return Ok(());
        }
        check_start(&route.pattern, prefix.len())?;
        let parsed = Pattern::parse(&route.pattern)?;
        let id = self.next_id();
        self.tree.insert(route.method.clone(), &parsed, route.location, id)?;
        check_args(&route.method, &parsed, &route.pattern, endpoint)
    }

    /// Inserts a prefix and everything below it into the tree. `below` is the pattern of the
    /// latter.
    fn insert_mount(
        &mut self,
        route: &MappedRoute,
        below: Pattern,
        endpoint: &Description,
    ) -> Result<Pattern, RouteError> {
        let prefix = &*route.pattern;
        if !self.scopes[route.scope.0].is_faulty {
            let id = self.next_id();
            self.tree.insert(RouteMethod::Any, &below, route.location, id)?;
            let itself = Pattern::parse(if prefix.is_empty() { "/" } else { prefix })?;
            self.tree.insert(RouteMethod::Any, &itself, route.location, id)?;
            check_args(&RouteMethod::Any, &below, prefix, endpoint)?;
        }
        Ok(below)
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

#[cfg(test)]
mod tests;
