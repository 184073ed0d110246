//! The pipeline of a request: the middleware of the app, of its groups and of its route, and the
//! endpoint at the end.

use std::sync::Arc;

use crate::handler::box_future::BoxFuture;
use crate::handler::endpoint::Endpoint;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::into_response::HttpResponse;
use crate::response::lost_request::respond_to_lost_request;

/// The stages that a request passes, one after another. A stage is the middleware of one level (the
/// app, a group), wrapped around [`Continue`]. The last stage is the endpoint, wrapped in the
/// middleware of its route.
///
/// Because of the stages the middleware of the app exists once, however many routes the app has. A
/// limit or a counter in it is shared by all routes.
#[derive(Clone, Default)]
pub(crate) struct Pipeline {
    stages: Option<Arc<[Arc<dyn Endpoint>]>>,
    next: usize,
}

impl Pipeline {
    /// The pipeline of a request that enters the first of the stages. With one stage only, nothing
    /// follows it, and the pipeline does not hold the stages.
    pub(crate) fn after_first(stages: &Arc<[Arc<dyn Endpoint>]>) -> Self {
        Self { stages: (stages.len() > 1).then(|| Arc::clone(stages)), next: 1 }
    }

    fn next_stage(&mut self) -> Option<Arc<dyn Endpoint>> {
        let stage = self.stages.as_ref()?.get(self.next)?;
        self.next += 1;
        Some(Arc::clone(stage))
    }
}

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
