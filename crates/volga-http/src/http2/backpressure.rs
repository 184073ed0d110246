//! The bound on a stream that waits for room and gets none.
//!
//! A client opens the window of each stream, and of the connection. One that never does would have the server hold a frame of every stream for as long as it
//! answers PINGs, so a stream whose window stays shut is given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// What the streams of a connection need to know of its socket, and the connection of them.
#[derive(Debug)]
pub(super) struct Backpressure {
    patience: Duration,
    is_full: AtomicBool,
    /// How many streams wait for `h2` to have room for them.
    short: AtomicUsize,
    /// Wakes the connection.
    connection: Waker,
}

impl Backpressure {
    pub(super) fn new(patience: Duration, connection: Waker) -> Arc<Self> {
        let (is_full, short) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { patience, is_full, short, connection })
    }

    /// Whether the last write found no room. What was given to `h2` before is then still in memory.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Whether anybody waits for `h2` to have room.
    pub(super) fn is_h2_short(&self) -> bool {
        self.short.load(Ordering::Acquire) > 0
    }
}

/// There while a stream waits for `h2` to have room for it: everything that the client grants is then for `h2`.
#[derive(Debug)]
pub(super) struct WaitingInH2(Arc<Backpressure>);

impl WaitingInH2 {
    pub(super) fn new(socket: &Arc<Backpressure>) -> Self {
        socket.short.fetch_add(1, Ordering::Release);
        // What was granted before is given back in its next turn.
        socket.connection.wake_by_ref();
        Self(Arc::clone(socket))
    }
}

impl Drop for WaitingInH2 {
    fn drop(&mut self) {
        self.0.short.fetch_sub(1, Ordering::Release);
    }
}

/// A stream's wait for room.
#[derive(Debug, Default)]
pub(super) struct WindowTimer {
    /// There only while the stream waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl WindowTimer {
    /// There is no room. Ready once that has been so for too long.
    pub(super) fn poll_too_long(
        &mut self,
        socket: &Backpressure,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let patience = socket.patience;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(timer.as_mut().poll(cx));
            if !socket.is_full() {
                return Poll::Ready(());
            }
            // The network is what is slow, and many streams share it. A socket that takes nothing at all ends the whole connection.
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_too_long_after_the_time_and_each_begins_anew() {
        let (mut wait, socket) =
            (WindowTimer::default(), Backpressure::new(PATIENCE, Waker::noop().clone()));
        for _ in 0..3 {
            let almost = PATIENCE - Duration::from_secs(1);
            let waiting = poll_fn(|cx| wait.poll_too_long(&socket, cx));
            timeout(almost, waiting).await.expect_err("a second is left");
            wait = WindowTimer::default();
        }
        let start = Instant::now();
        poll_fn(|cx| wait.poll_too_long(&socket, cx)).await;
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_socket_is_no_fault_of_the_stream() {
        let socket = Backpressure::new(PATIENCE, Waker::noop().clone());
        let mut wait = WindowTimer::default();
        socket.set_full(true);
        let waiting = poll_fn(|cx| wait.poll_too_long(&socket, cx));
        timeout(10 * PATIENCE, waiting).await.expect_err("the network is slow");
        socket.set_full(false);
        let start = Instant::now();
        poll_fn(|cx| wait.poll_too_long(&socket, cx)).await;
        assert!(start.elapsed() <= PATIENCE);
    }
}
