//! `AppFaults`: the errors in an app that are found before it starts.

use std::fmt;

use volga_core::{RouteFaults, ServiceFaults};

use crate::env::EnvFault;

/// The errors in the routes and the services of an app, each with its place in the source, and in
/// the environment variables that it takes.
#[derive(Clone, Eq, PartialEq)]
pub struct AppFaults {
    variables: Vec<EnvFault>,
    routes: Option<RouteFaults>,
    services: Option<ServiceFaults>,
}

impl AppFaults {
    pub(crate) fn check(
        variables: &[EnvFault],
        routes: Result<(), RouteFaults>,
        services: Result<(), ServiceFaults>,
    ) -> Result<(), Self> {
        match (routes.err(), services.err()) {
            (None, None) if variables.is_empty() => Ok(()),
            (routes, services) => Err(Self { variables: variables.to_vec(), routes, services }),
        }
    }

    /// The errors in environment variables.
    #[must_use]
    pub fn variables(&self) -> &[EnvFault] {
        &self.variables
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
        Self { variables: Vec::new(), routes: Some(routes), services: None }
    }
}

impl From<ServiceFaults> for AppFaults {
    fn from(services: ServiceFaults) -> Self {
        Self { variables: Vec::new(), routes: None, services: Some(services) }
    }
}

impl fmt::Display for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = self.variables.iter().map(ToString::to_string);
        let routes = self.routes.iter().map(ToString::to_string);
        let services = self.services.iter().map(ToString::to_string);
        let parts: Vec<String> = variables.chain(routes).chain(services).collect();
        f.write_str(&parts.join("\n"))
    }
}

/// Prints the message, because a `main` that returns the error prints it by `Debug`.
impl fmt::Debug for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for AppFaults {}
