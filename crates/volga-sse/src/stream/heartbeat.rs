//! When a quiet stream owes a comment. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The silence after which a stream sends a comment: well under the 30 to 60 seconds for which proxies commonly wait.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);

/// What a stream sends when it has been silent for a while, so that nobody in between takes the connection for dead and a
/// client that vanished is noticed.
///
/// The default is a comment of one line after [`DEFAULT_HEARTBEAT`] of silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    interval: Option<Duration>,
    blank_line: bool,
}

impl Heartbeat {
    /// A comment of one line after so much silence. An interval below one millisecond counts as one millisecond.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        let shortest = Duration::from_millis(1);
        let interval = if interval.as_nanos() < shortest.as_nanos() { shortest } else { interval };
        Self { interval: Some(interval), blank_line: false }
    }

    /// No heartbeat.
    #[must_use]
    pub const fn off() -> Self {
        Self { interval: None, blank_line: false }
    }

    /// Adds a blank line to the comment. Relays that pass on whole blocks need it; several client libraries take such a block for
    /// an empty event, and so it is not the default.
    #[must_use]
    pub const fn with_blank_line(mut self) -> Self {
        self.blank_line = true;
        self
    }

    pub(crate) fn bytes(self) -> &'static [u8] {
        if self.blank_line { b":\n\n" } else { b":\n" }
    }

    /// The silence that starts now, unless the heartbeat is off.
    pub(crate) fn start(self, now: Instant) -> Option<Silence> {
        self.interval.map(|interval| Silence { due: due(now, interval) })
    }

    /// The interval, unless it is the usual one.
    pub(crate) fn own_interval(self) -> Option<Duration> {
        self.interval.filter(|&interval| interval != DEFAULT_HEARTBEAT)
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::every(DEFAULT_HEARTBEAT)
    }
}

/// How long the stream may stay silent. Whoever holds it knows the interval.
#[derive(Debug)]
pub(crate) struct Silence {
    due: Instant,
}

impl Silence {
    /// Something was sent. The timer stays where it is: re-arming it here would cost every message what only a silent stream owes.
    pub(crate) fn broken(&mut self, now: Instant, interval: Duration) {
        self.due = due(now, interval);
    }

    /// When to look again.
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

/// An interval too long for the clock is as good as the end of time, for which thirty years stand in.
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
        silence.broken(start + 5 * SECOND, interval);
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
