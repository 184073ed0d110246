//! `Target`: the pipeline of a route or a fallback, and the settings that apply to it.

use std::hint::cold_path;
use std::sync::Arc;

use http::{Extensions, Method};
use http_body::Body;

use crate::request::app_context::AppHandle;
use crate::request::body::HttpBody;
use crate::request::body_limit::BodyLimit;
use crate::request::context::{RequestContext, RequestGuard};
use crate::request::original_uri::OriginalUri;
use crate::request::parts::{Endpoint, Pipeline, RequestParts};
use crate::response::catch_panic::CatchPanic;
use crate::response::cross_origin::CrossOriginPolicy;
use crate::response::error_format::ErrorFormat;
use crate::response::error_mapper::MapError;
use crate::response::lost_request::respond_to_lost_request;
use crate::response::reporter::Reporter;
use crate::response::responder::Responder;
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
        mut parts: RequestParts,
        body: HttpBody,
        app: &AppHandle,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        if parts.extensions.get::<OriginalUri>().is_none() {
            let original = OriginalUri(parts.uri.clone());
            parts.extensions.insert(original);
        }
        self.send(parts, body, app, None, None, extend)
    }

    /// Sends a request into the pipeline. It has the context of the app, or that of a request which
    /// has passed the middleware before routing. `policy` applies if the target has none.
    #[inline(always)]
    pub(in crate::routing) fn send(
        &self,
        mut parts: RequestParts,
        body: HttpBody,
        app: &AppHandle,
        outer: Option<&RequestContext>,
        policy: Option<&dyn CrossOriginPolicy>,
        extend: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let (head, state) = parts.split_mut();
        let is_head = head.method == Method::HEAD;
        state.has_body = !body.is_end_stream();
        // Most requests have no body. Before routing, the limit of the body is not known.
        let body = match body.is_empty() || self.is_before_routing {
            true => body,
            false => self.body_limit.apply(body),
        };
        if self.sees_extensions {
            extend(&mut head.extensions);
        }
        let app = outer.and_then(RequestContext::app).unwrap_or(app);
        let reporter = Some(Reporter::new(app, head));
        let mapper = self.mapper.clone();
        let responder = Responder::new(&head.headers, mapper, self.error_format, reporter);
        let responder = Arc::new(responder);
        state.context.begin(Arc::clone(&responder), outer);
        let guard = (self.needs.needs_scope() || self.needs.needs_token())
            .then(|| RequestGuard::begin(&self.needs, &mut state.context))
            .filter(RequestGuard::is_needed);
        state.pipeline = Pipeline::after_first(&self.stages);
        state.body_limit = self.body_limit;
        if let Some(policy) = self.policy.as_deref().or(policy) {
            cold_path();
            parts.apply_policy(policy);
        }
        // Handlers catch their own panics. This catches a panic of middleware.
        let response = CatchPanic::call(|| match self.stages.first() {
            Some(stage) => stage.call(parts, body),
            None => {
                cold_path();
                respond_to_lost_request(Arc::clone(&responder))
            }
        });
        ResponseFuture::new(response, responder, is_head, guard)
    }
}
