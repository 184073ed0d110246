//! The topics of a subscription.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::{PatternMembership, RemovedNumbers, SharedPattern};
use crate::hub::presence::overlaps::FilterSet;
use crate::hub::settings::HubSettings;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::recent_messages::RecentMessages;
use crate::hub::subscription::backlog::Backlog;
use crate::hub::topic::Topic;
use crate::hub::topic::batch::MAX_MESSAGES;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::pattern::Pattern;
use crate::hub::topic::subscriber::Visits;

/// The topics of a subscription. Most subscriptions have one topic, which needs no allocation.
pub(crate) enum SubscribedTopics {
    One(Membership),
    Several(Box<TopicSet>),
}

impl SubscribedTopics {
    /// The names and patterns, each once.
    pub(super) fn filters(&self) -> impl Iterator<Item = Arc<str>> {
        let (one, several) = match self {
            Self::One(only) => (Some(only), None),
            Self::Several(set) => (None, Some(set)),
        };
        let named = one.into_iter().chain(several.into_iter().flat_map(|set| set.named.iter()));
        let patterns = several.into_iter().flat_map(|set| set.patterns());
        let named = named.map(|membership| &membership.topic.name);
        named.chain(patterns.map(Pattern::text)).map(Arc::clone)
    }

    /// The entry of the subscription in [`Overlaps`](crate::hub::presence::overlaps::Overlaps), if
    /// it has one.
    pub(super) fn overlap(&self) -> Option<FilterSet> {
        match self {
            Self::Several(set)
                if set.has_patterns() && set.named.len() + set.patterns.len() > 1 =>
            {
                let mut filters: FilterSet = self.filters().collect();
                filters.sort_unstable();
                Some(filters)
            }
            _ => None,
        }
    }
}

/// Several topics, or topics that patterns match. The subscription does not know the topics that
/// its patterns match.
#[derive(Default)]
pub(crate) struct TopicSet {
    /// The topics that it names, sorted by ID. The tag of each is its index.
    pub(super) named: Box<[Membership]>,
    /// The tag of the first one follows the tags of the named topics.
    pub(super) patterns: Box<[PatternMembership]>,
    /// The sorted IDs of the patterns.
    pattern_ids: Box<[u32]>,
    /// The messages after `mask_since` that it gets have one of these bits.
    mask: u64,
    mask_since: u64,
    /// The ID of a set of patterns that has one of its own. Zero if none is known.
    matching_set: u64,
    pub(super) backlog: Option<Backlog>,
    /// The topics of queued messages that it does not name. Their indexes follow those of the named
    /// topics.
    unnamed: Vec<Arc<Topic>>,
    /// The last number that the hub had assigned when the subscription opened.
    opened_after: u64,
    /// The messages up to this number do not make it too slow.
    pub(super) lag_checked: u64,
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
            matching_set: 0,
            backlog: None,
            unnamed: Vec::new(),
            opened_after: last,
            lag_checked: 0,
        }
    }

    pub(crate) fn named(&self) -> &[Membership] {
        &self.named
    }

    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> + Clone {
        self.patterns.iter().map(|membership| &membership.pattern.pattern)
    }

    pub(super) fn shared_patterns(&self) -> Vec<&SharedPattern> {
        self.patterns.iter().map(|membership| &*membership.pattern).collect()
    }

    /// The greatest numbers of topics that were removed since the subscription opened, and that its
    /// patterns match. Topics that were removed earlier may be included.
    pub(super) fn removed_since(&self) -> RemovedNumbers {
        let removed = self.patterns.iter().map(|membership| membership.pattern.removed_since());
        removed.fold(RemovedNumbers::default(), RemovedNumbers::max)
    }

    /// Whether its patterns match names of keyed topics. These need not exist.
    pub(super) fn patterns_may_have_keys(&self, settings: &HubSettings) -> bool {
        self.patterns().any(|own| settings.may_be_keyed(own))
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

    /// The index under which the next message of the topic is queued. If it is queued,
    /// [`note_queued`](Self::note_queued) must be told.
    pub(super) fn index_for(&self, topic: &Arc<Topic>) -> u32 {
        let named = self.named.binary_search_by_key(&topic.id, |membership| membership.topic.id);
        let index = named.unwrap_or_else(|_| {
            // Messages of one topic often come one right after the other.
            let is_same = self.unnamed.last().is_some_and(|last| Arc::ptr_eq(last, topic));
            self.named.len() + self.unnamed.len() - usize::from(is_same)
        });
        index as u32
    }

    /// Notes that a message of the topic was queued under this index.
    pub(super) fn note_queued(&mut self, topic: Arc<Topic>, index: u32) {
        if index as usize == self.named.len() + self.unnamed.len() {
            debug_assert!(self.unnamed.len() < MAX_MESSAGES, "a queue has at most these");
            self.unnamed.push(topic);
        }
    }

    /// The topic of a queued message.
    pub(super) fn at(&self, index: u32) -> &Topic {
        let index = index as usize;
        match self.named.get(index) {
            Some(membership) => &membership.topic,
            None => &self.unnamed[index - self.named.len()],
        }
    }

    /// Forgets the topics of the messages that were queued. No message is queued any more.
    pub(super) fn forget_queued(&mut self) {
        self.unnamed.clear();
    }

    /// Frees the memory of the last burst, because the subscription waits now.
    pub(super) fn shrink(&mut self) {
        self.unnamed.clear();
        self.unnamed.shrink_to(1);
    }

    pub(crate) fn names(&self, topic: &Topic) -> bool {
        self.named.binary_search_by_key(&topic.id, |membership| membership.topic.id).is_ok()
    }

    /// Whether it names the topic, or one of its patterns matches it.
    pub(crate) fn has(&self, topic: &Topic, hub: &HubState) -> bool {
        self.names(topic) || self.matches(topic, hub)
    }

    /// The same for the topic of a message that was found. It is quicker if the topic has the same
    /// patterns as the one before, as most topics of a reader by pattern do.
    pub(super) fn has_found(&mut self, topic: &Topic, hub: &HubState) -> bool {
        let set_id = topic.patterns.set_id();
        if set_id != 0 && set_id == self.matching_set {
            return true;
        }
        if let Some(set_id) = self.matching_set(topic, hub) {
            self.matching_set = set_id;
            return true;
        }
        self.names(topic)
    }

    pub(crate) fn matches(&self, topic: &Topic, hub: &HubState) -> bool {
        self.matching_set(topic, hub).is_some()
    }

    /// The ID of the set of patterns that match a topic, if one of its own is among them.
    fn matching_set(&self, topic: &Topic, hub: &HubState) -> Option<u64> {
        if !self.has_patterns() {
            return None;
        }
        hub.patterns.set_with_any(topic, &self.pattern_ids)
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

    /// Records that the subscription sleeps, in those wait lists that have visited it.
    pub(super) fn sleep(&self, visits: Visits) {
        visits.for_each_tag((self.named.len() + self.patterns.len()) as u32, |tag| {
            let is_set_aside = visits.is_set_aside(tag);
            match self.named.get(tag as usize) {
                Some(membership) => membership.sleep(is_set_aside),
                None => self.patterns[tag as usize - self.named.len()].sleep(is_set_aside),
            }
        });
    }
}

impl SubscribedTopics {
    /// Whether the subscription reads a topic of this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let is_named = self.named().iter().any(|membership| &*membership.topic.name == name);
        let patterns = match self {
            Self::One(_) => return is_named,
            Self::Several(set) => set.patterns(),
        };
        is_named || patterns.into_iter().any(|pattern| pattern.matches(name))
    }

    /// The topics that the subscription names.
    pub(super) fn named(&self) -> &[Membership] {
        match self {
            Self::One(membership) => std::slice::from_ref(membership),
            Self::Several(set) => set.named(),
        }
    }
}
