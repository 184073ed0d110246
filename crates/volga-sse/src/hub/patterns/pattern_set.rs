//! The patterns that match a topic.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::SharedPattern;
use crate::hub::sync::{RwLock, read, write};
use crate::hub::topic::pattern::Pattern;

/// The short ID of all sets without an ID of four bytes.
pub(crate) const UNKNOWN_SET: u32 = u32::MAX;

/// The patterns that match a topic.
#[derive(Debug)]
pub(crate) struct PatternSet {
    /// No other set with a list ever has this ID. It is not zero.
    id: u64,
    patterns: PatternList,
    mask: u64,
}

#[derive(Debug)]
enum PatternList {
    Listed {
        /// Sorted by ID.
        patterns: Box<[Arc<SharedPattern>]>,
        /// The IDs of the patterns, in the same order. A reader that looks for one of its own
        /// patterns need not load the patterns from memory.
        ids: Arc<[u32]>,
        /// The first ID. Most sets have one pattern, and a reader then loads only the set.
        first_id: u32,
    },
    /// There are too many to list them. They are those that match this name.
    TooMany(Arc<str>),
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
        let patterns = PatternList::Listed { patterns: patterns.into(), ids, first_id };
        Self { id, patterns, mask }
    }

    /// More patterns match the name than a set lists.
    pub(crate) fn too_many(name: &Arc<str>) -> Self {
        let patterns = PatternList::TooMany(Arc::clone(name));
        Self { id: u64::MAX, patterns, mask: u64::MAX }
    }

    /// The name that the patterns match, if they are not listed.
    pub(crate) fn name_of_too_many(&self) -> Option<&Arc<str>> {
        match &self.patterns {
            PatternList::Listed { .. } => None,
            PatternList::TooMany(name) => Some(name),
        }
    }

    /// The patterns, sorted by ID. None of them if there are too many to list them.
    pub(crate) fn listed(&self) -> &[Arc<SharedPattern>] {
        match &self.patterns {
            PatternList::Listed { patterns, .. } => patterns,
            PatternList::TooMany(_) => &[],
        }
    }

    /// The IDs of the patterns, sorted. `None` if they are not listed.
    pub(crate) fn ids(&self) -> Option<&Arc<[u32]>> {
        match &self.patterns {
            PatternList::Listed { ids, .. } => Some(ids),
            PatternList::TooMany(_) => None,
        }
    }

    /// The ID in four bytes, which is not zero. Sets with greater IDs, and those without a list,
    /// share [`UNKNOWN_SET`].
    pub(crate) fn short_id(&self) -> u32 {
        u32::try_from(self.id).unwrap_or(UNKNOWN_SET)
    }

    /// The bits of the patterns. Some patterns share a bit.
    pub(crate) fn mask(&self) -> u64 {
        self.mask
    }

    /// Whether one of these IDs, which are sorted, is the ID of one of the patterns. `None` if the
    /// patterns are not listed.
    pub(crate) fn has_any(&self, own: &[u32]) -> Option<bool> {
        let PatternList::Listed { ids, first_id, .. } = &self.patterns else { return None };
        if ids.len() == 1 {
            return Some(own.binary_search(first_id).is_ok());
        }
        let (few, many) = if own.len() < ids.len() { (own, &**ids) } else { (&**ids, own) };
        Some(few.iter().any(|id| many.binary_search(id).is_ok()))
    }

    /// The same for patterns with these IDs, whether they are listed or not.
    pub(crate) fn has_any_of<'a>(
        &self,
        ids: &[u32],
        mut patterns: impl Iterator<Item = &'a Pattern>,
    ) -> bool {
        self.has_any(ids).unwrap_or_else(|| {
            self.name_of_too_many().is_some_and(|name| patterns.any(|own| own.matches(name)))
        })
    }
}
