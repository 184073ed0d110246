//! A topic's name for code that must not touch the topic itself. Pure.

/// Identifies a topic in eight bytes.
///
/// A list that has it needs no reference to the topic. A reader of many topics would have to load
/// the memory of each topic to follow such a reference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ShortId {
    /// The index of the topic's record in the registry, which a later topic may use again.
    pub(crate) slot: u32,
    /// The low bits of the topic's ID. Two topics of one slot have different ones, unless 2^32
    /// topics were created between them.
    pub(crate) low_id: u32,
}

impl ShortId {
    /// For a subscription of a single topic, which does not look at it.
    pub(crate) const NONE: Self = Self { slot: 0, low_id: 0 };

    pub(crate) fn new(id: u64, slot: u32) -> Self {
        Self { slot, low_id: id as u32 }
    }
}
