//! The time that a client has for a request head, without a timer for each request.
//!
//! hyper asks for a timer when it begins to wait for a head, and drops it when the head is there. A timer of tokio's own would be put into the runtime's wheel and
//! taken out again each time, which costs more than to parse the request. So the timer of a connection stays in the wheel when a head has come, and is set anew only
//! when it fires too early for the head that is waited for now: at most once in the time that a head may take.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::time::{Sleep, sleep_until};

/// The timer of one connection.
#[derive(Clone, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Wait { timer: self.clone(), deadline })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

/// The wait for one head.
struct Wait {
    timer: HeadTimer,
    deadline: Instant,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        let mut timer = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if deadline <= timer.deadline() {
                return Poll::Ready(());
            }
            // It was set for an earlier head.
            timer.as_mut().reset(deadline);
        }
    }
}

impl rt::Sleep for Wait {}

impl fmt::Debug for HeadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadTimer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Timer;
    use tokio::time::{self, sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_at_its_own_deadline_whatever_was_waited_for_before() {
        let timer = HeadTimer::default();
        for (dropped_after, waits) in [(3, 10), (9, 10), (0, 10), (5, 2), (1, 7)] {
            let dropped = timer.sleep(10 * SECOND);
            assert!(timeout(dropped_after * SECOND, dropped).await.is_err());
            let start = time::Instant::now();
            timer.sleep(waits * SECOND).await;
            assert_eq!(start.elapsed(), waits * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_stays_when_a_head_has_come() {
        let timer = HeadTimer::default();
        let is_set_for = || timer.0.lock().unwrap().as_ref().map(|timer| timer.deadline());
        assert_eq!(is_set_for(), None);
        let first = time::Instant::now() + 10 * SECOND;
        for _ in 0..9 {
            assert!(timeout(SECOND, timer.sleep(10 * SECOND)).await.is_err());
            assert_eq!(is_set_for(), Some(first));
        }
        sleep(SECOND).await;
        assert!(timeout(SECOND, timer.sleep(10 * SECOND)).await.is_err());
        assert_eq!(is_set_for(), Some(first + 10 * SECOND));
    }
}
