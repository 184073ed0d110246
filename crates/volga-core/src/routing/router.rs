//! The router: what is mapped, by scopes, before it becomes a service.

mod checks;

use std::{fmt, panic::Location, sync::Arc};

use self::checks::{check_args, check_prefix, depth_of, parsed, path_args_of};
use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::middleware::Middleware;
use crate::middleware::pipeline::Continue;
use crate::request::app_context::AppContext;
use crate::request::body_limit::BodyLimit;
use crate::response::error_mapper::MapError;
use crate::routing::fault::{RouteError, RouteFault, RouteFaults};
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;
use crate::routing::service::{
    FallbackTable, FallbackTarget, NoRouteEndpoint, RouterService, Target,
};
use crate::routing::strip_prefix::StripPrefix;
use crate::routing::tree::Tree;
use crate::services::builder::ServicesBuilder;
use crate::services::check::{ServiceConsumer, ServiceFaults};

/// Endpoints by method and path.
///
/// A pattern is a path whose segments may be arguments:
///
/// | Segment | Matches |
/// |---|---|
/// | `users` | itself, percent-decoded and case-sensitive |
/// | `{id:int}` | one segment that keeps the constraint: `uuid`, `bool`, `uint` (fits `u64`), `int` (fits `i64`), `hex`, `alpha` (ASCII letters) |
/// | `{id}` | one segment that is not empty |
/// | `{*path}`, the last one | one or more segments, of which the first is not empty |
///
/// They are tried in this order at each segment, constraints in the order given here, and a path
/// that leads nowhere one way is tried the next. One trailing slash is ignored, in the pattern and
/// in the path. GET answers HEAD too, unless HEAD is mapped itself; OPTIONS is answered for every
/// known path, unless it is mapped.
pub struct Router {
    tree: Tree<RouteId>,
    routes: Vec<MappedRoute>,
    scopes: Vec<Scope>,
    faults: Vec<RouteFault>,
    app: AppContext,
    /// What stands before routing, with the places where it was added.
    before: Vec<(Box<dyn Middleware>, &'static Location<'static>)>,
}

/// A route of a [`Router`], to add settings to it later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteId(usize);

/// A part of a [`Router`] with a prefix of its own, to map routes in it and to add settings to all
/// of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScopeId(usize);

impl ScopeId {
    /// All routes.
    pub const ROOT: Self = Self(0);
}

/// What was mapped. Faulty routes are kept as well, so that every `RouteId` stands for one.
///
/// What is set on a route, its scope, the scopes around that and the whole router is looked up when
/// the router becomes a service; so the order in which they were set and mapped does not matter.
struct MappedRoute {
    method: RouteMethod,
    pattern: String,
    /// The prefix of a mounted service has so many segments.
    mounted: Option<usize>,
    scope: ScopeId,
    endpoint: Arc<dyn Endpoint>,
    settings: Settings,
    place: &'static Location<'static>,
}

impl MappedRoute {
    fn spot(&self) -> Spot<'_> {
        Spot { scope: self.scope, route: Some(&self.settings) }
    }
}

/// Where an endpoint stands: in a scope, and in a route's own settings if it is that of a route.
#[derive(Clone, Copy)]
struct Spot<'a> {
    scope: ScopeId,
    route: Option<&'a Settings>,
}

/// The middleware of each scope, as a stage of the way.
type Stages = [Option<Arc<dyn Endpoint>>];

/// What is set on a place: a route, a scope, the whole router.
#[derive(Default)]
struct Settings {
    /// The outermost first.
    middleware: Vec<Box<dyn Middleware>>,
    mapper: Option<Arc<dyn MapError>>,
    body_limit: Option<BodyLimit>,
    fallback: Option<Arc<dyn Endpoint>>,
}

impl Settings {
    fn describe(&self, description: &mut Description) {
        for middleware in &self.middleware {
            description.around_endpoint(|description| middleware.describe(description));
        }
    }

    /// Puts the middleware around an endpoint.
    fn wrap(&self, endpoint: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        self.middleware.iter().rev().fold(endpoint, |inner, middleware| middleware.wrap(inner))
    }
}

struct Scope {
    /// `None` for the root.
    parent: Option<ScopeId>,
    /// With those of the scopes around it, without a slash at its end.
    prefix: String,
    /// Its prefix, or that of a scope around it, is malformed. That is one fault, not one for each
    /// route in it.
    is_faulty: bool,
    settings: Settings,
}

/// A place in a [`Router`] that middleware, an error mapper and a fallback can be set on: for all
/// that is mapped there, before or after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettingsLevel {
    /// A scope, or the whole router by [`ScopeId::ROOT`].
    Scope(ScopeId),
    /// One route.
    Route(RouteId),
}

impl Router {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        let root = Scope {
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
            before: Vec::new(),
        }
    }

    /// Maps an endpoint. What is wrong with the route is recorded with the caller's place in the
    /// source, and told by [`check`](Self::check) and [`into_service`](Self::into_service).
    #[track_caller]
    pub fn map(
        &mut self,
        method: impl Into<RouteMethod>,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> RouteId {
        self.map_in(ScopeId::ROOT, method, pattern, endpoint)
    }

    /// As [`map`](Self::map), with the prefix of a scope before the pattern. There, the empty
    /// pattern and `/` are the prefix itself.
    #[track_caller]
    pub fn map_in(
        &mut self,
        scope: ScopeId,
        method: impl Into<RouteMethod>,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> RouteId {
        let place = Location::caller();
        let method = method.into();
        let id = RouteId(self.routes.len());
        let full = format!("{}{pattern}", self.scopes[scope.0].prefix);
        if let Err(error) = self.insert(id, scope, &method, &full, path_args_of(&endpoint), place) {
            self.faults.push(RouteFault { error, place });
        }
        let (endpoint, settings) = (Arc::new(endpoint), Settings::default());
        let pattern = full;
        let mounted = None;
        self.routes.push(MappedRoute {
            method,
            pattern,
            mounted,
            scope,
            endpoint,
            settings,
            place,
        });
        id
    }

    /// Maps an endpoint for the prefix and for everything below it, with any method. The endpoint
    /// sees the path without the prefix of the scope and this one; [`StripPrefix`] says how.
    ///
    /// The prefix is a pattern and may have arguments. A request below it goes elsewhere
    ///
    /// - to a route that is mapped for its path and its method,
    /// - to the deepest mounted endpoint, of several,
    /// - to the fallback of a scope whose prefix is longer, or of a route that has its own.
    #[track_caller]
    pub fn mount_in(&mut self, scope: ScopeId, prefix: &str, endpoint: impl Endpoint) -> RouteId {
        let place = Location::caller();
        let id = RouteId(self.routes.len());
        let full = format!("{}{prefix}", self.scopes[scope.0].prefix);
        let taken = path_args_of(&endpoint);
        let (pattern, depth) = match self.insert_mount(id, scope, &full, taken, place) {
            Ok(below) => (below.text().to_owned(), below.segments().len() - 1),
            Err(error) => {
                if !self.scopes[scope.0].is_faulty {
                    self.faults.push(RouteFault { error, place });
                }
                (full, 0)
            }
        };
        let (method, settings) = (RouteMethod::Any, Settings::default());
        let endpoint = Arc::new(StripPrefix::new(depth, endpoint));
        let mounted = Some(depth);
        self.routes.push(MappedRoute {
            method,
            pattern,
            mounted,
            scope,
            endpoint,
            settings,
            place,
        });
        id
    }

    /// Sets what the requests share.
    pub fn set_context(&mut self, app: AppContext) {
        self.app = app;
    }

    /// Tells what is wrong with the services, as far as these routes need them.
    ///
    /// # Errors
    ///
    /// All faults, each with its place in the source.
    pub fn check_services(&self, services: &ServicesBuilder) -> Result<(), ServiceFaults> {
        let routes = self.routes.iter().map(|route| {
            let description = self.description_of(route.spot(), &*route.endpoint);
            (format!("{} {}", route.method, route.pattern), description, route.place)
        });
        let before = self.before.iter().map(|(middleware, place)| {
            let mut description = Description::new();
            middleware.describe(&mut description);
            ("before routing".to_owned(), description, *place)
        });
        let askers: Vec<_> = before.chain(routes).collect();
        services.check(askers.iter().map(|(name, description, place)| ServiceConsumer {
            name,
            needs: description.needs(),
            place,
        }))
    }

    /// What a route says of itself: its endpoint, and the middleware around it as it is now.
    #[must_use]
    pub fn description(&self, id: RouteId) -> Description {
        let route = &self.routes[id.0];
        self.description_of(route.spot(), &*route.endpoint)
    }

    /// Makes a scope within another one; its prefix is a pattern, and comes after that of the
    /// other.
    #[track_caller]
    pub fn scope(&mut self, parent: ScopeId, prefix: &str) -> ScopeId {
        let id = ScopeId(self.scopes.len());
        let full = format!("{}{prefix}", self.scopes[parent.0].prefix);
        let mut is_faulty = self.scopes[parent.0].is_faulty;
        if !prefix.is_empty()
            && let Err(error) = check_prefix(&full)
        {
            self.faults.push(RouteFault { error, place: Location::caller() });
            is_faulty = true;
        }
        let prefix = full.strip_suffix('/').unwrap_or(&full).to_owned();
        let settings = Settings::default();
        self.scopes.push(Scope { parent: Some(parent), prefix, is_faulty, settings });
        id
    }

    /// Adds middleware at a place, inside of what was added there before. That of a scope stands
    /// around that of the scopes and routes in it.
    pub fn add_middleware(&mut self, place: SettingsLevel, middleware: impl Middleware) {
        self.settings(place).middleware.push(Box::new(middleware));
    }

    /// Adds middleware before routing, inside of what was added there before. It sees every request
    /// before its route is looked for, and may change its method, its URI and its extensions; the
    /// route is that of the changed request. It may also respond by itself.
    ///
    /// Its errors and panics become responses by the error mapper of the whole router. A request
    /// has no route there and no path arguments, and its body no limit yet. Its
    /// [`OriginalUri`](crate::OriginalUri) is in the extensions.
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
        self.before.push((Box::new(middleware), Location::caller()));
    }

    /// Sets what makes responses of errors at a place, in place of what was set there before. The
    /// nearest one counts: that of the route, of its scope, of the scopes around that, of the
    /// router.
    pub fn set_error_mapper(&mut self, place: SettingsLevel, mapper: impl MapError) {
        self.settings(place).mapper = Some(Arc::new(mapper));
    }

    /// Sets how long request bodies may be at a place, in place of what was set there before. The
    /// nearest one counts.
    pub fn set_body_limit(&mut self, place: SettingsLevel, limit: BodyLimit) {
        self.settings(place).body_limit = Some(limit);
    }

    /// Sets what answers requests without a route, in place of what was set there before: for a
    /// scope, those whose path begins with its prefix; for a route, those for its path with a
    /// method that nothing there is mapped for, with their path arguments. The nearest one counts.
    #[track_caller]
    pub fn set_fallback(&mut self, place: SettingsLevel, endpoint: impl Endpoint) {
        if let SettingsLevel::Route(id) = place {
            let MappedRoute { method, pattern, .. } = &self.routes[id.0];
            // A malformed pattern is a fault already, and a mounted service leaves no method.
            let checked = Pattern::parse(pattern).map_or(Ok(()), |parsed| {
                check_args(method, &parsed, pattern, path_args_of(&endpoint))
            });
            if let Err(error) = checked {
                self.faults.push(RouteFault { error, place: Location::caller() });
            }
        }
        self.settings(place).fallback = Some(Arc::new(endpoint));
    }

    fn settings(&mut self, place: SettingsLevel) -> &mut Settings {
        match place {
            SettingsLevel::Scope(id) => &mut self.scopes[id.0].settings,
            SettingsLevel::Route(id) => &mut self.routes[id.0].settings,
        }
    }

    /// The method and the pattern of a route; the pattern has the prefixes of its scopes.
    #[must_use]
    pub fn route(&self, id: RouteId) -> (&RouteMethod, &str) {
        let route = &self.routes[id.0];
        (&route.method, &route.pattern)
    }

    /// The prefix of a scope with those of the scopes around it, without a slash at its end.
    #[must_use]
    pub fn prefix(&self, id: ScopeId) -> &str {
        &self.scopes[id.0].prefix
    }

    /// The scopes of a route, from its own to the root.
    pub fn scopes_of(&self, id: RouteId) -> impl Iterator<Item = ScopeId> {
        self.around(self.routes[id.0].scope)
    }

    /// Methods and patterns of all routes, for people to read.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteMethod, &str)> {
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
    pub fn into_service(mut self) -> Result<RouterService, RouteFaults> {
        self.check()?;
        self.tree.compact();
        let stages = self.stages();
        let targets = self
            .routes
            .iter()
            .map(|route| {
                let target = self.target(&stages, route.spot(), Arc::clone(&route.endpoint));
                Target { mounted: route.mounted, ..target }
            })
            .collect();
        let misses = self.misses(&stages);
        let (before, settings) = (self.before, self.scopes.swap_remove(0).settings);
        let service = RouterService::new(self.tree, targets, misses, self.app);
        if before.is_empty() {
            return Ok(service);
        }
        Ok(service.with_before(|routing| before_target(&before, settings, routing)))
    }

    /// The middleware of each scope, once, whatever number of routes it has; one without middleware
    /// is no stage.
    fn stages(&self) -> Vec<Option<Arc<dyn Endpoint>>> {
        let wrap = |Scope { settings, .. }: &Scope| {
            (!settings.middleware.is_empty()).then(|| settings.wrap(Arc::new(Continue)))
        };
        self.scopes.iter().map(wrap).collect()
    }

    /// An endpoint, and what the settings of its places make of it.
    fn target(&self, stages: &Stages, spot: Spot<'_>, endpoint: Arc<dyn Endpoint>) -> Target {
        let mut pipeline: Vec<_> =
            self.around(spot.scope).filter_map(|id| stages[id.0].clone()).collect();
        pipeline.reverse();
        let description = self.description_of(spot, &*endpoint);
        pipeline.push(match spot.route {
            Some(route) => route.wrap(endpoint),
            None => endpoint,
        });
        Target {
            sees_extensions: description.are_extensions_read(),
            stages: pipeline.into(),
            needs: description.needs().clone(),
            mapper: self.settings_at(spot).find_map(|settings| settings.mapper.clone()),
            body_limit: self
                .settings_at(spot)
                .find_map(|settings| settings.body_limit)
                .unwrap_or_default(),
            mounted: None,
            is_before: false,
        }
    }

    /// Where requests without a route go: by the paths of routes, and by the prefixes of scopes.
    fn misses(&self, stages: &Stages) -> FallbackTable {
        let mut misses = FallbackTable::new();
        let mut add = |spot: Spot<'_>, patterns: &[Pattern]| {
            let fallback = self.settings_at(spot).find_map(|settings| settings.fallback.clone());
            let has_args = spot.route.is_some();
            let target = self.target(stages, spot, Arc::new(NoRouteEndpoint { fallback }));
            let depth = match spot.route {
                Some(_) => patterns.iter().map(|pattern| pattern.segments().len()).max(),
                None => Some(depth_of(&self.scopes[spot.scope.0].prefix)),
            };
            let depth = depth.unwrap_or_default();
            misses.add(patterns, FallbackTarget { target, has_args, depth });
        };
        // What comes first at a pattern stays: the route with a fallback of its own before the
        // others there, and the later one before the earlier. Routes without one are there because
        // their path may match the pattern of a route that has one, and then it is not that one's.
        let has_fallback = |route: &&MappedRoute| route.settings.fallback.is_some();
        if self.routes.iter().any(|route| has_fallback(&route)) {
            let routes = self.routes.iter().filter(|route| route.mounted.is_none());
            let (own, others): (Vec<_>, Vec<_>) = routes.rev().partition(has_fallback);
            for route in own {
                add(route.spot(), &parsed(&route.pattern));
            }
            for route in others {
                add(Spot { scope: route.scope, route: None }, &parsed(&route.pattern));
            }
        }
        // Of two scopes with one prefix, the later one counts. The root comes last.
        for (index, Scope { prefix, .. }) in self.scopes.iter().enumerate().rev() {
            let spot = Spot { scope: ScopeId(index), route: None };
            let below = Pattern::below(prefix).ok();
            let patterns: Vec<_> = parsed(&format!("{prefix}/")).into_iter().chain(below).collect();
            add(spot, &patterns);
        }
        misses
    }

    /// The settings that count at a spot, from the inside out.
    fn settings_at<'a>(&'a self, spot: Spot<'a>) -> impl Iterator<Item = &'a Settings> {
        let scopes = self.around(spot.scope).map(|id| &self.scopes[id.0].settings);
        spot.route.into_iter().chain(scopes)
    }

    fn description_of(&self, spot: Spot<'_>, endpoint: &dyn Endpoint) -> Description {
        let mut description = Description::new();
        endpoint.describe(&mut description);
        self.settings_at(spot).for_each(|settings| settings.describe(&mut description));
        description
    }

    /// A scope and those around it, from the inside out.
    fn around(&self, scope: ScopeId) -> impl Iterator<Item = ScopeId> {
        std::iter::successors(Some(scope), |scope| self.scopes[scope.0].parent)
    }

    fn insert(
        &mut self,
        id: RouteId,
        scope: ScopeId,
        method: &RouteMethod,
        pattern: &str,
        taken: usize,
        place: &'static Location<'static>,
    ) -> Result<(), RouteError> {
        if self.scopes[scope.0].is_faulty {
            return Ok(());
        }
        let parsed = Pattern::parse(pattern)?;
        self.tree.insert(method.clone(), &parsed, place, id)?;
        check_args(method, &parsed, pattern, taken)
    }

    /// Inserts the prefix and what is below it. Gives the pattern of the latter.
    fn insert_mount(
        &mut self,
        id: RouteId,
        scope: ScopeId,
        prefix: &str,
        taken: usize,
        place: &'static Location<'static>,
    ) -> Result<Pattern, RouteError> {
        let below = Pattern::below(prefix)?;
        if !self.scopes[scope.0].is_faulty {
            self.tree.insert(RouteMethod::Any, &below, place, id)?;
            let itself = Pattern::parse(if prefix.is_empty() { "/" } else { prefix })?;
            self.tree.insert(RouteMethod::Any, &itself, place, id)?;
            check_args(&RouteMethod::Any, &below, prefix, taken)?;
        }
        Ok(below)
    }
}

impl RouteId {
    pub(crate) fn index(self) -> usize {
        self.0
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

/// The middleware before routing around the endpoint that routes.
fn before_target(
    before: &[(Box<dyn Middleware>, &'static Location<'static>)],
    root: Settings,
    routing: Arc<dyn Endpoint>,
) -> Target {
    let mut description = Description::new();
    // What comes after it may look at what the server puts there.
    description.reads_extensions();
    before.iter().for_each(|(middleware, _)| middleware.describe(&mut description));
    let wrap = |inner, (middleware, _): &(Box<dyn Middleware>, _)| middleware.wrap(inner);
    Target {
        stages: [before.iter().rev().fold(routing, wrap)].into(),
        mapper: root.mapper,
        body_limit: root.body_limit.unwrap_or_default(),
        needs: description.needs().clone(),
        sees_extensions: description.are_extensions_read(),
        mounted: None,
        is_before: true,
    }
}

#[cfg(test)]
mod tests;
