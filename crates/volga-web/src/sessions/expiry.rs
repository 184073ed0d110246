//! When a session ends (pure).

use std::time::{Duration, SystemTime};

/// The part of the idle timeout by which a request must move the end of a session. Otherwise each
/// request would write to the store.
const TOUCH_PART: u32 = 20;

/// The times of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    /// How long a session lives without a request.
    pub(super) idle_timeout: Duration,
    /// How long a session lives at most.
    pub(super) max_age: Duration,
}

impl Expiry {
    /// When a session ends that is used now.
    pub(super) fn expires_at(self, created_at: SystemTime, now: SystemTime) -> SystemTime {
        let idle = now.checked_add(self.idle_timeout);
        let oldest = created_at.checked_add(self.max_age);
        match (idle, oldest) {
            (Some(idle), Some(oldest)) => idle.min(oldest),
            (Some(end), None) | (None, Some(end)) => end,
            // No session lives until the end of time.
            (None, None) => now,
        }
    }

    /// The new end of a session that is used now, if it is worth a write.
    pub(super) fn touch(
        self,
        created_at: SystemTime,
        expires_at: SystemTime,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let end = self.expires_at(created_at, now);
        let moves_by = end.duration_since(expires_at).unwrap_or_default();
        (moves_by > self.idle_timeout / TOUCH_PART).then_some(end)
    }

    /// How long a stream may stay open that begins now, or `None` if the session has ended. The
    /// stream ends long before the idle timeout, so that the client returns in time to move the end
    /// of the session.
    pub(super) fn time_for_stream(
        self,
        created_at: SystemTime,
        expires_at: SystemTime,
        now: SystemTime,
    ) -> Option<Duration> {
        let end = expires_at.min(self.expires_at(created_at, now));
        let time_left = end.duration_since(now).ok().filter(|time| !time.is_zero())?;
        Some(time_left.min(self.idle_timeout / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRY: Expiry =
        Expiry { idle_timeout: Duration::from_secs(100), max_age: Duration::from_secs(300) };

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_session_ends_without_requests_and_at_its_age() {
        for (now, end) in [(0, 100), (50, 150), (199, 299), (200, 300), (250, 300), (300, 300)] {
            assert_eq!(EXPIRY.expires_at(at(0), at(now)), at(end), "used at {now}");
        }
    }

    #[test]
    fn the_end_is_written_only_if_it_moves_enough() {
        for (now, expect) in [(0, None), (5, None), (6, Some(106)), (250, Some(300))] {
            assert_eq!(EXPIRY.touch(at(0), at(100), at(now)), expect.map(at), "used at {now}");
        }
        assert_eq!(EXPIRY.touch(at(0), at(300), at(299)), None);
        // The clock was set back.
        assert_eq!(EXPIRY.touch(at(50), at(150), at(10)), None);
    }

    #[test]
    fn a_page_that_returns_with_its_stream_stays_signed_in_until_the_maximum_age() {
        for idle in [1, 2, 7, 40, 100, 299, 300, 1_000] {
            let expiry = Expiry { idle_timeout: Duration::from_secs(idle), ..EXPIRY };
            let (mut now, mut end) = (at(0), expiry.expires_at(at(0), at(0)));
            let mut streams = 0;
            while let Some(time) = expiry.time_for_stream(at(0), end, now) {
                now += time;
                end = expiry.touch(at(0), end, now).unwrap_or(end);
                streams += 1;
                assert!(streams <= 700, "idle {idle}: the streams are too short");
            }
            // A move of the end that is not worth a write is not made, so the session may end by
            // that much earlier.
            let earliest = at(300) - expiry.idle_timeout / TOUCH_PART;
            assert!((earliest..=at(300)).contains(&now), "idle {idle}: ended at {now:?}");
        }
    }

    #[test]
    fn a_session_that_has_ended_has_no_time_for_a_stream() {
        for (created, expires, now) in [(0, 100, 100), (0, 100, 101), (0, 900, 300)] {
            assert_eq!(EXPIRY.time_for_stream(at(created), at(expires), at(now)), None);
        }
    }

    #[test]
    fn times_that_no_clock_has_do_not_panic() {
        let endless = Expiry { idle_timeout: Duration::MAX, ..EXPIRY };
        assert_eq!(endless.expires_at(at(1), at(2)), at(301));
        let endless = Expiry { idle_timeout: Duration::MAX, max_age: Duration::MAX };
        assert_eq!(endless.expires_at(at(1), at(2)), at(2));
    }
}
