//! `Store`: the states of all keys of a limit, in bounded memory.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::Instant;

use crate::rate_limit::quota::{Decision, Quota};
use crate::rate_limit::recency::RecencyMap;

/// How many keys with a whole quota are let go of when another key comes.
const FORGOTTEN_IN_A_STEP: usize = 2;

/// The states of all keys.
///
/// A key is kept as a hash of 128 bits with a secret, so its size does not matter: a client cannot
/// use more memory by a longer key, and cannot find two keys that are one.
pub(crate) struct Store {
    secrets: [RandomState; 2],
    start: Instant,
    keys: Mutex<RecencyMap>,
    refused: AtomicU64,
}

impl Store {
    pub(crate) fn new(max_keys: usize) -> Self {
        Self {
            secrets: [RandomState::new(), RandomState::new()],
            start: Instant::now(),
            keys: Mutex::new(RecencyMap::new(max_keys)),
            refused: AtomicU64::new(0),
        }
    }

    /// Decides about a request with this key.
    pub(crate) fn decide(&self, quota: Quota, key: &impl Hash) -> Decision {
        let [high, low] = [0, 1].map(|at: usize| u128::from(self.secrets[at].hash_one(key)));
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let decision = {
            let mut keys = self.lock();
            let decision = quota.decide(keys.touch(high << 64 | low), now);
            for _ in 0..FORGOTTEN_IN_A_STEP {
                // A key with a whole quota is like a key that was never seen.
                if keys.oldest().is_some_and(|full_at| full_at <= now) {
                    keys.remove_oldest();
                }
            }
            decision
        };
        if decision.retry_after.is_some() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        decision
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, RecencyMap> {
        // No code that can panic runs under the lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
