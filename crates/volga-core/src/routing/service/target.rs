//! `Target`: the pipeline of a route or a fallback, and the settings that apply to it.

use std::sync::Arc;

use http::{Extensions, Method, request};

use crate::request::body::HttpBody;
use crate::request::body_limit::BodyLimit;
use crate::request::context::{RequestContext, RequestGuard};
use crate::request::original_uri::OriginalUri;
use crate::request::parts::{Endpoint, Pipeline, RequestParts};
use crate::request::path_args::PathArgs;
use crate::response::catch_panic::CatchPanic;
use crate::response::cross_origin::CrossOriginPolicy;
use crate::response::error_format::ErrorFormat;
use crate::response::error_mapper::MapError;
use crate::response::lost_request::respond_to_lost_request;
use crate::routing::no_route::NoRouteReason;
use crate::routing::query_method::AcceptQuery;
use crate::routing::service::response_future::ResponseFuture;
use crate::services::needs::Needs;

/// The target of a request: its pipeline, and the settings that apply to it.
pub(crate) struct Target {
    /// The stages of the pipeline. The endpoint is in the last one.
    pub(crate) stages: Arc<[Arc<dyn Endpoint>]>,
    pub(crate) mapper: Option<Arc<dyn MapError>>,
    pub(crate) error_format: ErrorFormat,
    pub(crate) body_limit: BodyLimit,
    /// The services that the endpoint and its middleware need, and whether they need the token.
    pub(crate) needs: Needs,
    /// Whether a stage may read the extensions of the request.
    pub(crate) sees_extensions: bool,
    /// The number of segments of the prefix, for a mounted service.
    pub(crate) mounted: Option<usize>,
    /// The media types of the body, for a route for QUERY.
    pub(in crate::routing) accept_query: Option<AcceptQuery>,
    /// The policy about pages of other origins.
    pub(crate) policy: Option<Arc<dyn CrossOriginPolicy>>,
    /// Whether this is the target before routing.
    pub(crate) is_before_routing: bool,
}

impl Target {
    /// Sends a request into the pipeline before its route is known.
    pub(in crate::routing) fn send_before_routing(
        &self,
        mut head: request::Parts,
        body: HttpBody,
        context: RequestContext,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        if head.extensions.get::<OriginalUri>().is_none() {
            let original = OriginalUri(head.uri.clone());
            head.extensions.insert(original);
        }
        let parts = RequestParts::new(head, PathArgs::default(), &body);
        self.send(parts, body, context, None, None, extend)
    }

    /// Sends a request into the pipeline. `policy` applies if the target has none.
    #[inline]
    pub(in crate::routing) fn send(
        &self,
        mut parts: RequestParts,
        body: HttpBody,
        context: RequestContext,
        no_route: Option<NoRouteReason>,
        policy: Option<&dyn CrossOriginPolicy>,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let is_head = parts.method == Method::HEAD;
        if self.sees_extensions {
            extend(&mut parts.extensions);
        }
        *parts.context_mut() = context;
        let guard = RequestGuard::begin(&self.needs, parts.context_mut());
        let guard = Some(guard).filter(RequestGuard::is_needed);
        let state = parts.state_mut();
        state.pipeline = Pipeline::after_first(&self.stages);
        state.body_limit = self.body_limit;
        parts.set_mapper(self.mapper.clone(), self.error_format);
        if let Some(policy) = self.policy.as_deref().or(policy) {
            parts.apply_policy(policy);
        }
        // Before routing, the limit of the body is not known.
        let body = if self.is_before_routing { body } else { parts.body_limit().apply(body) };
        if let Some(reason) = no_route {
            parts.extensions.insert(reason);
        }
        let responder = parts.responder();
        // Handlers catch their own panics. This catches a panic of middleware.
        let response = CatchPanic::call(|| match self.stages.first() {
            Some(stage) => stage.call(parts, body),
            None => respond_to_lost_request(Arc::clone(&responder)),
        });
        ResponseFuture::new(response, responder, is_head, guard)
    }
}
