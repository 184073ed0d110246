//! The statuses of errors of tower's middleware.

use std::{error::Error, io};

use http::StatusCode;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

/// Returns 503 for a request that `LoadShed` refused, and 504 for one that `Timeout` ended. Other
/// middleware may have wrapped the error, so the chain of causes is searched.
pub(crate) fn status_of(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<Overloaded>() {
            return Some(StatusCode::SERVICE_UNAVAILABLE);
        }
        if cause.is::<Elapsed>() {
            return Some(StatusCode::GATEWAY_TIMEOUT);
        }
        // An `io::Error` that was made of another error names that error's cause as its own.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map_or_else(|| cause.source(), |inner| Some(inner));
    }
    None
}
