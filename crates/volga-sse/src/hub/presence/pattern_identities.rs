//! The subscriptions that make their identities present in every topic that their patterns match.
//! Pure.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::patterns::tree::PatternTree;
use crate::hub::slot_map::SlotMap;
use crate::hub::topic::pattern::Pattern;
use crate::hub::topic::subscriber::Subscriber;

/// A subscription with patterns and an identity.
#[derive(Debug)]
pub(crate) struct PatternIdentity {
    pub(crate) patterns: Box<[Pattern]>,
    pub(crate) identity: Arc<str>,
    pub(crate) subscriber: Arc<Subscriber>,
    /// The subscription itself joins the topics with IDs below this one.
    pub(crate) next_id: u64,
}

/// All of these subscriptions. A new topic finds those that match its name, without looking at the
/// others.
#[derive(Debug, Default)]
pub(crate) struct PatternIdentities {
    all: SlotMap<PatternIdentity>,
    by_pattern: PatternTree<BTreeSet<u32>>,
}

impl PatternIdentities {
    /// Adds a subscription, and returns its handle.
    pub(crate) fn insert(&mut self, present: PatternIdentity) -> u32 {
        let patterns = present.patterns.clone();
        let handle = self.all.insert(present);
        for pattern in &patterns {
            self.by_pattern.entry(pattern).get_or_insert_default().insert(handle);
        }
        handle
    }

    /// Removes a subscription, and returns it. The handle may be used again.
    pub(crate) fn remove(&mut self, handle: u32) -> PatternIdentity {
        let removed = self.all.remove(handle);
        for pattern in &removed.patterns {
            let handles = self.by_pattern.entry(pattern).get_or_insert_default();
            handles.remove(&handle);
            if handles.is_empty() {
                self.by_pattern.remove(pattern);
            }
        }
        removed
    }

    /// The next subscriptions after this handle of which a pattern matches the name, at most `max`.
    /// Each is there once, with its handle, in the order of the handles.
    pub(crate) fn page(
        &self,
        name: &str,
        after: Option<u32>,
        max: usize,
    ) -> Vec<(u32, &PatternIdentity)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut handles = BTreeSet::new();
        self.by_pattern.find(name, &mut |of_pattern| {
            handles.extend(of_pattern.range((start, Bound::Unbounded)).take(max));
        });
        let of_handle = |handle| Some((handle, self.all.get(handle)?));
        handles.into_iter().take(max).filter_map(of_handle).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::topic::pattern::TopicFilter;

    fn pattern(text: &str) -> Pattern {
        match TopicFilter::parse(text, 50).expect("valid") {
            TopicFilter::Pattern(pattern) => pattern,
            TopicFilter::Name(name) => panic!("{name}"),
        }
    }

    proptest! {
        #[test]
        fn a_name_finds_each_subscription_that_it_matches_once(
            steps in vec((vec("([ab*]\\.){0,2}[*>]", 1..4), any::<bool>(), 0..8_usize), 0..30),
            name in "[ab](\\.[ab]){0,3}",
            max in 1..5_usize,
        ) {
            let mut identities = PatternIdentities::default();
            let mut naive: Vec<(u32, Vec<String>)> = Vec::new();
            for (index, (patterns, removes, which)) in steps.into_iter().enumerate() {
                if removes && which < naive.len() {
                    identities.remove(naive.swap_remove(which).0);
                } else {
                    let handle = identities.insert(PatternIdentity {
                        patterns: patterns.iter().map(|text| pattern(text)).collect(),
                        identity: index.to_string().into(),
                        subscriber: Arc::new(Subscriber::new(index as u64)),
                        next_id: 0,
                    });
                    naive.retain(|(other, _)| *other != handle);
                    naive.push((handle, patterns));
                }
                let is_match = |patterns: &[String]| {
                    patterns.iter().any(|text| pattern(text).matches(&name))
                };
                let expect = naive.iter().filter(|(_, patterns)| is_match(patterns)).count();
                let mut found = Vec::new();
                let mut last = None;
                loop {
                    let page = identities.page(&name, last, max);
                    prop_assert!(page.len() <= max);
                    let Some((handle, _)) = page.last() else { break };
                    prop_assert!(last < Some(*handle));
                    last = Some(*handle);
                    found.extend(page.into_iter().map(|(_, found)| found));
                }
                prop_assert_eq!(found.len(), expect);
                let is_found = |found: &&PatternIdentity| {
                    found.patterns.iter().any(|pattern| pattern.matches(&name))
                };
                prop_assert!(found.iter().all(is_found));
                let each: BTreeSet<_> = found.iter().map(|found| &found.identity).collect();
                prop_assert_eq!(each.len(), expect, "each once");
            }
        }
    }
}
