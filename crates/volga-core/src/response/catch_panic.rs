//! Panics of handlers and middleware as errors.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::response::error::Error;
use crate::response::panic_error::PanicError;

pin_project! {
    /// A future whose panic becomes its result. The future is ready after a panic, so it is not
    /// polled again, and no code sees it in a half-changed state.
    pub(crate) struct CatchPanic<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> CatchPanic<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future }
    }

    /// Calls a function that creates a future. A panic of the function becomes an error, too.
    #[inline]
    pub(crate) fn call(function: impl FnOnce() -> F) -> Result<F, Error> {
        catch(function)
    }

    /// Waits for the value, and puts it into `value`, because a large one would be copied several
    /// times on its way.
    #[inline]
    pub(crate) fn poll_into(
        self: Pin<&mut Self>,
        value: &mut Option<F::Output>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let future = self.project().future;
        match catch(|| future.poll(cx).map(|found| *value = Some(found))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match catch(|| future.poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Calls a function. A panic of the function becomes an error.
#[inline(always)]
pub(crate) fn catch<T>(function: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|panic| error_of(&*panic))
}

fn error_of(panic: &(dyn Any + Send)) -> Error {
    Error::server_error(PanicError::new(panic))
}
