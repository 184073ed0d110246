//! Tasks that cannot outlive their server.
//!
//! Every task of a server is in a set whose owner aborts it on drop: connections in the server's, HTTP/2 streams in their
//! connection's. An abort only asks, so each task also carries an [`Alive`]; once all of those are gone, so are the tasks.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Makes the token that each task carries, and the wait for the last of them.
pub(crate) fn roll_call() -> (Alive, Gone) {
    let (alive, gone) = mpsc::channel(1);
    (Alive { _held: alive }, Gone(gone))
}

/// Carried by a task until its future is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    _held: mpsc::Sender<Infallible>,
}

impl Alive {
    /// Lets `future` carry a token.
    pub(crate) fn carried_by<F>(&self, future: F) -> Carrier<F> {
        Carrier { future, _alive: self.clone() }
    }
}

/// Waits until no task carries a token any more.
#[derive(Debug)]
pub(crate) struct Gone(mpsc::Receiver<Infallible>);

impl Gone {
    pub(crate) async fn wait(mut self) {
        let None = self.0.recv().await;
    }
}

pin_project! {
    /// A future with its token. The fields are in the order of their drop: the token goes last.
    pub(crate) struct Carrier<F> {
        #[pin]
        future: F,
        _alive: Alive,
    }
}

impl<F: Future> Future for Carrier<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Runs each stream of an HTTP/2 connection as a task of its own, until the connection's [`StreamGuard`] is dropped.
///
/// hyper-util's executor spawns detached tasks instead: those would outlive the server.
#[derive(Clone, Debug)]
pub(crate) struct StreamTasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` once the connection is over.
    running: Mutex<Option<JoinSet<()>>>,
    alive: Alive,
}

impl StreamTasks {
    pub(crate) fn new(alive: Alive) -> (Self, StreamGuard) {
        let shared = Arc::new(Shared { running: Mutex::new(Some(JoinSet::new())), alive });
        (Self { shared: Arc::clone(&shared) }, StreamGuard { shared })
    }
}

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        if let Some(running) = &mut *self.shared.lock() {
            running.spawn(self.shared.alive.carried_by(stream));
        }
    }
}

/// Ends the streams of a connection when it is dropped.
///
/// An owner of its own is needed because each stream holds the executor, and so the set that it is in.
#[derive(Debug)]
pub(crate) struct StreamGuard {
    shared: Arc<Shared>,
}

impl StreamGuard {
    /// Frees what ended streams leave in the set, and has the task of `cx` woken when another one ends.
    pub(crate) fn reap(&self, cx: &mut Context<'_>) {
        if let Some(running) = &mut *self.shared.lock() {
            while let Poll::Ready(Some(_)) = running.poll_join_next(cx) {}
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let running = self.shared.lock().take();
        // Outside of the lock, since it may drop what users wrote.
        drop(running);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        // A panic cannot leave the set half changed, and the other streams must go on.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::time::Duration;

    use hyper::rt::Executor;
    use tokio::time::timeout;

    use super::*;

    /// The time only lets a failure fail instead of hang.
    async fn check_gone(gone: Gone) {
        timeout(Duration::from_secs(30), gone.wait()).await.expect("every task ends");
    }

    #[tokio::test]
    async fn dropping_the_guard_ends_the_streams() {
        let (alive, gone) = roll_call();
        let (tasks, guard) = StreamTasks::new(alive);
        let executor = tasks.clone();
        tasks.execute(async move {
            let _as_hyper_does = executor;
            pending().await
        });
        drop(guard);
        drop(tasks);
        check_gone(gone).await;
    }

    #[tokio::test]
    async fn after_the_guard_nothing_starts() {
        let (alive, gone) = roll_call();
        let (tasks, guard) = StreamTasks::new(alive);
        drop(guard);
        tasks.execute(pending());
        drop(tasks);
        check_gone(gone).await;
    }

    #[tokio::test]
    async fn ended_and_panicked_streams_leave_the_set() {
        let (alive, _gone) = roll_call();
        let (tasks, guard) = StreamTasks::new(alive);
        tasks.execute(async {});
        tasks.execute(async { panic!("on purpose") });
        poll_fn(|cx| {
            guard.reap(cx);
            let left = guard.shared.lock().as_ref().map(JoinSet::len);
            if left == Some(0) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
