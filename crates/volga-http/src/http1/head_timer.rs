//! The time that a client has for a request head, without a timer for each request.
//!
//! Putting a timer into the runtime's wheel for each head, and taking it out again, costs more than
//! parsing the request. So the timer of a connection stays in the wheel when a head has arrived. It
//! is set again only when it fires too early for the current head, which happens at most once in
//! the time that a head may take. The timer is not polled for each head either, as long as it knows
//! the right task to wake.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    limit: Duration,
    /// When the head that is waited for must have arrived.
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The task that the timer wakes when it fires.
    waker: Option<Waker>,
}

impl HeadTimer {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, deadline: None, timer: None, waker: None }
    }

    /// Starts the time for a head. Without this call, it starts when the head is waited for.
    pub(crate) fn start(&mut self, now: Instant) {
        self.deadline = Some(now + self.limit);
    }

    /// Waits until a head is late. The time runs from the last [`start`](Self::start), or else from
    /// the first call after the last [`stop`](Self::stop).
    pub(crate) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
        let is_known = self.wakes(cx.waker());
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if is_known && !timer.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            // The poll ignores the task's coop budget: with the budget used up, the timer would
            // return pending without storing the waker.
            if pin!(unconstrained(timer.as_mut())).poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if deadline <= timer.deadline() {
                return Poll::Ready(());
            }
            // It was set for an earlier head.
            timer.as_mut().reset(deadline);
        }
    }

    /// Whether this task was told to be woken when the time is over.
    pub(crate) fn wakes(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Leaves the client at most this much more time for the head that is waited for, and for those
    /// after it. Only the first call has an effect, so repeated calls do not move the deadline.
    pub(crate) fn shorten(&mut self, grace: Duration) {
        if self.limit <= grace {
            return;
        }
        self.limit = grace;
        let soon = Instant::now() + grace;
        self.deadline = Some(self.deadline.map_or(soon, |deadline| deadline.min(soon)));
        // The timer may be set for a later head.
        self.timer = None;
        self.waker = None;
    }

    /// Stops the time, because no head is waited for.
    pub(crate) fn stop(&mut self) {
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_head_has_the_whole_time_whatever_came_before() {
        let mut timer = HeadTimer::new(LIMIT);
        for stopped_after in [3, 9, 0, 5, 1] {
            let wait = poll_fn(|cx| timer.poll_late(cx));
            assert!(timeout(stopped_after * SECOND, wait).await.is_err());
            timer.stop();
        }
        let start = Instant::now();
        poll_fn(|cx| timer.poll_late(cx)).await;
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_task_that_polls_is_woken() {
        let mut timer = HeadTimer::new(LIMIT);
        let start = Instant::now();
        for _ in 0..2 {
            assert!(timer.poll_late(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        timeout(2 * LIMIT, poll_fn(|cx| timer.poll_late(cx))).await.expect("it is woken");
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_stays_set_when_a_head_has_arrived() {
        let mut timer = HeadTimer::new(LIMIT);
        let first = Instant::now() + LIMIT;
        for _ in 0..9 {
            assert!(timeout(SECOND, poll_fn(|cx| timer.poll_late(cx))).await.is_err());
            timer.stop();
            assert_eq!(timer.timer.as_ref().map(|timer| timer.deadline()), Some(first));
        }
    }
}
