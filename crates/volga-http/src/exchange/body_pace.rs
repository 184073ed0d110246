//! Decides whether a client sends a request body fast enough. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{DEFAULT_BODY_READ_TIMEOUT, DEFAULT_MIN_BODY_RATE};

/// How fast a client must send a request body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PaceLimits {
    /// How long the server waits for a byte.
    pub(crate) timeout: Duration,
    /// Bytes per second. With 0, any byte restarts the timeout.
    pub(crate) min_rate: u32,
}

impl PaceLimits {
    pub(crate) const DEFAULT: Self =
        Self { timeout: DEFAULT_BODY_READ_TIMEOUT, min_rate: DEFAULT_MIN_BODY_RATE };
}

/// Why a body was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PaceError {
    #[error("no byte arrived for {0:?}")]
    Silent(Duration),
    #[error("it arrived at less than {0} bytes per second")]
    BelowRate(u32),
}

/// How much longer the server waits for the body of one request.
///
/// A body has a credit of waiting time, which starts full, at [`PaceLimits::timeout`]. While the
/// server waits for the client, the credit runs down. Bytes that arrive add the time that they may
/// take at the minimum rate, but never fill the credit beyond its start. So a client may be silent
/// for the timeout at most. And for any number of bytes, the server waits no longer than the
/// timeout plus the time that these bytes may take at the minimum rate.
///
/// The bound on the credit matters. With a plain average over the whole body, a client that begins
/// with a megabyte could then send single bytes for an hour.
#[derive(Debug)]
pub(crate) struct BodyPace {
    limits: PaceLimits,
    credit: Duration,
    /// When the server began to wait, if it waits.
    since: Option<Instant>,
}

impl BodyPace {
    pub(crate) fn new(limits: PaceLimits) -> Self {
        Self { limits, credit: limits.timeout, since: None }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// Notes that the server waits for the client from `now` on, unless it waits already.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Notes that the server did not let the client send until this moment, so the time before does
    /// not count.
    pub(crate) fn excuse(&mut self, until: Instant) {
        self.since = self.since.map(|since| since.max(until));
    }

    /// Notes that this many bytes of the body have come, which ends the wait.
    pub(crate) fn note_received(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.credit = self.credit.saturating_sub(now.saturating_duration_since(since));
        }
        let earned = match u64::from(self.limits.min_rate) {
            0 if bytes == 0 => Duration::ZERO,
            0 => self.limits.timeout,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate),
        };
        self.credit = self.credit.saturating_add(earned).min(self.limits.timeout);
    }

    /// When the client will be too slow, if the server waits. From one wait to the next, this never
    /// becomes earlier.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.since? + self.credit)
    }

    /// Whether the client is too slow, and why.
    pub(crate) fn too_slow(&self, now: Instant) -> Option<PaceError> {
        self.deadline().filter(|&deadline| deadline <= now)?;
        let waited = now.saturating_duration_since(self.since?);
        Some(if waited >= self.limits.timeout {
            PaceError::Silent(self.limits.timeout)
        } else {
            PaceError::BelowRate(self.limits.min_rate)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits { timeout: Duration::from_secs(30), min_rate: 240 };
    const ANY_RATE: PaceLimits = PaceLimits { min_rate: 0, ..LIMITS };

    /// An event of a body, and the milliseconds before it.
    #[derive(Clone, Copy, Debug)]
    enum PaceStep {
        /// The reader wants more.
        Wait(u64),
        /// This many bytes arrive.
        Bytes(u64, usize),
        /// The application does not read.
        Rest(u64),
    }

    /// The millisecond at which `BodyPace` finds these events too slow.
    fn given_up(limits: PaceLimits, steps: &[PaceStep]) -> Option<u64> {
        let (start, mut at) = (Instant::now(), 0);
        let time = |at: u64| start + Duration::from_millis(at);
        let mut pace = BodyPace::new(limits);
        let mut earliest = start;
        for step in steps {
            let (PaceStep::Wait(pause) | PaceStep::Bytes(pause, _) | PaceStep::Rest(pause)) = *step;
            if let Some(deadline) = pace.deadline() {
                assert!(deadline >= earliest, "it moves back after {steps:?}");
                earliest = deadline;
                if deadline <= time(at + pause) {
                    assert!(pace.too_slow(deadline).is_some());
                    return Some((deadline - start).as_millis() as u64);
                }
                assert_eq!(pace.too_slow(time(at + pause)), None);
            }
            at += pause;
            match *step {
                PaceStep::Wait(_) => pace.wait(time(at)),
                PaceStep::Bytes(_, bytes) => pace.note_received(bytes, time(at)),
                PaceStep::Rest(_) => {}
            }
        }
        None
    }

    /// The same, found by counting each millisecond, with the credit in 240,000ths of a second.
    fn expected(limits: PaceLimits, steps: &[PaceStep]) -> Option<u64> {
        let full = limits.timeout.as_millis() as u64 * 240;
        let (mut credit, mut at, mut is_waiting) = (full, 0, false);
        for step in steps {
            let (PaceStep::Wait(pause) | PaceStep::Bytes(pause, _) | PaceStep::Rest(pause)) = *step;
            for _ in 0..pause {
                at += 1;
                if is_waiting {
                    credit -= 240;
                    if credit < 240 {
                        return Some(at + u64::from(credit > 0));
                    }
                }
            }
            match *step {
                PaceStep::Wait(_) => is_waiting = true,
                PaceStep::Bytes(_, bytes) => {
                    is_waiting = false;
                    let earned = match (limits.min_rate, bytes as u64) {
                        (0, 0) => 0,
                        (0, _) => full,
                        (rate, bytes) => bytes * 240_000 / u64::from(rate),
                    };
                    credit = full.min(credit + earned);
                }
                PaceStep::Rest(_) => {}
            }
        }
        None
    }

    #[test]
    fn it_agrees_with_a_count_of_every_millisecond() {
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let (mut slow, mut fast) = (0, 0);
        for case in 0..3_000 {
            let limits = [LIMITS, ANY_RATE, PaceLimits { min_rate: 1_000, ..LIMITS }][case % 3];
            let pause = [10, 500, 20_000][case / 3 % 3];
            let size = [1, 100, 5_000, 100_000][case / 9 % 4];
            let mut steps = Vec::new();
            for _ in 0..20 {
                if random(4) == 0 {
                    steps.push(PaceStep::Rest(random(60_000)));
                }
                steps.push(PaceStep::Wait(random(5)));
                steps.push(PaceStep::Bytes(random(pause), random(size) as usize));
            }
            let (found, expect) = (given_up(limits, &steps), expected(limits, &steps));
            // Fractions of a nanosecond are dropped.
            let is_near = match (found, expect) {
                (Some(found), Some(expect)) => found.abs_diff(expect) <= 1,
                (found, expect) => found.is_none() && expect.is_none(),
            };
            assert!(is_near, "{found:?} and not {expect:?}: {limits:?} {steps:?}");
            if found.is_some() { slow += 1 } else { fast += 1 }
        }
        assert!(slow > 300 && fast > 300, "{slow} too slow, {fast} not");
    }

    #[test]
    fn a_fast_beginning_does_not_pay_for_a_slow_rest() {
        let mut steps = vec![PaceStep::Wait(0), PaceStep::Bytes(1, 3_000_000)];
        for _ in 0..60 {
            steps.extend([PaceStep::Wait(0), PaceStep::Bytes(1_000, 1)]);
        }
        assert_eq!(given_up(LIMITS, &steps), Some(30_125));
        assert_eq!(given_up(ANY_RATE, &steps), None);
    }

    #[test]
    fn the_reason_tells_silence_from_a_trickle() {
        let start = Instant::now();
        let mut pace = BodyPace::new(LIMITS);
        pace.wait(start);
        pace.note_received(1, start + Duration::from_secs(29));
        pace.wait(start + Duration::from_secs(29));
        let end = pace.deadline().expect("it waits");
        assert_eq!(pace.too_slow(end), Some(PaceError::BelowRate(240)));
        assert_eq!(pace.too_slow(end - Duration::from_nanos(1)), None);
        pace.note_received(7_200, end);
        pace.wait(end);
        assert_eq!(pace.too_slow(end + LIMITS.timeout), Some(PaceError::Silent(LIMITS.timeout)));
    }

    #[test]
    fn time_in_which_the_client_could_not_send_does_not_count() {
        let start = Instant::now();
        let mut pace = BodyPace::new(LIMITS);
        pace.excuse(start);
        assert!(!pace.is_waiting());
        pace.wait(start);
        let opened = start + Duration::from_secs(60);
        pace.excuse(opened);
        pace.excuse(start);
        assert_eq!(pace.deadline(), Some(opened + LIMITS.timeout));
    }
}
