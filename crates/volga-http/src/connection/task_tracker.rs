//! Tasks that cannot outlive their server.
//!
//! Every task of a server is in a set whose owner aborts it on drop: connections in the server's,
//! HTTP/2 requests in their connection's. An abort only asks, so each task also carries an
//! [`TaskToken`]; once all of those are gone, so are the tasks.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::mpsc;

/// Makes the token that each task carries, and the wait for the last of them.
pub(crate) fn task_tracker() -> (TaskToken, TokenWaiter) {
    let (token, gone) = mpsc::channel(1);
    (TaskToken { _held: token }, TokenWaiter(gone))
}

/// Carried by a task until its future is dropped.
#[derive(Clone, Debug)]
pub(crate) struct TaskToken {
    _held: mpsc::Sender<Infallible>,
}

impl TaskToken {
    /// Lets `future` carry a token.
    pub(crate) fn track<F>(&self, future: F) -> TrackedFuture<F> {
        TrackedFuture { future, _alive: self.clone() }
    }
}

/// Waits until no task carries a token any more.
#[derive(Debug)]
pub(crate) struct TokenWaiter(mpsc::Receiver<Infallible>);

impl TokenWaiter {
    pub(crate) async fn wait(mut self) {
        let None = self.0.recv().await;
    }
}

pin_project! {
    /// A future with its token. The fields are in the order of their drop: the token goes last.
    pub(crate) struct TrackedFuture<F> {
        #[pin]
        future: F,
        _alive: TaskToken,
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
    async fn the_wait_is_over_when_the_last_task_is_and_not_before() {
        let (token, gone) = task_tracker();
        let mut gone = pin!(gone.wait());
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(token.track(pending::<()>()));
        }
        drop(token);
        assert!(poll_once(gone.as_mut()).await.is_pending());
        drop(tasks);
        // The time only lets a failure fail instead of hang.
        timeout(Duration::from_secs(30), gone).await.expect("every task ends");
    }

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }
}
