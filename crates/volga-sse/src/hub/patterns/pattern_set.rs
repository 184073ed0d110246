//! The patterns that match a topic.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::{RemovedNumbers, SharedPattern};
use crate::hub::sync::{AtomicU64, Ordering, RwLock, read, write};
use crate::hub::topic::wait_list::WaitList;

/// The patterns that match a topic.
#[derive(Debug)]
pub(crate) struct PatternSet {
    /// No other set of the hub ever has this ID. It is not zero.
    pub(crate) id: u64,
    /// Sorted by ID.
    patterns: Box<[Arc<SharedPattern>]>,
    mask: u64,
}

/// The patterns that match a topic, as far as they are known.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct KnownPatterns {
    /// The ID of the set, or zero without one. It can be read without the lock.
    set_id: AtomicU64,
    versioned: RwLock<VersionedSet>,
}

/// The patterns that match a topic, as of some version.
#[derive(Debug, Default)]
struct VersionedSet {
    version: u64,
    set: Option<Arc<PatternSet>>,
}

impl Default for KnownPatterns {
    fn default() -> Self {
        Self { set_id: AtomicU64::new(0), versioned: RwLock::default() }
    }
}

impl KnownPatterns {
    /// Passes the patterns of a version to a function. `None` if these are not known.
    pub(crate) fn at<T>(
        &self,
        version: u64,
        map: impl FnOnce(&Option<Arc<PatternSet>>) -> T,
    ) -> Option<T> {
        let known = read(&self.versioned);
        (known.version == version).then(|| map(&known.set))
    }

    pub(crate) fn set(&self, version: u64, set: Option<Arc<PatternSet>>) {
        let mut known = write(&self.versioned);
        self.set_id.store(set.as_ref().map_or(0, |set| set.id), Ordering::Relaxed);
        *known = VersionedSet { version, set };
    }

    /// The ID of a set of patterns that match the topic. Zero if none is known.
    ///
    /// It may be the set of an earlier version. All of its patterns match the topic, but it may
    /// lack newer ones.
    pub(crate) fn set_id(&self) -> u64 {
        self.set_id.load(Ordering::Relaxed)
    }
}

impl PatternSet {
    /// The patterns must be sorted by ID.
    pub(crate) fn new(id: u64, patterns: Vec<Arc<SharedPattern>>) -> Self {
        let mask = patterns.iter().fold(0, |mask, pattern| mask | pattern.bit());
        Self { id, patterns: patterns.into(), mask }
    }

    /// The bits of the patterns. Some patterns share a bit.
    pub(crate) fn mask(&self) -> u64 {
        self.mask
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SharedPattern>> {
        self.patterns.iter()
    }

    /// Whether one of these IDs, which are sorted, is the ID of one of the patterns.
    pub(crate) fn has_any(&self, ids: &[u32]) -> bool {
        self.patterns.iter().any(|pattern| ids.binary_search(&pattern.id).is_ok())
    }

    /// Tells all of these patterns that a topic was removed.
    pub(crate) fn note_removed(&self, numbers: RemovedNumbers) {
        self.patterns.iter().for_each(|pattern| pattern.note_removed(numbers));
    }

    /// Wakes the readers of all of these patterns.
    pub(crate) fn wake(&self) {
        self.patterns.iter().for_each(WaitList::wake);
    }
}
