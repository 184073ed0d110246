//! The clock of all samples.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this function was first called.
pub(crate) fn now() -> u64 {
    nanoseconds(BEGIN.elapsed())
}

/// The time since 1970. All programs of the laboratory run on one machine, so they have one clock.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
