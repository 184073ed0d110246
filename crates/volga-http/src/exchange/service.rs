//! The bridge from a connection to a tower service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::connection::info::Ends;
use crate::exchange::request_body::RequestBody;

/// The requests of one connection, and the service that answers them.
#[derive(Clone, Debug)]
pub(crate) struct Requests<S> {
    pub(crate) service: S,
    pub(crate) ends: Ends,
}

impl<S: Service<Request<RequestBody>, Error = Infallible>> Requests<S> {
    /// Waits until the service is ready for a request.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.service.poll_ready(cx).map(|Ok(())| ())
    }

    /// The answer to a request, for which the service is ready. One after another they need no clone of the service each.
    #[inline]
    pub(crate) fn call(&mut self, mut request: Request<RequestBody>) -> S::Future {
        self.ends.extend(request.extensions_mut());
        self.service.call(request)
    }

    /// The answer to a request that waits beside others, made as it is polled.
    #[inline]
    pub(crate) fn answer(&self, mut request: Request<RequestBody>) -> Answer<S, S::Future>
    where
        S: Clone,
    {
        self.ends.extend(request.extensions_mut());
        // A clone for each request, because readiness belongs to the very instance that reported it.
        Answer::Waiting { service: self.service.clone(), request: Some(request) }
    }
}

pin_project! {
    /// One request: waits until the service is ready, calls it, and waits for the response.
    ///
    /// Even the call happens in the poll: on HTTP/2 that is the stream's own task, so a panic in `call` ends that stream and
    /// not the connection.
    #[project = AnswerProj]
    pub(crate) enum Answer<S, F> {
        Waiting { service: S, request: Option<Request<RequestBody>> },
        Called { #[pin] response: F },
    }
}

impl<S, B> Future for Answer<S, S::Future>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    type Output = Result<Response<B>, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                AnswerProj::Waiting { service, request } => {
                    let Ok(()) = ready!(service.poll_ready(cx));
                    let request =
                        request.take().expect("the state changes when the request is taken");
                    let response = service.call(request);
                    self.set(Answer::Called { response });
                }
                AnswerProj::Called { response } => return response.poll(cx),
            }
        }
    }
}
