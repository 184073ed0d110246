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

impl RemovedTopics {
    /// Remembers a removed topic whose last message had this number.
    pub(crate) fn note(&mut self, name: Arc<str>, number: u64, max: usize) {
        if number <= self.floor {
            return;
        }
        self.numbers.insert(Arc::clone(&name), number);
        self.by_number.insert(number, name);
        while self.by_number.len() > max
            && let Some((number, name)) = self.by_number.pop_first()
        {
            self.numbers.remove(&name);
            self.floor = number;
        }
    }

    /// Notes that messages up to this number may have belonged to any topic.
    pub(crate) fn raise_floor(&mut self, number: u64) {
        self.floor = self.floor.max(number);
        while let Some(first) = self.by_number.first_entry().filter(|first| *first.key() <= number)
        {
            self.numbers.remove(&first.remove());
        }
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
        for (name, number) in [("a", 3), ("b", 5), ("c", 9)] {
            removed.note(name.into(), number, 2);
        }
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
    fn a_topic_that_never_had_a_message_is_not_remembered() {
        let mut removed = RemovedTopics::default();
        removed.note("a".into(), 0, 2);
        assert!(removed.numbers.is_empty());
    }
}
