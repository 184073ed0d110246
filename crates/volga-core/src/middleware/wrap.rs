//! `WrapMiddleware`: a function of the request and the rest of the pipeline.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc};

use crate::handler::box_future::BoxFuture;
use crate::handler::output::Marker;
use crate::middleware::stage::Stage;
use crate::middleware::{HttpContext, Middleware};
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, Next, RequestParts};
use crate::response::into_response::{HttpResponse, IntoResponse};

/// Middleware from a function `async |ctx, next| …`. The function may change the request, pass it
/// on by [`next.run(ctx)`](Next::run) or respond itself, and change the response.
pub struct WrapMiddleware<F, Out> {
    function: F,
    marker: Marker<Out>,
}

impl<F, Fut, Out> WrapMiddleware<F, Out>
where
    F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse<Out>> + Send + 'static,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, Fut, Out> Middleware for WrapMiddleware<F, Out>
where
    F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse<Out>> + Send + 'static,
    Out: 'static,
{
    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let (function, next) = (self.function.clone(), Next::new(inner));
        Arc::new(WrapEndpoint { function, next, marker: PhantomData })
    }
}

struct WrapEndpoint<F, Out> {
    function: F,
    next: Next,
    marker: Marker<Out>,
}

impl<F, Fut, Out> Endpoint for WrapEndpoint<F, Out>
where
    F: Fn(HttpContext, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse<Out>> + Send + 'static,
    Out: 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let responder = parts.responder();
        Stage::start(responder, || {
            (self.function)(HttpContext::new(parts, body), self.next.clone())
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

impl<F, Out> fmt::Debug for WrapMiddleware<F, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapMiddleware").finish_non_exhaustive()
    }
}
