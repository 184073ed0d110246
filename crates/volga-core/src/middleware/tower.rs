//! Any tower layer as middleware.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::handler::description::Description;
use crate::handler::{BoxFuture, Endpoint};
use crate::middleware::Middleware;
use crate::request::body::{BoxError, HttpBody};
use crate::request::parts::{HttpRequest, RequestParts, RequestState};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};

/// A tower [`Layer`] as middleware: those of `tower-http`, and any other for HTTP requests.
///
/// The layer is applied once for each place where it stands, so what its service counts or limits
/// is counted for that place. An error of the service becomes a response with status 500, unless it
/// is an [`Error`] or an error that has a status as one.
pub struct TowerLayer<L>(L);

impl<L> TowerLayer<L> {
    /// Makes middleware of a layer.
    pub fn new(layer: L) -> Self {
        Self(layer)
    }
}

impl<L, S, B> Middleware for TowerLayer<L>
where
    L: Layer<EndpointService, Service = S> + Send + Sync + 'static,
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn describe(&self, description: &mut Description) {
        description.reads_head().responds_anything();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let service = self.0.layer(EndpointService(inner));
        Arc::new(TowerEndpoint(Mutex::new(service)))
    }
}

impl<L> fmt::Debug for TowerLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer").finish_non_exhaustive()
    }
}

/// A service that need not be `Sync`; each request has a clone of it.
struct TowerEndpoint<S>(Mutex<S>);

impl<S, B> Endpoint for TowerEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let responder = parts.responder();
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let request = parts.into_request(body);
            let ready = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into);
            let answer = match ready {
                Ok(()) => service.call(request).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            let result = answer.map_err(Error::from_boxed).and_then(IntoResponse::into_response);
            responder.respond(result).await
        })
    }
}

/// The rest of the way as a tower service: what a layer wraps. It never fails.
#[derive(Clone)]
pub struct EndpointService(Arc<dyn Endpoint>);

impl<B> Service<Request<B>> for EndpointService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        // A layer may have made a request of its own; that one has lost its route.
        let state = head.extensions.remove::<RequestState>().unwrap_or_default();
        let response = self.0.call(RequestParts::with_state(head, state), HttpBody::new(body));
        Box::pin(async move { Ok(response.await) })
    }
}

impl fmt::Debug for EndpointService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService").finish_non_exhaustive()
    }
}
