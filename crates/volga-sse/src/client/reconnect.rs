//! What a client does when its stream ends: when it returns, and when it does not. Pure: times and random numbers are arguments.
//!
//! The rules are those of the HTML standard, section 9.2.3 ("Processing model"). A stream that was open and ended, and a request without
//! a response, are tried again after the reconnection time; any other response ends it for good. The standard lets a client "wait some
//! more", which is where back-off and jitter come in. Redirects are the HTTP client's to follow.
//!
//! ```
//! use std::time::Duration;
//! use volga_sse::reconnect::{Ended, Next, Reconnect, Refusal};
//!
//! let mut reconnect = Reconnect::new();
//! reconnect.set_time(Duration::from_secs(1)); // the server sent `retry: 1000`
//! let random = 0; // from the generator of your choice
//! assert_eq!(reconnect.ended(Ended::Finished, random), Next::Return(Duration::from_secs(1)));
//!
//! let refusal = Refusal::of(204, None).expect("204 is no event stream");
//! assert_eq!(reconnect.ended(refusal.into(), random), Next::Stop(Refusal::NoContent));
//! ```

use std::{fmt, time::Duration};

/// The reconnection time until the server gives one: what browsers wait.
pub const DEFAULT_RECONNECTION_TIME: Duration = Duration::from_secs(3);

/// The wait at which back-off stops growing.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The longest wait, whatever the server asks for.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// What back-off starts from when the reconnection time is shorter: doubling zero would be no back-off.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(500);

/// How an attempt to read a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ended {
    /// The stream was open, and its body came to its end.
    Finished,
    /// The stream was open, and its connection broke.
    Broken {
        /// How long it was open. A break within the reconnection time counts as a failure, since the next one will likely come as soon.
        open_for: Duration,
    },
    /// There was no response: no connection, or one that broke before the response.
    NoResponse,
    /// There was a response, but no event stream.
    Refused {
        /// What the response was.
        refusal: Refusal,
        /// Its `Retry-After`, which counts under [`Reconnect::retry_temporary_refusals`].
        retry_after: Option<Duration>,
    },
}

/// A response that is no event stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 204: the server tells the client to stop. There is nothing wrong.
    NoContent,
    /// Any other status but 200.
    Status(u16),
    /// 200, but its content type is not `text/event-stream`.
    ContentType,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Next {
    /// Send the request again after so long, with the last event ID unless that is empty.
    Return(Duration),
    /// Stop for good.
    Stop(Refusal),
}

/// When a client returns.
///
/// Each wait is the reconnection time. After failures without a stream between them it doubles each time, up to [`max_backoff`](Self::max_backoff),
/// but is never less than the server asked for. Up to half as much again is added at random, so that clients which lost the same server do not return
/// together.
#[derive(Clone, Debug)]
pub struct Reconnect {
    time: Duration,
    max_backoff: Duration,
    max_wait: Duration,
    retries_refusals: bool,
    failures: u32,
    stopped: Option<Refusal>,
}

impl Reconnect {
    /// The standard's rules, with the default times.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            time: DEFAULT_RECONNECTION_TIME,
            max_backoff: DEFAULT_MAX_BACKOFF,
            max_wait: DEFAULT_MAX_WAIT,
            retries_refusals: false,
            failures: 0,
            stopped: None,
        }
    }

    /// Sets the wait at which back-off stops growing; [`DEFAULT_MAX_BACKOFF`] by default.
    #[must_use]
    pub const fn max_backoff(mut self, wait: Duration) -> Self {
        self.max_backoff = wait;
        self
    }

    /// Sets the longest wait before the random part, whatever the server asks for; [`DEFAULT_MAX_WAIT`] by default.
    #[must_use]
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Tries again after 429 and 5xx, no sooner than `Retry-After` says. Not in the standard: a browser gives up. It suits a client that
    /// nobody is there to restart.
    #[must_use]
    pub const fn retry_temporary_refusals(mut self) -> Self {
        self.retries_refusals = true;
        self
    }

    /// Sets the reconnection time: [`DEFAULT_RECONNECTION_TIME`] until the server gives one, see
    /// [`Decoder::retry`](crate::codec::decode::Decoder::retry).
    pub fn set_time(&mut self, time: Duration) {
        self.time = time;
    }

    /// Takes the end of an attempt. `random` is any number, spread evenly over all of them.
    ///
    /// After the first [`Next::Stop`] the answer stays the same.
    pub fn ended(&mut self, ended: Ended, random: u64) -> Next {
        if let Some(refusal) = self.stopped {
            return Next::Stop(refusal);
        }
        let mut asked_for = self.time;
        match ended {
            Ended::Finished => self.failures = 0,
            Ended::Broken { open_for } if open_for > self.time => self.failures = 0,
            Ended::Broken { .. } | Ended::NoResponse => self.count_failure(),
            Ended::Refused { refusal, retry_after } => {
                if !(self.retries_refusals && refusal.is_temporary()) {
                    self.stopped = Some(refusal);
                    return Next::Stop(refusal);
                }
                self.count_failure();
                asked_for = asked_for.max(retry_after.unwrap_or_default());
            }
        }
        let wait = self.backoff().max(asked_for).min(self.max_wait);
        Next::Return(wait.saturating_add(part_of(wait / 2, random)))
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

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

impl Refusal {
    /// What is wrong with a response, or `None` if it is an event stream: status 200, and a content type of `text/event-stream` with any
    /// parameters.
    #[must_use]
    pub fn of(status: u16, content_type: Option<&str>) -> Option<Self> {
        match status {
            200 if is_event_stream(content_type.unwrap_or_default()) => None,
            200 => Some(Self::ContentType),
            204 => Some(Self::NoContent),
            status => Some(Self::Status(status)),
        }
    }

    /// True for 429 and 5xx, which may be over when the client returns.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Status(429 | 500..=599))
    }
}

impl From<Refusal> for Ended {
    /// Without `Retry-After`.
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, retry_after: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContent => f.write_str("the server has no more events (204)"),
            Self::Status(status) => write!(f, "the server answered with status {status}"),
            Self::ContentType => f.write_str("the content type is not `text/event-stream`"),
        }
    }
}

impl std::error::Error for Refusal {}

fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split_once(';').map_or(content_type, |(essence, _)| essence);
    essence.trim_matches([' ', '\t', '\r', '\n']).eq_ignore_ascii_case("text/event-stream")
}

/// The part of a time that a random number chooses, in whole milliseconds.
fn part_of(time: Duration, random: u64) -> Duration {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    // The high half of the product is `random` scaled from 0..2^64 to 0..whole.
    let part = (u128::from(whole) * u128::from(random)) >> 64;
    Duration::from_millis(part as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN_SOON: Ended = Ended::Broken { open_for: Duration::ZERO };
    const BROKEN_LATE: Ended = Ended::Broken { open_for: Duration::from_secs(3_600) };

    fn refused(status: u16, retry_after: Option<u64>) -> Ended {
        let retry_after = retry_after.map(Duration::from_secs);
        Ended::Refused { refusal: Refusal::Status(status), retry_after }
    }

    /// The waits in seconds after these ends, without their random part.
    #[track_caller]
    fn check(mut reconnect: Reconnect, ends: &[(Ended, u64)]) {
        for (index, (ended, seconds)) in ends.iter().enumerate() {
            let next = reconnect.ended(*ended, 0);
            assert_eq!(next, Next::Return(Duration::from_secs(*seconds)), "end {index}");
        }
    }

    #[test]
    fn a_stream_that_was_open_is_returned_to_after_the_reconnection_time() {
        let late = BROKEN_LATE;
        check(
            Reconnect::new(),
            &[(Ended::Finished, 3), (late, 3), (Ended::Finished, 3), (late, 3)],
        );
        let mut reconnect = Reconnect::new();
        reconnect.set_time(Duration::ZERO);
        check(reconnect, &[(Ended::Finished, 0), (Ended::Finished, 0)]);
    }

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_its_bound() {
        let no = Ended::NoResponse;
        check(
            Reconnect::new().max_backoff(Duration::from_secs(20)),
            &[
                (no, 3),
                (no, 6),
                (BROKEN_SOON, 12),
                (no, 20),
                (no, 20),
                (Ended::Finished, 3),
                (no, 3),
                (no, 6),
            ],
        );
        check(Reconnect::new(), &[(no, 3), (no, 6), (BROKEN_LATE, 3), (no, 3)]);
    }

    #[test]
    fn back_off_starts_somewhere_even_from_a_reconnection_time_of_zero() {
        let mut reconnect = Reconnect::new();
        reconnect.set_time(Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(reconnect.ended(Ended::NoResponse, 0));
        }
        assert_eq!(waits, [500, 1_000, 2_000].map(|ms| Next::Return(Duration::from_millis(ms))));
    }

    #[test]
    fn the_wait_is_never_less_than_the_server_asks_for_nor_more_than_its_bound() {
        let mut reconnect = Reconnect::new();
        reconnect.set_time(Duration::from_secs(300));
        check(reconnect.clone(), &[(Ended::NoResponse, 300), (Ended::NoResponse, 300)]);
        reconnect.set_time(Duration::MAX);
        check(reconnect, &[(Ended::Finished, 3_600), (Ended::NoResponse, 3_600)]);
    }

    #[test]
    fn a_part_of_half_the_wait_is_added_at_random() {
        let wait = |random| Reconnect::new().ended(Ended::Finished, random);
        assert_eq!(wait(u64::MAX / 2 + 1), Next::Return(Duration::from_millis(3_750)));
        assert_eq!(wait(u64::MAX), Next::Return(Duration::from_millis(4_499)));
    }

    #[test]
    fn extreme_times_neither_overflow_nor_panic() {
        let mut reconnect = Reconnect::new().max_backoff(Duration::MAX).max_wait(Duration::MAX);
        reconnect.set_time(Duration::MAX);
        for _ in 0..100 {
            assert_eq!(reconnect.ended(Ended::NoResponse, u64::MAX), Next::Return(Duration::MAX));
        }
    }

    #[test]
    fn a_refusal_stops_for_good() {
        for (status, refusal) in
            [(204, Refusal::NoContent), (404, Refusal::Status(404)), (503, Refusal::Status(503))]
        {
            let mut reconnect = Reconnect::new();
            let found = Refusal::of(status, Some("text/event-stream")).expect("a refusal");
            assert_eq!(reconnect.ended(found.into(), 0), Next::Stop(refusal));
            assert_eq!(reconnect.ended(Ended::Finished, 0), Next::Stop(refusal), "for good");
        }
    }

    #[test]
    fn temporary_refusals_are_tried_again_when_asked_to() {
        let reconnect = || Reconnect::new().retry_temporary_refusals();
        check(
            reconnect(),
            &[
                (refused(503, None), 3),
                (refused(429, Some(100)), 100),
                (refused(500, Some(1)), 12),
                (Ended::Finished, 3),
            ],
        );
        check(reconnect(), &[(refused(503, Some(u64::MAX)), 3_600)]);
        assert_eq!(reconnect().ended(refused(404, Some(1)), 0), Next::Stop(Refusal::Status(404)));
        assert_eq!(reconnect().ended(Refusal::NoContent.into(), 0), Next::Stop(Refusal::NoContent));
    }

    #[test]
    fn an_event_stream_is_told_by_status_and_content_type() {
        for good in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream;charset=utf-8",
            " text/event-stream ; x",
        ] {
            assert_eq!(Refusal::of(200, Some(good)), None, "{good}");
        }
        for bad in ["", "text/plain", "text/event-streams", "text/event-stream, text/plain"] {
            assert_eq!(Refusal::of(200, Some(bad)), Some(Refusal::ContentType), "{bad}");
        }
        assert_eq!(Refusal::of(200, None), Some(Refusal::ContentType));
        assert_eq!(Refusal::of(307, None), Some(Refusal::Status(307)));
    }
}
