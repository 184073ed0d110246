//! `AppFaults`: the errors in an app that are found before it starts.

use std::fmt;

use volga_core::{RouteFaults, ServiceFaults};

/// The errors in the routes and the services of an app, each with its place in the source.
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

    /// The errors in the routes.
    #[must_use]
    pub fn routes(&self) -> Option<&RouteFaults> {
        self.routes.as_ref()
    }

    /// The errors in the services.
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

/// Prints the message, because a `main` that returns the error prints it by `Debug`.
impl fmt::Debug for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for AppFaults {}
