//! Calls a tower service with the requests of a connection.

use std::convert::Infallible;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::connection::info::ConnectionInfo;
use crate::exchange::request_body::RequestBody;

/// A service that a [`Server`](crate::Server) can serve: any tower service that takes requests,
/// never fails, and responds with a body of [`Bytes`].
///
/// This trait is a name for these bounds. Implement [`Service`], and your type has this trait.
///
/// On HTTP a failure is also a response, so the service's error type is [`Infallible`]. A body may
/// fail; the client then sees that the response was cut off.
pub trait HttpService:
    sealed::Sealed
    + Service<
        Request<RequestBody>,
        Response = Response<Self::ResponseBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body type of the responses.
    type ResponseBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<
            Request<RequestBody>,
            Response = Response<B>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type ResponseBody = B;
}

mod sealed {
    use http::Request;
    use tower_service::Service;

    use crate::exchange::request_body::RequestBody;

    /// Prevents implementations of [`HttpService`](super::HttpService) other than the one above.
    pub trait Sealed {}

    impl<S: Service<Request<RequestBody>>> Sealed for S {}
}

/// The panic of the service or of a response body. The process's panic hook has reported it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ServicePanic;

/// Calls code of the application. After a panic, the values that it has borrowed may be
/// inconsistent, so the caller uses them only to end the connection.
#[inline]
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, ServicePanic> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_payload| ServicePanic)
}

/// The service of one connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionService<S> {
    pub(crate) service: S,
    /// Inserted into the extensions of each request.
    pub(crate) info: Option<ConnectionInfo>,
}

impl<S: HttpService> ConnectionService<S> {
    fn extend(&self, request: &mut Request<RequestBody>) {
        if let Some(info) = &self.info {
            request.extensions_mut().insert(info.clone());
        }
    }

    /// Waits until the service is ready for a request.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    /// Calls the service, which must be ready. Requests that run one after another need no clone of
    /// the service each.
    #[inline]
    pub(crate) fn call(&mut self, mut request: Request<RequestBody>) -> S::Future {
        self.extend(&mut request);
        self.service.call(request)
    }

    /// Waits until a clone of the service is ready, and calls it. This is for requests that run
    /// beside others.
    #[inline]
    pub(crate) fn oneshot(&self, mut request: Request<RequestBody>) -> Oneshot<S, S::Future> {
        self.extend(&mut request);
        // A clone for each request, because only the instance that reported readiness is ready.
        Oneshot::NotReady { service: self.service.clone(), request: Some(request) }
    }
}

pin_project! {
    /// Waits until the service is ready, calls it, and waits for the response.
    ///
    /// Even the call happens in `poll`. On HTTP/2 that is the task of the stream, so a panic in
    /// `call` ends the stream and not the connection.
    #[project = OneshotProj]
    pub(crate) enum Oneshot<S, F> {
        NotReady { service: S, request: Option<Request<RequestBody>> },
        Called { #[pin] response: F },
    }
}

impl<S: HttpService> Future for Oneshot<S, S::Future> {
    type Output = Result<Response<S::ResponseBody>, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                OneshotProj::NotReady { service, request } => {
                    let Ok(()) = ready!(service.poll_ready(cx));
                    let request =
                        request.take().expect("the state changes when the request is taken");
                    let response = service.call(request);
                    self.set(Oneshot::Called { response });
                }
                OneshotProj::Called { response } => return response.poll(cx),
            }
        }
    }
}
