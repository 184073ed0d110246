//! Which of the last messages a subscription gets, without a look at their topics. Pure.

use crate::hub::patterns::pattern_set::UNKNOWN_SET;
use crate::hub::topic::short_id::ShortId;

/// The most sets of patterns of which a subscription remembers whether they have one of its own.
const MAX_KNOWN_SETS: usize = 256;

/// The indexes of the topics that a subscription names, by their short IDs.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamedIndex {
    topics: Box<[ShortId]>,
    /// A hash table with open addressing. Each place has the index of a topic plus one, or zero.
    /// Slots are handed out one after the other, so they need no other hash.
    places: Box<[u32]>,
}

impl NamedIndex {
    pub(crate) fn new(topics: impl Iterator<Item = ShortId>) -> Self {
        let topics: Box<[ShortId]> = topics.collect();
        if topics.is_empty() {
            return Self::default();
        }
        // At least half of the places stay empty, so a search ends soon.
        let mut places = vec![0; (2 * topics.len()).next_power_of_two()].into_boxed_slice();
        for (index, topic) in (1..).zip(&topics) {
            let mut place = topic.slot as usize & (places.len() - 1);
            while places[place] != 0 {
                place = (place + 1) & (places.len() - 1);
            }
            places[place] = index;
        }
        Self { topics, places }
    }

    pub(crate) fn has(&self, topic: ShortId) -> bool {
        if self.topics.is_empty() {
            return false;
        }
        let mut place = topic.slot as usize & (self.places.len() - 1);
        loop {
            match self.places[place] {
                0 => return false,
                index if self.topics[index as usize - 1] == topic => return true,
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }
}

/// Of some sets of patterns it is known whether they have a pattern of the subscription.
///
/// Sets are numbered one after the other. So each of the last ones has a place of its own, and a
/// new set takes the place of an old one.
#[derive(Debug, Default)]
pub(crate) struct KnownSets {
    sets: Box<[(u32, bool)]>,
}

impl KnownSets {
    /// Notes whether a set has a pattern of the subscription, which has this number of patterns.
    pub(crate) fn note(&mut self, set: u32, has_own: bool, patterns: usize) {
        if set == UNKNOWN_SET || set == 0 {
            return;
        }
        if self.sets.is_empty() {
            let len = (2 * patterns).next_power_of_two().min(MAX_KNOWN_SETS);
            self.sets = vec![(0, false); len].into();
        }
        let place = set as usize & (self.sets.len() - 1);
        self.sets[place] = (set, has_own);
    }

    /// Whether a set has a pattern of the subscription. `None` if that is not known.
    pub(crate) fn get(&self, set: u32) -> Option<bool> {
        if self.sets.is_empty() {
            return None;
        }
        let (known, has_own) = self.sets[set as usize & (self.sets.len() - 1)];
        (known == set).then_some(has_own)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_index_has_the_topics_that_it_was_made_of(
            named in vec((0..40_u32, 0..3_u32), 0..60),
            others in vec((0..40_u32, 0..3_u32), 0..60),
        ) {
            let id = |(slot, low_id)| ShortId { slot, low_id };
            let index = NamedIndex::new(named.iter().copied().map(id));
            for topic in named.iter().chain(&others) {
                prop_assert_eq!(index.has(id(*topic)), named.contains(topic));
            }
        }
    }

    #[test]
    fn a_set_that_is_not_known_is_not_taken_for_another() {
        for patterns in [1, 3, 100, 1_000] {
            let mut known = KnownSets::default();
            assert_eq!(known.get(1), None);
            (1..1_000).for_each(|set| known.note(set, set % 3 == 0, patterns));
            let last = (1..1_000).filter(|set| known.get(*set).is_some());
            assert_eq!(last.clone().count(), (2 * patterns).next_power_of_two().min(256));
            last.for_each(|set| assert_eq!(known.get(set), Some(set % 3 == 0)));
            known.note(UNKNOWN_SET, true, patterns);
            known.note(0, true, patterns);
            assert_eq!((known.get(UNKNOWN_SET), known.get(0)), (None, None));
        }
    }
}
