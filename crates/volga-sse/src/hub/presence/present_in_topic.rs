//! Lists the identities that are present in a topic, and counts their subscriptions. They read the
//! name of the topic, or a pattern that matches it. Pure.
//!
//! The hub's lock is released after each step, and identities come and go in between. An identity
//! that is present from the start of a list to its end is never missed, also if it joins one
//! pattern meanwhile and leaves another. That is because either one step looks at all of its names
//! and patterns that match, or several steps look at all of its names and patterns in the order in
//! which it joined them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::presence::filter_presence::{FilterPresence, Stay};
use crate::hub::presence::hub_presence::HubPresence;
use crate::hub::presence::overlaps::Excess;
use crate::hub::topic::pattern::is_match;

/// How many stays one step looks at, so it lists no more identities. It also counts no more
/// subscriptions with different names and patterns.
pub(crate) const MAX_COUNTED: usize = if cfg!(test) { 2 } else { 128 };

/// A place in the list of all stays: an identity, and the number of one of its stays. All stays of
/// the identity come before the place with `u64::MAX`.
pub(crate) type StayPlace = (Arc<str>, u64);

/// Some identities that are present in a topic.
#[derive(Debug)]
pub(crate) struct PresentPage {
    /// In order. A count that is not complete is [continued](HubPresence::count_on).
    pub(crate) identities: Vec<(Arc<str>, PresentCount)>,
    /// The next page begins after this place. `None` if this page is the last one.
    pub(crate) end: Option<StayPlace>,
}

/// The number of subscriptions of an identity in a topic, as far as it was counted. The default is
/// the count of no stays.
#[derive(Debug, Default)]
pub(crate) struct PresentCount {
    /// The number of the last stay of the identity that was looked at. `None` if all were.
    last_stay: Option<u64>,
    is_present: bool,
    /// How many subscriptions its stays have here. Some are counted more than once.
    here: usize,
    /// The other nodes on which it has subscriptions, some of them more than once.
    nodes: Vec<u64>,
    excess: Excess,
}

impl PresentCount {
    /// A count that looks at all stays of an identity.
    pub(crate) fn begin() -> Self {
        Self { last_stay: Some(0), ..Self::default() }
    }

    fn add(&mut self, stay: &Stay) {
        self.is_present = true;
        self.here += stay.subscriptions;
        self.nodes.extend_from_slice(&stay.nodes);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.last_stay.is_none() && self.excess.is_complete
    }

    /// The number of subscriptions. Those of another node count as one. `None` if the identity is
    /// not present.
    pub(crate) fn total(mut self) -> Option<usize> {
        self.nodes.sort_unstable();
        self.nodes.dedup();
        // Subscriptions may have come and gone while this was counted.
        let here = self.here.saturating_sub(self.excess.sum).max(self.here.min(1));
        self.is_present.then_some(here + self.nodes.len())
    }
}

impl HubPresence {
    /// The name of a topic and the patterns that match it, with the identities of each. `None` if
    /// the patterns are too many.
    pub(super) fn matching(&self, topic: &str) -> Option<Vec<(&Arc<str>, &FilterPresence)>> {
        let mut matching: Vec<_> = self.filters.get_key_value(topic).into_iter().collect();
        let patterns = self.patterns.list(topic)?;
        matching.extend(patterns.iter().filter_map(|text| self.filters.get_key_value(*text)));
        Some(matching)
    }

    /// The stays of an identity after the one with this number, in the order in which they began.
    pub(super) fn stays_of(
        &self,
        identity: &Arc<str>,
        after: u64,
    ) -> impl Iterator<Item = (u64, &Arc<str>)> {
        let start = Bound::Excluded((Arc::clone(identity), after));
        let end = Bound::Included((Arc::clone(identity), u64::MAX));
        self.filters_of.range((start, end)).map(|((_, number), filter)| (*number, filter))
    }

    /// The next identities that are present in a topic after a place, in order.
    pub(crate) fn page(&self, topic: &str, after: Option<&StayPlace>) -> PresentPage {
        match self.matching(topic) {
            Some(matching) => self.page_by_filter(topic, &matching, after),
            None => self.page_by_identity(topic, after),
        }
    }

    /// Takes the identities of some names and patterns, which are all of those that match.
    fn page_by_filter(
        &self,
        topic: &str,
        matching: &[(&Arc<str>, &FilterPresence)],
        after: Option<&StayPlace>,
    ) -> PresentPage {
        let start = match after {
            None => Bound::Unbounded,
            Some((identity, u64::MAX)) => Bound::Excluded(identity),
            // Not all of its stays were looked at.
            Some((identity, _)) => Bound::Included(identity),
        };
        let lists = matching.iter().map(|(_, presence)| presence.identities_from(start).peekable());
        let mut lists: Vec<Peekable<_>> = lists.collect();
        // The next identity of each list.
        let mut heads = BinaryHeap::new();
        for (index, list) in lists.iter_mut().enumerate() {
            heads.extend(list.peek().map(|(identity, _)| Reverse((*identity, index))));
        }
        let (mut room, mut left) = (MAX_COUNTED, MAX_COUNTED);
        let mut page = PresentPage { identities: Vec::new(), end: None };
        while let Some(&Reverse((identity, _))) = heads.peek() {
            if left == 0 {
                page.end = page.identities.last().map(|(last, _)| (Arc::clone(last), u64::MAX));
                break;
            }
            let mut count = PresentCount::default();
            while let Some(&Reverse((of, index))) = heads.peek()
                && of == identity
            {
                heads.pop();
                note_looks(1);
                left = left.saturating_sub(1);
                let list = &mut lists[index];
                list.next().into_iter().for_each(|(_, stay)| count.add(stay));
                heads.extend(list.peek().map(|(identity, _)| Reverse((*identity, index))));
            }
            self.overlaps.add_up(topic, identity, &mut count.excess, &mut room);
            page.identities.push((Arc::clone(identity), count));
        }
        page
    }

    /// Takes those of the next stays of all identities whose names and patterns match.
    fn page_by_identity(&self, topic: &str, after: Option<&StayPlace>) -> PresentPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut stays = self.filters_of.range::<StayPlace, _>((start, Bound::Unbounded));
        let mut identities: Vec<(Arc<str>, PresentCount)> = Vec::new();
        let mut end = None;
        for ((identity, number), filter) in stays.by_ref().take(MAX_COUNTED) {
            note_looks(1);
            if is_match(filter, topic)
                && let Some(stay) = self.filters.get(filter).and_then(|all| all.stay(identity))
            {
                if identities.last().is_none_or(|(last, _)| last != identity) {
                    identities.push((Arc::clone(identity), PresentCount::default()));
                }
                if let Some((_, count)) = identities.last_mut() {
                    count.add(stay);
                }
            }
            end = Some((identity, *number));
        }
        let next = stays.next();
        let end = end.filter(|_| next.is_some()).map(|(identity, number)| {
            match identities.last_mut().filter(|(last, _)| last == identity) {
                None => (Arc::clone(identity), number),
                // It is listed. If it has more stays, they still count.
                Some((_, count)) => {
                    count.last_stay = Some(number);
                    (Arc::clone(identity), u64::MAX)
                }
            }
        });
        let mut room = MAX_COUNTED;
        for (identity, count) in &mut identities {
            self.overlaps.add_up(topic, identity, &mut count.excess, &mut room);
        }
        PresentPage { identities, end }
    }

    /// Counts more subscriptions of an identity in a topic, a bounded number in one step.
    pub(crate) fn count_on(&self, topic: &str, identity: &Arc<str>, count: &mut PresentCount) {
        let mut room = MAX_COUNTED;
        if let Some(last_stay) = count.last_stay.take() {
            for (number, filter) in self.stays_of(identity, last_stay) {
                if room == 0 {
                    return;
                }
                room -= 1;
                note_looks(1);
                count.last_stay = Some(number);
                if is_match(filter, topic)
                    && let Some(stay) = self.filters.get(filter).and_then(|all| all.stay(identity))
                {
                    count.add(stay);
                }
            }
            count.last_stay = None;
        }
        self.overlaps.add_up(topic, identity, &mut count.excess, &mut room);
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn subscriptions_of(&self, topic: &str, identity: &str) -> Option<usize> {
        let identity = Arc::from(identity);
        let mut count = PresentCount::begin();
        while !count.is_complete() {
            self.count_on(topic, &identity, &mut count);
        }
        count.total()
    }
}

/// So many stays were looked at.
pub(super) fn note_looks(_stays: usize) {
    #[cfg(test)]
    crate::hub::work_counts::note_work(_stays);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::hub::presence::change_log::WakerLists;

    const TOPIC: &str = "a.b.c";
    const MATCHING: [&str; 8] = ["a.b.c", "a.b.*", "a.*.c", "*.b.c", "a.*.*", "a.b.>", "a.>", ">"];
    const OTHERS: [&str; 6] = ["b", "b.*", "b.>", "a.b", "*", "*.d.c"];

    #[derive(Clone, Debug)]
    enum Change {
        /// To another name or pattern that matches the topic.
        Move(usize),
        JoinOther(usize),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..MATCHING.len()).prop_map(Change::Move),
            (0..OTHERS.len()).prop_map(Change::JoinOther),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Ben's patterns are few or too many to list them. Anna reads one name or pattern that
        /// matches the topic, and leaves it only once she has joined another.
        #[test]
        fn an_identity_that_is_present_all_the_time_is_never_missed(
            patterns_of_ben in 0..=MATCHING.len(),
            first in vec(change(), 0..12),
            later in vec(vec(change(), 0..4), 0..10),
        ) {
            let [anna, ben] = ["anna", "ben"].map(Arc::<str>::from);
            let wakers = &mut WakerLists::default();
            let mut presence = HubPresence::default();
            let of_ben = &MATCHING[..patterns_of_ben];
            of_ben.iter().for_each(|filter| presence.join(&Arc::from(*filter), &ben, wakers));
            let mut own: Arc<str> = Arc::from(MATCHING[0]);
            presence.join(&own, &anna, wakers);
            let mut change = |presence: &mut HubPresence, change| match change {
                Change::Move(to) => {
                    let to = Arc::from(MATCHING[to]);
                    presence.join(&to, &anna, wakers);
                    presence.leave(&std::mem::replace(&mut own, to), &anna, None, wakers);
                }
                Change::JoinOther(other) => presence.join(&OTHERS[other].into(), &anna, wakers),
            };
            first.into_iter().for_each(|one| change(&mut presence, one));

            let mut later = later.into_iter();
            let mut between_steps = |presence: &mut HubPresence| {
                later.next().into_iter().flatten().for_each(|one| change(presence, one));
            };
            let mut end = None;
            let mut listed = Vec::new();
            loop {
                let page = presence.page(TOPIC, end.as_ref());
                for (identity, mut count) in page.identities {
                    while !count.is_complete() {
                        between_steps(&mut presence);
                        presence.count_on(TOPIC, &identity, &mut count);
                    }
                    prop_assert!(count.total() > Some(0), "{} is not found", identity);
                    listed.push(identity);
                }
                end = page.end;
                if end.is_none() {
                    break;
                }
                between_steps(&mut presence);
            }
            prop_assert_eq!(listed.iter().filter(|one| **one == anna).count(), 1);
            prop_assert!(listed.is_sorted());
        }
    }
}
