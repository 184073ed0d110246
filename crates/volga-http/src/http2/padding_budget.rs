//! How much padding a client may send in DATA frames with little content. Pure.
//!
//! Padding hides the length of a message, and a frame has up to 255 bytes of it. A client that
//! sends one byte of content in each such frame makes the server do the work of a frame for it.
//! Only the padding of a frame beyond its content counts, so a client that pads ordinary messages
//! never comes near the limit.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{MAX_PADDING_BYTES, PADDING_BYTES_PER_SECOND};

/// The budget of one connection.
#[derive(Debug)]
pub(super) struct PaddingBudget {
    left: usize,
    /// When the budget was last refilled for the time that has passed.
    refilled: Instant,
}

/// The client has sent more padding than it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct PaddingError;

impl PaddingBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: MAX_PADDING_BYTES, refilled: now }
    }

    /// Pays for this many bytes of padding.
    pub(super) fn pay(&mut self, padding: usize, now: Instant) -> Result<(), PaddingError> {
        self.refill(now);
        self.left = self.left.checked_sub(padding).ok_or(PaddingError)?;
        Ok(())
    }

    fn refill(&mut self, now: Instant) {
        const STEP: Duration = Duration::from_millis(10);
        const BYTES: usize = PADDING_BYTES_PER_SECOND / 100;
        let steps = now.saturating_duration_since(self.refilled).as_millis() / STEP.as_millis();
        // Only whole steps, so that frequent calls do not lose time by rounding.
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let bytes = BYTES.saturating_mul(steps as usize);
        self.left = self.left.saturating_add(bytes).min(MAX_PADDING_BYTES);
        self.refilled = self.refilled.checked_add(STEP * steps).map_or(now, |time| time.min(now));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_budget_can_be_used_once_and_then_refills_with_time() {
        let start = Instant::now();
        let mut budget = PaddingBudget::new(start);
        assert_eq!(budget.pay(MAX_PADDING_BYTES, start), Ok(()));
        assert_eq!(budget.pay(1, start), Err(PaddingError));
        let later = start + Duration::from_secs(1);
        assert_eq!(budget.pay(PADDING_BYTES_PER_SECOND / 100 * 100, later), Ok(()));
        assert_eq!(budget.pay(1, later), Err(PaddingError));
        let much_later = later + Duration::from_secs(1_000_000_000);
        assert_eq!(budget.pay(MAX_PADDING_BYTES + 1, much_later), Err(PaddingError));
    }

    proptest! {
        #[test]
        fn no_schedule_exceeds_the_budget(
            steps in prop::collection::vec((0..2_000u64, 0..100_000usize), 1..200),
        ) {
            let start = Instant::now();
            let mut budget = PaddingBudget::new(start);
            let (mut now, mut paid) = (start, 0);
            for (millis, padding) in steps {
                now += Duration::from_millis(millis);
                if budget.pay(padding, now).is_ok() {
                    paid += padding;
                }
                let time = (now - start).as_secs_f64() * PADDING_BYTES_PER_SECOND as f64;
                prop_assert!(paid as f64 <= MAX_PADDING_BYTES as f64 + time);
            }
        }
    }
}
