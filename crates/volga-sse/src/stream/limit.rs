//! How many streams may be open at a time: in total, and for each client, user or other key.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::stream::refusal::{
    DEFAULT_RETRY_AFTER, DEFAULT_RETRY_AFTER_SPREAD, ReachedLimit, RefusalResponse,
    StreamLimitError,
};
use crate::stream::spread::{part_of, random_seed};

/// The number of streams that a [`StreamLimit::default`] allows.
pub const DEFAULT_MAX_OPEN_STREAMS: usize = 100_000;

/// Below this number of keys, the table does not shrink.
const MIN_SHRINK: usize = 64;

/// Limits how many streams may be open at a time, in total and for each key: the client's address,
/// a user, a tenant. Clones count together.
///
/// [Take](Self::take) a place before you do any work for a stream. Dropping the [`Permit`] gives
/// the place back. A running stream is never ended to make room. A key is kept only while it has
/// streams, so there are never more keys than streams.
///
/// ```
/// use volga_sse::{Message, ReachedLimit, Sse, StreamLimit};
///
/// let limit = StreamLimit::new(10_000).with_max_per_key(1);
/// let permit = limit.take("anna").expect("her first");
/// let stream = Sse::new(futures_util::stream::pending::<Message>()).hold(permit).into_response();
///
/// let error = limit.take("anna").expect_err("she has one already");
/// assert_eq!(error.limit(), ReachedLimit::PerKey);
/// let response = error.response(); // axum, hyper and others take it as it is
/// assert_eq!(response.status(), 503);
/// assert!(response.headers().contains_key("retry-after"));
///
/// drop(stream);
/// assert!(limit.take("anna").is_ok());
/// ```
pub struct StreamLimit<K = ()> {
    settings: LimitSettings,
    state: Arc<Mutex<LimitState<K>>>,
}

#[derive(Clone, Copy, Debug)]
struct LimitSettings {
    in_all: usize,
    per_key: usize,
    refusal: RefusalResponse,
    retry_after: Duration,
    retry_after_spread: Duration,
}

struct LimitState<K> {
    keys: HashMap<K, usize>,
    /// The counts for [`StreamLimit::counts`], which fills in the number of keys.
    counts: LimitCounts,
}

/// What a [`StreamLimit`] has counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LimitCounts {
    /// The streams that are open.
    pub open: usize,
    /// The keys that have streams.
    pub keys: usize,
    /// How many streams were refused because the limit in total was reached.
    pub refused_by_total: u64,
    /// How many streams were refused because the limit of their key was reached.
    pub refused_per_key: u64,
}

impl<K: Clone + Eq + Hash> StreamLimit<K> {
    /// Allows this number of streams in total, and any number for one key. Without keys, pass `()`
    /// to [`take`](Self::take).
    #[must_use]
    pub fn new(in_all: usize) -> Self {
        let settings = LimitSettings {
            in_all,
            per_key: usize::MAX,
            refusal: RefusalResponse::default(),
            retry_after: DEFAULT_RETRY_AFTER,
            retry_after_spread: DEFAULT_RETRY_AFTER_SPREAD,
        };
        let state = LimitState { keys: HashMap::new(), counts: LimitCounts::default() };
        Self { settings, state: Arc::new(Mutex::new(state)) }
    }

    /// Sets how many streams one key may have.
    #[must_use]
    pub fn with_max_per_key(mut self, streams: usize) -> Self {
        self.settings.per_key = streams;
        self
    }

    /// Sets the response in place of a stream; [`RefusalResponse::Unavailable`] by default.
    #[must_use]
    pub fn with_refusal(mut self, refusal: RefusalResponse) -> Self {
        self.settings.refusal = refusal;
        self
    }

    /// Sets when a refused client may try again: after `earliest` plus a random part of `spread`,
    /// so that clients which were refused at the same time do not return at the same time. The
    /// defaults are [`DEFAULT_RETRY_AFTER`] and [`DEFAULT_RETRY_AFTER_SPREAD`].
    #[must_use]
    pub fn with_retry_after(mut self, earliest: Duration, spread: Duration) -> Self {
        self.settings.retry_after = earliest;
        self.settings.retry_after_spread = spread;
        self
    }

    /// Takes a place for a stream of this key.
    ///
    /// # Errors
    ///
    /// Returns a [`StreamLimitError`] when the maximum number of streams is open, in total or for
    /// this key.
    pub fn take(&self, key: K) -> Result<Permit<K>, StreamLimitError> {
        let mut state = lock(&self.state);
        if state.counts.open >= self.settings.in_all {
            state.counts.refused_by_total += 1;
            drop(state);
            return Err(self.error(ReachedLimit::InAll));
        }
        if state.keys.get(&key).copied().unwrap_or(0) >= self.settings.per_key {
            state.counts.refused_per_key += 1;
            drop(state);
            return Err(self.error(ReachedLimit::PerKey));
        }
        *state.keys.entry(key.clone()).or_insert(0) += 1;
        state.counts.open += 1;
        drop(state);
        Ok(Permit { key, state: Arc::clone(&self.state) })
    }

    fn error(&self, limit: ReachedLimit) -> StreamLimitError {
        let LimitSettings { refusal, retry_after, retry_after_spread, .. } = self.settings;
        let wait = retry_after.saturating_add(part_of(retry_after_spread, random_seed()));
        StreamLimitError { limit, refusal, wait }
    }
}

impl<K: Eq + Hash> StreamLimit<K> {
    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> LimitCounts {
        let state = lock(&self.state);
        LimitCounts { keys: state.keys.len(), ..state.counts }
    }
}

/// Allows [`DEFAULT_MAX_OPEN_STREAMS`] in total.
impl<K: Clone + Eq + Hash> Default for StreamLimit<K> {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_OPEN_STREAMS)
    }
}

impl<K> Clone for StreamLimit<K> {
    fn clone(&self) -> Self {
        Self { settings: self.settings, state: Arc::clone(&self.state) }
    }
}

impl<K> fmt::Debug for StreamLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLimit")
            .field("settings", &self.settings)
            .field("counts", &lock(&self.state).counts)
            .finish_non_exhaustive()
    }
}

/// A place for one stream. Dropping it gives the place back.
/// [`Sse::hold`](crate::stream::response::Sse::hold) keeps it for as long as a stream runs.
#[must_use = "dropping it gives the place back"]
pub struct Permit<K: Eq + Hash = ()> {
    key: K,
    state: Arc<Mutex<LimitState<K>>>,
}

impl<K: Eq + Hash> Permit<K> {
    /// The key for which the place was taken.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.counts.open -= 1;
        let Some(of_key) = state.keys.get_mut(&self.key) else { return };
        *of_key -= 1;
        if *of_key > 0 {
            return;
        }
        let removed = state.keys.remove_entry(&self.key);
        // A table that a flood has made large shrinks again. Half of it stays free, so that this is
        // rare.
        let (capacity, len) = (state.keys.capacity(), state.keys.len());
        if capacity > MIN_SHRINK && capacity / 4 > len {
            state.keys.shrink_to(2 * len);
        }
        // The key's type is the application's, so its `drop` is foreign code: it runs without the
        // lock.
        drop(state);
        drop(removed);
    }
}

impl<K: Eq + Hash> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// A panic in the hash or the equality of a key leaves the counts as they were, so a poisoned lock
/// is used on.
fn lock<K>(state: &Mutex<LimitState<K>>) -> MutexGuard<'_, LimitState<K>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<K: Eq + Hash>(limit: &StreamLimit<K>, expect: (usize, usize, u64, u64)) {
        let counts = limit.counts();
        let found = (counts.open, counts.keys, counts.refused_by_total, counts.refused_per_key);
        assert_eq!(found, expect);
    }

    #[test]
    fn each_bound_is_reached_and_counted_for_itself() {
        let limit = StreamLimit::new(3).with_max_per_key(2);
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
            let state = lock(&limit.state);
            assert!(state.keys.capacity() <= MIN_SHRINK.max(4 * state.keys.len() + 8));
        }
        check(&limit, (0, 0, 0, 0));
    }

    #[test]
    fn clients_that_were_refused_together_return_spread_over_the_window() {
        let (earliest, spread) = (Duration::from_secs(2), Duration::from_secs(60));
        let limit = StreamLimit::new(0).with_retry_after(earliest, spread);
        let mut times: Vec<_> =
            (0..100).map(|_| limit.take(()).unwrap_err().retry_after()).collect();
        assert!(times.iter().all(|time| (earliest..=earliest + spread).contains(time)));
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 50, "{times:?}");
        let huge = StreamLimit::new(0).with_retry_after(Duration::MAX, Duration::MAX);
        assert_eq!(huge.take(()).unwrap_err().retry_after(), Duration::MAX);
    }
}
