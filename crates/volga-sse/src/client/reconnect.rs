//! When a client reconnects after its stream ended, and when it stops. Pure: times and random
//! numbers are arguments.
//!
//! The rules are those of the HTML standard, section 9.2.3 ("Processing model"). After a stream
//! that was open and ended, and after a request without a response, the client tries again once the
//! reconnection time has passed. After any other response it stops for good. The standard lets a
//! client "wait some more", which allows for back-off and jitter. Your HTTP client has to follow
//! redirects.
//!
//! ```
//! use std::time::Duration;
//! use volga_sse::reconnect::{AttemptEnd, NextStep, ReconnectPolicy, Rejection};
//!
//! let mut reconnect = ReconnectPolicy::new();
//! reconnect.set_time(Duration::from_secs(1)); // the server sent `retry: 1000`
//! let random = 0; // from the generator of your choice
//! assert_eq!(reconnect.next_step(AttemptEnd::Finished, random), NextStep::Return(Duration::from_secs(1)));
//!
//! let rejection = Rejection::of(204, None).expect("204 is no event stream");
//! assert_eq!(reconnect.next_step(rejection.into(), random), NextStep::Stop(Rejection::NoContent));
//! ```

use std::{fmt, time::Duration};

/// The reconnection time until the server sends one. Browsers wait this long.
pub const DEFAULT_RECONNECTION_TIME: Duration = Duration::from_secs(3);

/// The wait at which back-off stops growing.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The longest wait, whatever the server asks for.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// The wait from which back-off starts if the reconnection time is shorter. Doubling zero would be
/// no back-off.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(500);

/// How an attempt to read a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// The stream was open, and its body came to a proper end.
    Finished,
    /// The stream was open, and its connection broke.
    Broken {
        /// How long the stream was open. If it broke within the reconnection time, it counts as a
        /// failure, because the next stream will probably break as soon.
        open_for: Duration,
    },
    /// There was no response: the connection failed, or it broke before the response.
    NoResponse,
    /// There was a response, but it was not an event stream.
    Rejected {
        /// Why the response is not an event stream.
        rejection: Rejection,
        /// The response's `Retry-After`, which is used with
        /// [`ReconnectPolicy::with_temporary_rejection_retries`].
        retry_after: Option<Duration>,
    },
}

/// Why a response is not an event stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rejection {
    /// 204: the server tells the client to stop. This is not an error.
    NoContent,
    /// Any other status except 200.
    Status(u16),
    /// 200, but the content type is not `text/event-stream`.
    ContentType,
}

/// What the client does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum NextStep {
    /// Send the request again after this time, with the last event ID unless that is empty.
    Return(Duration),
    /// Stop for good, for this reason.
    Stop(Rejection),
}

/// Decides when a client reconnects.
///
/// The client waits for the reconnection time. After each further failure without a stream in
/// between, the wait doubles, up to [`with_max_backoff`](Self::with_max_backoff), but it is never
/// shorter than the server requested. A random part of up to half the wait is added, so that
/// clients which lost the same server do not reconnect at the same time.
#[derive(Clone, Debug)]
pub struct ReconnectPolicy {
    time: Duration,
    max_backoff: Duration,
    max_wait: Duration,
    retries_rejections: bool,
    failures: u32,
    stopped: Option<Rejection>,
}

impl ReconnectPolicy {
    /// Makes a policy with the standard's rules and the default times.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            time: DEFAULT_RECONNECTION_TIME,
            max_backoff: DEFAULT_MAX_BACKOFF,
            max_wait: DEFAULT_MAX_WAIT,
            retries_rejections: false,
            failures: 0,
            stopped: None,
        }
    }

    /// Sets the wait at which back-off stops growing; [`DEFAULT_MAX_BACKOFF`] by default.
    #[must_use]
    pub const fn with_max_backoff(mut self, wait: Duration) -> Self {
        self.max_backoff = wait;
        self
    }

    /// Sets the longest wait before the random part is added, whatever the server requests;
    /// [`DEFAULT_MAX_WAIT`] by default.
    #[must_use]
    pub const fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Tries again after 429 and 5xx, no sooner than `Retry-After` says. The standard does not have
    /// this, and a browser stops. Use it for a client that nobody is there to restart.
    #[must_use]
    pub const fn with_temporary_rejection_retries(mut self) -> Self {
        self.retries_rejections = true;
        self
    }

    /// Sets the reconnection time, which is [`DEFAULT_RECONNECTION_TIME`] until the server sends
    /// one: see [`Decoder::retry`](crate::codec::decode::Decoder::retry).
    pub fn set_time(&mut self, time: Duration) {
        self.time = time;
    }

    /// Returns what to do after an attempt has ended. `random` is a random number, uniform over all
    /// `u64`.
    ///
    /// After the first [`NextStep::Stop`], it always returns the same.
    pub fn next_step(&mut self, end: AttemptEnd, random: u64) -> NextStep {
        if let Some(rejection) = self.stopped {
            return NextStep::Stop(rejection);
        }
        let mut asked_for = self.time;
        match end {
            AttemptEnd::Finished => self.failures = 0,
            AttemptEnd::Broken { open_for } if open_for > self.time => self.failures = 0,
            AttemptEnd::Broken { .. } | AttemptEnd::NoResponse => self.count_failure(),
            AttemptEnd::Rejected { rejection, retry_after } => {
                if !(self.retries_rejections && rejection.is_temporary()) {
                    self.stopped = Some(rejection);
                    return NextStep::Stop(rejection);
                }
                self.count_failure();
                asked_for = asked_for.max(retry_after.unwrap_or_default());
            }
        }
        let wait = self.backoff().max(asked_for).min(self.max_wait);
        NextStep::Return(wait.saturating_add(part_of(wait / 2, random)))
    }

    fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The reconnection time, doubled for each failure after the first.
    fn backoff(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.time.max(SHORTEST_BACKOFF).saturating_mul(factor).min(self.max_backoff)
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl Rejection {
    /// Returns why a response is not an event stream, or `None` if it is one: its status is 200,
    /// and its content type is `text/event-stream` with any parameters.
    #[must_use]
    pub fn of(status: u16, content_type: Option<&str>) -> Option<Self> {
        match status {
            200 if is_event_stream(content_type.unwrap_or_default()) => None,
            200 => Some(Self::ContentType),
            204 => Some(Self::NoContent),
            status => Some(Self::Status(status)),
        }
    }

    /// Returns true for 429 and 5xx, which may have passed when the client reconnects.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Status(429 | 500..=599))
    }
}

impl From<Rejection> for AttemptEnd {
    /// Converts it without a `Retry-After`.
    fn from(rejection: Rejection) -> Self {
        Self::Rejected { rejection, retry_after: None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContent => f.write_str("the server has no more events (204)"),
            Self::Status(status) => write!(f, "the server responded with status {status}"),
            Self::ContentType => f.write_str("the content type is not `text/event-stream`"),
        }
    }
}

impl std::error::Error for Rejection {}

fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split_once(';').map_or(content_type, |(essence, _)| essence);
    essence.trim_matches([' ', '\t', '\r', '\n']).eq_ignore_ascii_case("text/event-stream")
}

/// The part of a time that a random number selects, in whole milliseconds.
fn part_of(time: Duration, random: u64) -> Duration {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    // The high half of the product is `random` scaled from 0..2^64 to 0..whole.
    let part = (u128::from(whole) * u128::from(random)) >> 64;
    Duration::from_millis(part as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN_SOON: AttemptEnd = AttemptEnd::Broken { open_for: Duration::ZERO };
    const BROKEN_LATE: AttemptEnd = AttemptEnd::Broken { open_for: Duration::from_secs(3_600) };

    fn rejected(status: u16, retry_after: Option<u64>) -> AttemptEnd {
        let retry_after = retry_after.map(Duration::from_secs);
        AttemptEnd::Rejected { rejection: Rejection::Status(status), retry_after }
    }

    /// The waits in seconds after these ends, without their random part.
    #[track_caller]
    fn check(mut reconnect: ReconnectPolicy, ends: &[(AttemptEnd, u64)]) {
        for (index, (end, seconds)) in ends.iter().enumerate() {
            let next = reconnect.next_step(*end, 0);
            assert_eq!(next, NextStep::Return(Duration::from_secs(*seconds)), "end {index}");
        }
    }

    #[test]
    fn a_stream_that_was_open_is_returned_to_after_the_reconnection_time() {
        let late = BROKEN_LATE;
        check(
            ReconnectPolicy::new(),
            &[(AttemptEnd::Finished, 3), (late, 3), (AttemptEnd::Finished, 3), (late, 3)],
        );
        let mut reconnect = ReconnectPolicy::new();
        reconnect.set_time(Duration::ZERO);
        check(reconnect, &[(AttemptEnd::Finished, 0), (AttemptEnd::Finished, 0)]);
    }

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_its_bound() {
        let no = AttemptEnd::NoResponse;
        check(
            ReconnectPolicy::new().with_max_backoff(Duration::from_secs(20)),
            &[
                (no, 3),
                (no, 6),
                (BROKEN_SOON, 12),
                (no, 20),
                (no, 20),
                (AttemptEnd::Finished, 3),
                (no, 3),
                (no, 6),
            ],
        );
        check(ReconnectPolicy::new(), &[(no, 3), (no, 6), (BROKEN_LATE, 3), (no, 3)]);
    }

    #[test]
    fn back_off_starts_somewhere_even_from_a_reconnection_time_of_zero() {
        let mut reconnect = ReconnectPolicy::new();
        reconnect.set_time(Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(reconnect.next_step(AttemptEnd::NoResponse, 0));
        }
        assert_eq!(
            waits,
            [500, 1_000, 2_000].map(|ms| NextStep::Return(Duration::from_millis(ms)))
        );
    }

    #[test]
    fn the_wait_is_never_less_than_the_server_asks_for_nor_more_than_its_bound() {
        let mut reconnect = ReconnectPolicy::new();
        reconnect.set_time(Duration::from_secs(300));
        check(reconnect.clone(), &[(AttemptEnd::NoResponse, 300), (AttemptEnd::NoResponse, 300)]);
        reconnect.set_time(Duration::MAX);
        check(reconnect, &[(AttemptEnd::Finished, 3_600), (AttemptEnd::NoResponse, 3_600)]);
    }

    #[test]
    fn a_part_of_half_the_wait_is_added_at_random() {
        let wait = |random| ReconnectPolicy::new().next_step(AttemptEnd::Finished, random);
        assert_eq!(wait(u64::MAX / 2 + 1), NextStep::Return(Duration::from_millis(3_750)));
        assert_eq!(wait(u64::MAX), NextStep::Return(Duration::from_millis(4_499)));
    }

    #[test]
    fn extreme_times_neither_overflow_nor_panic() {
        let mut reconnect =
            ReconnectPolicy::new().with_max_backoff(Duration::MAX).with_max_wait(Duration::MAX);
        reconnect.set_time(Duration::MAX);
        for _ in 0..100 {
            assert_eq!(
                reconnect.next_step(AttemptEnd::NoResponse, u64::MAX),
                NextStep::Return(Duration::MAX)
            );
        }
    }

    #[test]
    fn a_rejection_stops_for_good() {
        for (status, rejection) in [
            (204, Rejection::NoContent),
            (404, Rejection::Status(404)),
            (503, Rejection::Status(503)),
        ] {
            let mut reconnect = ReconnectPolicy::new();
            let found = Rejection::of(status, Some("text/event-stream")).expect("a rejection");
            assert_eq!(reconnect.next_step(found.into(), 0), NextStep::Stop(rejection));
            assert_eq!(
                reconnect.next_step(AttemptEnd::Finished, 0),
                NextStep::Stop(rejection),
                "for good"
            );
        }
    }

    #[test]
    fn temporary_rejections_are_tried_again_when_asked_to() {
        let reconnect = || ReconnectPolicy::new().with_temporary_rejection_retries();
        check(
            reconnect(),
            &[
                (rejected(503, None), 3),
                (rejected(429, Some(100)), 100),
                (rejected(500, Some(1)), 12),
                (AttemptEnd::Finished, 3),
            ],
        );
        check(reconnect(), &[(rejected(503, Some(u64::MAX)), 3_600)]);
        assert_eq!(
            reconnect().next_step(rejected(404, Some(1)), 0),
            NextStep::Stop(Rejection::Status(404))
        );
        assert_eq!(
            reconnect().next_step(Rejection::NoContent.into(), 0),
            NextStep::Stop(Rejection::NoContent)
        );
    }

    #[test]
    fn an_event_stream_is_told_by_status_and_content_type() {
        for good in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream;charset=utf-8",
            " text/event-stream ; x",
        ] {
            assert_eq!(Rejection::of(200, Some(good)), None, "{good}");
        }
        for bad in ["", "text/plain", "text/event-streams", "text/event-stream, text/plain"] {
            assert_eq!(Rejection::of(200, Some(bad)), Some(Rejection::ContentType), "{bad}");
        }
        assert_eq!(Rejection::of(200, None), Some(Rejection::ContentType));
        assert_eq!(Rejection::of(307, None), Some(Rejection::Status(307)));
    }
}
