//! `FinishEndpoint`: the last step for the response of an endpoint.

use std::fmt;
use std::sync::Arc;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;
use crate::response::lost_request::respond_to_lost_request;
use crate::response::responder::Responder;
use crate::response::response_check::ResponseOrigin;

/// An endpoint with a [last step](crate::ResponseWatch::finish) for its responses. A panic of the
/// endpoint is a server error, and its response gets the last step, too.
pub struct FinishEndpoint<E> {
    endpoint: E,
}

impl<E: Endpoint> FinishEndpoint<E> {
    /// Adds the last step to an endpoint.
    pub fn new(endpoint: E) -> Self {
        Self { endpoint }
    }
}

impl<E: Endpoint> Endpoint for FinishEndpoint<E> {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        if parts.is_state_lost() {
            return respond_to_lost_request(parts.responder());
        }
        let responder = parts.responder();
        let response = CatchPanic::call(|| self.endpoint.call(parts, body));
        Box::pin(async move {
            let mut response = respond(response, &responder).await;
            responder.finish(&mut response);
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

/// Waits for the response of an endpoint that may panic, or that has panicked when it was called.
async fn respond(
    response: Result<BoxFuture<HttpResponse>, Error>,
    responder: &Arc<Responder>,
) -> HttpResponse {
    let response = CatchPanic::new(async { Ok(response?.await) });
    responder.respond(response.await, ResponseOrigin::Handler).await
}

impl<E> fmt::Debug for FinishEndpoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishEndpoint").finish_non_exhaustive()
    }
}
