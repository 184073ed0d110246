//! Responses that an application must not give.

use http::{Extensions, StatusCode};
use http_body::Body;

use crate::response::error::Error;
use crate::response::into_response::HttpResponse;

/// Who gave a response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResponseOrigin {
    Handler,
    Service,
    Middleware,
    ErrorMapper,
}

impl ResponseOrigin {
    fn name(self) -> &'static str {
        match self {
            Self::Handler => "a handler",
            Self::Service => "a mounted service",
            Self::Middleware => "middleware",
            Self::ErrorMapper => "an error mapper",
        }
    }
}

/// Whether the extensions of a response with an informational status (1xx) begin an upgrade.
pub(crate) type IsUpgrade = fn(&Extensions) -> bool;

/// A response with an informational status that does not begin an upgrade.
#[derive(Debug, thiserror::Error)]
#[error("{} responded with {status}, which is not a final status: use 200 or more", .origin.name())]
struct InformationalStatus {
    origin: ResponseOrigin,
    status: StatusCode,
}

/// A response with status 500 that was not created from an error.
#[derive(Debug, thiserror::Error)]
#[error(
    "the application responded with status 500 and without an error: to see its cause here, return \
     the error itself"
)]
struct ErrorlessFailure;

/// Returns an error for a response with an informational status that does not begin an upgrade.
/// Without `is_upgrade`, 101 begins an upgrade.
#[cold]
pub(crate) fn check_upgrade(
    response: &HttpResponse,
    origin: ResponseOrigin,
    is_upgrade: Option<IsUpgrade>,
) -> Result<(), Error> {
    let status = response.status();
    let is_valid = match is_upgrade {
        Some(is_upgrade) => is_upgrade(response.extensions()),
        None => status == StatusCode::SWITCHING_PROTOCOLS,
    };
    if is_valid { Ok(()) } else { Err(Error::server_error(InformationalStatus { origin, status })) }
}

/// Returns an error for a response with status 500 that was not created from one. Nothing has
/// reported the failure then.
pub(crate) fn errorless_failure(response: &HttpResponse) -> Option<Error> {
    let is_known = response.extensions().get::<Error>().is_some();
    (!is_known).then(|| Error::server_error(ErrorlessFailure))
}

/// Whether the response has no body that an error response could replace.
pub(crate) fn has_empty_body(response: &HttpResponse) -> bool {
    response.body().size_hint().exact() == Some(0)
}
