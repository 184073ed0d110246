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
    /// A future whose panic becomes an error. The future is ready after a panic, so it is not
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

    /// Polls the future, and puts what it returns into `polled`, because a large value would be
    /// copied several times on its way.
    #[inline]
    pub(crate) fn poll_into(
        self: Pin<&mut Self>,
        polled: &mut Poll<F::Output>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        let future = self.project().future;
        catch(|| *polled = future.poll(cx))
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for CatchPanic<F> {
    type Output = Result<T, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut polled = Poll::Pending;
        if let Err(panic) = self.poll_into(&mut polled, cx) {
            polled = Poll::Ready(Err(panic));
        }
        polled
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
