//! Messages that a hub delivered and that its engine then lost. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many rollbacks are remembered one by one. A subscription that was not polled since an older
/// one may be told of a gap although it had received none of its messages.
const MAX_ROLLBACKS: usize = 8;

/// The last rollbacks, the oldest first. A copy shares them, so a reader looks at them without a
/// lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollbacks(Vec<Arc<Rollback>>);

/// The engine has lost the messages after one number and before another.
#[derive(Debug)]
pub(crate) struct Rollback {
    /// Everything up to here lasted.
    pub(crate) kept: u64,
    /// Nothing up to here is to come.
    pub(crate) through: u64,
    /// The first number that each topic has lost. `None` if that is not known for all topics.
    pub(crate) first_lost: Option<BTreeMap<Arc<str>, u64>>,
}

impl Rollbacks {
    /// Returns the rollbacks that are not remembered one by one any more. They may have many names,
    /// so the caller drops them without a lock.
    #[must_use]
    pub(crate) fn push(&mut self, rollback: Rollback) -> Vec<Arc<Rollback>> {
        self.0.push(Arc::new(rollback));
        if self.0.len() <= MAX_ROLLBACKS {
            return Vec::new();
        }
        let merged = Rollback {
            kept: self.0[0].kept.min(self.0[1].kept),
            through: self.0[1].through,
            first_lost: None,
        };
        self.0.splice(..2, [Arc::new(merged)]).collect()
    }

    /// The numbers after which and up to which a subscription is told of a gap, if it has read up
    /// to `cursor`. `reads` says whether it reads the topic of a name.
    pub(crate) fn find(&self, cursor: u64, reads: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
        let is_seen = |rollback: &&Arc<Rollback>| {
            let is_within = rollback.kept < cursor && cursor < rollback.through;
            is_within
                && rollback.first_lost.as_ref().is_none_or(|topics| {
                    topics.iter().any(|(topic, first)| *first <= cursor && reads(topic))
                })
        };
        let rollback = self.0.iter().find(is_seen)?;
        Some((rollback.kept, rollback.through))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollback(kept: u64, through: u64, topics: &[(&str, u64)]) -> Rollback {
        let topics = topics.iter().map(|(topic, first)| ((*topic).into(), *first)).collect();
        Rollback { kept, through, first_lost: Some(topics) }
    }

    #[test]
    fn only_readers_who_have_received_a_lost_message_are_told() {
        let mut all = Rollbacks::default();
        assert!(all.push(rollback(10, 15, &[("a", 12), ("b", 14)])).is_empty());
        assert_eq!(all.find(10, |_| true), None);
        assert_eq!(all.find(11, |_| true), None);
        assert_eq!(all.find(12, |topic| topic == "a"), Some((10, 15)));
        assert_eq!(all.find(13, |topic| topic == "b"), None);
        assert_eq!(all.find(14, |topic| topic == "b"), Some((10, 15)));
        assert_eq!(all.find(14, |topic| topic == "c"), None);
        assert_eq!(all.find(15, |_| true), None);
    }

    #[test]
    fn an_old_rollback_is_told_to_more_readers_and_never_to_fewer() {
        let mut all = Rollbacks::default();
        for base in 0..2 * MAX_ROLLBACKS as u64 {
            drop(all.push(rollback(10 * base + 2, 10 * base + 9, &[("a", 10 * base + 5)])));
        }
        assert_eq!(all.0.len(), MAX_ROLLBACKS);
        for base in 0..2 * MAX_ROLLBACKS as u64 {
            let found = all.find(10 * base + 6, |topic| topic == "a").expect("a gap");
            assert!(found.0 <= 10 * base + 2 && found.1 >= 10 * base + 9, "{found:?}");
        }
    }
}
