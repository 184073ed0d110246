//! The handle that starts a drain, and that connections watch.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

/// Starts the graceful shutdown of the servers that hold a clone of it, and tells everyone who
/// watches it.
///
/// All clones share one drain, and a drain cannot be stopped. Once it starts, a server accepts the
/// clients that have connected already and no others, sends GOAWAY to HTTP/2 clients, closes idle
/// HTTP/1 connections, lets running requests finish until its deadline, and aborts the rest.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use volga_http::Drain;
///
/// let drain = Drain::new();
/// let watched = drain.started();
/// drain.start();
/// watched.await;
/// assert!(drain.is_started());
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Drain {
    shared: Arc<DrainState>,
}

#[derive(Debug, Default)]
struct DrainState {
    started: AtomicBool,
    wake: Notify,
}

impl Drain {
    /// A drain that has not started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the drain. A second call changes nothing.
    pub fn start(&self) {
        if !self.shared.started.swap(true, Ordering::AcqRel) {
            self.shared.wake.notify_waiters();
        }
    }

    /// Whether the drain has started.
    pub fn is_started(&self) -> bool {
        self.shared.started.load(Ordering::Acquire)
    }

    /// Waits until the drain starts. Ready at once if it has started.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future changes nothing.
    pub fn started(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            // This is made before the flag is read. A start between the two wakes it, and an
            // earlier start shows in the flag.
            let mut woken = pin!(shared.wake.notified());
            let mut waiting: Option<Waker> = None;
            poll_fn(|cx| {
                if shared.started.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                // Every connection polls this at each of its turns. A task that is in the list
                // already need not take the list's lock again.
                if waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
                    return Poll::Pending;
                }
                waiting = Some(cx.waker().clone());
                woken.as_mut().poll(cx)
            })
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_and_every_watcher_sees_the_start() {
        let drain = Drain::new();
        let before = tokio::spawn(drain.started());
        let clone = drain.clone();
        assert!(!clone.is_started());
        drain.start();
        drain.start();
        assert!(clone.is_started());
        before.await.expect("the watcher does not panic");
        clone.started().await;
    }

    #[tokio::test]
    async fn a_watcher_that_moves_to_another_task_is_woken_there() {
        let drain = Drain::new();
        let mut moved = Box::pin(drain.started());
        for _ in 0..2 {
            let polled = poll_fn(|cx| Poll::Ready(moved.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        let there = tokio::spawn(moved);
        tokio::task::yield_now().await;
        drain.start();
        there.await.expect("it is woken");
    }

    /// A watcher that is polled repeatedly, as in `select!`, must not miss the start either.
    #[tokio::test]
    async fn a_dropped_watcher_does_not_affect_the_next() {
        let drain = Drain::new();
        for _ in 0..3 {
            tokio::select! {
                biased;
                () = drain.started() => panic!("nobody started it"),
                () = std::future::ready(()) => {}
            }
        }
        drain.start();
        drain.started().await;
    }
}
