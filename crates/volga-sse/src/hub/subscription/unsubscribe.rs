//! What a subscription undoes when it is dropped: its presence, and its place among the readers of
//! its topics.

use std::sync::Arc;

use crate::hub::state::hub_state::TOPICS_AT_ONCE;
use crate::hub::subscription::topics::{SubscribedTopics, TopicSet};
use crate::hub::subscription::{Subscription, frame_cache};
use crate::hub::sync::Ordering;
use crate::hub::topic::membership::Membership;

impl Drop for Subscription {
    fn drop(&mut self) {
        // The lag of a stream that does not read this subscription any more is no lag.
        self.subscriber.set_may_be_too_slow(false);
        let hub = Arc::clone(&self.hub);
        if let Some(extras) = &mut self.extras
            && let (Some(waiting), Some(shared)) = (&mut extras.waiting, &hub.shared)
        {
            waiting.leave(shared);
        }
        if let Some(extras) = &mut self.extras
            && let Some(member) = extras.identity.take()
        {
            let gone_at = hub.settings.gone_at(hub.clock.now());
            let filters: Vec<_> = self.topics.filters().collect();
            let mut locked = hub.lock();
            if !member.has_signed_out()
                && let Some(overlap) = self.topics.overlap()
            {
                locked.presence.overlaps.remove(&member.identity, &overlap);
            }
            let mut pages = filters.chunks(TOPICS_AT_ONCE).peekable();
            while let Some(page) = pages.next() {
                let filters = page.iter().map(Arc::clone);
                locked.remove_presence(&member, filters, gone_at);
                if pages.peek().is_some() {
                    // Publishers go on in between. The identity may be closed meanwhile, which ends
                    // its presence in the rest.
                    drop(locked);
                    locked = hub.lock_for_step();
                }
            }
            locked.remove_identity(&member);
        }
        hub.counters.subscribers.fetch_sub(1, Ordering::Relaxed);
        match &mut self.topics {
            SubscribedTopics::One(membership) => {
                frame_cache::remove(&membership.topic);
                hub.note_left(membership.leave().into_iter().collect());
            }
            SubscribedTopics::Several(set) => {
                let TopicSet { named, patterns, .. } = std::mem::take(&mut **set);
                let mut left: Vec<_> = named.iter().filter_map(Membership::leave).collect();
                if !patterns.is_empty() {
                    let mut gone = Vec::new();
                    let mut patterns = patterns.into_iter().peekable();
                    while patterns.peek().is_some() {
                        // Patterns go under the lock, so that a publisher knows which ones are
                        // there.
                        let _locked = hub.lock_for_step();
                        let some = patterns.by_ref().take(TOPICS_AT_ONCE);
                        gone.extend(some.filter_map(|own| hub.patterns.leave(own)));
                    }
                    if !gone.is_empty() {
                        left.extend(hub.topics_left_by(gone.iter().map(|gone| &gone.pattern)));
                    }
                }
                hub.note_left(left);
            }
        }
    }
}
