//! `MissingValueEndpoint`: the fallback of a scope responds if a handler returns `None`.

use std::sync::Arc;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;
use crate::response::missing_value::is_missing_value;
use crate::routing::no_route::NoRoute;
use crate::routing::no_route::fallback::PrefixArgs;

/// An endpoint whose missing values get the response of a fallback. Only a route whose handler may
/// return `None`, in a scope with a fallback, has one: it copies the head of each request.
pub(crate) struct MissingValueEndpoint {
    pub(crate) endpoint: Arc<dyn Endpoint>,
    pub(crate) fallback: Arc<dyn Endpoint>,
    /// The path arguments that the fallback gets.
    pub(crate) args: PrefixArgs,
}

impl Endpoint for MissingValueEndpoint {
    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
        self.fallback.describe(description);
        // The extensions hold the reason.
        description.reads_extensions();
    }

    fn catches_panics(&self) -> bool {
        self.endpoint.catches_panics() && self.fallback.catches_panics()
    }

    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let mut copy = parts.copy_without_body(self.args.of(parts.uri.path()));
        copy.extensions.insert(NoRoute::UnknownPath);
        let responder = parts.responder().with_missing_fallback();
        parts.set_responder(responder);
        let response = self.endpoint.call(parts, body);
        let fallback = Arc::clone(&self.fallback);
        Box::pin(async move {
            let response = response.await;
            match response.extensions().get::<Error>() {
                Some(error) if is_missing_value(error) => {
                    fallback.call(copy, HttpBody::empty()).await
                }
                _ => response,
            }
        })
    }
}
