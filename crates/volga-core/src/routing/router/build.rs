//! Turns a router into a service.

use std::sync::Arc;

use super::BeforeRouting;
use super::MappedRoute;
use super::RouteScope;
use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::middleware::pipeline::Continue;
use crate::routing::fallback::{FallbackTable, FallbackTarget};
use crate::routing::fault::RouteFaults;
use crate::routing::no_route::NoRouteEndpoint;
use crate::routing::pattern::Pattern;
use crate::routing::router::Router;
use crate::routing::router::checks::{depth_of, parsed};
use crate::routing::service::RouterService;
use crate::routing::settings::{ScopeId, Settings};
use crate::routing::target::Target;

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
        let targets = self
            .routes
            .iter()
            .map(|route| {
                let target = self.target(&stages, route.position(), Arc::clone(&route.endpoint));
                Target { mounted: route.mounted, ..target }
            })
            .collect();
        let fallbacks = self.fallbacks(&stages);
        let (before, settings) = (self.before_routing, self.scopes.swap_remove(0).settings);
        let service = RouterService::new(self.tree, targets, fallbacks, self.app);
        if before.is_empty() {
            return Ok(service);
        }
        Ok(service.with_before_routing(|routing| before_routing_target(&before, settings, routing)))
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
        pipeline.push(match position.route {
            Some(route) => route.wrap(endpoint),
            None => endpoint,
        });
        Target {
            sees_extensions: description.are_extensions_read(),
            stages: pipeline.into(),
            needs: description.needs().clone(),
            mapper: self.settings_at(position).find_map(|settings| settings.mapper.clone()),
            body_limit: self
                .settings_at(position)
                .find_map(|settings| settings.body_limit)
                .unwrap_or_default(),
            mounted: None,
            is_before_routing: false,
        }
    }

    /// Creates the table of fallbacks: by the paths of routes, and by the prefixes of scopes.
    fn fallbacks(&self, stages: &Stages) -> FallbackTable {
        let mut table = FallbackTable::new();
        let mut add = |position: Position<'_>, patterns: &[Pattern]| {
            let fallback =
                self.settings_at(position).find_map(|settings| settings.fallback.clone());
            let has_args = position.route.is_some();
            let target = self.target(stages, position, Arc::new(NoRouteEndpoint { fallback }));
            let depth = match position.route {
                Some(_) => patterns.iter().map(|pattern| pattern.segments().len()).max(),
                None => Some(depth_of(&self.scopes[position.scope.0].prefix)),
            };
            let depth = depth.unwrap_or_default();
            table.add(patterns, FallbackTarget { target, has_args, depth });
        };
        // The first target of a pattern stays, so the order matters. Routes with their own fallback
        // come before the other routes of the pattern, and later routes before earlier ones. Routes
        // without their own fallback are needed, too: their path may match the pattern of a route
        // with one, which must not get their requests.
        let has_fallback = |route: &&MappedRoute| route.settings.fallback.is_some();
        if self.routes.iter().any(|route| has_fallback(&route)) {
            let routes = self.routes.iter().filter(|route| route.mounted.is_none());
            let (own, others): (Vec<_>, Vec<_>) = routes.rev().partition(has_fallback);
            for route in own {
                add(route.position(), &parsed(&route.pattern));
            }
            for route in others {
                add(Position { scope: route.scope, route: None }, &parsed(&route.pattern));
            }
        }
        // Of two scopes with the same prefix, the later one applies. The root comes last.
        for (index, RouteScope { prefix, .. }) in self.scopes.iter().enumerate().rev() {
            let position = Position { scope: ScopeId(index), route: None };
            let below = Pattern::below(prefix).ok();
            let patterns: Vec<_> = parsed(&format!("{prefix}/")).into_iter().chain(below).collect();
            add(position, &patterns);
        }
        table
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
    let wrap = |inner, each: &BeforeRouting| each.middleware.wrap(inner);
    Target {
        stages: [before.iter().rev().fold(routing, wrap)].into(),
        mapper: root.mapper,
        body_limit: root.body_limit.unwrap_or_default(),
        needs: description.needs().clone(),
        sees_extensions: description.are_extensions_read(),
        mounted: None,
        is_before_routing: true,
    }
}
