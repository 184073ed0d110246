//! `Continue`: the innermost endpoint of a stage, which passes requests on to the next stage.

use crate::handler::box_future::BoxFuture;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::into_response::HttpResponse;
use crate::response::lost_request::respond_to_lost_request;

/// Passes each request to the next stage of the request's own pipeline.
pub(crate) struct Continue;

impl Endpoint for Continue {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        match parts.state_mut().pipeline.next_stage() {
            Some(stage) => stage.call(parts, body),
            None => respond_to_lost_request(parts.responder()),
        }
    }

    // Every stage catches its own panics.
    fn catches_panics(&self) -> bool {
        true
    }
}
