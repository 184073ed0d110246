//! The topics of a subscription, and how it leaves them.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::PatternMembership;
use crate::hub::state::hub_state::{HubState, TOPICS_AT_ONCE};
use crate::hub::state::recent_messages::RecentMessages;
use crate::hub::subscription::backlog::Backlog;
use crate::hub::subscription::{Subscription, frame_cache};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::pattern::Pattern;

/// The topics of a subscription. Most subscriptions have one topic, which needs no allocation.
pub(crate) enum SubscribedTopics {
    One(Membership),
    Several(Box<TopicSet>),
}

/// Several topics, or topics that patterns match. The subscription does not know the topics that
/// its patterns match.
#[derive(Default)]
pub(crate) struct TopicSet {
    /// The topics that it names, sorted by ID. The tag of each is its index.
    named: Box<[Membership]>,
    /// The tag of the first one follows the tags of the named topics.
    patterns: Box<[PatternMembership]>,
    /// The sorted IDs of the patterns.
    pattern_ids: Box<[u32]>,
    /// The messages after `mask_since` that it gets have one of these bits.
    mask: u64,
    mask_since: u64,
    pub(super) backlog: Option<Backlog>,
    /// The last number that the hub had assigned when the subscription opened.
    opened_after: u64,
}

impl TopicSet {
    /// `last` is the last number that the hub has assigned.
    pub(crate) fn new(named: Vec<Membership>, patterns: Vec<PatternMembership>, last: u64) -> Self {
        let mut pattern_ids: Box<[u32]> =
            patterns.iter().map(|membership| membership.pattern.id).collect();
        pattern_ids.sort_unstable();
        let of_topics = named.iter().map(|membership| RecentMessages::topic_bit(&membership.topic));
        let of_patterns = patterns.iter().map(|membership| membership.pattern.bit());
        let mask = of_topics.chain(of_patterns).fold(0, |mask, bit| mask | bit);
        let since = patterns.iter().map(|membership| membership.pattern.since);
        Self {
            pattern_ids,
            mask,
            mask_since: since.max().unwrap_or(0),
            named: named.into(),
            patterns: patterns.into(),
            backlog: None,
            opened_after: last,
        }
    }

    pub(crate) fn named(&self) -> &[Membership] {
        &self.named
    }

    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> + Clone {
        self.patterns.iter().map(|membership| &membership.pattern.pattern)
    }

    pub(super) fn opened_after(&self) -> u64 {
        self.opened_after
    }

    pub(crate) fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The bits that messages after a number have.
    pub(super) fn mask_after(&self, number: u64) -> u64 {
        if number < self.mask_since { u64::MAX } else { self.mask }
    }

    pub(crate) fn names(&self, topic: &Topic) -> bool {
        self.named.binary_search_by_key(&topic.id, |membership| membership.topic.id).is_ok()
    }

    /// Whether it names the topic, or one of its patterns matches it.
    pub(crate) fn has(&self, topic: &Topic, hub: &HubState) -> bool {
        self.names(topic) || self.matches(topic, hub)
    }

    pub(crate) fn matches(&self, topic: &Topic, hub: &HubState) -> bool {
        self.has_patterns()
            && hub.patterns.of(topic).is_some_and(|patterns| patterns.has_any(&self.pattern_ids))
    }

    /// Visits all of its topics that exist. No lock is held meanwhile.
    pub(crate) fn walk(&self, hub: &HubState, mut visit: impl FnMut(&Arc<Topic>)) {
        self.named.iter().for_each(|membership| visit(&membership.topic));
        if self.has_patterns() {
            hub.walk(self.patterns(), |topic| {
                if self.matches(topic, hub) && !self.names(topic) {
                    visit(topic);
                }
            });
        }
    }

    /// Records that the subscription sleeps, in those wait lists that have woken it.
    pub(super) fn sleep(&self, woken_by: u64) {
        let len = self.named.len() + self.patterns.len();
        let mut left = woken_by;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            left &= left - 1;
            if first >= len {
                return;
            }
            for tag in (first..len).step_by(u64::BITS as usize) {
                match self.named.get(tag) {
                    Some(membership) => membership.sleep(),
                    None => self.patterns[tag - self.named.len()].sleep(),
                }
            }
        }
    }
}

impl SubscribedTopics {
    /// The topics that the subscription names.
    pub(super) fn named(&self) -> &[Membership] {
        match self {
            Self::One(membership) => std::slice::from_ref(membership),
            Self::Several(set) => set.named(),
        }
    }
}

impl Subscription {
    /// Ends the presence of an identity in the topics that the patterns match, as they were when
    /// the hub stopped to make it present in new ones.
    fn leave_matching(hub: &HubState, set: &TopicSet, identity: &Arc<str>, next_id: u64) {
        let gone_at = hub.settings.gone_at(hub.clock.now());
        let mut page: Vec<Arc<Topic>> = Vec::new();
        let leave = |page: &mut Vec<Arc<Topic>>| {
            hub.lock_for_step().remove_presence(identity, page.iter(), gone_at);
            page.clear();
        };
        set.walk(hub, |topic| {
            if topic.id < next_id {
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
            && let Some((identity, handle)) = extras.identity.take()
        {
            let mut locked = hub.lock();
            if let Some(handle) = extras.present_by_pattern.take() {
                locked.remove_present_by_pattern(handle);
            }
            locked.remove_identity(&identity, handle);
            let next_id = locked.registry.next_id();
            match &topics {
                SubscribedTopics::One(membership) => {
                    let gone_at = hub.settings.gone_at(hub.clock.now());
                    let topic = [&membership.topic].into_iter();
                    locked.remove_presence(&identity, topic, gone_at);
                }
                SubscribedTopics::Several(set) => {
                    drop(locked);
                    Self::leave_matching(&hub, set, &identity, next_id);
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
