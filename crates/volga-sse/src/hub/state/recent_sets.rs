//! Which patterns the sets of the last messages have. Pure.

use crate::hub::patterns::pattern_set::{PatternSet, UNKNOWN_SET};

/// How many sets are remembered at most.
const MAX_SETS: usize = if cfg!(test) { 128 } else { 1_024 };
/// How many patterns a set has at most that is remembered. Such a set and its ID have 32 bytes.
const MAX_PATTERNS: usize = 6;

/// The IDs of the patterns of some sets.
///
/// The list of the last messages has it, so a subscription that does not know a set yet need not
/// look at the topic of the message. It does not keep the patterns in memory.
///
/// Sets are numbered one after the other. So each of the last ones has a place of its own, and a
/// new set takes the place of an old one.
#[derive(Debug, Default)]
pub(crate) struct RecentSets {
    places: Box<[Place]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The short ID of a set, or zero.
    set: u32,
    count: u32,
    /// The IDs of its patterns. Only the first `count` of them are in use.
    ids: [u32; MAX_PATTERNS],
}

impl RecentSets {
    /// Remembers a set, unless it has too many patterns.
    pub(crate) fn note(&mut self, set: &PatternSet) {
        let id = set.short_id();
        if self.place(id).is_some_and(|place| place.set == id) {
            return;
        }
        let Some(ids) = set.ids().filter(|ids| ids.len() <= MAX_PATTERNS) else { return };
        if id == UNKNOWN_SET {
            return;
        }
        if self.places.is_empty() {
            self.places = vec![Place::default(); MAX_SETS].into();
        }
        let place = &mut self.places[id as usize % MAX_SETS];
        place.set = id;
        place.count = ids.len() as u32;
        place.ids[..ids.len()].copy_from_slice(ids);
    }

    /// Whether one of these IDs, which are sorted, is the ID of a pattern of the set. `None` if the
    /// set is not remembered.
    pub(crate) fn has_any(&self, set: u32, ids: &[u32]) -> Option<bool> {
        let place = self.place(set).filter(|place| place.set == set)?;
        let of_set = &place.ids[..place.count as usize];
        Some(of_set.iter().any(|id| ids.binary_search(id).is_ok()))
    }

    fn place(&self, set: u32) -> Option<&Place> {
        self.places.get(set as usize % MAX_SETS)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::patterns::shared_pattern::SharedPattern;
    use crate::hub::topic::pattern::Pattern;

    fn set(id: u64, ids: &[u32]) -> PatternSet {
        let pattern = |id: &u32| Arc::new(SharedPattern::new(*id, Pattern::new("a.*"), 0, 0, 0));
        PatternSet::new(id, ids.iter().map(pattern).collect())
    }

    proptest! {
        #[test]
        fn it_knows_the_last_sets_or_nothing_of_a_set(
            steps in vec((1..400_u64, vec(0..30_u32, 1..9)), 0..60),
            own in vec(0..30_u32, 0..9),
        ) {
            let sorted = |mut ids: Vec<u32>| {
                ids.sort_unstable();
                ids.dedup();
                ids
            };
            let own = sorted(own);
            let mut sets = RecentSets::default();
            // A set always has the same patterns.
            let mut all = std::collections::BTreeMap::new();
            for (id, ids) in steps {
                let ids = all.entry(id).or_insert_with(|| sorted(ids));
                sets.note(&set(id, ids));
                let expect = own.iter().any(|own| ids.contains(own));
                let known = (ids.len() <= MAX_PATTERNS).then_some(expect);
                prop_assert_eq!(sets.has_any(id as u32, &own), known);
            }
            for id in 1..400 {
                if let Some(has_own) = sets.has_any(id, &own) {
                    let ids = &all[&u64::from(id)];
                    prop_assert_eq!(has_own, own.iter().any(|own| ids.contains(own)));
                }
            }
            // Zero stands for no patterns.
            prop_assert!(sets.has_any(0, &own) != Some(true));
        }
    }

    #[test]
    fn sets_without_an_id_of_their_own_are_not_remembered() {
        let mut sets = RecentSets::default();
        sets.note(&set(1, &[7]));
        sets.note(&set(u64::MAX, &[8]));
        assert_eq!(sets.has_any(1, &[7]), Some(true));
        assert_eq!(sets.has_any(UNKNOWN_SET, &[8]), None);
    }
}
