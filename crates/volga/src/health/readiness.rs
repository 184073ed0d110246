//! The liveness and the readiness route, and how an app adds readiness checks.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::app_faults::SettingFault;
use crate::background::args::AppArgs;
use crate::group::Route;
use crate::health::check::{CheckFunction, ReadinessCheck};
use crate::status;

/// A cached response would send requests to a server that is gone, or restart one that is well.
const NO_STORE: (&str, &str) = ("cache-control", "no-store");

impl App {
    /// Maps a route that says that the process serves: always status 200 with
    /// `{"status":"alive"}`, also while the app shuts down. An orchestrator restarts a process
    /// whose route does not respond. The route runs no checks, because a restart does not repair a
    /// database.
    ///
    /// ```
    /// let mut app = volga::App::new();
    /// app.map_liveness("/live");
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_liveness(&mut self, pattern: &str) -> Route<'_> {
        self.map_get(pattern, || status!(200, { "status": "alive" }; [NO_STORE]))
    }

    /// Maps a route that says whether the app is ready for requests, for load balancers.
    ///
    /// | Status | Body | When |
    /// |---|---|---|
    /// | 200 | `{"status":"ready"}` | every [check](Self::add_readiness_check) passes |
    /// | 503 | `{"status":"not ready","failed":["database"]}` | some checks fail, or take too long |
    /// | 503 | `{"status":"shutting down"}` | the shutdown was requested |
    ///
    /// The status is already 503 while the hooks of [`before_shutdown`](Self::before_shutdown) run,
    /// or during the [delay](Self::with_shutdown_delay), and the app still serves.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// // At shutdown the app is not ready for 5 seconds, and only then stops accepting connections.
    /// let mut app = App::new().with_shutdown_delay(Duration::from_secs(5));
    /// app.map_readiness("/ready");
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_readiness(&mut self, pattern: &str) -> Route<'_> {
        let shutdown = self.shutdown_handle();
        let readiness = Arc::clone(&self.readiness);
        self.map_get(pattern, async move || {
            if shutdown.is_shutdown_requested() {
                return status!(503, { "status": "shutting down" }; [NO_STORE]);
            }
            match readiness.failed().await {
                failed if failed.is_empty() => status!(200, { "status": "ready" }; [NO_STORE]),
                failed => {
                    status!(503, { "status": "not ready", "failed": failed }; [NO_STORE])
                }
            }
        })
    }

    /// Adds a check to every [readiness route](Self::map_readiness) of the app: an async function
    /// of up to five [`Dc<T>`](crate::di::Dc), which returns `bool` or `Result<(), Error>`.
    ///
    /// Requests do not load what is checked: a result is kept for
    /// [`DEFAULT_CHECK_INTERVAL`](crate::limits::DEFAULT_CHECK_INTERVAL), requests at the same time
    /// wait for one run, and a run that takes longer than
    /// [`DEFAULT_CHECK_TIMEOUT`](crate::limits::DEFAULT_CHECK_TIMEOUT) is dropped and has failed.
    /// Clients see the names of the checks that fail. The error is reported to
    /// [`on_error`](Self::on_error) when a check begins to fail, and not at each request.
    ///
    /// ```
    /// use volga::{App, di::Dc, error::Error};
    ///
    /// struct Database;
    ///
    /// impl Database {
    ///     async fn ping(&self) -> Result<(), Error> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_singleton(Database);
    /// app.add_readiness_check("database", async |database: Dc<Database>| database.ping().await);
    /// app.map_readiness("/ready");
    /// # app.check().unwrap();
    /// ```
    ///
    /// Two checks of one name are an error of [`check`](Self::check), and so is a service that is
    /// not registered.
    #[track_caller]
    pub fn add_readiness_check<F, Args>(&mut self, name: &'static str, check: F) -> ReadinessCheck
    where
        F: CheckFunction<Args>,
        Args: AppArgs + Send + 'static,
    {
        let check = ReadinessCheck::new(name, check, Location::caller());
        if !self.readiness.add(check.clone()) {
            let reason = format!("`{name}` names two checks; give each its own name");
            self.setting_faults.push(SettingFault::method("add_readiness_check", reason));
        }
        check
    }

    /// Sets how long the app serves at least after the shutdown was requested, while its [readiness
    /// route](Self::map_readiness) says 503. Then the drain begins. Set a time longer than the load
    /// balancer needs to notice; there is no delay by default. The hooks of
    /// [`before_shutdown`](Self::before_shutdown) run meanwhile, and their time limit does not
    /// apply to the delay. A second signal does not wait for it.
    pub fn with_shutdown_delay(mut self, time: Duration) -> Self {
        self.shutdown_hooks.delay = time;
        self
    }
}
