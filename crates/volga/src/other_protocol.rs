//! The response to an extended CONNECT for a protocol that its route does not serve.

use http::StatusCode;
use volga_core::{HttpResult, IntoResponse};

/// Responds with 501 and this text (RFC 9220, section 3). The client has caused it, so it is not
/// reported as an error of the server.
pub(crate) fn other_protocol(text: String) -> HttpResult {
    let mut response = text.into_response()?;
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    Ok(response)
}
