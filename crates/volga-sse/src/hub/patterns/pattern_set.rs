//! The patterns that match a topic.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::{RemovedNumbers, SharedPattern};
use crate::hub::sync::{RwLock, read, write};
use crate::hub::topic::wait_list::WaitList;

/// The short ID of all sets whose IDs need more than four bytes.
pub(crate) const UNKNOWN_SET: u32 = u32::MAX;

/// The patterns that match a topic.
#[derive(Debug)]
pub(crate) struct PatternSet {
    /// No other set of the hub ever has this ID. It is not zero.
    pub(crate) id: u64,
    /// Sorted by ID.
    patterns: Box<[Arc<SharedPattern>]>,
    /// The IDs of the patterns, in the same order. A reader that looks for one of its own patterns
    /// need not load the patterns from memory.
    ids: Arc<[u32]>,
    /// The first ID. Most sets have one pattern, and a reader then loads only the set.
    first_id: u32,
    mask: u64,
}

/// The patterns that match a topic, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct KnownPatterns(RwLock<VersionedSet>);

/// The patterns that match a topic, as of some version.
#[derive(Debug, Default)]
struct VersionedSet {
    version: u64,
    set: Option<Arc<PatternSet>>,
}

impl KnownPatterns {
    /// The patterns of a version.
    ///
    /// # Errors
    ///
    /// Returns the patterns of another version if these are not known.
    pub(crate) fn at(
        &self,
        version: u64,
    ) -> Result<Option<Arc<PatternSet>>, Option<Arc<PatternSet>>> {
        let known = read(&self.0);
        if known.version == version { Ok(known.set.clone()) } else { Err(known.set.clone()) }
    }

    /// Passes the patterns of this version or a later one to a function. `None` if these are not
    /// known.
    pub(crate) fn since<T>(
        &self,
        version: u64,
        map: impl FnOnce(&Option<Arc<PatternSet>>) -> T,
    ) -> Option<T> {
        let known = read(&self.0);
        (known.version >= version).then(|| map(&known.set))
    }

    pub(crate) fn set(&self, version: u64, set: Option<Arc<PatternSet>>) {
        *write(&self.0) = VersionedSet { version, set };
    }

    /// Begins to load from memory what [`at`](Self::at) needs.
    #[cfg(not(all(test, loom)))]
    pub(crate) fn preload(&self) {
        std::hint::black_box(self.0.is_poisoned());
    }
}

impl PatternSet {
    /// The patterns must be sorted by ID.
    pub(crate) fn new(id: u64, patterns: Vec<Arc<SharedPattern>>) -> Self {
        let mask = patterns.iter().fold(0, |mask, pattern| mask | pattern.bit());
        let ids: Arc<[u32]> = patterns.iter().map(|pattern| pattern.id).collect();
        let first_id = patterns.first().map_or(0, |pattern| pattern.id);
        Self { id, patterns: patterns.into(), ids, first_id, mask }
    }

    /// The IDs of the patterns, sorted.
    pub(crate) fn ids(&self) -> &Arc<[u32]> {
        &self.ids
    }

    /// The ID in four bytes, which is not zero. Sets with greater IDs share
    /// [`UNKNOWN_SET`].
    pub(crate) fn short_id(&self) -> u32 {
        u32::try_from(self.id).unwrap_or(UNKNOWN_SET)
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
        if self.ids.len() == 1 {
            return ids.binary_search(&self.first_id).is_ok();
        }
        let (few, many) =
            if ids.len() < self.ids.len() { (ids, &*self.ids) } else { (&*self.ids, ids) };
        few.iter().any(|id| many.binary_search(id).is_ok())
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
