//! Notices that the files of certificates have changed.
//!
//! The files are read from time to time, and compared. Notifications of the file system would be
//! quicker, but they do not work on network file systems, and miss a change behind a symbolic link.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::tls::loaded_certificates::{LoadedCertificates, Reload};
use crate::tls::server_config::Fingerprint;

/// The task that watches the files. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// `None` if there is nothing to watch.
    interval: Option<Duration>,
    task: OnceLock<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self { interval, task: OnceLock::new() }
    }

    /// Begins to watch, if this was not called before.
    pub(crate) fn start(&self, certificates: &Arc<LoadedCertificates>) {
        if let Some(interval) = self.interval {
            let certificates = Arc::downgrade(certificates);
            self.task.get_or_init(|| tokio::spawn(watch(interval, certificates)));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn watch(interval: Duration, certificates: Weak<LoadedCertificates>) {
    let mut failures = Failures::default();
    loop {
        sleep(interval).await;
        let Some(certificates) = certificates.upgrade() else { return };
        // Files may be on a slow network.
        let reloading = {
            let certificates = Arc::clone(&certificates);
            tokio::task::spawn_blocking(move || certificates.reload())
        };
        match reloading.await {
            Ok(Reload::Unchanged) => failures = Failures::default(),
            Ok(Reload::Replaced) => {
                failures = Failures::default();
                certificates.report(Ok(()));
            }
            Ok(Reload::Failed { state, error }) => {
                if failures.is_new_and_lasting(state) {
                    certificates.report(Err(&error));
                }
            }
            // The runtime shuts down.
            Err(_) => return,
        }
    }
}

/// Which failures were reported (pure).
#[derive(Debug, Default)]
struct Failures {
    last: Option<Fingerprint>,
    reported: Option<Fingerprint>,
}

impl Failures {
    /// Whether to report that files in this state cannot be used. They must have been in the same
    /// state before, because the certificate and its key are seldom replaced at the same moment.
    /// Each state is reported once.
    fn is_new_and_lasting(&mut self, state: Fingerprint) -> bool {
        let is_lasting = self.last == Some(state);
        self.last = Some(state);
        if !is_lasting || self.reported == Some(state) {
            return false;
        }
        self.reported = Some(state);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_once_when_it_lasts() {
        let mut failures = Failures::default();
        let reports =
            [1, 1, 1, 2, 1, 1, 3, 3, 3, 1, 1].map(|state| failures.is_new_and_lasting([state; 32]));
        let expect = [false, true, false, false, false, false, false, true, false, false, true];
        assert_eq!(reports, expect);
    }
}
