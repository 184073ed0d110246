//! How many bytes of request bodies an app collects in memory at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::extract::error::ExtractError;
use crate::response::error::Error;

/// How many bytes of request bodies an app collects at a time where nothing else was set: 256 MiB.
pub const DEFAULT_MAX_COLLECTED_BYTES: usize = 256 * 1024 * 1024;

/// When a client that was refused for it may come back, as its `Retry-After` says: 5 seconds.
pub const COLLECTED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The bytes that all requests of an app have collected and not passed on yet.
///
/// Nothing ever waits for room in it: two half-collected bodies would then wait for each other.
#[derive(Debug)]
pub(crate) struct Collected {
    limit: usize,
    bytes: AtomicUsize,
    /// There was no room, and this was reported.
    is_reported: AtomicBool,
}

impl Collected {
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
        // While the others hold most of it, thousands may be refused, and a line for each would
        // tell an operator no more than one does.
        let is_crowded = self.bytes.load(Ordering::Relaxed) > self.limit / 2;
        let is_known = is_crowded && self.is_reported.swap(true, Ordering::Relaxed);
        if is_known { error.without_report() } else { error }
    }
}

/// What one request has collected. Dropped, for whatever reason, it gives everything back.
#[derive(Debug, Default)]
pub(crate) struct CollectedShare {
    /// `None` outside of an app: then nothing is counted.
    all: Option<Arc<Collected>>,
    bytes: usize,
}

impl CollectedShare {
    pub(crate) fn of(all: &Arc<Collected>) -> Self {
        Self { all: Some(Arc::clone(all)), bytes: 0 }
    }

    /// The request now holds so many bytes.
    ///
    /// # Errors
    ///
    /// There is no room for them. The share stays as it was.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        if let Some(all) = self.all.as_ref().filter(|_| bytes != self.bytes) {
            match bytes.checked_sub(self.bytes) {
                Some(more) => all.take(more)?,
                None => all.give_back(self.bytes - bytes),
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Whether so many bytes would have room beside everything else. They are passed on at once, so
    /// they are not counted.
    ///
    /// # Errors
    ///
    /// There is no room for them.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), Error> {
        let Some(all) = &self.all else { return Ok(()) };
        match all.bytes.load(Ordering::Relaxed).checked_add(bytes) {
            Some(sum) if sum <= all.limit => Ok(()),
            _ => Err(all.refuse()),
        }
    }
}

impl Drop for CollectedShare {
    fn drop(&mut self) {
        if let Some(all) = self.all.as_ref().filter(|_| self.bytes > 0) {
            all.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_exact_whatever_shares_do() {
        let all = Collected::new(1_000);
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % below) as usize
        };
        let mut shares: Vec<(CollectedShare, usize)> = Vec::new();
        let mut refused = 0;
        for _ in 0..10_000 {
            match random(4) {
                0 => shares.push((CollectedShare::of(&all), 0)),
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
            assert_eq!(all.bytes.load(Ordering::Relaxed), expect);
            assert!(expect <= 1_000);
        }
        assert!(refused > 100, "{refused} refused");
        shares.clear();
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_panic_gives_the_bytes_back() {
        let all = Collected::new(10);
        let mut share = CollectedShare::of(&all);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            share.resize(10).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(CollectedShare::of(&all).resize(10).is_ok());
    }

    #[test]
    fn it_is_reported_once_until_half_of_it_is_free_again() {
        let all = Collected::new(10);
        let mut held = CollectedShare::of(&all);
        held.resize(8).unwrap();
        let is_reported = || CollectedShare::of(&all).resize(9).unwrap_err().is_first_report();
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
        assert!(CollectedShare::default().resize(usize::MAX).is_ok());
        assert!(CollectedShare::default().check(usize::MAX).is_ok());
    }
}
