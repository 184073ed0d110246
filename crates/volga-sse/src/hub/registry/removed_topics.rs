//! What a hub remembers of topics that are gone: the last number of each, so that a loss does not hide behind a topic's end. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The last numbers of topics that are gone. Of those beyond the bound it knows one number that is not less than theirs.
#[derive(Debug, Default)]
pub(crate) struct RemovedTopics {
    numbers: HashMap<Arc<str>, u64>,
    // Numbers are those of messages, so no two topics share one.
    by_number: BTreeMap<u64, Arc<str>>,
    floor: u64,
}

impl RemovedTopics {
    /// Notes that a topic is gone whose last message had this number.
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

    /// Notes that messages up to this number may have been those of any topic.
    pub(crate) fn raise_floor(&mut self, number: u64) {
        self.floor = self.floor.max(number);
        while let Some(first) = self.by_number.first_entry().filter(|first| *first.key() <= number)
        {
            self.numbers.remove(&first.remove());
        }
    }

    /// A number that is not less than that of any message which a topic of this name ever had; the topic is there again.
    pub(crate) fn recall(&mut self, name: &str) -> u64 {
        match self.numbers.remove(name) {
            None => self.floor,
            Some(number) => {
                self.by_number.remove(&number);
                number
            }
        }
    }

    /// The same for all topics that match.
    pub(crate) fn greatest(&self, matches: impl Fn(&str) -> bool) -> u64 {
        let newest_first = self.by_number.iter().rev();
        newest_first
            .filter(|(_, name)| matches(name))
            .map(|(number, _)| *number)
            .next()
            .unwrap_or(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_within_the_bound_is_known_exactly_and_others_at_least() {
        let mut forgotten = RemovedTopics::default();
        for (name, number) in [("a", 3), ("b", 5), ("c", 9)] {
            forgotten.note(name.into(), number, 2);
        }
        assert_eq!(forgotten.greatest(|name| name == "b"), 5);
        assert_eq!(forgotten.greatest(|_| true), 9);
        assert_eq!(forgotten.greatest(|_| false), 3);
        assert_eq!(forgotten.recall("c"), 9);
        assert_eq!(forgotten.recall("c"), 3);
        assert_eq!(forgotten.recall("a"), 3);
        assert_eq!((forgotten.numbers.len(), forgotten.by_number.len()), (1, 1));
    }

    #[test]
    fn a_topic_that_never_had_a_message_takes_no_room() {
        let mut forgotten = RemovedTopics::default();
        forgotten.note("a".into(), 0, 2);
        assert!(forgotten.numbers.is_empty());
    }
}
