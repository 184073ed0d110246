//! The outermost body of a response: it reports how the body was cut short.

use std::error::Error as StdError;
use std::fmt;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use crate::request::body::{DynBody, HttpBody};
use crate::response::body_error_report::{ErrorCopy, ReportContext};
use crate::response::box_error::BoxError;
use crate::response::into_response::HttpResponse;
use crate::response::panic_error::PanicError;
use crate::response::reporter::Reporter;
use crate::response::responder::Responder;
use crate::response::response_watch::{BodyCut, BodyCutObserver};

/// Checks a response, and watches its body, unless the body is whole already or watched by the code
/// that made it.
pub(crate) fn watch(response: &mut HttpResponse, responder: &Arc<Responder>) {
    let watch = responder.reporter().and_then(Reporter::response_watch);
    if let Some(watch) = watch {
        watch.check(response, &responder.body_error_reporter());
    }
    if !response.body().is_unwatched() {
        return;
    }
    let Some(reporter) = responder.reporter() else { return };
    if reporter.hook().is_none() && watch.is_none() {
        return;
    }
    let observer = watch.and_then(|watch| watch.observer(response.extensions()));
    let status = response.status();
    response.body_mut().wrap_watched(|body| {
        let responder = Arc::clone(responder);
        Box::pin(ObservedBody { body: Some(body), error: None, observer, responder, status })
    });
}

struct ObservedBody {
    /// `None` once it has failed.
    body: Option<DynBody>,
    /// Returned by the next poll. Servers drop the data that they hold when a body fails, so they
    /// get a chance to send it first.
    error: Option<ReportedBodyError>,
    observer: Option<BodyCutObserver>,
    responder: Arc<Responder>,
    status: StatusCode,
}

/// The error of a body whose cause was reported already.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut short")]
struct ReportedBodyError(#[source] BoxError);

impl ObservedBody {
    fn fail(&mut self, error: BoxError, is_panic: bool) {
        let causes = || causes(&*error);
        let is_reported = causes().any(|cause| cause.is::<ReportedBodyError>());
        if let Some(observer) = self.observer.take() {
            let copy = Box::new(ErrorCopy::of(&*error));
            observer(if is_panic { BodyCut::Panicked(copy) } else { BodyCut::Failed(copy) });
        } else if !is_reported
            && let Some(reporter) = self.responder.reporter()
            && !causes().any(|cause| {
                reporter.response_watch().is_some_and(|watch| watch.is_client_fault(cause))
            })
            && let Some(reporter) = self.responder.body_error_reporter().build(self.status)
        {
            reporter.report(&*error);
        }
        // Dropped after the observer was told, because the drop is an end as well.
        self.body = None;
        self.error = Some(ReportedBodyError(error));
    }
}

/// An error, its cause, the cause of that, and so on.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

impl Body for ObservedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        // A panic must not take the connection with it: what came before it is sent.
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx))) {
            Ok(Poll::Ready(None)) => {
                if let Some(observer) = self.observer.take() {
                    observer(BodyCut::Ended);
                }
                return Poll::Ready(None);
            }
            Ok(Poll::Ready(Some(Err(error)))) => self.fail(error, false),
            Ok(polled) => return polled,
            Err(panic) => self.fail(PanicError::new(&*panic).into(), true),
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, |body| body.size_hint())
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        // A server does not poll a body again that has said that it is over.
        if let Some(observer) = self.observer.take()
            && self.body.as_ref().is_some_and(|body| body.is_end_stream())
        {
            observer(BodyCut::Ended);
        }
    }
}

impl fmt::Debug for ObservedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody").field("status", &self.status).finish_non_exhaustive()
    }
}

impl HttpBody {
    /// Says that the code that made this body reports its errors by itself. Bodies that wrap it are
    /// still watched.
    pub fn set_watched(&mut self) {
        self.wrap_watched(|body| body);
    }
}
