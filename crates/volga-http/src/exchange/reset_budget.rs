//! How many requests a client may abandon before the server has begun to respond. Pure.
//!
//! Opening a stream and resetting it costs a client two small frames. It costs the server a decoded
//! head, a task and the first steps of a handler (a "rapid reset", CVE-2023-44487). `h2` counts
//! only the resets that arrive before it has handed over the request, so a client that sends its
//! frames in blocks never reaches that limit. This budget counts every stream that either side
//! resets before its response has begun, in whatever order the frames arrive.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{MAX_UNANSWERED_RESETS, RESPONSES_PER_RESET, UNANSWERED_RESETS_PER_SECOND};

/// The cost of one reset. A response earns a part of 1.
const RESET: u64 = RESPONSES_PER_RESET as u64;
const FULL: u64 = MAX_UNANSWERED_RESETS as u64 * RESET;

/// The budget of one connection.
#[derive(Debug)]
pub struct ResetBudget {
    left: u64,
    /// When the budget was last refilled for the time that has passed.
    refilled: Instant,
}

/// The client has abandoned more requests than it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BudgetError;

impl ResetBudget {
    /// A full budget.
    pub fn new(now: Instant) -> Self {
        Self { left: FULL, refilled: now }
    }

    /// Pays for `resets` streams that ended before their response began.
    ///
    /// `responses` have begun since the last call, and came first.
    ///
    /// # Errors
    ///
    /// The budget is used up: the server ends the connection.
    pub fn pay(
        &mut self,
        responses: usize,
        resets: usize,
        now: Instant,
    ) -> Result<(), BudgetError> {
        self.refill(now);
        self.left = self.left.saturating_add(responses as u64).min(FULL);
        let cost = (resets as u64).saturating_mul(RESET);
        self.left = self.left.checked_sub(cost).ok_or(BudgetError)?;
        Ok(())
    }

    /// Whether the budget can pay for this many more resets, when `responses` have begun since the
    /// last payment.
    pub(crate) fn covers(&mut self, responses: usize, resets: usize, now: Instant) -> bool {
        self.refill(now);
        let left = self.left.saturating_add(responses as u64).min(FULL);
        (resets as u64).saturating_mul(RESET) <= left
    }

    /// Whether the client has used up a quarter of the budget or more, when `responses` have begun
    /// since the last payment.
    pub(crate) fn is_low(&self, responses: usize) -> bool {
        self.left.saturating_add(responses as u64) <= FULL - FULL / 4
    }

    fn refill(&mut self, now: Instant) {
        let rate = UNANSWERED_RESETS_PER_SECOND * RESPONSES_PER_RESET;
        let step = Duration::from_secs(1) / rate;
        let steps = now.saturating_duration_since(self.refilled).as_nanos() / step.as_nanos();
        // Only whole steps, so that frequent calls do not lose time by rounding.
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(u64::from(steps)).min(FULL);
        self.refilled = self.refilled.checked_add(step * steps).map_or(now, |time| time.min(now));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_streams_of_a_connection_may_be_abandoned_once_and_then_some_each_second() {
        let start = Instant::now();
        let mut budget = ResetBudget::new(start);
        assert_eq!(budget.pay(0, MAX_UNANSWERED_RESETS, start), Ok(()));
        assert_eq!(budget.pay(0, 1, start), Err(BudgetError));
        let later = start + Duration::from_secs(1);
        assert_eq!(budget.pay(0, UNANSWERED_RESETS_PER_SECOND as usize, later), Ok(()));
        assert_eq!(budget.pay(0, 1, later), Err(BudgetError));
    }

    #[test]
    fn responses_pay_for_resets_but_are_not_saved_beyond_the_maximum() {
        let now = Instant::now();
        let mut budget = ResetBudget::new(now);
        assert_eq!(budget.pay(1_000_000, MAX_UNANSWERED_RESETS, now), Ok(()));
        assert_eq!(budget.pay(RESPONSES_PER_RESET as usize - 1, 1, now), Err(BudgetError));
        assert_eq!(budget.pay(1, 1, now), Ok(()));
    }

    #[test]
    fn the_budget_is_low_from_a_quarter_of_the_resets_until_responses_have_paid() {
        let now = Instant::now();
        let mut budget = ResetBudget::new(now);
        assert_eq!(budget.pay(0, MAX_UNANSWERED_RESETS / 4, now), Ok(()));
        assert!(!budget.is_low(0));
        assert_eq!(budget.pay(0, 1, now), Ok(()));
        assert!(budget.is_low(0) && !budget.is_low(RESPONSES_PER_RESET as usize));
    }

    proptest! {
        #[test]
        fn no_schedule_exceeds_the_budget(
            steps in prop::collection::vec((0..2_000u64, 0..50usize, 0..50usize), 1..300),
        ) {
            let start = Instant::now();
            let mut budget = ResetBudget::new(start);
            let (mut now, mut responses, mut resets) = (start, 0, 0);
            for (millis, begun, reset) in steps {
                now += Duration::from_millis(millis);
                responses += begun;
                if budget.pay(begun, reset, now).is_ok() {
                    resets += reset;
                }
                let earned = responses as f64 / f64::from(RESPONSES_PER_RESET);
                let time = (now - start).as_secs_f64() * f64::from(UNANSWERED_RESETS_PER_SECOND);
                prop_assert!(resets as f64 <= MAX_UNANSWERED_RESETS as f64 + earned + time);
            }
        }

        #[test]
        fn a_client_below_the_rate_never_exceeds_the_budget(
            gaps in prop::collection::vec(1..10_000u64, 1..500),
        ) {
            let mut now = Instant::now();
            let mut budget = ResetBudget::new(now);
            let (mut micros, mut paid) = (0, 0);
            for gap in gaps {
                now += Duration::from_micros(gap);
                micros += gap;
                let due = micros * u64::from(UNANSWERED_RESETS_PER_SECOND) / 1_000_000;
                prop_assert_eq!(budget.pay(0, (due - paid) as usize, now), Ok(()));
                paid = due;
            }
        }
    }
}
