//! `ResponseFuture`: the future of a response.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::hint::cold_path;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, header};
use http_body::Body;

use crate::handler::box_future::BoxFuture;
use crate::request::context::RequestGuard;
use crate::request::parts::RequestParts;
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;
use crate::response::lost_request::respond_to_lost_request;
use crate::response::observed_body;
use crate::response::responder::Responder;

/// The future of a response. A [`RouterService`](crate::RouterService) returns it.
#[must_use = "a future does nothing until it is awaited"]
pub struct ResponseFuture {
    // Declared before the guard, so that a handler is dropped before the services that it uses.
    state: State,
    responder: Arc<Responder>,
    is_head: bool,
    guard: Option<RequestGuard>,
}

/// The state of a response.
enum State {
    /// The request is in its pipeline.
    Pipeline(CatchPanic<BoxFuture<HttpResponse>>),
    /// Middleware has panicked or given a response that it must not give, and the error becomes a
    /// response.
    Error(BoxFuture<HttpResponse>),
    Done,
}

impl State {
    fn panic(responder: &Arc<Responder>, panic: Error) -> Self {
        Self::Error(Arc::clone(responder).respond_boxed(panic))
    }

    #[cold]
    fn replaced(responder: &Arc<Responder>, error: Error, replaced: HttpResponse) -> Self {
        let responder = Arc::clone(responder);
        Self::Error(Box::pin(async move { responder.respond_instead(error, replaced).await }))
    }
}

impl ResponseFuture {
    /// Creates the future for a response that a pipeline has started, or whose start has panicked.
    pub(in crate::routing) fn new(
        response: Result<BoxFuture<HttpResponse>, Error>,
        responder: Arc<Responder>,
        is_head: bool,
        guard: Option<RequestGuard>,
    ) -> Self {
        let state = match response {
            Ok(response) => State::Pipeline(CatchPanic::new(response)),
            Err(panic) => State::panic(&responder, panic),
        };
        Self { state, responder, is_head, guard }
    }

    /// Creates the response to a preflight, which no handler and no middleware gets.
    pub(in crate::routing) fn of_preflight(parts: RequestParts, response: HttpResponse) -> Self {
        let ready = Box::pin(std::future::ready(response));
        Self::new(Ok(ready), parts.responder(), false, None)
    }

    /// Creates the error response to a request without a target.
    pub(in crate::routing) fn without_target(parts: RequestParts) -> Self {
        let (responder, is_head) = (parts.responder(), parts.method == Method::HEAD);
        let response = respond_to_lost_request(Arc::clone(&responder));
        Self::new(Ok(response), responder, is_head, None)
    }
}

impl ResponseFuture {
    /// Ends the pipeline, and completes its response.
    #[inline]
    fn finish(&mut self, response: &mut HttpResponse) {
        // The pipeline drops its services and its token now. Otherwise the guard would see them as
        // still in use.
        self.state = State::Done;
        self.responder.run_hooks(response);
        if self.is_head {
            cold_path();
            remove_body(response);
        }
        observed_body::watch(response, &self.responder);
        if let Some(guard) = self.guard.take() {
            cold_path();
            guard.attach(response);
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<HttpResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The response stays where it is until it is returned, because it is large.
        let mut polled = Poll::Pending;
        loop {
            match &mut self.state {
                State::Pipeline(pipeline) => {
                    if let Err(panic) = Pin::new(pipeline).poll_into(&mut polled, cx) {
                        self.state = State::panic(&self.responder, panic);
                        continue;
                    }
                    if let Poll::Ready(response) = &mut polled
                        && let Err(error) = self.responder.check_last(response)
                    {
                        self.state = State::replaced(&self.responder, error, take(response));
                        polled = Poll::Pending;
                        continue;
                    }
                }
                State::Error(response) => polled = response.as_mut().poll(cx),
                State::Done => panic!("the response future was polled after its end"),
            }
            break;
        }
        if let Poll::Ready(response) = &mut polled {
            self.finish(response);
        }
        polled.map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Turns the response to a GET into the response to a HEAD: with the same `Content-Length`, and
/// without a body. A stream in the body is never polled.
fn remove_body(response: &mut HttpResponse) {
    let body = take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}
