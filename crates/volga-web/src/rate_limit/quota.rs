//! `Quota`: how many requests a key may send, and the decision for one of them (pure).
//!
//! The decision is the generic cell rate algorithm. It is a few lines, so the crate `governor`,
//! which has it, too, is only the oracle of the tests: its stores of keys have no bound, and its
//! clock is not tokio's, so both would have to be written for it anyway.

use std::time::Duration;

/// How many requests a key may send in which time.
///
/// A key that has sent nothing for a while may use the whole quota at once. It comes back evenly:
/// with 60 requests per minute, one request per second.
///
/// ```
/// use std::time::Duration;
/// use volga_web::Quota;
///
/// assert_eq!(Quota::per_minute(100), Quota::new(100, Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    requests: u32,
    window: Duration,
}

impl Quota {
    /// Creates a quota of this many requests in this time. A quota of 0 requests refuses all of
    /// them.
    #[must_use]
    pub const fn new(requests: u32, window: Duration) -> Self {
        Self { requests, window }
    }

    /// Creates a quota of this many requests per second.
    #[must_use]
    pub const fn per_second(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(1))
    }

    /// Creates a quota of this many requests per minute.
    #[must_use]
    pub const fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(60))
    }

    /// Creates a quota of this many requests per hour.
    #[must_use]
    pub const fn per_hour(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(60 * 60))
    }

    /// The number of requests.
    #[must_use]
    pub const fn requests(self) -> u32 {
        self.requests
    }

    /// The time.
    #[must_use]
    pub const fn window(self) -> Duration {
        self.window
    }

    /// The nanoseconds after which one request comes back.
    fn interval(self) -> u64 {
        let window = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX / 2);
        (window / u64::from(self.requests.max(1))).max(1)
    }

    /// Decides about a request at the time `now`, in nanoseconds. `full_at` is the time at which
    /// the key has its whole quota again; it is updated if the request is allowed.
    pub(crate) fn decide(self, full_at: &mut u64, now: u64) -> Decision {
        let interval = self.interval();
        let capacity = interval.saturating_mul(u64::from(self.requests));
        let used = full_at.saturating_sub(now);
        let wanted = used.saturating_add(interval);
        if wanted > capacity {
            let retry_after = if self.requests == 0 { interval } else { wanted - capacity };
            let reset = Duration::from_nanos(used);
            return Decision { remaining: 0, reset, retry_after: Some(retry_after) };
        }
        *full_at = now.saturating_add(wanted);
        let remaining = u32::try_from((capacity - wanted) / interval).unwrap_or(u32::MAX);
        Decision { remaining, reset: Duration::from_nanos(wanted), retry_after: None }
    }
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Decision {
    /// How many more requests would be allowed now.
    pub(crate) remaining: u32,
    /// The time until the key has its whole quota again.
    pub(crate) reset: Duration,
    /// The nanoseconds until a request is allowed, if this one is refused.
    pub(crate) retry_after: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;
    use governor::{RateLimiter, middleware::StateInformationMiddleware};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_decision_is_the_one_of_governor(
            requests in 1_u32..20,
            window in 1_u64..100,
            steps in prop::collection::vec(0_u64..30, 1..200),
        ) {
            let quota = Quota::new(requests, Duration::from_secs(window));
            let clock = FakeRelativeClock::default();
            let burst = NonZeroU32::new(requests).unwrap();
            let period = Duration::from_nanos(quota.interval());
            let oracle = governor::Quota::with_period(period).unwrap().allow_burst(burst);
            let oracle = RateLimiter::direct_with_clock(oracle, clock.clone())
                .with_middleware::<StateInformationMiddleware>();
            let (mut full_at, mut now) = (0, 0);
            for step in steps {
                let step = Duration::from_millis(step * 250);
                clock.advance(step);
                now += u64::try_from(step.as_nanos()).unwrap();
                let decision = quota.decide(&mut full_at, now);
                match oracle.check() {
                    Ok(state) => {
                        prop_assert_eq!(decision.retry_after, None);
                        prop_assert_eq!(decision.remaining, state.remaining_burst_capacity());
                    }
                    Err(refused) => {
                        let wait = refused.wait_time_from(governor::clock::Clock::now(&clock));
                        prop_assert_eq!(
                            decision.retry_after.map(Duration::from_nanos),
                            Some(wait)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_quota_of_nothing_and_extreme_quotas_do_not_overflow() {
        for (quota, is_allowed) in [
            (Quota::per_minute(0), false),
            (Quota::new(1, Duration::MAX), true),
            (Quota::new(u32::MAX, Duration::MAX), true),
            (Quota::new(u32::MAX, Duration::ZERO), true),
        ] {
            let mut full_at = 0;
            assert_eq!(quota.decide(&mut full_at, 5).retry_after.is_none(), is_allowed);
            quota.decide(&mut full_at, u64::MAX);
        }
    }
}
