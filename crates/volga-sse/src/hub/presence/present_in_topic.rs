//! Lists the identities that are present in a topic, and counts their subscriptions. They read the
//! name of the topic, or a pattern that matches it. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hub::presence::filter_presence::{FilterPresence, MAX_LISTED, Stay};
use crate::hub::presence::hub_presence::HubPresence;
use crate::hub::presence::overlaps::Excess;
use crate::hub::topic::pattern::is_match;

/// How many subscriptions with different names and patterns one step counts.
pub(crate) const MAX_COUNTED: usize = 256;

/// If an identity has at most this many names and patterns, each of them is looked at to find it in
/// a topic. Otherwise each pattern that matches the topic is looked at.
const MAX_OWN_FILTERS: usize = if cfg!(test) { 3 } else { 64 };

/// The number of subscriptions of an identity in a topic, as far as it was counted.
#[derive(Debug)]
pub(crate) struct PresentCount {
    /// How many subscriptions its entries have here. Some are counted more than once.
    here: usize,
    /// On how many other nodes it has subscriptions.
    nodes: usize,
    excess: Excess,
}

impl PresentCount {
    pub(crate) fn is_complete(&self) -> bool {
        self.excess.is_complete
    }

    pub(crate) fn total(&self) -> usize {
        // Subscriptions may have come and gone while this was counted.
        self.here.saturating_sub(self.excess.sum).max(self.here.min(1)) + self.nodes
    }
}

impl HubPresence {
    /// Visits the identities of a topic's name, and those of each pattern that matches it.
    pub(super) fn visit_matching<'a>(
        &'a self,
        topic: &str,
        visit: &mut impl FnMut(&'a Arc<str>, &'a FilterPresence),
    ) {
        if let Some((name, presence)) = self.filters.get_key_value(topic) {
            visit(name, presence);
        }
        self.patterns.find(topic, &mut |pattern| {
            if let Some(presence) = self.filters.get(pattern) {
                visit(pattern, presence);
            }
        });
    }

    /// Visits the names and patterns that match a topic and in which an identity is present.
    pub(super) fn visit_stays<'a>(
        &'a self,
        topic: &str,
        identity: &str,
        mut visit: impl FnMut(&'a Arc<str>, &'a Stay),
    ) {
        let first = (Arc::from(identity), Arc::from(""));
        let own = self.filters_of.range(first..).take_while(|(of, _)| **of == *identity);
        if own.clone().nth(MAX_OWN_FILTERS).is_some() {
            self.visit_matching(topic, &mut |filter, presence| {
                presence.stay(identity).into_iter().for_each(|stay| visit(filter, stay));
            });
            return;
        }
        for (_, filter) in own.filter(|(_, filter)| is_match(filter, topic)) {
            let stay = self.filters.get(filter).and_then(|presence| presence.stay(identity));
            stay.into_iter().for_each(|stay| visit(filter, stay));
        }
    }

    /// The next identities that are present in a topic after this one, in order, each with the
    /// number of its subscriptions, of which some may be [counted on](Self::count_on). At most
    /// [`MAX_LISTED`].
    pub(crate) fn page(
        &self,
        topic: &str,
        after: Option<&Arc<str>>,
    ) -> Vec<(Arc<str>, PresentCount)> {
        let mut room = MAX_COUNTED;
        let mut matching = Vec::new();
        self.visit_matching(topic, &mut |_, presence| matching.push(presence));
        if let [only] = matching[..] {
            let mut count = |(identity, stay)| {
                (Arc::clone(identity), self.count(topic, identity, [stay].into_iter(), &mut room))
            };
            return only.page(after).map(&mut count).collect();
        }
        let pages = matching.iter().flat_map(|presence| presence.page(after));
        let identities: BTreeSet<_> = pages.map(|(identity, _)| identity).collect();
        let count = |identity: &Arc<str>| {
            let stays = matching.iter().filter_map(|presence| presence.stay(identity));
            (Arc::clone(identity), self.count(topic, identity, stays, &mut room))
        };
        identities.into_iter().take(MAX_LISTED).map(count).collect()
    }

    /// Begins to count the subscriptions of an identity in a topic. `None` if the identity is not
    /// present.
    pub(crate) fn begin_count(&self, topic: &str, identity: &str) -> Option<PresentCount> {
        let mut stays = Vec::new();
        self.visit_stays(topic, identity, |_, stay| stays.push(stay));
        (!stays.is_empty()).then(|| self.count(topic, identity, stays.into_iter(), &mut 0))
    }

    /// Counts more subscriptions of an identity in a topic, a bounded number in one step.
    pub(crate) fn count_on(&self, topic: &str, identity: &str, count: &mut PresentCount) {
        self.overlaps.add_up(topic, identity, &mut count.excess, &mut { MAX_COUNTED });
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn subscriptions_of(&self, topic: &str, identity: &str) -> Option<usize> {
        let mut count = self.begin_count(topic, identity)?;
        while !count.is_complete() {
            self.count_on(topic, identity, &mut count);
        }
        Some(count.total())
    }

    /// The number of subscriptions of an identity in a topic, from its entries in the topic's name
    /// and in the patterns that match it. Those of another node count as one.
    fn count<'a>(
        &self,
        topic: &str,
        identity: &str,
        stays: impl Iterator<Item = &'a Stay>,
        room: &mut usize,
    ) -> PresentCount {
        let (mut here, mut nodes) = (0_usize, Vec::new());
        for stay in stays {
            here += stay.subscriptions;
            nodes.extend_from_slice(&stay.nodes);
        }
        nodes.sort_unstable();
        nodes.dedup();
        let mut excess = Excess::default();
        self.overlaps.add_up(topic, identity, &mut excess, room);
        PresentCount { here, nodes: nodes.len(), excess }
    }
}
