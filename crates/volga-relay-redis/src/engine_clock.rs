//! `EngineClock`: the time of the server's clock, without asking for it each time. Pure.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// After this time the server is asked again, because its clock may have been set.
const MAX_AGE: Duration = Duration::from_secs(10);

/// A time of the server's clock, and the same time by the clock of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineClock {
    time: SystemTime,
    at: Instant,
}

impl EngineClock {
    pub(crate) fn new(time: SystemTime, at: Instant) -> Self {
        Self { time, at }
    }

    /// The time of the server's clock. `None` if the server must be asked.
    pub(crate) fn now(&self, now: Instant) -> Option<SystemTime> {
        let elapsed = now - self.at;
        if elapsed < MAX_AGE { self.time.checked_add(elapsed) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_for_a_while() {
        let (time, at) = (SystemTime::UNIX_EPOCH, Instant::now());
        let clock = EngineClock::new(time, at);
        for elapsed in [Duration::ZERO, Duration::from_millis(9_999)] {
            assert_eq!(clock.now(at + elapsed), Some(time + elapsed));
        }
        for elapsed in [MAX_AGE, MAX_AGE * 1_000] {
            assert_eq!(clock.now(at + elapsed), None);
        }
    }
}
