//! How many streams may be open at a time: in all, and for each client, user or whatever else the application counts by.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::stream::refusal::{
    DEFAULT_RETRY_AFTER, DEFAULT_RETRY_AFTER_SPREAD, ReachedLimit, Refusal, Refused,
};
use crate::stream::spread::{part_of, random_seed};

/// How many streams a [`StreamLimit`] lets be open that was told no number.
pub const DEFAULT_MAX_OPEN_STREAMS: usize = 100_000;

/// Below this many keys the table is not made smaller.
const MIN_SHRINK: usize = 64;

/// How many streams may be open at a time, in all and for each key: the client's address, a user, a tenant. Clones count together.
///
/// A place is [taken](Self::take) before any work is done for a stream, and given back when its [`Permit`] is dropped. A stream that runs is never ended to
/// make room. A key is kept only while it has streams, so there are never more keys than streams.
///
/// ```
/// use volga_sse::{Message, ReachedLimit, Sse, StreamLimit};
///
/// let limit = StreamLimit::new(10_000).per_key(1);
/// let permit = limit.take("anna").expect("her first");
/// let response = Sse::new(futures_util::stream::pending::<Message>()).hold(permit).into_response();
///
/// let refused = limit.take("anna").expect_err("she has one already");
/// assert_eq!(refused.limit(), ReachedLimit::PerKey);
/// let answer = refused.response(); // for axum, hyper and others as it is
/// assert_eq!(answer.status(), 503);
/// assert!(answer.headers().contains_key("retry-after"));
///
/// drop(response);
/// assert!(limit.take("anna").is_ok());
/// ```
pub struct StreamLimit<K = ()> {
    bounds: Bounds,
    counts: Arc<Mutex<Counts<K>>>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    in_all: usize,
    per_key: usize,
    refusal: Refusal,
    retry_after: Duration,
    retry_after_spread: Duration,
}

struct Counts<K> {
    keys: HashMap<K, usize>,
    /// What others are told. Its number of keys is only filled in there.
    told: LimitCounts,
}

/// What a [`StreamLimit`] has counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LimitCounts {
    /// The streams that are open.
    pub open: usize,
    /// The keys that have streams.
    pub keys: usize,
    /// How many were refused because there were as many as may be in all.
    pub refused_in_all: u64,
    /// How many were refused because there were as many as one key may have.
    pub refused_per_key: u64,
}

impl<K: Clone + Eq + Hash> StreamLimit<K> {
    /// At most so many streams in all, and no bound for one key. Without keys, [`take`](Self::take) is given `()`.
    #[must_use]
    pub fn new(in_all: usize) -> Self {
        let bounds = Bounds {
            in_all,
            per_key: usize::MAX,
            refusal: Refusal::default(),
            retry_after: DEFAULT_RETRY_AFTER,
            retry_after_spread: DEFAULT_RETRY_AFTER_SPREAD,
        };
        let counts = Counts { keys: HashMap::new(), told: LimitCounts::default() };
        Self { bounds, counts: Arc::new(Mutex::new(counts)) }
    }

    /// Sets how many streams one key may have.
    #[must_use]
    pub fn per_key(mut self, streams: usize) -> Self {
        self.bounds.per_key = streams;
        self
    }

    /// Sets what is answered in place of a stream, [`Refusal::Unavailable`] by default.
    #[must_use]
    pub fn refuse_with(mut self, refusal: Refusal) -> Self {
        self.bounds.refusal = refusal;
        self
    }

    /// Sets when who was refused may try again: after `earliest` plus a random part of `spread`, so that those who were refused together do not return
    /// together. The defaults are [`DEFAULT_RETRY_AFTER`] and [`DEFAULT_RETRY_AFTER_SPREAD`].
    #[must_use]
    pub fn retry_after(mut self, earliest: Duration, spread: Duration) -> Self {
        self.bounds.retry_after = earliest;
        self.bounds.retry_after_spread = spread;
        self
    }

    /// Takes a place for a stream of this key.
    ///
    /// # Errors
    ///
    /// There is none: as many are open as may be.
    pub fn take(&self, key: K) -> Result<Permit<K>, Refused> {
        let mut counts = lock(&self.counts);
        if counts.told.open >= self.bounds.in_all {
            counts.told.refused_in_all += 1;
            drop(counts);
            return Err(self.refused(ReachedLimit::InAll));
        }
        if counts.keys.get(&key).copied().unwrap_or(0) >= self.bounds.per_key {
            counts.told.refused_per_key += 1;
            drop(counts);
            return Err(self.refused(ReachedLimit::PerKey));
        }
        *counts.keys.entry(key.clone()).or_insert(0) += 1;
        counts.told.open += 1;
        drop(counts);
        Ok(Permit { key, counts: Arc::clone(&self.counts) })
    }

    fn refused(&self, limit: ReachedLimit) -> Refused {
        let Bounds { refusal, retry_after, retry_after_spread, .. } = self.bounds;
        let wait = retry_after.saturating_add(part_of(retry_after_spread, random_seed()));
        Refused { limit, refusal, wait }
    }
}

impl<K: Eq + Hash> StreamLimit<K> {
    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> LimitCounts {
        let counts = lock(&self.counts);
        LimitCounts { keys: counts.keys.len(), ..counts.told }
    }
}

/// At most [`DEFAULT_MAX_OPEN_STREAMS`] in all.
impl<K: Clone + Eq + Hash> Default for StreamLimit<K> {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_OPEN_STREAMS)
    }
}

impl<K> Clone for StreamLimit<K> {
    fn clone(&self) -> Self {
        Self { bounds: self.bounds, counts: Arc::clone(&self.counts) }
    }
}

impl<K> fmt::Debug for StreamLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLimit")
            .field("bounds", &self.bounds)
            .field("counts", &lock(&self.counts).told)
            .finish_non_exhaustive()
    }
}

/// A place for one stream, given back when it is dropped. [`Sse::hold`](crate::stream::response::Sse::hold) keeps it for as long as a stream runs.
#[must_use = "dropping it gives the place back"]
pub struct Permit<K: Eq + Hash = ()> {
    key: K,
    counts: Arc<Mutex<Counts<K>>>,
}

impl<K: Eq + Hash> Permit<K> {
    /// Whose stream it is for.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.told.open -= 1;
        let Some(of_key) = counts.keys.get_mut(&self.key) else { return };
        *of_key -= 1;
        if *of_key > 0 {
            return;
        }
        let gone = counts.keys.remove_entry(&self.key);
        // A table that a flood has made large becomes small again. Half of it is left free, so that this is rare.
        let (capacity, len) = (counts.keys.capacity(), counts.keys.len());
        if capacity > MIN_SHRINK && capacity / 4 > len {
            counts.keys.shrink_to(2 * len);
        }
        // The key is the application's: it is dropped without the lock.
        drop(counts);
        drop(gone);
    }
}

impl<K: Eq + Hash> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// A key whose hash or equality panics leaves the counts as they were.
fn lock<K>(counts: &Mutex<Counts<K>>) -> MutexGuard<'_, Counts<K>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<K: Eq + Hash>(limit: &StreamLimit<K>, expect: (usize, usize, u64, u64)) {
        let counts = limit.counts();
        let found = (counts.open, counts.keys, counts.refused_in_all, counts.refused_per_key);
        assert_eq!(found, expect);
    }

    #[test]
    fn each_bound_is_reached_and_counted_for_itself() {
        let limit = StreamLimit::new(3).per_key(2);
        let kept = ["a", "a", "b"].map(|key| limit.take(key).unwrap());
        assert_eq!(limit.take("b").unwrap_err().limit(), ReachedLimit::InAll);
        check(&limit, (3, 2, 1, 0));
        let [first, second, third] = kept;
        drop(third);
        assert_eq!(limit.take("a").unwrap_err().limit(), ReachedLimit::PerKey);
        check(&limit, (2, 1, 1, 1));
        drop((first, second));
        check(&limit, (0, 0, 1, 1));
    }

    #[test]
    fn a_limit_without_keys_counts_in_all_only() {
        let limit = StreamLimit::new(2);
        let _kept = [limit.take(()).unwrap(), limit.clone().take(()).unwrap()];
        assert!(limit.take(()).is_err());
        assert!(StreamLimit::<()>::new(0).take(()).is_err());
    }

    #[test]
    fn the_default_bound_is_reached() {
        let limit = StreamLimit::default();
        let kept: Vec<_> = (0..DEFAULT_MAX_OPEN_STREAMS).map(|_| limit.take(()).unwrap()).collect();
        assert!(limit.take(()).is_err());
        drop(kept);
        assert!(limit.take(()).is_ok());
    }

    #[test]
    fn keys_cost_nothing_once_their_streams_are_gone() {
        let limit = StreamLimit::new(100_000);
        let mut kept: Vec<_> = (0..10_000).map(|key| limit.take(key).unwrap()).collect();
        assert_eq!(limit.counts().keys, 10_000);
        while let Some(permit) = kept.pop() {
            drop(permit);
            let counts = lock(&limit.counts);
            assert!(counts.keys.capacity() <= MIN_SHRINK.max(4 * counts.keys.len() + 8));
        }
        check(&limit, (0, 0, 0, 0));
    }

    #[test]
    fn those_who_were_refused_together_return_spread_over_the_window() {
        let (earliest, spread) = (Duration::from_secs(2), Duration::from_secs(60));
        let limit = StreamLimit::new(0).retry_after(earliest, spread);
        let mut times: Vec<_> =
            (0..100).map(|_| limit.take(()).unwrap_err().retry_after()).collect();
        assert!(times.iter().all(|time| (earliest..=earliest + spread).contains(time)));
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 50, "{times:?}");
        let huge = StreamLimit::new(0).retry_after(Duration::MAX, Duration::MAX);
        assert_eq!(huge.take(()).unwrap_err().retry_after(), Duration::MAX);
    }
}
