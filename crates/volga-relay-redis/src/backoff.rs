//! How long to wait before the next attempt to connect. Pure.

use std::time::Duration;

use crate::settings::MAX_RECONNECT_WAIT;

const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The wait before the next attempt. It doubles with each attempt that fails, up to
/// [`MAX_RECONNECT_WAIT`].
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST_WAIT)
    }

    /// The next wait: between half of it and all of it, as `random` says, so that the nodes do not
    /// connect at the same moment.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(MAX_RECONNECT_WAIT);
        let half = wait / 2;
        half + half.mul_f64((random % 1_024) as f64 / 1_024.0)
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        for random in [0, 1, 1_023, u64::MAX] {
            let mut backoff = Backoff::new();
            let waits: Vec<_> = (0..20).map(|_| backoff.next(random)).collect();
            assert!(waits.is_sorted() && waits[0] >= FIRST_WAIT / 2, "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= MAX_RECONNECT_WAIT), "{waits:?}");
            assert!(waits[19] >= MAX_RECONNECT_WAIT / 2, "{waits:?}");
            backoff.reset();
            assert_eq!(backoff.next(random), waits[0]);
        }
    }
}
