//! The limit on how long a stream waits for room in its window.
//!
//! A client that never opens a window but responds to PINGs would make the server keep the stream
//! forever. So a stream whose window stays closed for too long is reset.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use crate::drain::client_timeouts::{ClientTimeouts, ClientTimer};

/// The state that the streams of a connection share with its transport.
#[derive(Debug)]
pub(super) struct Backpressure {
    timeouts: ClientTimeouts,
    is_full: AtomicBool,
    /// How many streams wait for room in `h2`.
    waiting: AtomicUsize,
    /// Wakes the connection.
    connection: Waker,
}

impl Backpressure {
    pub(super) fn new(timeouts: ClientTimeouts, connection: Waker) -> Arc<Self> {
        let (is_full, waiting) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { timeouts, is_full, waiting, connection })
    }

    /// Whether the socket accepted nothing at the last write.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Whether a stream waits for room in `h2`.
    pub(super) fn is_waiting_in_h2(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

/// Held while a stream waits for room in `h2`. As long as one exists, `h2` gets all of the window
/// that the client grants.
#[derive(Debug)]
pub(super) struct H2WaitGuard(Arc<Backpressure>);

impl H2WaitGuard {
    pub(super) fn new(backpressure: &Arc<Backpressure>) -> Self {
        backpressure.waiting.fetch_add(1, Ordering::Release);
        // In its next turn, the connection gives `h2` the window that was granted before.
        backpressure.connection.wake_by_ref();
        Self(Arc::clone(backpressure))
    }
}

impl Drop for H2WaitGuard {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Release);
    }
}

/// Measures how long a stream waits for room.
#[derive(Debug, Default)]
pub(super) struct WindowTimer {
    /// Exists only while the stream waits.
    timer: Option<Pin<Box<ClientTimer>>>,
}

impl WindowTimer {
    /// Call this while there is no room. Ready when that has lasted for too long.
    pub(super) fn poll_too_long(
        &mut self,
        backpressure: &Backpressure,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let timeouts = &backpressure.timeouts;
            let timer = self.timer.get_or_insert_with(|| Box::pin(timeouts.write_timer()));
            ready!(timer.as_mut().poll(cx));
            if !backpressure.is_full() {
                return Poll::Ready(());
            }
            // The whole network is slow, not only this stream. If the socket accepts nothing for
            // too long, the whole connection ends.
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::connection::settings::ConnectionSettings;
    use crate::drain::handle::Drain;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn backpressure(drain: &Drain) -> Arc<Backpressure> {
        let settings =
            ConnectionSettings { write_stall_timeout: TIMEOUT, ..ConnectionSettings::DEFAULT };
        Backpressure::new(ClientTimeouts::new(&settings, drain.clone()), Waker::noop().clone())
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_the_whole_time() {
        let (mut wait, backpressure) = (WindowTimer::default(), backpressure(&Drain::new()));
        for _ in 0..3 {
            let almost = TIMEOUT - Duration::from_secs(1);
            let waiting = poll_fn(|cx| wait.poll_too_long(&backpressure, cx));
            timeout(almost, waiting).await.expect_err("a second is left");
            wait = WindowTimer::default();
        }
        let start = Instant::now();
        poll_fn(|cx| wait.poll_too_long(&backpressure, cx)).await;
        assert_eq!(start.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_not_blamed_for_a_full_socket() {
        let backpressure = backpressure(&Drain::new());
        let mut wait = WindowTimer::default();
        backpressure.set_full(true);
        let waiting = poll_fn(|cx| wait.poll_too_long(&backpressure, cx));
        timeout(10 * TIMEOUT, waiting).await.expect_err("the network is slow");
        backpressure.set_full(false);
        let start = Instant::now();
        poll_fn(|cx| wait.poll_too_long(&backpressure, cx)).await;
        assert!(start.elapsed() <= TIMEOUT);
    }
}
