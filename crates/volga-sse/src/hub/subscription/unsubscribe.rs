//! What a subscription undoes when it is dropped: its presence, and its place among the readers of
//! its topics.

use std::sync::Arc;

use crate::hub::presence::pattern_identities::PatternIdentity;
use crate::hub::state::hub_state::{HubState, TOPICS_AT_ONCE};
use crate::hub::subscription::topics::{SubscribedTopics, TopicSet};
use crate::hub::subscription::{Subscription, frame_cache};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::subscriber::Subscriber;

impl Subscription {
    /// Ends the presence of an identity in the topics that the patterns match, as they were when
    /// the hub stopped to make it present in new ones. It has not joined the topics with the IDs
    /// `not_joined`.
    fn leave_matching(
        hub: &HubState,
        set: &TopicSet,
        identity: &Arc<str>,
        subscriber: &Subscriber,
        next_id: u64,
        not_joined: &[u64],
    ) {
        let gone_at = hub.settings.gone_at(hub.clock.now());
        let mut page: Vec<Arc<Topic>> = Vec::new();
        let leave = |page: &mut Vec<Arc<Topic>>| {
            hub.lock_for_step().remove_presence(identity, subscriber, page.iter(), gone_at);
            page.clear();
        };
        set.walk(hub, |topic| {
            if topic.id < next_id && !not_joined.contains(&topic.id) {
                page.push(Arc::clone(topic));
            }
            if page.len() == TOPICS_AT_ONCE {
                leave(&mut page);
            }
        });
        leave(&mut page);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        let topics = std::mem::replace(&mut self.topics, SubscribedTopics::Several(Box::default()));
        if let Some(extras) = &mut self.extras
            && let (Some(waiting), Some(shared)) = (&mut extras.waiting, &hub.shared)
        {
            waiting.leave(shared);
        }
        if let Some(extras) = &mut self.extras
            && let Some((identity, handle)) = extras.identity.take()
        {
            let mut locked = hub.lock();
            let mut not_joined = Vec::new();
            if let Some(handle) = extras.present_by_pattern.take() {
                let PatternIdentity { next_id, .. } = locked.present_by_pattern.remove(handle);
                not_joined = locked.unfinished.not_joined_by(handle, next_id);
            }
            let next_id = locked.registry.next_id();
            match &topics {
                SubscribedTopics::One(membership) => {
                    let gone_at = hub.settings.gone_at(hub.clock.now());
                    let topic = [&membership.topic].into_iter();
                    locked.remove_presence(&identity, &self.subscriber, topic, gone_at);
                    locked.remove_identity(&identity, handle);
                }
                SubscribedTopics::Several(set) => {
                    drop(locked);
                    let subscriber = &self.subscriber;
                    Self::leave_matching(&hub, set, &identity, subscriber, next_id, &not_joined);
                    // Until now the identity may have been closed, which ends its presence in the
                    // topics that are left.
                    hub.lock().remove_identity(&identity, handle);
                }
            }
        }
        hub.counters.subscribers.fetch_sub(1, Ordering::Relaxed);
        match topics {
            SubscribedTopics::One(membership) => {
                frame_cache::remove(&membership.topic);
                hub.note_left(membership.leave().into_iter().collect());
            }
            SubscribedTopics::Several(set) => {
                let TopicSet { named, patterns, .. } = *set;
                let mut left: Vec<_> = named.into_iter().filter_map(Membership::leave).collect();
                if !patterns.is_empty() {
                    let gone: Vec<_> = {
                        // Patterns go under the lock, so that a publisher knows which ones are
                        // there.
                        let _locked = hub.lock();
                        patterns.into_iter().filter_map(|own| hub.patterns.leave(own)).collect()
                    };
                    if !gone.is_empty() {
                        left.extend(hub.topics_left_by(gone.iter().map(|gone| &gone.pattern)));
                    }
                }
                hub.note_left(left);
            }
        }
    }
}
