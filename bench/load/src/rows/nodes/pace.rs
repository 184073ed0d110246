//! Steps of work at a pace.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The time between two steps of work at a pace.
const PACE: Duration = Duration::from_millis(2);

/// Steps with the same time between them. After a delay, the time begins anew.
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn begin() -> Self {
        Self { next: Instant::now() + PACE }
    }

    pub(super) fn wait(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = self.next.max(Instant::now() - PACE) + PACE;
    }
}
