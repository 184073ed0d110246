//! When a silent stream has to send a comment. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The silence after which a stream sends a comment: well below the 30 to 60 seconds after which
/// proxies commonly close a connection.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);

/// The comment that a stream sends after some silence. It keeps proxies from closing the
/// connection, and it reveals a client that has vanished.
///
/// The default is a comment of one line after [`DEFAULT_HEARTBEAT`] of silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    interval: Option<Duration>,
    blank_line: bool,
}

impl Heartbeat {
    /// Sends a comment of one line after this much silence. An interval below one millisecond
    /// counts as one millisecond.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        let shortest = Duration::from_millis(1);
        let interval = if interval.as_nanos() < shortest.as_nanos() { shortest } else { interval };
        Self { interval: Some(interval), blank_line: false }
    }

    /// Sends no heartbeat.
    #[must_use]
    pub const fn off() -> Self {
        Self { interval: None, blank_line: false }
    }

    /// Adds a blank line to the comment. Relays that pass on whole blocks need it. It is not the
    /// default, because several client libraries take such a block for an empty event.
    #[must_use]
    pub const fn blank_line(mut self) -> Self {
        self.blank_line = true;
        self
    }

    pub(crate) fn bytes(self) -> &'static [u8] {
        if self.blank_line { b":\n\n" } else { b":\n" }
    }

    /// Starts to measure the silence, unless the heartbeat is off.
    pub(crate) fn start(self, now: Instant) -> Option<Silence> {
        self.interval.map(|interval| Silence { due: due(now, interval) })
    }

    /// The interval, unless it is the default one.
    pub(crate) fn custom_interval(self) -> Option<Duration> {
        self.interval.filter(|&interval| interval != DEFAULT_HEARTBEAT)
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::every(DEFAULT_HEARTBEAT)
    }
}

/// The time until which the stream may stay silent. The owner has to know the interval.
#[derive(Debug)]
pub(crate) struct Silence {
    due: Instant,
}

impl Silence {
    /// Records that something was sent. The timer stays where it is: re-arming it here would put a
    /// cost on every message that only a silent stream has to pay.
    pub(crate) fn restart(&mut self, now: Instant, interval: Duration) {
        self.due = due(now, interval);
    }

    /// The time at which to check again.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Returns true once per interval of silence.
    pub(crate) fn fire(&mut self, now: Instant, interval: Duration) -> bool {
        let owed = self.due <= now;
        if owed {
            // From `now`, not from `due`: after a stall the client needs one comment, not a burst.
            self.due = due(now, interval);
        }
        owed
    }
}

/// Adds an interval to a time. If the clock cannot hold the sum, it is thirty years from now, which
/// stands for the end of time.
pub(crate) fn due(now: Instant, interval: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    now.checked_add(interval).unwrap_or(now + THIRTY_YEARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_comment_is_owed_per_interval_of_silence() {
        let start = Instant::now();
        let interval = 10 * SECOND;
        let mut silence = Heartbeat::every(interval).start(start).expect("on");
        assert!(!silence.fire(start + 9 * SECOND, interval));
        assert!(silence.fire(start + 10 * SECOND, interval));
        assert!(!silence.fire(start + 11 * SECOND, interval));
        assert!(silence.fire(start + 20 * SECOND, interval));
    }

    #[test]
    fn a_message_puts_the_comment_off() {
        let start = Instant::now();
        let interval = 10 * SECOND;
        let mut silence = Heartbeat::every(interval).start(start).expect("on");
        silence.restart(start + 5 * SECOND, interval);
        assert!(!silence.fire(start + 10 * SECOND, interval));
        assert_eq!(silence.due(), start + 15 * SECOND);
        assert!(silence.fire(start + 15 * SECOND, interval));
    }

    #[test]
    fn a_stall_owes_one_comment() {
        let start = Instant::now();
        let mut silence = Heartbeat::every(SECOND).start(start).expect("on");
        assert!(silence.fire(start + 60 * SECOND, SECOND));
        assert!(!silence.fire(start + 60 * SECOND, SECOND));
    }

    #[test]
    fn odd_intervals_neither_spin_nor_panic() {
        let start = Instant::now();
        assert!(Heartbeat::off().start(start).is_none());
        let mut silence = Heartbeat::every(Duration::ZERO).start(start).expect("on");
        assert!(!silence.fire(start, Duration::from_millis(1)));
        let mut silence = Heartbeat::every(Duration::MAX).start(start).expect("on");
        assert!(!silence.fire(start + SECOND, Duration::MAX));
    }
}
