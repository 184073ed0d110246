//! `TapRequest` and `MapOk`: functions that see the head of requests, or the responses that are not
//! errors.

use std::{fmt, marker::PhantomData, sync::Arc};

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::output::{HandlerOutput, Marker};
use crate::middleware::Middleware;
use crate::middleware::stage::Stage;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::catch_panic::catch;
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};

/// Middleware from a function `|parts: &mut RequestParts| …` that sees the head of each request and
/// may change it.
#[derive(Clone, Debug)]
pub struct TapRequest<F>(F);

impl<F> TapRequest<F>
where
    F: Fn(&mut RequestParts) + Clone + Send + Sync + 'static,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self(function)
    }
}

impl<F> Middleware for TapRequest<F>
where
    F: Fn(&mut RequestParts) + Clone + Send + Sync + 'static,
{
    fn describe(&self, description: &mut Description) {
        description.reads_head();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(TapEndpoint { function: self.0.clone(), inner })
    }
}

struct TapEndpoint<F> {
    function: F,
    inner: Arc<dyn Endpoint>,
}

impl<F> Endpoint for TapEndpoint<F>
where
    F: Fn(&mut RequestParts) + Send + Sync + 'static,
{
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        match catch(|| (self.function)(&mut parts)) {
            Ok(()) => self.inner.call(parts, body),
            Err(panic) => parts.responder().respond_boxed(panic),
        }
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

/// Middleware from a function `|response| …`, async or not, that gets each response that was not
/// created from an error.
pub struct MapOk<F, Kind, Out> {
    function: F,
    marker: Marker<(Kind, Out)>,
}

impl<F, R, Kind, Out> MapOk<F, Kind, Out>
where
    F: Fn(HttpResponse) -> R + Clone + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, R, Kind, Out> Middleware for MapOk<F, Kind, Out>
where
    F: Fn(HttpResponse) -> R + Clone + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
    Kind: 'static,
    Out: 'static,
{
    fn describe(&self, description: &mut Description) {
        description.responds_anything();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let function = self.function.clone();
        Arc::new(MapOkEndpoint { function, inner, marker: PhantomData })
    }
}

struct MapOkEndpoint<F, Kind, Out> {
    function: F,
    inner: Arc<dyn Endpoint>,
    marker: Marker<(Kind, Out)>,
}

impl<F, R, Kind, Out> Endpoint for MapOkEndpoint<F, Kind, Out>
where
    F: Fn(HttpResponse) -> R + Clone + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
    Kind: 'static,
    Out: 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let responder = parts.responder();
        let response = self.inner.call(parts, body);
        Stage::start(responder, || {
            let function = self.function.clone();
            async move {
                let response = response.await;
                if response.extensions().get::<Error>().is_some() {
                    return Ok(response);
                }
                function(response).into_future().await.into_response()
            }
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

impl<F, Kind, Out> fmt::Debug for MapOk<F, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOk").finish_non_exhaustive()
    }
}
