//! The hub's clock, and the moments that pure code takes as arguments.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the hub was created.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// How many milliseconds have passed since this moment.
    pub(crate) fn age(self, now: Self) -> u64 {
        now.0.saturating_sub(self.0)
    }

    /// The moment this many milliseconds later.
    pub(crate) fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// The first moment after this one.
    pub(crate) fn next(self) -> Self {
        self.after(1)
    }
}

/// The clock of a hub. It is tokio's clock, so a test that pauses tokio's time controls the hub.
/// Without a runtime it is the system's clock.
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
