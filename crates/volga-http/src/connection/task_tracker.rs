//! Tasks that cannot outlive their server.
//!
//! Every task of a server belongs to a set whose owner aborts it on drop: connections to the
//! server's set, HTTP/2 requests to their connection's. But an abort is only a request, and takes
//! effect later. So each task also carries a [`TaskToken`]. Once all tokens are dropped, all tasks
//! have ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::mpsc;

/// Makes the token that each task carries, and the waiter for the last token.
pub(crate) fn task_tracker() -> (TaskToken, TokenWaiter) {
    let (token, waiter) = mpsc::channel(1);
    (TaskToken { _held: token }, TokenWaiter(waiter))
}

/// A token that a task carries until its future is dropped.
#[derive(Clone, Debug)]
pub(crate) struct TaskToken {
    _held: mpsc::Sender<Infallible>,
}

impl TaskToken {
    /// Lets `future` carry a token.
    pub(crate) fn track<F>(&self, future: F) -> TrackedFuture<F> {
        TrackedFuture { future, _token: self.clone() }
    }
}

/// Waits until no task carries a token.
#[derive(Debug)]
pub(crate) struct TokenWaiter(mpsc::Receiver<Infallible>);

impl TokenWaiter {
    pub(crate) async fn wait(mut self) {
        let None = self.0.recv().await;
    }
}

pin_project! {
    /// A future and its token. Fields are dropped in order, so the token goes last.
    pub(crate) struct TrackedFuture<F> {
        #[pin]
        future: F,
        _token: TaskToken,
    }
}

impl<F: Future> Future for TrackedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::pin::pin;
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_wait_ends_with_the_last_task() {
        let (token, waiter) = task_tracker();
        let mut waiter = pin!(waiter.wait());
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(token.track(pending::<()>()));
        }
        drop(token);
        assert!(poll_once(waiter.as_mut()).await.is_pending());
        drop(tasks);
        // The timeout makes a failure fail instead of hang.
        timeout(Duration::from_secs(30), waiter).await.expect("every task ends");
    }

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }
}
