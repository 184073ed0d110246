//! The topics of a subscription, and how it leaves them.

use std::sync::Arc;

use crate::hub::state::hub_state::TOPICS_AT_ONCE;
use crate::hub::subscription::{Subscription, frame_cache};
use crate::hub::sync::Ordering;
use crate::hub::topic::membership::Membership;

/// The topics of a subscription. Most subscriptions have one topic, which needs no allocation.
pub(super) enum SubscribedTopics {
    One(Membership),
    /// Sorted by ID, so new topics are appended.
    #[expect(clippy::box_collection, reason = "a third of the size, and most have one topic")]
    Several(Box<Vec<Membership>>),
}

impl SubscribedTopics {
    pub(super) fn memberships(&self) -> &[Membership] {
        match self {
            Self::One(membership) => std::slice::from_ref(membership),
            Self::Several(memberships) => memberships,
        }
    }
}

impl Subscription {
    /// Takes over the new topics from the inbox.
    pub(super) fn take_new_topics(&mut self) {
        let SubscribedTopics::Several(memberships) = &mut self.topics else {
            return;
        };
        let inbox = self.extras.as_ref().and_then(|extras| extras.pattern.as_ref());
        let Some(mut new) = inbox.map(|(_, inbox)| inbox.take()) else {
            return;
        };
        if new.lost > 0 {
            let extras = self.extras.get_or_insert_default();
            extras.removed_through = extras.removed_through.max(new.lost);
        }
        if new.memberships.is_empty() {
            return;
        }
        // Removed topics that were read completely are dropped from the list only when it would
        // have to grow. So each new topic costs constant time on average.
        if memberships.capacity() - memberships.len() < new.memberships.len() {
            let cursor = self.subscriber.cursor();
            let is_finished = |membership: &Membership| {
                membership.topic.is_removed() && membership.topic.last_number() <= cursor
            };
            let finished: Vec<_> =
                memberships.extract_if(.., |membership| is_finished(membership)).collect();
            finished.into_iter().for_each(|membership| _ = membership.leave());
        }
        new.memberships.make_contiguous().sort_unstable_by_key(|membership| membership.topic.id);
        memberships.extend(new.memberships);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        if let Some(extras) = &mut self.extras
            && (extras.pattern.is_some() || extras.identity.is_some())
        {
            let identity = extras.identity.take();
            let mut locked = hub.lock();
            let pattern_subscriber = extras
                .pattern
                .as_ref()
                .map(|(handle, _)| locked.remove_pattern_subscriber(*handle));
            if let Some((identity, handle)) = &identity {
                locked.remove_identity(identity, *handle);
            }
            drop(locked);
            drop(pattern_subscriber);
            // From here on the hub hands over no more topics.
            self.take_new_topics();
            if let Some((identity, _)) = &identity {
                // The lock is released between chunks, because a pattern may have matched many
                // topics.
                for memberships in self.topics.memberships().chunks(TOPICS_AT_ONCE) {
                    hub.lock().remove_presence(
                        identity,
                        memberships.iter().map(|membership| &membership.topic),
                    );
                }
            }
        }
        hub.counters.subscribers.fetch_sub(1, Ordering::Relaxed);
        match std::mem::replace(&mut self.topics, SubscribedTopics::Several(Box::default())) {
            SubscribedTopics::One(membership) => {
                frame_cache::remove(&membership.topic);
                hub.note_left(membership.leave().as_slice());
            }
            SubscribedTopics::Several(memberships) => {
                let mut left: Vec<_> =
                    memberships.into_iter().filter_map(Membership::leave).collect();
                // Sorted by their last messages, so that the registry lists them in the order in
                // which they should make room.
                left.sort_by_cached_key(|topic| topic.last_number());
                hub.note_left(&left);
            }
        }
    }
}
