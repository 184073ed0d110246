//! The patterns that match a topic.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::SharedPattern;
use crate::hub::topic::wait_list::WaitList;

/// The patterns that match a topic.
#[derive(Debug)]
pub(crate) struct PatternSet {
    /// Sorted by ID.
    patterns: Box<[Arc<SharedPattern>]>,
    mask: u64,
}

/// The patterns that match a topic, as of some version.
#[derive(Debug, Default)]
pub(crate) struct KnownPatterns {
    pub(crate) version: u64,
    pub(crate) set: Option<Arc<PatternSet>>,
}

impl PatternSet {
    /// The patterns must be sorted by ID.
    pub(crate) fn new(patterns: Vec<Arc<SharedPattern>>) -> Self {
        let mask = patterns.iter().fold(0, |mask, pattern| mask | pattern.bit());
        Self { patterns: patterns.into(), mask }
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

    /// Wakes the readers of all of these patterns.
    pub(crate) fn wake(&self) {
        self.patterns.iter().for_each(WaitList::wake);
    }
}
