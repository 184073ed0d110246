//! `WrapMiddleware`: a function of the request and the rest of the pipeline.

use std::{future::Future, sync::Arc};

use crate::handler::box_future::BoxFuture;
use crate::handler::endpoint::Endpoint;
use crate::middleware::stage::Stage;
use crate::middleware::{HttpContext, Middleware, Next};
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::into_response::{HttpResponse, IntoResponse};

/// Middleware from a function `async |ctx, next| …`. The function may change the request, pass it
/// on by [`next.run(ctx)`](Next::run) or respond itself, and change the response.
#[derive(Clone, Debug)]
pub struct WrapMiddleware<F>(F);

impl<F, Fut> WrapMiddleware<F>
where
    F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self(function)
    }
}

impl<F, Fut> Middleware for WrapMiddleware<F>
where
    F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(WrapEndpoint { function: self.0.clone(), next: Next::new(inner) })
    }
}

struct WrapEndpoint<F> {
    function: F,
    next: Next,
}

impl<F, Fut> Endpoint for WrapEndpoint<F>
where
    F: Fn(HttpContext, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
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
