//! The memory for collected request bodies, which all requests of an app share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::extract::error::ExtractError;
use crate::response::error::Error;

/// The default number of bytes that an app uses for collected request bodies: 256 MiB.
pub const DEFAULT_MAX_COLLECTED_BYTES: usize = 256 * 1024 * 1024;

/// Counts the bytes that all requests of an app have collected and not yet passed on.
///
/// A request that does not fit is refused. It never waits, because two half-collected bodies could
/// wait for each other for ever.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    limit: usize,
    bytes: AtomicUsize,
    /// Whether a refusal was already reported.
    is_reported: AtomicBool,
}

impl BodyBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, bytes: AtomicUsize::new(0), is_reported: AtomicBool::new(false) })
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let room = |taken: usize| taken.checked_add(bytes).filter(|&sum| sum <= self.limit);
        match self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.refuse()),
        }
    }

    fn give_back(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before - bytes <= self.limit / 2 {
            self.is_reported.store(false, Ordering::Relaxed);
        }
    }

    fn refuse(&self) -> Error {
        let error = Error::from(ExtractError::TooMuchCollected { limit: self.limit });
        // While other requests hold most of the budget, thousands of requests may be refused. A
        // line in the log for each of them would tell an operator no more than one line.
        let is_crowded = self.bytes.load(Ordering::Relaxed) > self.limit / 2;
        let is_known = is_crowded && self.is_reported.swap(true, Ordering::Relaxed);
        if is_known { error.without_report() } else { error }
    }
}

/// The bytes of a request's body that an extractor has collected in memory, as a part of what all
/// requests of the app collect together. [`DEFAULT_MAX_COLLECTED_BYTES`] is the bound. Dropping
/// this gives the bytes back.
///
/// An extractor that needs much of a body at once gets it from
/// [`RequestParts::collected_bytes`](crate::RequestParts::collected_bytes), and keeps it as long as
/// it keeps the bytes:
///
/// ```
/// use volga_core::{Error, FromRequest, HttpBody, RequestParts};
///
/// struct FirstLine(Vec<u8>);
///
/// impl FromRequest for FirstLine {
///     async fn from_request(parts: RequestParts, mut body: HttpBody) -> Result<Self, Error> {
///         let (mut collected, mut line) = (parts.collected_bytes(), Vec::new());
///         while !line.contains(&b'\n') && let Some(piece) = body.next().await.transpose()? {
///             collected.resize(line.len() + piece.len())?;
///             line.extend_from_slice(&piece);
///         }
///         Ok(Self(line))
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct CollectedBytes {
    /// `None` outside of an app, where nothing is counted.
    budget: Option<Arc<BodyBudget>>,
    bytes: usize,
}

impl CollectedBytes {
    pub(crate) fn new(budget: &Arc<BodyBudget>) -> Self {
        Self { budget: Some(Arc::clone(budget)), bytes: 0 }
    }

    /// Creates another count for the same app. It starts with no bytes.
    #[must_use]
    pub fn new_count(&self) -> Self {
        Self { budget: self.budget.clone(), bytes: 0 }
    }

    /// Sets the number of bytes that are held now.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::TooMuchCollected`](crate::ExtractError::TooMuchCollected) (status
    /// 503) if all requests together would hold too much. The count stays as it was.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        if let Some(budget) = self.budget.as_ref().filter(|_| bytes != self.bytes) {
            match bytes.checked_sub(self.bytes) {
                Some(more) => budget.take(more)?,
                None => budget.give_back(self.bytes - bytes),
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Checks that the budget has room for this many more bytes. Use it for bytes that are passed
    /// on at once: they are not counted.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::TooMuchCollected`] if the budget has no room for them.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), Error> {
        let Some(budget) = &self.budget else { return Ok(()) };
        match budget.bytes.load(Ordering::Relaxed).checked_add(bytes) {
            Some(sum) if sum <= budget.limit => Ok(()),
            _ => Err(budget.refuse()),
        }
    }
}

impl Drop for CollectedBytes {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.as_ref().filter(|_| self.bytes > 0) {
            budget.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_exact_whatever_shares_do() {
        let budget = BodyBudget::new(1_000);
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % below) as usize
        };
        let mut shares: Vec<(CollectedBytes, usize)> = Vec::new();
        let mut refused = 0;
        for _ in 0..10_000 {
            match random(4) {
                0 => shares.push((CollectedBytes::new(&budget), 0)),
                1 if !shares.is_empty() => drop(shares.swap_remove(random(shares.len() as u64))),
                _ if !shares.is_empty() => {
                    let at = random(shares.len() as u64);
                    let others: usize = shares.iter().map(|(_, bytes)| bytes).sum();
                    let (share, bytes) = &mut shares[at];
                    let wanted = random(400);
                    let fits = others - *bytes + wanted <= 1_000 || wanted <= *bytes;
                    assert_eq!(share.resize(wanted).is_ok(), fits);
                    if fits { *bytes = wanted } else { refused += 1 }
                }
                _ => {}
            }
            let expect: usize = shares.iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(budget.bytes.load(Ordering::Relaxed), expect);
            assert!(expect <= 1_000);
        }
        assert!(refused > 100, "{refused} refused");
        shares.clear();
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_panic_gives_the_bytes_back() {
        let budget = BodyBudget::new(10);
        let mut share = CollectedBytes::new(&budget);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            share.resize(10).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(CollectedBytes::new(&budget).resize(10).is_ok());
    }

    #[test]
    fn a_refusal_is_reported_once_until_half_of_the_budget_is_free_again() {
        let budget = BodyBudget::new(10);
        let mut held = CollectedBytes::new(&budget);
        held.resize(8).unwrap();
        let is_reported = || CollectedBytes::new(&budget).resize(9).unwrap_err().is_first_report();
        assert_eq!([is_reported(), is_reported(), is_reported()], [true, false, false]);
        assert!(!held.check(3).unwrap_err().is_first_report());
        held.resize(6).unwrap();
        assert!(!is_reported());
        held.resize(5).unwrap();
        assert_eq!([is_reported(), is_reported()], [true, true], "each of them asks for too much");
        held.resize(6).unwrap();
        assert_eq!([is_reported(), is_reported()], [true, false]);
    }

    #[test]
    fn outside_of_an_app_nothing_is_counted() {
        assert!(CollectedBytes::default().resize(usize::MAX).is_ok());
        assert!(CollectedBytes::default().check(usize::MAX).is_ok());
    }
}
