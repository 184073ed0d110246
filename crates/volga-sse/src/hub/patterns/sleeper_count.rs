//! Counts the patterns with sleeping readers, for each part of the tree of patterns.

use std::sync::Arc;

use crate::hub::sync::{AtomicU32, Ordering};

/// How many patterns below a node of the tree have a sleeping reader, or had one a moment ago.
///
/// A pattern counts from before its first reader sleeps until after a publisher has taken all of
/// them. A publisher that finds zero does so by a read-modify-write, as readers count. So a reader
/// that counts later sees what the publisher did before, and finds the message itself.
#[derive(Debug)]
pub(crate) struct SleeperCount {
    patterns: AtomicU32,
    /// The node above, which counts these as well.
    above: Option<Arc<Self>>,
}

impl SleeperCount {
    pub(crate) fn below(above: Option<Arc<Self>>) -> Self {
        Self { patterns: AtomicU32::new(0), above }
    }

    pub(crate) fn add_one(&self) {
        self.up().for_each(|node| _ = node.patterns.fetch_add(1, Ordering::AcqRel));
    }

    pub(crate) fn remove_one(&self) {
        self.up().for_each(|node| _ = node.patterns.fetch_sub(1, Ordering::AcqRel));
    }

    /// Whether a pattern of this node or below it may have a sleeping reader.
    pub(crate) fn has_any(&self) -> bool {
        // A publisher that does not find zero goes on to the pattern, and needs no order here.
        self.patterns.load(Ordering::Relaxed) > 0
            || self.patterns.fetch_add(0, Ordering::AcqRel) > 0
    }

    /// The node and those above it.
    fn up(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |node| node.above.as_deref())
    }
}
