//! The last numbers of removed topics. Pure.
//!
//! A client that resumes on a removed topic is told of the gap only because its last number is
//! remembered here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::EarlierNumbers;

/// The last numbers of removed topics. Beyond the bound it keeps only one number, which is at least
/// as great as theirs.
#[derive(Debug, Default)]
pub(crate) struct RemovedTopics {
    numbers: SteppedMap<Arc<str>, u64>,
    // Each number belongs to one message, so no two topics have the same.
    by_number: BTreeMap<u64, Arc<str>>,
    floor: u64,
}

/// The names of removed topics that are not remembered any more.
#[derive(Debug)]
pub(crate) struct ForgottenNames {
    _numbers: SteppedMap<Arc<str>, u64>,
    _by_number: BTreeMap<u64, Arc<str>>,
}

impl RemovedTopics {
    /// Remembers a removed topic whose last message had this number. If there is no room, forgets
    /// the topic with the smallest number, and returns it. A reader by pattern that has not read
    /// that topic yet does not find it here any more, so the caller tells the patterns.
    #[must_use]
    pub(crate) fn note(
        &mut self,
        name: Arc<str>,
        number: u64,
        max: usize,
    ) -> Option<(u64, Arc<str>)> {
        if number <= self.floor {
            // Each number belongs to one message, so this is the number of no other topic.
            return (number > 0).then_some((number, name));
        }
        self.numbers.insert(Arc::clone(&name), number);
        self.by_number.insert(number, name);
        if self.by_number.len() <= max {
            return None;
        }
        let (number, name) = self.by_number.pop_first()?;
        self.numbers.remove(&name);
        self.floor = number;
        Some((number, name))
    }

    /// Notes that messages up to this number may have belonged to any topic. So the names of the
    /// topics that had no later one need not be known. The caller drops them without a lock,
    /// because they may be many.
    #[must_use]
    pub(crate) fn raise_floor(&mut self, number: u64) -> Option<ForgottenNames> {
        self.floor = self.floor.max(number);
        if self.by_number.last_key_value().is_some_and(|(last, _)| *last <= number) {
            let Self { numbers, by_number, .. } = std::mem::take(self);
            self.floor = number;
            return Some(ForgottenNames { _numbers: numbers, _by_number: by_number });
        }
        while let Some(first) = self.by_number.first_entry().filter(|first| *first.key() <= number)
        {
            self.numbers.remove(&first.remove());
        }
        None
    }

    /// Returns the numbers of earlier topics of this name. Forgets the name, because a topic of
    /// this name exists again.
    pub(crate) fn take(&mut self, name: &str) -> EarlierNumbers {
        match self.numbers.remove(name) {
            None => EarlierNumbers { known: 0, bound: self.floor },
            Some(number) => {
                self.by_number.remove(&number);
                EarlierNumbers { known: number, bound: number }
            }
        }
    }

    /// The last numbers, the greatest first: those below `end`, as far as they are greater than
    /// `after`.
    pub(crate) fn page(&self, after: u64, end: u64, max: usize) -> Vec<(u64, Arc<str>)> {
        self.by_number
            .range(..end)
            .rev()
            .take_while(|(number, _)| **number > after)
            .take(max)
            .map(|(number, name)| (*number, Arc::clone(name)))
            .collect()
    }

    /// A number that is at least as great as those of the topics that are not remembered.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_the_bound_are_exact_and_others_have_an_upper_bound() {
        let mut removed = RemovedTopics::default();
        for (name, number, forgotten) in [("a", 3, None), ("b", 5, None), ("c", 9, Some("a"))] {
            let forgotten = forgotten.map(|name| (3, name.into()));
            assert_eq!(removed.note(name.into(), number, 2), forgotten);
        }
        assert_eq!(removed.note("late".into(), 2, 2), Some((2, "late".into())));
        assert_eq!(removed.page(0, 10, 5), [(9, "c".into()), (5, "b".into())]);
        assert_eq!(removed.page(0, 10, 1), [(9, "c".into())]);
        assert_eq!(removed.page(0, 9, 5), [(5, "b".into())]);
        assert_eq!(removed.page(5, 10, 5), [(9, "c".into())]);
        assert_eq!(removed.floor(), 3);
        assert_eq!(removed.take("c"), EarlierNumbers { known: 9, bound: 9 });
        assert_eq!(removed.take("c"), EarlierNumbers { known: 0, bound: 3 });
        assert_eq!(removed.take("a"), EarlierNumbers { known: 0, bound: 3 });
        assert_eq!((removed.numbers.len(), removed.by_number.len()), (1, 1));
    }

    #[test]
    fn names_without_a_later_message_are_forgotten() {
        for (floor, expect) in [(2, 3), (5, 1), (8, 1), (9, 0), (20, 0)] {
            let mut removed = RemovedTopics::default();
            for (name, number) in [("a", 3), ("b", 5), ("c", 9)] {
                assert_eq!(removed.note(name.into(), number, 9), None);
            }
            let forgotten = removed.raise_floor(floor);
            assert_eq!(forgotten.is_some(), expect == 0, "all at once");
            assert_eq!((removed.numbers.len(), removed.by_number.len()), (expect, expect));
            assert_eq!(removed.floor(), floor);
        }
    }

    #[test]
    fn a_topic_that_never_had_a_message_is_not_remembered() {
        let mut removed = RemovedTopics::default();
        assert_eq!(removed.note("a".into(), 0, 2), None);
        assert!(removed.numbers.is_empty());
    }
}
