//! `AppFaults`: the errors in an app that are found before it starts.
//!
//! To add a check of a setting, let its method or its environment variable (`env.rs`) push a
//! [`SettingFault`] to `App::setting_faults`. `App::with_trusted_proxies` is the example, and
//! `tests/it/start.rs` has tests. Checks of routes and of services are in `volga-core`.

use std::fmt;

use volga_core::{RouteFaults, ServiceFaults};

/// The errors in the routes and the services of an app, each with its place in the source, and in
/// its settings.
///
/// ```
/// use volga::{App, di::Dc, ok};
///
/// let mut app = App::new().with_trusted_proxies(["10.0.0.0/99"]);
/// app.map_get("/{id", || ok!("a brace is missing"));
/// app.map_get("/count", async |count: Dc<u64>| ok!("{}", *count));
/// let faults = app.check().unwrap_err();
/// assert_eq!(faults.settings()[0].setting(), "with_trusted_proxies");
/// assert!(faults.routes().is_some() && faults.services().is_some());
/// println!("{faults}");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct AppFaults {
    settings: Vec<SettingFault>,
    routes: Option<RouteFaults>,
    services: Option<ServiceFaults>,
}

impl AppFaults {
    pub(crate) fn check(
        settings: &[SettingFault],
        routes: Result<(), RouteFaults>,
        services: Result<(), ServiceFaults>,
    ) -> Result<(), Self> {
        match (routes.err(), services.err()) {
            (None, None) if settings.is_empty() => Ok(()),
            (routes, services) => Err(Self { settings: settings.to_vec(), routes, services }),
        }
    }

    /// The errors in settings and environment variables.
    #[must_use]
    pub fn settings(&self) -> &[SettingFault] {
        &self.settings
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

impl From<SettingFault> for AppFaults {
    fn from(setting: SettingFault) -> Self {
        Self { settings: vec![setting], routes: None, services: None }
    }
}

impl From<RouteFaults> for AppFaults {
    fn from(routes: RouteFaults) -> Self {
        Self { settings: Vec::new(), routes: Some(routes), services: None }
    }
}

impl From<ServiceFaults> for AppFaults {
    fn from(services: ServiceFaults) -> Self {
        Self { settings: Vec::new(), routes: None, services: Some(services) }
    }
}

impl fmt::Display for AppFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings.iter().map(ToString::to_string);
        let routes = self.routes.iter().map(ToString::to_string);
        let services = self.services.iter().map(ToString::to_string);
        let parts: Vec<String> = settings.chain(routes).chain(services).collect();
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

/// A setting of an app, or an environment variable that [`App::with_env`](crate::App::with_env)
/// reads, with a value that the app cannot use. The message names it and says what to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingFault {
    setting: String,
    is_variable: bool,
    /// What is wrong, as the rest of a sentence that begins with the setting.
    reason: String,
}

impl SettingFault {
    pub(crate) fn variable(name: &str, reason: String) -> Self {
        Self { setting: name.to_owned(), is_variable: true, reason }
    }

    pub(crate) fn method(name: &str, reason: String) -> Self {
        Self { setting: name.to_owned(), is_variable: false, reason }
    }

    /// The name of the environment variable, or of the method of [`App`](crate::App).
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_variable {
            write!(f, "the environment variable {} {}", self.setting, self.reason)
        } else {
            write!(f, "`{}`: the value {}", self.setting, self.reason)
        }
    }
}

impl std::error::Error for SettingFault {}
