//! `WithMiddleware`: a function of extractors and the rest of the pipeline.

use std::{fmt, future::IntoFuture, marker::PhantomData, sync::Arc};

use crate::extract::FromRequest;
use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::function::{Handler, HandlerArgs};
use crate::handler::handler_endpoint::HandlerEndpoint;
use crate::handler::output::{HandlerOutput, Marker};
use crate::middleware::{HttpContext, Middleware};
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, Next, RequestParts};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};

/// Middleware from a function `async |user: User, next: NextCall| …`. Its arguments are extractors
/// as those of a handler. The last one is the rest of the pipeline.
pub struct WithMiddleware<F, Args, Via, Kind, Out> {
    function: F,
    marker: Marker<(Args, Via, Kind, Out)>,
}

impl<F, Args, Via, Kind, Out> WithMiddleware<F, Args, Via, Kind, Out>
where
    F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
    F: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, Args, Via, Kind, Out> Middleware for WithMiddleware<F, Args, Via, Kind, Out>
where
    F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
    F: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
    Via: 'static,
    Kind: 'static,
    Out: 'static,
{
    fn describe(&self, description: &mut Description) {
        Args::describe(description);
        description.responds_anything();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let function = HandlerEndpoint::new(self.function.clone());
        Arc::new(WithEndpoint { function, next: Next::new(inner) })
    }
}

struct WithEndpoint<E> {
    function: E,
    next: Next,
}

impl<E: Endpoint> Endpoint for WithEndpoint<E> {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        parts.set_next(self.next.clone());
        self.function.call(parts, body)
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

/// The rest of the pipeline, as the last argument of a [`WithMiddleware`] function. Awaiting it
/// passes the request on and returns the response.
#[must_use = "the request reaches the handler only if this is awaited"]
pub struct NextCall {
    next: Next,
    ctx: HttpContext,
}

impl FromRequest for NextCall {
    fn describe(description: &mut Description) {
        // The inner endpoint decides about the body, so a large body is not refused here.
        description.reads_head();
    }

    async fn from_request(mut parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        let next = parts.take_next().ok_or_else(|| {
            Error::server_error(
                "`NextCall` is an argument only of functions that are added by `with`",
            )
        })?;
        Ok(Self { next, ctx: HttpContext::new(parts, body) })
    }
}

impl NextCall {
    /// The request that is passed on.
    pub fn context_mut(&mut self) -> &mut HttpContext {
        &mut self.ctx
    }
}

impl IntoFuture for NextCall {
    type Output = HttpResponse;
    type IntoFuture = BoxFuture<HttpResponse>;

    fn into_future(self) -> BoxFuture<HttpResponse> {
        self.next.run(self.ctx)
    }
}

impl<F, Args, Via, Kind, Out> fmt::Debug for WithMiddleware<F, Args, Via, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("With").finish_non_exhaustive()
    }
}

impl fmt::Debug for NextCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextCall").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}
