//! The response to a request that has lost its state.

use std::sync::Arc;

use crate::handler::box_future::BoxFuture;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;
use crate::response::responder::Responder;

/// A tower layer has passed on a new request instead of the one that it got.
#[derive(Debug, thiserror::Error)]
#[error(
    "a layer passed on a new request without the extensions of the old one, so the route, the path \
     arguments and the services of the request are lost: let the layer move the extensions, \
     `*new.extensions_mut() = std::mem::take(old.extensions_mut())`"
)]
struct LostRequest;

/// Responds to a request that has lost its state with a server error. The middleware of the layer
/// reports it, because this responder does not know the app.
pub(crate) fn respond_to_lost_request(responder: Arc<Responder>) -> BoxFuture<HttpResponse> {
    responder.respond_boxed(Error::server_error(LostRequest))
}
