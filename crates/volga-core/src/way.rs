//! The way of a request: through the middleware of the app, of its groups and of its route, to its endpoint.

use std::sync::Arc;

use crate::{BoxFuture, Endpoint, HttpBody, HttpResponse, RequestParts, responder::Responder};

/// Stages that a request passes one after another. A stage is the middleware of one place, wrapped around [`Onward`]; the last one is the endpoint in the
/// middleware of its route.
///
/// So the middleware of the app stands once, however many routes it has, and what it counts or limits it counts for all of them.
#[derive(Clone, Default)]
pub(crate) struct Way {
    stages: Option<Arc<[Arc<dyn Endpoint>]>>,
    at: usize,
}

impl Way {
    /// The way of a request that is at the first of the stages. Where there is no other, it need not know any.
    pub(crate) fn begun(stages: &Arc<[Arc<dyn Endpoint>]>) -> Self {
        Self { stages: (stages.len() > 1).then(|| Arc::clone(stages)), at: 1 }
    }

    fn next(&mut self) -> Option<Arc<dyn Endpoint>> {
        let stage = self.stages.as_ref()?.get(self.at)?;
        self.at += 1;
        Some(Arc::clone(stage))
    }
}

/// Goes on to the next stage of the request's own way.
pub(crate) struct Onward;

impl Endpoint for Onward {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        match parts.carried_mut().way.next() {
            Some(stage) => stage.call(parts, body),
            None => lost(parts.responder()),
        }
    }
}

/// A tower layer has sent on a request of its own, which has no way.
pub(crate) fn lost(responder: Arc<Responder>) -> BoxFuture<HttpResponse> {
    let error = crate::Error::server_error(
        "a layer replaced the request and lost its extensions; it must keep them",
    );
    Box::pin(async move { responder.respond_to(error).await })
}
