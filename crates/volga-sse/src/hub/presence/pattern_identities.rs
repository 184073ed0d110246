//! The subscriptions that make their identities present in every topic that their patterns match.
//! Pure.

use std::collections::BTreeSet;
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

    /// Removes a subscription. The handle may be used again.
    pub(crate) fn remove(&mut self, handle: u32) {
        for pattern in &self.all.remove(handle).patterns {
            let handles = self.by_pattern.entry(pattern).get_or_insert_default();
            handles.remove(&handle);
            if handles.is_empty() {
                self.by_pattern.remove(pattern);
            }
        }
    }

    /// The subscriptions of which a pattern matches this name, each once.
    pub(crate) fn matching(&self, name: &str) -> impl Iterator<Item = &PatternIdentity> {
        let mut handles = Vec::new();
        self.by_pattern.find(name, &mut |of_pattern| handles.extend(of_pattern));
        handles.sort_unstable();
        handles.dedup();
        handles.into_iter().filter_map(|handle| self.all.get(handle))
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
                    });
                    naive.retain(|(other, _)| *other != handle);
                    naive.push((handle, patterns));
                }
                let is_match = |patterns: &[String]| {
                    patterns.iter().any(|text| pattern(text).matches(&name))
                };
                let expect = naive.iter().filter(|(_, patterns)| is_match(patterns)).count();
                let found: Vec<_> = identities.matching(&name).collect();
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
