//! `Readiness`: the readiness checks of an app.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::task::JoinSet;
use volga_core::{AppContext, ServiceConsumer};

use crate::health::check::ReadinessCheck;

/// The readiness checks of an app. The app's readiness routes share it.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    checks: Mutex<Vec<ReadinessCheck>>,
    /// Set when the app starts.
    app: OnceLock<AppContext>,
}

impl Readiness {
    /// Adds a check. Returns whether its name is a new one.
    pub(super) fn add(&self, check: ReadinessCheck) -> bool {
        let mut checks = self.checks();
        let is_new = checks.iter().all(|other| other.name() != check.name());
        checks.push(check);
        is_new
    }

    /// Lets the checks run with the services of this app.
    pub(crate) fn start(&self, app: &AppContext) {
        // An app becomes a service once.
        let _ = self.app.set(app.clone());
    }

    /// The names of the checks that fail, in the order in which they were added. They run
    /// concurrently.
    pub(super) async fn failed(&self) -> Vec<&'static str> {
        let checks = self.checks().clone();
        let Some(app) = self.app.get() else { return Vec::new() };
        let mut running = JoinSet::new();
        for (index, check) in checks.iter().cloned().enumerate() {
            let app = app.clone();
            running.spawn(async move { (index, check.passes(&app).await) });
        }
        let mut passed = vec![false; checks.len()];
        while let Some(ended) = running.join_next().await {
            if let Ok((index, passes)) = ended {
                passed[index] = passes;
            }
        }
        let failed = checks.iter().zip(passed).filter(|(_, passes)| !passes);
        failed.map(|(check, _)| check.name()).collect()
    }

    /// The services that each check needs. The app compares them with its services at start-up.
    pub(crate) fn needs(&self) -> Vec<CheckNeeds> {
        let named = |check: &ReadinessCheck| CheckNeeds {
            name: format!("readiness check `{}`", check.name()),
            check: check.clone(),
        };
        self.checks().iter().map(named).collect()
    }

    fn checks(&self) -> MutexGuard<'_, Vec<ReadinessCheck>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a check in messages, and what it needs.
pub(crate) struct CheckNeeds {
    name: String,
    check: ReadinessCheck,
}

impl CheckNeeds {
    pub(crate) fn consumer(&self) -> ServiceConsumer<'_> {
        self.check.consumer(&self.name)
    }
}
