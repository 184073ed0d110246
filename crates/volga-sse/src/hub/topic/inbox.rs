//! The new topics of a subscription with patterns.

use std::collections::VecDeque;

use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::membership::Member;

/// Hands new topics that match a pattern over to a subscription.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Set before the first number of a new topic is visible.
    has_joined: AtomicBool,
    joined: Mutex<Joined>,
}

/// What a subscription with patterns is handed.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) members: VecDeque<Member>,
    /// The greatest number of a topic that was removed before the subscription took it: it has lost
    /// what was before.
    pub(crate) lost: u64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { has_joined: AtomicBool::new(false), joined: Mutex::new(Joined::default()) }
    }

    /// Gives the subscription a new topic. It comes before the topic's first number is visible, and
    /// so does this flag.
    ///
    /// A subscription that does not read holds no more than the topics that there are, up to a
    /// factor: with each new topic, it is looked whether the two that were handed over first are
    /// gone.
    pub(crate) fn hand_over(&self, member: Member) {
        let mut joined = lock(&self.joined);
        let mut gone = [None, None];
        for gone in &mut gone {
            let Some(first) = joined.members.pop_front() else { break };
            if first.topic.is_removed() {
                joined.lost = joined.lost.max(first.topic.last_number());
                *gone = Some(first);
            } else {
                joined.members.push_back(first);
            }
        }
        joined.members.push_back(member);
        self.has_joined.store(true, Ordering::Release);
        drop(joined);
        // A publisher locks the members of a topic before this slot, so they are left without its
        // lock.
        gone.into_iter().flatten().for_each(|member| _ = member.leave());
    }

    /// What was handed over.
    pub(crate) fn take_joined(&self) -> Joined {
        if !self.has_joined.load(Ordering::Acquire) {
            return Joined::default();
        }
        let mut joined = lock(&self.joined);
        self.has_joined.store(false, Ordering::Release);
        std::mem::take(&mut *joined)
    }
}
