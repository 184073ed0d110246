//! Tower services and layers: a service as an endpoint, and a layer as middleware.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::middleware::Middleware;
use crate::middleware::stage::Stage;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, HttpRequest, RequestParts, RequestState};
use crate::response::box_error::BoxError;
use crate::response::catch_panic::{CatchPanic, catch};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};
use crate::response::lost_request::respond_to_lost_request;
use crate::response::response_check::ResponseOrigin;

/// A tower [`Service`] as an endpoint: a router of axum, the routes of tonic, `ServeDir`.
///
/// Each request gets a clone of the service, and the clone is called after it is ready. The request
/// keeps its extensions, and the response keeps its extensions and trailers. An error of the
/// service becomes a response as if a handler had returned it: an [`Error`] has its own status, and
/// other errors have the status of their kind, which is 500 for most. A panic of the service is a
/// server error, too.
///
/// The service gets an [`HttpBody`]. For a service with another body type, convert the body with
/// `map_request` of tower's `ServiceExt`: `service.map_request(|request|
/// request.map(MyBody::new))`.
///
/// If `Content-Length` exceeds the [limit](crate::BodyLimit), the status is 413 and the service is
/// not called.
pub struct ServiceEndpoint<S>(ServiceCell<S>);

impl<S, B> ServiceEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Creates an endpoint from a service.
    pub fn new(service: S) -> Self {
        Self(ServiceCell::new(service))
    }
}

impl<S, B> Endpoint for ServiceEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn describe(&self, description: &mut Description) {
        description.reads_head().reads_body(&["*/*"]).responds_anything();
    }

    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        if parts.is_state_lost() {
            return respond_to_lost_request(parts.responder());
        }
        let responder = parts.responder();
        let service = catch(|| self.0.cloned());
        Box::pin(async move {
            let response = CatchPanic::new(async move {
                let service = service?;
                body.check_limit()?;
                let request = HttpRequest::from_parts(parts.into_head(), body);
                let response = call_when_ready(service, request).await;
                response.map_err(Error::from_boxed)?.into_response()
            });
            responder.respond(response.await, ResponseOrigin::Service).await
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

impl<S> fmt::Debug for ServiceEndpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceEndpoint").finish_non_exhaustive()
    }
}

/// A tower [`Layer`] as middleware: a layer of `tower-http`, or any other for HTTP requests.
///
/// The layer is applied once for each app, group or route that it was added to. A limit or a
/// counter in its service is for that app, group or route. An error of the service becomes a
/// response as if a handler had returned it: an [`Error`] has its own status, and other errors have
/// the status of their kind, which is 500 for most.
pub struct TowerLayer<L>(L);

impl<L> TowerLayer<L> {
    /// Creates middleware from a layer.
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
        Arc::new(LayerEndpoint(ServiceCell::new(service)))
    }
}

impl<L> fmt::Debug for TowerLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer").finish_non_exhaustive()
    }
}

/// The service of a layer as an endpoint.
struct LayerEndpoint<S>(ServiceCell<S>);

impl<S, B> Endpoint for LayerEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let responder = parts.responder();
        Stage::start(Arc::clone(&responder), || {
            let service = self.0.cloned();
            async move {
                let request = parts.into_request(body);
                let response =
                    call_when_ready(service, request).await.map_err(Error::from_boxed)?;
                // If the layer has passed on a new request, the stages after it could not report
                // their errors.
                if let Some(error) = response.extensions().get() {
                    responder.report(error, response.status());
                }
                Ok::<_, Error>(response)
            }
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

/// The rest of the pipeline as a tower service, which a layer wraps. It never fails.
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
        // A layer may have created a new request, which has lost the state of the old one.
        let state = head.extensions.remove::<RequestState>().unwrap_or_default();
        let response = self
            .0
            .call(RequestParts::with_state(head, state), HttpBody::new(body).into_request_body());
        Box::pin(async move { Ok(response.await) })
    }
}

impl fmt::Debug for EndpointService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService").finish_non_exhaustive()
    }
}

/// A tower service that many requests share. Each request gets a clone. The lock is needed because
/// a service need not be `Sync`.
struct ServiceCell<S>(Mutex<S>);

impl<S: Clone> ServiceCell<S> {
    fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    fn cloned(&self) -> S {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits until the service is ready, and then calls it.
async fn call_when_ready<S, B>(
    mut service: S,
    request: HttpRequest,
) -> Result<Response<B>, BoxError>
where
    S: Service<HttpRequest, Response = Response<B>, Error: Into<BoxError>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}
