//! The report of an error that comes after the response: of a function for a WebSocket or for a
//! WebTransport session.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use volga_core::{BodyErrorReporter, Error};

/// Reports the error of a function that runs after the response. It is an extension of the
/// response, because only there the app can be asked for it.
#[derive(Clone, Default)]
pub(crate) struct LateReport(Arc<OnceLock<BodyErrorReporter>>);

impl LateReport {
    pub(crate) fn set(&self, reporter: Option<BodyErrorReporter>) {
        if let Some(reporter) = reporter {
            let _ = self.0.set(reporter);
        }
    }

    pub(crate) fn report(&self, cause: &(dyn std::error::Error + Send + Sync + 'static)) {
        if let Some(reporter) = self.0.get() {
            reporter.report(cause);
        }
    }
}

impl fmt::Debug for LateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LateReport")
    }
}

/// The error of a function that has panicked.
pub(crate) fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::server_error(format!("panic: {}", text.unwrap_or("no message")))
}
