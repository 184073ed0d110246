//! The clock of all samples.

use std::{sync::LazyLock, time::Instant};

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this function was first called.
pub(crate) fn now() -> u64 {
    u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
