//! The new topics of a subscription with patterns.

use std::collections::VecDeque;

use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::membership::Membership;

/// Hands new topics that match a pattern over to a subscription.
#[derive(Debug)]
pub(crate) struct TopicInbox {
    /// Set before the first number of a new topic is visible, and read after the horizon is loaded.
    /// So a subscription that sees a message also finds its topic here.
    has_new_topics: AtomicBool,
    new: Mutex<NewTopics>,
}

/// The topics that were created since the subscription looked last.
#[derive(Debug, Default)]
pub(crate) struct NewTopics {
    pub(crate) memberships: VecDeque<Membership>,
    /// The greatest number of a topic that was removed before the subscription took it from here.
    /// The subscription has missed the messages up to it.
    pub(crate) lost: u64,
}

impl TopicInbox {
    pub(crate) fn new() -> Self {
        Self { has_new_topics: AtomicBool::new(false), new: Mutex::new(NewTopics::default()) }
    }

    /// Hands over a new topic, before the topic's first number is visible.
    ///
    /// A subscription that does not read must not collect memberships of removed topics forever. So
    /// each new topic checks whether the two oldest topics in the inbox were removed, and drops
    /// those. The inbox then holds at most a constant factor more topics than the hub.
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
        // Leaving locks the topic's subscribers, and that must not happen under this lock.
        gone.into_iter().flatten().for_each(|membership| _ = membership.leave());
    }

    /// Takes the topics that were handed over.
    pub(crate) fn take(&self) -> NewTopics {
        if !self.has_new_topics.load(Ordering::Acquire) {
            return NewTopics::default();
        }
        let mut new = lock(&self.new);
        self.has_new_topics.store(false, Ordering::Release);
        std::mem::take(&mut *new)
    }
}
