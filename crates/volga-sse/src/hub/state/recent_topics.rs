//! The topics of the hub's last messages. Pure.
//!
//! With it, a subscription of ten thousand topics does not have to look at each of them to find one
//! message.

/// How many messages are remembered.
const MESSAGES: usize = 1_024;
/// How many topics a search returns at most. With more topics, looking at all of them costs no
/// more.
pub(crate) const MAX_TOPIC_INDEXES: usize = 64;

/// The topics of the last messages, as a ring buffer.
#[derive(Debug)]
pub(crate) struct RecentTopics {
    /// The topic of a message is at the message's number modulo the length.
    topics: Box<[u64]>,
    /// The remembered numbers are `first..end`.
    first: u64,
    end: u64,
}

/// Indexes of topics among those of a subscription, each once.
#[derive(Debug)]
pub(crate) struct TopicIndexes {
    indexes: [usize; MAX_TOPIC_INDEXES],
    len: usize,
}

impl RecentTopics {
    pub(crate) fn new() -> Self {
        Self { topics: vec![0; MESSAGES].into(), first: 0, end: 0 }
    }

    /// Remembers the topic of the message with this number. If the number does not follow the last
    /// one, everything before is forgotten.
    pub(crate) fn note(&mut self, number: u64, topic: u64) {
        if number != self.end {
            self.first = number;
        }
        self.end = number.saturating_add(1);
        self.first = self.first.max(self.end.saturating_sub(MESSAGES as u64));
        self.topics[(number % MESSAGES as u64) as usize] = topic;
    }

    /// Returns the topics of the messages after one number and up to another, as the indexes that
    /// `index_of` returns. `None` if not all of these messages are remembered, or if they have too
    /// many topics.
    pub(crate) fn find(
        &self,
        after: u64,
        through: u64,
        index_of: impl Fn(u64) -> Option<usize>,
    ) -> Option<TopicIndexes> {
        if after >= through || after + 1 < self.first || through >= self.end {
            return None;
        }
        let mut indexes = TopicIndexes { indexes: [0; MAX_TOPIC_INDEXES], len: 0 };
        for number in after + 1..=through {
            let topic = self.topics[(number % MESSAGES as u64) as usize];
            if let Some(index) = index_of(topic).filter(|index| !indexes.indexes().contains(index))
            {
                *indexes.indexes.get_mut(indexes.len)? = index;
                indexes.len += 1;
            }
        }
        Some(indexes)
    }
}

impl TopicIndexes {
    pub(crate) fn indexes(&self) -> &[usize] {
        &self.indexes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_search_finds_the_topics_that_were_noted(
            steps in vec((0..3_u64, 0..100_u64), 0..3_000),
            ends in (0..4_000_u64, 0..4_000_u64),
        ) {
            let mut recent = RecentTopics::new();
            let mut all = Vec::new();
            let mut number = 0;
            for (skip, topic) in steps {
                // Numbers are skipped only rarely.
                number += 1 + u64::from(skip == 0 && topic == 0);
                recent.note(number, topic);
                all.push((number, topic));
            }
            let (after, through) = (ends.0.min(ends.1), ends.0.max(ends.1));
            // The subscription has every second topic.
            let index_of = |topic: u64| topic.is_multiple_of(2).then_some(topic as usize / 2);
            if let Some(indexes) = recent.find(after, through, index_of) {
                let range = all.iter().filter(|(number, _)| (after + 1..=through).contains(number));
                prop_assert_eq!(range.clone().count() as u64, through - after);
                let mut expect: Vec<_> = range.filter_map(|(_, topic)| index_of(*topic)).collect();
                expect.sort_unstable();
                expect.dedup();
                let mut indexes = indexes.indexes().to_vec();
                indexes.sort_unstable();
                prop_assert_eq!(indexes, expect);
            }
        }
    }

    #[test]
    fn messages_that_are_not_remembered_are_not_found() {
        let mut recent = RecentTopics::new();
        let find = |recent: &RecentTopics, after, through| {
            recent.find(after, through, |topic| Some(topic as usize)).map(|indexes| indexes.len)
        };
        assert_eq!(find(&recent, 0, 1), None);
        (1..=MESSAGES as u64 + 1).for_each(|number| recent.note(number, number % 5));
        assert_eq!(find(&recent, 0, 3), None);
        assert_eq!(find(&recent, 1, 3), Some(2));
        assert_eq!(find(&recent, 1, MESSAGES as u64 + 1), Some(5));
        assert_eq!(find(&recent, 1, MESSAGES as u64 + 2), None);
        assert_eq!(find(&recent, 3, 3), None);
        let mut many = RecentTopics::new();
        (1..=100).for_each(|number| many.note(number, number));
        assert_eq!(find(&many, 0, MAX_TOPIC_INDEXES as u64), Some(MAX_TOPIC_INDEXES));
        assert_eq!(find(&many, 0, MAX_TOPIC_INDEXES as u64 + 1), None);
    }
}
