//! The topics that were removed and that too many patterns match, so that the patterns were not
//! told one by one.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::patterns::shared_pattern::RemovedNumbers;
use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::pattern::Pattern;

/// How many removed topics are remembered with their names. Every reader by pattern that is behind
/// compares these with its patterns.
const MAX_NAMES: usize = if cfg!(test) { 2 } else { 64 };

/// The removed topics. It changes only under the hub's lock.
#[derive(Debug, Default)]
pub(crate) struct UnlistedRemovals {
    /// Whether there is one.
    has_any: AtomicBool,
    removals: Mutex<Removals>,
}

#[derive(Debug, Default)]
struct Removals {
    /// The last ones, the newest last.
    by_name: VecDeque<(Arc<str>, RemovedNumbers)>,
    /// The numbers of those whose names were forgotten. Every pattern may have matched one.
    forgotten: RemovedNumbers,
}

impl UnlistedRemovals {
    pub(crate) fn note(&self, name: &Arc<str>, numbers: RemovedNumbers) {
        let mut removals = lock(&self.removals);
        let Removals { by_name, forgotten } = &mut *removals;
        match by_name.iter_mut().find(|(known, _)| known == name) {
            Some((_, before)) => *before = before.max(numbers),
            None => by_name.push_back((Arc::clone(name), numbers)),
        }
        if by_name.len() > MAX_NAMES
            && let Some((_, oldest)) = by_name.pop_front()
        {
            // A reader that has missed no message of its own is not too slow.
            *forgotten = forgotten.max(RemovedNumbers { message: 0, ..oldest });
        }
        drop(removals);
        self.has_any.store(true, Ordering::Release);
    }

    /// The greatest numbers of the topics that one of these patterns matches.
    pub(crate) fn of<'a>(
        &self,
        patterns: impl Iterator<Item = &'a Pattern> + Clone,
    ) -> RemovedNumbers {
        if !self.has_any.load(Ordering::Acquire) {
            return RemovedNumbers::default();
        }
        let removals = lock(&self.removals);
        let is_own = |name: &str| patterns.clone().any(|pattern| pattern.matches(name));
        let own = removals.by_name.iter().filter(|(name, _)| is_own(name));
        own.fold(removals.forgotten, |all, (_, numbers)| all.max(*numbers))
    }
}
