//! How long the server waits for a client that does nothing: less once the drain has started.
//!
//! A server that ends must not wait for a client that reads nothing, sends nothing, or leaves its
//! windows closed. Ending the wait loses nothing that such a client would have received. A client
//! that makes progress is not affected.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::settings::ConnectionSettings;
use crate::drain::handle::Drain;

/// How often a response that waits for a client is asked whether it has ended meanwhile.
pub(crate) const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The timeouts of a server's connections, and the drain that shortens them. Clones share one
/// allocation, so an idle stream pays one pointer.
#[derive(Clone, Debug)]
pub(crate) struct ClientTimeouts(Arc<TimeoutValues>);

#[derive(Debug)]
struct TimeoutValues {
    drain: Drain,
    grace: Duration,
    upload_grace: Duration,
    write: Duration,
    half_close: bool,
}

impl ClientTimeouts {
    pub(crate) fn new(settings: &ConnectionSettings, drain: Drain) -> Self {
        let (grace, write) = (settings.drain_grace, settings.write_stall_timeout);
        let upload_grace = settings.upload_grace;
        let half_close = settings.http1_half_close;
        Self(Arc::new(TimeoutValues { drain, grace, upload_grace, write, half_close }))
    }

    /// The default timeouts, for tests.
    #[cfg(test)]
    pub(crate) fn with_defaults(drain: &Drain) -> Self {
        Self::new(&ConnectionSettings::DEFAULT, drain.clone())
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Whether the server still serves an HTTP/1 client that has closed its sending side.
    pub(crate) fn allows_half_close(&self) -> bool {
        self.0.half_close
    }

    /// How long a wait may last once the drain has started.
    pub(crate) fn grace(&self) -> Duration {
        self.0.grace
    }

    /// Like [`grace`](Self::grace), for the rest of a body of which the handler has read a part.
    pub(crate) fn upload_grace(&self) -> Duration {
        self.0.upload_grace
    }

    /// Starts to wait for a client that accepts no byte. The wait wakes its task every
    /// [`STALL_CHECK_INTERVAL`], so that the task can look whether it still has a reason to wait.
    pub(crate) fn write_timer(&self) -> ClientTimer {
        let deadline = sleep(self.0.write).deadline();
        let sleep = sleep(self.0.write.min(STALL_CHECK_INTERVAL));
        let drain = DrainWatch::new(self);
        ClientTimer { sleep, deadline, interval: STALL_CHECK_INTERVAL, drain }
    }

    /// Starts a wait that lasts for `limit`, or until the grace after the drain's start if that
    /// comes first.
    pub(crate) fn timer(&self, limit: Duration) -> ClientTimer {
        let sleep = sleep(limit);
        let (deadline, drain) = (sleep.deadline(), DrainWatch::new(self));
        ClientTimer { sleep, deadline, interval: Duration::MAX, drain }
    }
}

pin_project! {
    /// One wait. It is allocated while the client makes no progress, and dropped when it does.
    pub(crate) struct ClientTimer {
        // Until the deadline, or until the task is to be woken before it.
        #[pin]
        sleep: Sleep,
        deadline: Instant,
        // How often the task is woken before the deadline.
        interval: Duration,
        drain: DrainWatch,
    }
}

impl ClientTimer {
    /// Ready when the wait has lasted for too long.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(deadline) = this.drain.poll_deadline(cx)
            && deadline < *this.deadline
        {
            *this.deadline = deadline;
            let next = deadline.min(this.sleep.deadline());
            this.sleep.as_mut().reset(next);
        }
        loop {
            ready!(this.sleep.as_mut().poll(cx));
            let now = Instant::now();
            if now >= *this.deadline {
                return Poll::Ready(());
            }
            let next = now.checked_add(*this.interval).unwrap_or(*this.deadline);
            this.sleep.as_mut().reset(next.min(*this.deadline));
        }
    }
}

impl std::fmt::Debug for ClientTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTimer").field("deadline", &self.deadline).finish()
    }
}

/// Notices the start of the drain during a wait.
pub(crate) struct DrainWatch {
    timeouts: ClientTimeouts,
    started: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    deadline: Option<Instant>,
}

impl DrainWatch {
    pub(crate) fn new(timeouts: &ClientTimeouts) -> Self {
        Self { timeouts: timeouts.clone(), started: None, deadline: None }
    }

    /// When a wait ends because of the drain, if the drain has started. The grace begins when this
    /// is first called after that.
    pub(crate) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        if self.deadline.is_none() {
            let drain = self.timeouts.drain();
            let started = self.started.get_or_insert_with(|| Box::pin(drain.started()));
            if started.as_mut().poll(cx).is_pending() {
                return None;
            }
            self.started = None;
            self.deadline = Some(Instant::now() + self.timeouts.grace());
        }
        self.deadline
    }

    /// Whether the drain has started and [`poll_deadline`](Self::poll_deadline) has not noticed.
    pub(crate) fn is_behind(&self) -> bool {
        self.deadline.is_none() && self.timeouts.drain().is_started()
    }
}

impl std::fmt::Debug for DrainWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrainWatch").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn wait(timeouts: &ClientTimeouts) -> Duration {
        let start = Instant::now();
        let mut timer = pin!(timeouts.timer(LIMIT));
        poll_fn(|cx| timer.as_mut().poll(cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_limit_or_the_grace_after_the_start_of_the_drain() {
        assert_eq!(wait(&ClientTimeouts::with_defaults(&Drain::new())).await, LIMIT);
        let grace = ConnectionSettings::DEFAULT.drain_grace;
        for begins in [Duration::ZERO, LIMIT / 2, LIMIT - grace / 2, 2 * LIMIT] {
            let drain = Drain::new();
            let waiting = ClientTimeouts::with_defaults(&drain);
            let starting = tokio::spawn(async move {
                sleep(begins).await;
                drain.start();
            });
            assert_eq!(wait(&waiting).await, LIMIT.min(begins + grace), "{begins:?}");
            starting.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_write_wakes_its_task_at_each_interval_until_its_end() {
        let timeouts = ClientTimeouts::with_defaults(&Drain::new());
        let limit = ConnectionSettings::DEFAULT.write_stall_timeout;
        let (mut timer, start) = (pin!(timeouts.write_timer()), Instant::now());
        let mut polls = 0;
        poll_fn(|cx| {
            assert_eq!(start.elapsed(), STALL_CHECK_INTERVAL * polls);
            polls += 1;
            timer.as_mut().poll(cx)
        })
        .await;
        assert_eq!(start.elapsed(), limit);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_begins_during_the_drain_has_the_grace() {
        let drain = Drain::new();
        drain.start();
        sleep(LIMIT).await;
        assert_eq!(
            wait(&ClientTimeouts::with_defaults(&drain)).await,
            ConnectionSettings::DEFAULT.drain_grace
        );
    }
}
