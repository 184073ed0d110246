//! Reconnection times that keep clients from returning all at once.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The window over which clients return after a farewell.
pub const DEFAULT_FAREWELL_SPREAD: Duration = Duration::from_secs(5);

/// The earliest time at which a client reconnects after a farewell. The server that takes over
/// needs a moment to start.
const SOONEST: Duration = Duration::from_secs(1);

/// A reconnection time of one second plus a part of the window that `seed` selects. Seeds that are
/// spread evenly give times that are spread evenly.
pub(crate) fn farewell_retry(window: Duration, seed: u64) -> Duration {
    SOONEST + part_of(window, seed)
}

/// The part of the window that `seed` selects, in whole milliseconds.
pub(crate) fn part_of(window: Duration, seed: u64) -> Duration {
    let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    // The high half of the product is `seed` scaled from 0..2^64 to 0..window.
    Duration::from_millis(((u128::from(seed) * u128::from(window)) >> 64) as u64)
}

/// A number that nobody can predict, from the random keys that the standard library has for hash
/// maps.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fill_the_window_evenly() {
        let window = Duration::from_secs(10);
        let mut counts = [0; 10];
        for n in 0..10_000_u64 {
            let time = farewell_retry(window, n * (u64::MAX / 10_000));
            assert!((SOONEST..=SOONEST + window).contains(&time));
            counts[((time - SOONEST).as_secs() as usize).min(9)] += 1;
        }
        assert!(counts.iter().all(|count| (950..=1050).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_window_of_any_size_is_safe() {
        assert_eq!(farewell_retry(Duration::ZERO, u64::MAX), SOONEST);
        assert!(farewell_retry(Duration::MAX, u64::MAX) > SOONEST);
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(random_seed(), random_seed());
    }
}
