//! The hub's time: what pure code takes as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the hub began.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// The milliseconds that have passed since, seen from `now`.
    pub(crate) fn age(self, now: Self) -> u64 {
        now.0.saturating_sub(self.0)
    }

    /// The moment so many milliseconds later.
    pub(crate) fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// The first moment after this one.
    pub(crate) fn next(self) -> Self {
        self.after(1)
    }
}

/// Where moments come from. It is tokio's clock, so a test that pauses that one drives the hub;
/// without a runtime it is the system's.
#[derive(Debug)]
pub(crate) struct HubClock(Instant);

impl HubClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(milliseconds(self.0.elapsed()))
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
