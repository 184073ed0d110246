//! The times that a client waited for its responses (pure).

use std::time::Duration;

use crate::{clock::nanoseconds, stats::percentile};

/// The waits of one client that sends a request in each interval.
#[derive(Debug)]
pub(crate) struct WaitTimes {
    interval: u64,
    longest: u64,
    samples: Vec<u64>,
    unanswered: u64,
}

impl WaitTimes {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval: nanoseconds(interval), longest: 0, samples: Vec::new(), unanswered: 0 }
    }

    /// Records one wait.
    ///
    /// While the client waits it cannot send further requests. So one wait of a second would be one
    /// sample among hundreds of short ones, and the percentiles would not show it. Therefore each
    /// request that the client could not send counts as well: as if it had been sent in time and
    /// had got its response together with the one that the client waited for.
    pub(crate) fn add(&mut self, wait: Duration) {
        let mut wait = nanoseconds(wait);
        self.longest = self.longest.max(wait);
        self.samples.push(wait);
        while wait > self.interval {
            wait -= self.interval;
            self.samples.push(wait);
        }
    }

    /// Records that a request got no response at all.
    pub(crate) fn add_unanswered(&mut self) {
        self.unanswered += 1;
    }

    /// How many requests got no response.
    pub(crate) fn unanswered(&self) -> f64 {
        self.unanswered as f64
    }

    /// The longest wait, in nanoseconds.
    pub(crate) fn longest(&self) -> f64 {
        self.longest as f64
    }

    /// The wait, in nanoseconds, that this share of all waits does not exceed.
    pub(crate) fn percentile(&mut self, share: f64) -> f64 {
        percentile(&mut self.samples, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(milliseconds: &[u64]) -> WaitTimes {
        let mut waits = WaitTimes::new(Duration::from_millis(2));
        for &wait in milliseconds {
            waits.add(Duration::from_millis(wait));
        }
        waits
    }

    #[test]
    fn short_waits_count_once() {
        let mut waits = waits(&[1, 2, 1]);
        assert_eq!((waits.longest(), waits.samples.len()), (2e6, 3));
        assert_eq!(waits.percentile(0.5), 1e6);
    }

    #[test]
    fn a_long_wait_counts_as_often_as_the_client_would_have_asked() {
        let mut waits = waits(&[1, 1, 1, 9]);
        // 9, 7, 5, 3 and 1 ms, and the three before.
        assert_eq!((waits.longest(), waits.samples.len()), (9e6, 8));
        assert_eq!(waits.percentile(0.75), 5e6);
    }
}
