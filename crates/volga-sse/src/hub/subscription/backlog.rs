//! The messages that a subscription of several topics still has to read, if the hub does not
//! remember them in their order any more.

use std::sync::Arc;

use crate::hub::topic::Topic;

/// How many messages a backlog has at most. A subscription that is further behind looks for the
/// next ones when it has read these.
pub(crate) const MAX_BACKLOG: usize = if cfg!(test) { 64 } else { 16 * 1024 };

/// The numbers and topics of messages, which the subscription has found by looking at all of its
/// topics once.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Sorted, the greatest number first.
    messages: Vec<(u64, Arc<Topic>)>,
    /// It has all messages up to this number.
    pub(crate) through: u64,
}

/// Collects the smallest of the numbers that are offered.
#[derive(Debug)]
pub(crate) struct Collector {
    messages: Vec<(u64, Arc<Topic>)>,
    through: u64,
}

impl Collector {
    /// Collects numbers up to this one.
    pub(crate) fn through(through: u64) -> Self {
        Self { messages: Vec::new(), through }
    }

    /// Takes a number if it may be among the smallest. Returns false if greater ones of the same
    /// topic are not taken either.
    pub(crate) fn offer(&mut self, number: u64, topic: &Arc<Topic>) -> bool {
        if number > self.through {
            return false;
        }
        self.messages.push((number, Arc::clone(topic)));
        if self.messages.len() >= 2 * MAX_BACKLOG {
            self.trim();
        }
        true
    }

    pub(crate) fn finish(mut self) -> Backlog {
        self.trim();
        self.messages.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        self.messages.shrink_to_fit();
        Backlog { messages: self.messages, through: self.through }
    }

    /// Keeps only the smallest numbers.
    fn trim(&mut self) {
        if self.messages.len() <= MAX_BACKLOG {
            return;
        }
        let (_, last, _) =
            self.messages.select_nth_unstable_by_key(MAX_BACKLOG - 1, |(number, _)| *number);
        self.through = last.0;
        self.messages.truncate(MAX_BACKLOG);
    }
}

impl Backlog {
    /// Takes the next message.
    pub(crate) fn pop(&mut self) -> Option<(u64, Arc<Topic>)> {
        self.messages.pop()
    }

    /// Begins to load the topics of the next messages from memory.
    pub(crate) fn preload(&self, messages: usize) {
        self.messages.iter().rev().take(messages).for_each(|(_, topic)| topic.preload());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages that were not taken yet.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u64, Arc<Topic>)> {
        self.messages.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::topic::EarlierNumbers;

    proptest! {
        #[test]
        fn a_backlog_has_the_smallest_numbers_in_order(
            numbers in vec(1..2_000_u64, 0..5 * MAX_BACKLOG),
            through in 1..2_000_u64,
        ) {
            let topic = Arc::new(Topic::new(0, 0, "a".into(), EarlierNumbers::default(), None));
            let mut collector = Collector::through(through);
            let mut expect = numbers.clone();
            expect.sort_unstable();
            expect.dedup();
            let mut unsorted = numbers;
            let mut seen = std::collections::HashSet::new();
            unsorted.retain(|number| seen.insert(*number));
            for number in unsorted {
                let is_taken = collector.offer(number, &topic);
                prop_assert!(is_taken || number > through || expect.len() > MAX_BACKLOG);
            }
            let mut backlog = collector.finish();
            expect.retain(|number| *number <= through);
            let is_whole = expect.len() <= MAX_BACKLOG;
            expect.truncate(MAX_BACKLOG);
            let last = expect.last().copied().unwrap_or(0);
            prop_assert_eq!(backlog.through, if is_whole { through } else { last });
            let taken: Vec<_> =
                std::iter::from_fn(|| backlog.pop()).map(|(number, _)| number).collect();
            prop_assert_eq!(taken, expect);
            prop_assert!(backlog.is_empty());
        }
    }
}
