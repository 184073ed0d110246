//! The report of an error that comes after the response: of a function for a WebSocket or for a
//! WebTransport session.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, OnceLock},
    task::Poll,
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

/// Runs a function of the application. A panic becomes a server error.
pub(crate) async fn catch_panic<T>(
    function: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut function = pin!(function);
    let result = poll_fn(|cx| {
        // After a panic the function is not polled again, so no code sees it half changed.
        match catch_unwind(AssertUnwindSafe(|| function.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Error::server_error(format!("panic: {}", text.unwrap_or("no message"))))
    })
}
