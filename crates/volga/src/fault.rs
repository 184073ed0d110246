//! What is wrong with an app before it starts.

use std::fmt;

use volga_core::{RouteFaults, ServiceFaults};

/// What is wrong with the routes and the services of an app, each fault with its place in the source.
#[derive(Clone, Eq, PartialEq)]
pub struct AppFaults {
    routes: Option<RouteFaults>,
    services: Option<ServiceFaults>,
}

impl AppFaults {
    pub(crate) fn check(
        routes: Result<(), RouteFaults>,
        services: Result<(), ServiceFaults>,
    ) -> Result<(), Self> {
        match (routes.err(), services.err()) {
            (None, None) => Ok(()),
            (routes, services) => Err(Self { routes, services }),
        }
    }

    /// What is wrong with the routes.
    #[must_use]
    pub fn routes(&self) -> Option<&RouteFaults> {
        self.routes.as_ref()
    }

    /// What is wrong with the services.
    #[must_use]
    pub fn services(&self) -> Option<&ServiceFaults> {
        self.services.as_ref()
    }
}

impl From<RouteFaults> for AppFaults {
    fn from(routes: RouteFaults) -> Self {
        Self { routes: Some(routes), services: None }
    }
}

impl From<ServiceFaults> for AppFaults {
    fn from(services: ServiceFaults) -> Self {
        Self { routes: None, services: Some(services) }
    }
}

impl fmt::Display for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.routes, &self.services) {
            (Some(routes), Some(services)) => write!(f, "{routes}\n{services}"),
            (Some(routes), None) => routes.fmt(f),
            (None, Some(services)) => services.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

/// The message: a `main` that returns the error prints it in this form.
impl fmt::Debug for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for AppFaults {}
