//! What a subscription looks for in a topic. Pure.

/// What a subscription looks for, and what else it finds.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Which of the subscription's topics this is.
    pub(crate) topic: usize,
    /// Numbers greater than this,
    pub(crate) after: u64,
    /// and up to this one: all of them were appended before the look began.
    pub(crate) through: u64,
    /// Only the newest message of each key counts.
    pub(crate) latest: bool,
    /// For a newcomer: the newest value of each key, and of messages without keys those after this
    /// number.
    pub(crate) newcomer: Option<u64>,
    /// How far behind a topic may be, in messages and bytes.
    pub(crate) max_lag: Option<(usize, u64)>,
    /// The greatest number that a topic let go of and that counts.
    pub(crate) lost: u64,
    /// A topic is further ahead than it may be.
    pub(crate) too_slow: bool,
}
