//! Turns a router into a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::BeforeRouting;
use super::MappedRoute;
use super::RouteScope;
use crate::handler::description::Description;
use crate::middleware::pipeline::Continue;
use crate::middleware::stage::catching;
use crate::request::parts::Endpoint;
use crate::routing::fault::RouteFaults;
use crate::routing::no_route::NoRouteEndpoint;
use crate::routing::no_route::fallback::{FallbackArgs, FallbackTable, FallbackTarget, PrefixArgs};
use crate::routing::no_route::missing_value::MissingValueEndpoint;
use crate::routing::pattern::Pattern;
use crate::routing::query_method::{AcceptQuery, AcceptQueryEndpoint};
use crate::routing::router::Router;
use crate::routing::router::checks::{depth_of, parsed};
use crate::routing::service::RouterService;
use crate::routing::service::target::Target;
use crate::routing::settings::{ScopeId, Settings};

impl MappedRoute {
    pub(super) fn position(&self) -> Position<'_> {
        Position { scope: self.scope, route: Some(&self.settings) }
    }
}

/// The position of an endpoint: its scope, and the settings of its route if it has a route.
#[derive(Clone, Copy)]
pub(super) struct Position<'a> {
    scope: ScopeId,
    route: Option<&'a Settings>,
}

/// The stage of each scope, if it has middleware.
type Stages = [Option<Arc<dyn Endpoint>>];

impl Router {
    /// Turns the router into a service that responds to requests.
    ///
    /// # Errors
    ///
    /// Returns the same faults as [`check`](Self::check).
    pub fn into_service(mut self) -> Result<RouterService, RouteFaults> {
        self.check()?;
        self.tree.compact();
        let stages = self.stages();
        let queries = self.queries();
        let targets = self
            .routes
            .iter()
            .map(|route| {
                let endpoint = tell_of_query(&queries, route, self.endpoint_of(route));
                let target = self.target(&stages, route.position(), endpoint);
                let accept_query = route.accept_query.clone();
                Target { mounted: route.mounted, accept_query, ..target }
            })
            .collect();
        let fallbacks = self.fallbacks(&stages);
        let settings = self.scopes.iter().map(|scope| &scope.settings);
        let has_policies = settings
            .chain(self.routes.iter().map(|route| &route.settings))
            .any(|settings| settings.policy.is_some());
        let (before, settings) = (self.before_routing, self.scopes.swap_remove(0).settings);
        let service = RouterService::new(self.tree, targets, fallbacks, self.app, has_policies);
        if before.is_empty() {
            return Ok(service);
        }
        Ok(service.with_before_routing(|routing| before_routing_target(&before, settings, routing)))
    }

    /// The endpoint of a route. If it may have no value to respond with, the fallback of the scope
    /// responds then.
    fn endpoint_of(&self, route: &MappedRoute) -> Arc<dyn Endpoint> {
        let endpoint = Arc::clone(&route.endpoint);
        let mut scopes = self.enclosing(route.scope).map(|id| &self.scopes[id.0].settings);
        let mut description = Description::new();
        endpoint.describe(&mut description);
        match scopes.find_map(|settings| settings.fallback.clone()) {
            Some(fallback) if description.is_missing_possible() => {
                let args = self.prefix_args(route.scope);
                Arc::new(MissingValueEndpoint { endpoint, fallback, args })
            }
            _ => endpoint,
        }
    }

    /// The patterns that are mapped for QUERY, and the media types that each of them takes.
    fn queries(&self) -> Vec<(Pattern, AcceptQuery)> {
        let queries = self.routes.iter().filter_map(|route| {
            Some((Pattern::parse(&route.pattern).ok()?, route.accept_query.clone()?))
        });
        queries.collect()
    }

    /// Creates the stage of each scope: its middleware, wrapped once for all routes of the scope. A
    /// scope without middleware has no stage.
    fn stages(&self) -> Vec<Option<Arc<dyn Endpoint>>> {
        let wrap = |RouteScope { settings, .. }: &RouteScope| {
            (!settings.middleware.is_empty()).then(|| settings.wrap(Arc::new(Continue)))
        };
        self.scopes.iter().map(wrap).collect()
    }

    /// Creates the target of an endpoint: the endpoint with the settings that apply to it.
    fn target(
        &self,
        stages: &Stages,
        position: Position<'_>,
        endpoint: Arc<dyn Endpoint>,
    ) -> Target {
        let mut pipeline: Vec<_> =
            self.enclosing(position.scope).filter_map(|id| stages[id.0].clone()).collect();
        pipeline.reverse();
        let description = self.description_of(position, &*endpoint);
        let endpoint = catching(endpoint);
        pipeline.push(match position.route {
            Some(route) => route.wrap(endpoint),
            None => endpoint,
        });
        Target {
            sees_extensions: description.are_extensions_read(),
            stages: pipeline.into(),
            needs: description.needs().clone(),
            mapper: self.settings_at(position).find_map(|settings| settings.mapper.clone()),
            error_format: self
                .settings_at(position)
                .find_map(|settings| settings.error_format)
                .unwrap_or_default(),
            body_limit: self
                .settings_at(position)
                .find_map(|settings| settings.body_limit)
                .unwrap_or_default(),
            policy: self.settings_at(position).find_map(|settings| settings.policy.clone()),
            mounted: None,
            accept_query: None,
            is_before_routing: false,
        }
    }

    /// Creates the table of fallbacks: by the patterns of routes, and by the prefixes of scopes.
    fn fallbacks(&self, stages: &Stages) -> FallbackTable {
        let create = |position: Position<'_>, depth| {
            let fallback =
                self.settings_at(position).find_map(|settings| settings.fallback.clone());
            let target = self.target(stages, position, Arc::new(NoRouteEndpoint { fallback }));
            let args = match position.route {
                Some(_) => FallbackArgs::OfRoute,
                None => FallbackArgs::OfPrefix(self.prefix_args(position.scope)),
            };
            FallbackTarget { target, args, depth }
        };
        let scopes = self.scopes.iter().enumerate().map(|(index, scope)| {
            let position = Position { scope: ScopeId(index), route: None };
            create(position, depth_of(&scope.prefix))
        });
        let mut table = FallbackTable::new(scopes.collect());
        self.add_patterns(&mut table, create);
        self.add_prefixes(&mut table);
        table
    }

    fn prefix_args(&self, scope: ScopeId) -> PrefixArgs {
        // The root has no prefix. Another prefix was checked before.
        let prefix = parsed(&format!("{}/", self.scopes[scope.0].prefix));
        prefix.first().map_or_else(PrefixArgs::default, PrefixArgs::new)
    }

    /// Adds who responds to other methods at the path of each pattern: the fallback of a route, of
    /// several the last one, or else the innermost scope around all routes of the pattern.
    fn add_patterns(
        &self,
        table: &mut FallbackTable,
        create: impl Fn(Position<'_>, usize) -> FallbackTarget,
    ) {
        // A mounted service responds to every method.
        let routes = self.routes.iter().filter(|route| route.mounted.is_none());
        let patterns: Vec<_> = routes
            .filter_map(|route| Some((Pattern::parse(&route.pattern).ok()?, route)))
            .collect();
        let mut by_shape: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (pattern, route) in &patterns {
            by_shape.entry(pattern.shape()).or_default().push((pattern, *route));
        }
        for (shape, routes) in by_shape {
            let own = routes.iter().rev().find(|(_, route)| route.settings.fallback.is_some());
            if let Some((pattern, route)) = own {
                table.add_route_fallback(pattern, create(route.position(), shape.len()));
            } else if let Some((pattern, _)) = routes.first() {
                table.add_routes(pattern, self.common(routes.iter().map(|(_, route)| route.scope)));
            }
        }
    }

    /// Adds who responds for everything below each prefix: the scope with this prefix. A scope
    /// without a prefix of its own has only its routes.
    fn add_prefixes(&self, table: &mut FallbackTable) {
        let prefixes: Vec<_> = (0..self.scopes.len())
            .filter(|index| {
                let RouteScope { parent, prefix, .. } = &self.scopes[*index];
                parent.is_none_or(|parent| self.scopes[parent.0].prefix != *prefix)
            })
            .filter_map(|index| {
                Some((Pattern::below(&self.scopes[index].prefix).ok()?, ScopeId(index)))
            })
            .collect();
        let mut by_shape: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (below, scope) in &prefixes {
            by_shape.entry(below.shape()).or_default().push((below, *scope));
        }
        for scopes in by_shape.into_values() {
            let Some((below, first)) = scopes.first() else { continue };
            let itself = parsed(&format!("{}/", self.scopes[first.0].prefix));
            let patterns: Vec<_> = itself.into_iter().chain([(*below).clone()]).collect();
            table.add_prefix(&patterns, self.owner(scopes.iter().map(|(_, scope)| *scope)));
        }
    }

    /// The scope that responds for a prefix which several scopes may have: the only one of them
    /// with a fallback, or else the innermost scope around all of them.
    fn owner(&self, scopes: impl Iterator<Item = ScopeId> + Clone) -> ScopeId {
        let has_fallback = |scope: &ScopeId| self.scopes[scope.0].settings.fallback.is_some();
        let mut with_fallback = scopes.clone().filter(has_fallback);
        match (with_fallback.next(), with_fallback.next()) {
            (Some(only), None) => only,
            _ => self.common(scopes),
        }
    }

    /// The innermost scope around all of these scopes.
    fn common(&self, mut scopes: impl Iterator<Item = ScopeId>) -> ScopeId {
        let first: Vec<_> = scopes.next().map_or_else(Vec::new, |id| self.enclosing(id).collect());
        let common = scopes.fold(&*first, |common, scope| {
            let around: Vec<_> = self.enclosing(scope).collect();
            let start = common.iter().position(|id| around.contains(id));
            &common[start.unwrap_or(common.len())..]
        });
        common.first().copied().unwrap_or(ScopeId::ROOT)
    }

    /// The settings that apply at a position, from the inside out.
    fn settings_at<'a>(&'a self, position: Position<'a>) -> impl Iterator<Item = &'a Settings> {
        let scopes = self.enclosing(position.scope).map(|id| &self.scopes[id.0].settings);
        position.route.into_iter().chain(scopes)
    }

    pub(super) fn description_of(
        &self,
        position: Position<'_>,
        endpoint: &dyn Endpoint,
    ) -> Description {
        let mut description = Description::new();
        endpoint.describe(&mut description);
        self.settings_at(position).for_each(|settings| settings.describe(&mut description));
        description
    }

    /// A scope and the scopes around it, from the inside out.
    pub(super) fn enclosing(&self, scope: ScopeId) -> impl Iterator<Item = ScopeId> {
        std::iter::successors(Some(scope), |scope| self.scopes[scope.0].parent)
    }
}

/// Creates the target before routing: the middleware around the endpoint that does the routing.
fn before_routing_target(
    before: &[BeforeRouting],
    root: Settings,
    routing: Arc<dyn Endpoint>,
) -> Target {
    let mut description = Description::new();
    // The stages after it may read the extensions that the server adds.
    description.reads_extensions();
    before.iter().for_each(|each| each.middleware.describe(&mut description));
    let wrap = |inner, each: &BeforeRouting| catching(each.middleware.wrap(inner));
    Target {
        stages: [before.iter().rev().fold(routing, wrap)].into(),
        mapper: root.mapper,
        error_format: root.error_format.unwrap_or_default(),
        body_limit: root.body_limit.unwrap_or_default(),
        needs: description.needs().clone(),
        sees_extensions: description.are_extensions_read(),
        policy: root.policy,
        mounted: None,
        accept_query: None,
        is_before_routing: true,
    }
}

/// Returns the endpoint of a route. If the route is for GET, HEAD or OPTIONS and its pattern is
/// also mapped for QUERY, the responses have `Accept-Query`.
fn tell_of_query(
    queries: &[(Pattern, AcceptQuery)],
    route: &MappedRoute,
    endpoint: Arc<dyn Endpoint>,
) -> Arc<dyn Endpoint> {
    let is_told = [Method::GET, Method::HEAD, Method::OPTIONS].iter().any(|it| route.method == *it);
    if queries.is_empty() || !is_told {
        return endpoint;
    }
    let Ok(pattern) = Pattern::parse(&route.pattern) else { return endpoint };
    match queries.iter().find(|(query, _)| query.shape() == pattern.shape()) {
        Some((_, accept)) => Arc::new(AcceptQueryEndpoint { endpoint, accept: accept.clone() }),
        None => endpoint,
    }
}
