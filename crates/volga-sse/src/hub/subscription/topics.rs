//! The topics of a subscription.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::{PatternMembership, RemovedNumbers, SharedPattern};
use crate::hub::presence::overlaps::FilterSet;
use crate::hub::settings::HubSettings;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::recent_messages::{RecentMessage, RecentMessages};
use crate::hub::state::recent_sets::RecentSets;
use crate::hub::subscription::backlog::Backlog;
use crate::hub::subscription::matching::{KnownSets, NamedIndex};
use crate::hub::topic::Topic;
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
    /// The hub has had all of these patterns since this version.
    pattern_version: u64,
    /// The messages after `mask_since` that it gets have one of these bits.
    mask: u64,
    mask_since: u64,
    /// One of the patterns matches every topic.
    has_all: bool,
    named_index: NamedIndex,
    known_sets: KnownSets,
    pub(super) backlog: Option<Backlog>,
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
        let version = patterns.iter().map(|membership| membership.pattern.version);
        let has_all = patterns.iter().any(|membership| &**membership.pattern.pattern.text() == ">");
        let named_index =
            NamedIndex::new(named.iter().map(|membership| membership.topic.short_id()));
        Self {
            pattern_ids,
            pattern_version: version.max().unwrap_or(0),
            mask,
            mask_since: since.max().unwrap_or(0),
            named: named.into(),
            patterns: patterns.into(),
            has_all,
            named_index,
            known_sets: KnownSets::default(),
            backlog: None,
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
    pub(super) fn removed_since(&self, hub: &HubState) -> RemovedNumbers {
        let patterns = self.patterns.iter().map(|membership| &*membership.pattern);
        let mut removed = hub.patterns.removed_since(patterns);
        if removed.last_of_keyed > 0 && !self.patterns_may_have_keys(&hub.settings) {
            removed.last_of_keyed = 0;
        }
        removed
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

    pub(crate) fn names(&self, topic: &Topic) -> bool {
        self.named_index.has(topic.short_id())
    }

    /// Whether it names the topic, or one of its patterns matches it.
    pub(crate) fn has(&self, topic: &Topic, hub: &HubState) -> bool {
        self.names(topic) || self.matches(topic, hub)
    }

    /// The same for the topic of a message that was found. What it learns is for
    /// [`gets`](Self::gets).
    pub(super) fn has_found(&mut self, topic: &Topic, hub: &HubState) -> bool {
        if self.has_patterns() {
            let (set, has_own) = self.check(topic, hub);
            self.known_sets.note(set, has_own, self.patterns.len());
            if has_own {
                return true;
            }
        }
        self.names(topic)
    }

    pub(crate) fn matches(&self, topic: &Topic, hub: &HubState) -> bool {
        self.has_patterns() && self.check(topic, hub).1
    }

    fn check(&self, topic: &Topic, hub: &HubState) -> (u32, bool) {
        hub.patterns.check(topic, &self.pattern_ids, self.patterns(), self.pattern_version)
    }

    /// Whether the subscription gets a message that the hub remembers with its bytes, as far as
    /// that is known without a look at its topic.
    #[inline]
    pub(super) fn gets(&self, number: u64, message: &RecentMessage) -> Option<bool> {
        if self.has_all || self.named_index.has(message.topic_id()) {
            return Some(true);
        }
        // A pattern that came after the message is not in the message's set.
        let is_complete = number > self.mask_since;
        let has_own = match message.patterns() {
            0 => Some(false),
            set => self.known_sets.get(set),
        };
        if self.patterns.is_empty() {
            Some(false)
        } else {
            has_own.filter(|has| *has || is_complete)
        }
    }

    /// The same for a message about which [`gets`](Self::gets) knows nothing. Looks at the set of
    /// patterns that matched the message.
    pub(super) fn learn(
        &mut self,
        number: u64,
        message: &RecentMessage,
        sets: &RecentSets,
    ) -> Option<bool> {
        if number <= self.mask_since {
            return None;
        }
        let has_own = sets.has_any(message.patterns(), &self.pattern_ids)?;
        self.known_sets.note(message.patterns(), has_own, self.patterns.len());
        Some(has_own)
    }

    /// The same if that set is not in the list of the last messages, or is older than a pattern of
    /// the subscription. Looks at the patterns that match the topic of the message. `None` if these
    /// are not listed, or were not looked up since the subscription's patterns came.
    #[cold]
    pub(super) fn look(&mut self, number: u64, message: &RecentMessage) -> Option<bool> {
        #[cfg(test)]
        crate::hub::work_counts::note_look();
        let has_own = message.topic()?.patterns.since(self.pattern_version, |set| {
            set.as_ref().map_or(Some(false), |set| set.has_any(&self.pattern_ids))
        })??;
        if number > self.mask_since {
            self.known_sets.note(message.patterns(), has_own, self.patterns.len());
        }
        Some(has_own)
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
    /// The same topics for a look at a lag. They have no backlog.
    pub(super) fn without_backlog(&self) -> Self {
        match self {
            Self::One(membership) => Self::One(membership.clone()),
            Self::Several(set) => Self::Several(Box::new(TopicSet {
                named: set.named.clone(),
                patterns: set.patterns.clone(),
                pattern_ids: set.pattern_ids.clone(),
                mask: set.mask,
                mask_since: set.mask_since,
                pattern_version: set.pattern_version,
                has_all: set.has_all,
                named_index: set.named_index.clone(),
                known_sets: KnownSets::default(),
                backlog: None,
                opened_after: set.opened_after,
                lag_checked: 0,
            })),
        }
    }

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
