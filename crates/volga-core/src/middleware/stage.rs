//! `Stage`: the response of one stage of a pipeline, whose panics become responses.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::output::Marker;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::catch_panic::catch;
use crate::response::into_response::{HttpResponse, HttpResult, IntoResponse};
use crate::response::responder::Responder;
use crate::response::response_check::ResponseOrigin;

pin_project! {
    /// The response of a stage. An error or a panic of the future becomes a response here, so that
    /// all stages around this one see the response.
    pub(crate) struct Stage<F, Out> {
        // `None` after its end.
        #[pin]
        future: Option<F>,
        error_response: Option<BoxFuture<HttpResponse>>,
        responder: Arc<Responder>,
        marker: Marker<Out>,
    }
}

impl<F, Out> Stage<F, Out>
where
    F: Future<Output: IntoResponse<Out>> + Send + 'static,
    Out: 'static,
{
    /// Starts a stage. `start` may panic, too.
    pub(crate) fn start(
        responder: Arc<Responder>,
        start: impl FnOnce() -> F,
    ) -> BoxFuture<HttpResponse> {
        match catch(start) {
            Ok(future) => {
                let (future, marker) = (Some(future), PhantomData);
                Box::pin(Self { future, error_response: None, responder, marker })
            }
            Err(panic) => responder.respond_boxed(panic),
        }
    }
}

impl<F: Future<Output: IntoResponse<Out>>, Out> Future for Stage<F, Out> {
    type Output = HttpResponse;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HttpResponse> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            let poll = || future.poll(cx).map(IntoResponse::into_response);
            let result: HttpResult = match catch(poll) {
                Ok(poll) => ready!(poll),
                Err(panic) => Err(panic),
            };
            let result = this.responder.checked(result, ResponseOrigin::Middleware);
            // The future is dropped before the error becomes a response. Its destructors may panic
            // once more, which changes nothing.
            let _ = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
            match result {
                Ok(response) => return Poll::Ready(response),
                Err(error) => {
                    *this.error_response = Some(Arc::clone(this.responder).respond_boxed(error));
                }
            }
        }
        match this.error_response {
            Some(response) => response.as_mut().poll(cx),
            None => panic!("the response of a stage was polled after its end"),
        }
    }
}

/// Returns an endpoint whose panics become responses. Most endpoints do that by themselves.
pub(crate) fn catching(endpoint: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
    if endpoint.catches_panics() { endpoint } else { Arc::new(PanicCatcher(endpoint)) }
}

struct PanicCatcher(Arc<dyn Endpoint>);

impl Endpoint for PanicCatcher {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        Stage::start(parts.responder(), || self.0.call(parts, body))
    }

    fn describe(&self, description: &mut Description) {
        self.0.describe(description);
    }

    fn catches_panics(&self) -> bool {
        true
    }
}
