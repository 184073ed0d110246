//! Topics that came or went, until all identities have joined or left them. Pure.
//!
//! A topic may have many identities by patterns. They join and leave it a few at a time, and the
//! hub's lock is released after each step.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::topic::Topic;

/// How many identities join or leave in one step.
pub(crate) const IDENTITIES_PER_STEP: usize = 32;

/// All of these topics.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedTopics {
    pub(crate) arrivals: VecDeque<Arrival>,
    pub(crate) departures: VecDeque<Departure>,
}

/// A new topic that identities join by their patterns.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) topic: Arc<Topic>,
    /// The handle of the last subscription that was asked.
    pub(crate) last: Option<u32>,
}

/// A removed topic that its identities leave.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) topic: Arc<str>,
    pub(crate) gone_at: Option<Moment>,
    /// The identity that has left last.
    pub(crate) last: Option<Arc<str>>,
}

impl UnfinishedTopics {
    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && self.departures.is_empty()
    }

    /// The IDs of the new topics that a subscription would still join. `next_id` is that of its
    /// [`PatternIdentity`](super::pattern_identities::PatternIdentity).
    pub(crate) fn not_joined_by(&self, handle: u32, next_id: u64) -> Vec<u64> {
        let is_to_join = |arrival: &&Arrival| {
            arrival.topic.id >= next_id && arrival.last.is_none_or(|last| last < handle)
        };
        self.arrivals.iter().filter(is_to_join).map(|arrival| arrival.topic.id).collect()
    }
}
