//! `LazyTimer`: the time limits of one connection, with one timer for all of them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Limits one wait after another.
///
/// With a timer for each wait, tokio would be told of a new end of its sleep twice for each
/// message, and each time with a system call. This timer is moved only when it fires too early, so
/// nearly all waits end without having touched it.
#[derive(Debug)]
pub(crate) struct LazyTimer {
    sleep: Pin<Box<Sleep>>,
}

impl LazyTimer {
    pub(crate) fn new() -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)) }
    }

    /// Waits for a future for this long. Returns `None` if it is not ready by then.
    pub(crate) async fn limit<T>(
        &mut self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            if self.sleep.deadline() > end {
                self.sleep.as_mut().reset(end);
            }
            while self.sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= end {
                    return Poll::Ready(None);
                }
                // It was set for an earlier wait.
                self.sleep.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for so long, and returns whether the limit ended the wait, and the time that it took.
    async fn wait(timer: &mut LazyTimer, limit: Duration, time: Duration) -> (bool, Duration) {
        let begin = Instant::now();
        let output = timer.limit(limit, sleep(time)).await;
        (output.is_none(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit_whatever_came_before() {
        let mut timer = LazyTimer::new();
        // In a fixed order that has each step from a shorter to a longer limit, and back.
        for limit in [3, 1, 2, 2, 1, 3, 3, 2, 1, 1] {
            for time in [1, 4, 2, 3, 4, 1] {
                // Half a second apart, so that no two of them end at the same time.
                let (limit, time) = (SECOND * limit, SECOND * time - SECOND / 2);
                let (is_limited, elapsed) = wait(&mut timer, limit, time).await;
                assert_eq!(is_limited, limit < time, "limit {limit:?}, time {time:?}");
                assert_eq!(elapsed.as_millis(), limit.min(time).as_millis());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_early_does_not_move_the_timer() {
        let mut timer = LazyTimer::new();
        _ = wait(&mut timer, SECOND, SECOND / 100).await;
        let set = timer.sleep.deadline();
        for _ in 0..50 {
            _ = wait(&mut timer, SECOND, SECOND / 100).await;
            assert_eq!(timer.limit(SECOND, ready(7)).await, Some(7));
        }
        assert_eq!(timer.sleep.deadline(), set);
        assert_eq!(timer.limit(SECOND, pending::<()>()).await, None);
    }
}
