//! The new topics of a subscription with patterns.

use std::collections::VecDeque;

use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::membership::Membership;

/// Hands new topics that match a pattern over to a subscription.
#[derive(Debug)]
pub(crate) struct TopicInbox {
    /// Set before the first number of a new topic is visible.
    has_new_topics: AtomicBool,
    new: Mutex<NewTopics>,
}

/// What a subscription with patterns is handed.
#[derive(Debug, Default)]
pub(crate) struct NewTopics {
    pub(crate) memberships: VecDeque<Membership>,
    /// The greatest number of a topic that was removed before the subscription took it: it has lost
    /// what was before.
    pub(crate) lost: u64,
}

impl TopicInbox {
    pub(crate) fn new() -> Self {
        Self { has_new_topics: AtomicBool::new(false), new: Mutex::new(NewTopics::default()) }
    }

    /// Gives the subscription a new topic. It comes before the topic's first number is visible, and
    /// so does this flag.
    ///
    /// A subscription that does not read holds no more than the topics that there are, up to a
    /// factor: with each new topic, it is looked whether the two that were handed over first are
    /// gone.
    pub(crate) fn push(&self, membership: Membership) {
        let mut new = lock(&self.new);
        let mut gone = [None, None];
        for gone in &mut gone {
            let Some(first) = new.memberships.pop_front() else { break };
            if first.topic.is_removed() {
                new.lost = new.lost.max(first.topic.last_number());
                *gone = Some(first);
            } else {
                new.memberships.push_back(first);
            }
        }
        new.memberships.push_back(membership);
        self.has_new_topics.store(true, Ordering::Release);
        drop(new);
        // A publisher locks the members of a topic before this slot, so they are left without its
        // lock.
        gone.into_iter().flatten().for_each(|membership| _ = membership.leave());
    }

    /// What was handed over.
    pub(crate) fn take(&self) -> NewTopics {
        if !self.has_new_topics.load(Ordering::Acquire) {
            return NewTopics::default();
        }
        let mut new = lock(&self.new);
        self.has_new_topics.store(false, Ordering::Release);
        std::mem::take(&mut *new)
    }
}
