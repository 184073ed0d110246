//! The settings of routes and scopes, and the IDs of both.

use std::sync::Arc;

use crate::handler::description::Description;
use crate::middleware::Middleware;
use crate::middleware::stage::catching;
use crate::request::body_limit::BodyLimit;
use crate::request::parts::Endpoint;
use crate::response::cross_origin::CrossOriginPolicy;
use crate::response::error_format::ErrorFormat;
use crate::response::error_mapper::MapError;

/// Identifies a route of a [`Router`](crate::Router), to change its settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteId(pub(super) usize);

/// Identifies a scope of a [`Router`](crate::Router): a group of routes with a common prefix and
/// common settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScopeId(pub(super) usize);

impl ScopeId {
    /// The scope of all routes.
    pub const ROOT: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl RouteId {
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// The level of a setting: a scope or a route. A setting applies to everything at its level,
/// whether it was mapped before or after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettingsLevel {
    /// A scope, or the whole router for [`ScopeId::ROOT`].
    Scope(ScopeId),
    /// One route.
    Route(RouteId),
}

/// The settings of a route, of a scope or of the whole router.
#[derive(Default)]
pub(super) struct Settings {
    /// The outermost middleware comes first.
    pub(super) middleware: Vec<Box<dyn Middleware>>,
    pub(super) mapper: Option<Arc<dyn MapError>>,
    pub(super) error_format: Option<ErrorFormat>,
    pub(super) body_limit: Option<BodyLimit>,
    pub(super) fallback: Option<Arc<dyn Endpoint>>,
    pub(super) policy: Option<Arc<dyn CrossOriginPolicy>>,
}

impl Settings {
    pub(super) fn describe(&self, description: &mut Description) {
        for middleware in &self.middleware {
            description.around_endpoint(|description| middleware.describe(description));
        }
    }

    /// Wraps an endpoint in the middleware.
    pub(super) fn wrap(&self, endpoint: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let middleware = self.middleware.iter().rev();
        middleware.fold(endpoint, |inner, middleware| catching(middleware.wrap(inner)))
    }
}
