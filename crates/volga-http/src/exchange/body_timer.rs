//! The timer of a request body, which is not set again for each piece.
//!
//! Setting a timer for every wait costs more than reading a small piece. So the timer stays set
//! when a piece arrives, and is set again only when it fires too early: at most once in the time
//! that the client may be silent. This works because a [`BodyPace`] never moves its deadline back.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::drain::client_timeouts::{ClientTimeouts, DrainWatch};
use crate::exchange::body_pace::{BodyPace, PaceError, PaceLimits};

/// The pace of one body, and its timer. Nothing is allocated before the first wait.
#[derive(Debug)]
pub(crate) struct BodyTimer {
    limits: PaceLimits,
    timeouts: ClientTimeouts,
    /// Whether the reader has received a part of the content.
    is_begun: bool,
    waiting: Option<Pin<Box<PaceTimer>>>,
}

pin_project! {
    #[derive(Debug)]
    struct PaceTimer {
        pace: BodyPace,
        #[pin]
        timer: Sleep,
        // The task that the timer wakes when it fires.
        waker: Option<Waker>,
        drain: DrainWatch,
        // When the grace of the drain is over, unless the client sends something before.
        grace_end: Option<Instant>,
    }
}

impl BodyTimer {
    pub(crate) fn new(limits: PaceLimits, timeouts: ClientTimeouts) -> Self {
        Self { limits, timeouts, is_begun: false, waiting: None }
    }

    /// Waits until the client is too slow. The time runs from the first call after the last
    /// [`note_received`](Self::note_received).
    ///
    /// `excuse` returns the moment until which the server did not let the client send.
    pub(crate) fn poll_too_slow(
        &mut self,
        excuse: impl Fn(Instant) -> Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<PaceError> {
        let (limits, timeouts) = (self.limits, &self.timeouts);
        let grace = if self.is_begun { timeouts.upload_grace() } else { timeouts.grace() };
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            // A timer cannot be made outside of a runtime. Code that reads a body there gets no
            // bound instead of a panic.
            none if Handle::try_current().is_ok() => none.insert(Box::pin(PaceTimer {
                pace: BodyPace::new(limits),
                timer: sleep_until(Instant::now() + limits.timeout),
                waker: None,
                drain: DrainWatch::new(timeouts),
                grace_end: None,
            })),
            _ => return Poll::Pending,
        };
        let mut waiting = waiting.as_mut().project();
        let is_known = waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let is_set = !waiting.timer.is_elapsed() && !waiting.drain.is_behind();
        if is_known && is_set && waiting.pace.is_waiting() {
            return Poll::Pending;
        }
        let now = Instant::now();
        waiting.pace.wait(now);
        if waiting.drain.poll_deadline(cx).is_some() {
            let end = *waiting.grace_end.get_or_insert(now + grace);
            if end < waiting.timer.deadline() {
                waiting.timer.as_mut().reset(end);
            }
        }
        loop {
            // The poll ignores the task's coop budget: with the budget used up, the timer would
            // return pending without storing the waker.
            if pin!(unconstrained(waiting.timer.as_mut())).poll(cx).is_pending() {
                *waiting.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if let Some(until) = excuse(now) {
                waiting.pace.excuse(until);
            }
            if let Some(reason) = waiting.pace.too_slow(now) {
                return Poll::Ready(reason);
            }
            // A client that could not send is not too slow.
            if let Some(end) = waiting.grace_end.as_mut() {
                if excuse(now).is_some_and(|until| until >= now) {
                    *end = now + grace;
                } else if *end <= now {
                    return Poll::Ready(PaceError::Silent(grace));
                }
            }
            // It was set for an earlier wait.
            let deadline = waiting.pace.deadline().unwrap_or(now + limits.timeout);
            let deadline = waiting.grace_end.map_or(deadline, |end| deadline.min(end));
            waiting.timer.as_mut().reset(deadline);
        }
    }

    /// Notes that this many bytes of the body have arrived.
    pub(crate) fn note_received(
        &mut self,
        bytes: usize,
        excuse: impl Fn(Instant) -> Option<Instant>,
    ) {
        self.is_begun |= bytes > 0;
        let Some(waiting) = &mut self.waiting else { return };
        let waiting = waiting.as_mut().project();
        let (pace, now) = (waiting.pace, Instant::now());
        *waiting.grace_end = None;
        if let Some(until) = excuse(now).filter(|_| pace.is_waiting()) {
            pace.excuse(until);
        }
        pace.note_received(bytes, now);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::connection::settings::ConnectionSettings;
    use crate::drain::handle::Drain;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: PaceLimits = PaceLimits { timeout: Duration::from_secs(30), min_rate: 240 };

    fn body_timer(drain: &Drain) -> BodyTimer {
        BodyTimer::new(LIMITS, ClientTimeouts::with_defaults(drain))
    }

    async fn too_slow(timer: &mut BodyTimer) -> PaceError {
        poll_fn(|cx| timer.poll_too_slow(|_| None, cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_the_deadline_of_the_pace_whatever_came_before() {
        for first in [0, 1, 10, 29] {
            let mut timer = body_timer(&Drain::new());
            timer.note_received(1, |_| None);
            assert!(timer.waiting.is_none(), "a body that is there needs no timer");
            assert!(timeout(first * SECOND, too_slow(&mut timer)).await.is_err());
            timer.note_received(240, |_| None);
            // The reader is busy.
            sleep(100 * SECOND).await;
            let start = Instant::now();
            assert!(matches!(
                too_slow(&mut timer).await,
                PaceError::BelowRate(240) | PaceError::Silent(_)
            ));
            let left = LIMITS.timeout.min((31 - first) * SECOND);
            assert_eq!(start.elapsed(), left, "after {first} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_task_that_polls_is_woken() {
        let mut timer = body_timer(&Drain::new());
        let start = Instant::now();
        for _ in 0..2 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(timer.poll_too_slow(|_| None, &mut cx).is_pending());
        }
        timeout(2 * LIMITS.timeout, too_slow(&mut timer)).await.expect("it is woken");
        assert_eq!(start.elapsed(), LIMITS.timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_restarts_when_the_client_may_send_again() {
        let mut timer = body_timer(&Drain::new());
        let start = Instant::now();
        let opens = start + 100 * SECOND;
        let late = poll_fn(|cx| timer.poll_too_slow(|now| Some(now.min(opens)), cx)).await;
        assert_eq!(late, PaceError::Silent(LIMITS.timeout));
        assert_eq!(start.elapsed(), 130 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn during_a_drain_a_client_may_be_silent_for_longer_once_its_body_was_read() {
        let ConnectionSettings { drain_grace, upload_grace, .. } = ConnectionSettings::DEFAULT;
        assert!(drain_grace < upload_grace);
        // What arrives before the drain and during it, in pieces of this many bytes. Framing is not
        // content.
        for (before, during, grace) in [
            (0, 0, drain_grace),
            (240, 0, upload_grace),
            (0, 240, upload_grace),
            (1, 1, upload_grace),
        ] {
            let drain = Drain::new();
            let mut timer = body_timer(&drain);
            timer.note_received(before, |_| None);
            assert!(timeout(SECOND, too_slow(&mut timer)).await.is_err());
            drain.start();
            for _ in 0..5 {
                assert!(timeout(drain_grace / 2, too_slow(&mut timer)).await.is_err());
                timer.note_received(during, |_| None);
            }
            let start = Instant::now();
            let case = format!("{before} bytes before and {during} during the drain");
            assert_eq!(too_slow(&mut timer).await, PaceError::Silent(grace), "{case}");
            assert_eq!(start.elapsed(), grace, "{case}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_starts_during_a_wait_ends_it() {
        let drain = Drain::new();
        let mut timer = body_timer(&drain);
        let start = Instant::now();
        let starting = async {
            sleep(SECOND).await;
            drain.start();
        };
        let (late, ()) = tokio::join!(too_slow(&mut timer), starting);
        let grace = ConnectionSettings::DEFAULT.drain_grace;
        assert_eq!((late, start.elapsed()), (PaceError::Silent(grace), SECOND + grace));
    }

    #[test]
    fn outside_of_a_runtime_nothing_panics() {
        let mut timer = body_timer(&Drain::new());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(timer.poll_too_slow(|_| None, &mut cx).is_pending());
    }

    #[test]
    fn a_body_that_never_waited_holds_two_pointers_its_limits_and_a_flag() {
        assert!(size_of::<BodyTimer>() <= 6 * size_of::<usize>());
    }
}
