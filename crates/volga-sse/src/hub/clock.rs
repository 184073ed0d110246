//! The hub's clock, and the moments that pure code takes as arguments.

use std::time::Duration;

use tokio::time::Instant;

/// The time at which the clock of a shared hub starts, in milliseconds. Such a hub holds messages
/// that are older than it is.
const SHARED_START: u64 = 1 << 40;

/// Milliseconds since the hub was created. The clock of a shared hub starts later than at zero.
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
pub(crate) struct HubClock {
    created: Instant,
    start: u64,
}

impl HubClock {
    pub(crate) fn new() -> Self {
        Self { created: Instant::now(), start: 0 }
    }

    /// The clock of a shared hub.
    pub(crate) fn of_shared_hub() -> Self {
        Self { start: SHARED_START, ..Self::new() }
    }

    /// When the hub was created.
    pub(crate) fn created(&self) -> Moment {
        Moment(self.start)
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(milliseconds(self.created.elapsed())).after(self.start)
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
