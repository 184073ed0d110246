//! The topics of the hub's last messages, in the order of their positions.
//!
//! A subscription of many topics reads them from here. So a message costs the same whether it is
//! one of a thousand in one topic, or the only one in each of a thousand topics.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::topic::Topic;

/// How many messages are remembered. A subscription that is further behind looks at all of its
/// topics once to find the messages before.
pub(crate) const MAX_RECENT_MESSAGES: usize = if cfg!(test) { 256 } else { 128 * 1024 };
/// How many messages one step looks at.
const MESSAGES_PER_STEP: usize = 4_096;
/// While topics are removed, each new message checks for this many others whether their topics are
/// among them.
const CHECKS_PER_MESSAGE: usize = 4;

/// The topics of the last messages. It is empty until the first subscription needs it.
#[derive(Debug, Default)]
pub(crate) struct RecentMessages {
    /// The messages with the numbers from `first` on.
    messages: VecDeque<RecentMessage>,
    first: u64,
    /// How many topics had been removed when the current check of all messages began.
    removed: u64,
    /// The next number to check, if a check is under way.
    next_check: Option<u64>,
}

#[derive(Debug)]
struct RecentMessage {
    /// `None` once the topic was removed. Otherwise the memory of a client's made-up topics would
    /// be held for as long as their messages are remembered.
    topic: Option<Arc<Topic>>,
    /// The bits of its topic and of the patterns that matched it.
    mask: u64,
}

/// The result of one step of a search.
#[derive(Debug)]
pub(crate) struct RecentMatches {
    /// A single message, which is the common case, needs no allocation.
    first: Option<(u64, Arc<Topic>)>,
    more: Vec<(u64, Arc<Topic>)>,
    /// The step has looked at all messages up to this number.
    pub(crate) through: u64,
}

impl RecentMessages {
    /// The bit of a topic. Other topics and patterns have it as well.
    pub(crate) fn topic_bit(topic: &Topic) -> u64 {
        1 << (topic.id % u64::from(u64::BITS))
    }

    /// Remembers the message with this number. If the number does not follow the last one,
    /// everything before is forgotten. `removed` is the number of topics that were ever removed.
    pub(crate) fn note(&mut self, number: u64, topic: Arc<Topic>, mask: u64, removed: u64) {
        if number != self.end() {
            self.messages.clear();
            self.first = number;
        }
        self.forget_removed(removed);
        if self.messages.len() == MAX_RECENT_MESSAGES {
            self.messages.pop_front();
            self.first += 1;
        }
        self.messages.push_back(RecentMessage { topic: Some(topic), mask });
    }

    /// Forgets topics that were removed, a few at a time.
    fn forget_removed(&mut self, removed: u64) {
        if self.next_check.is_none() {
            if self.removed == removed {
                return;
            }
            (self.removed, self.next_check) = (removed, Some(self.first));
        }
        for _ in 0..CHECKS_PER_MESSAGE {
            let Some(number) = self.next_check else { break };
            let number = number.max(self.first);
            let message = self.messages.get_mut((number - self.first) as usize);
            self.next_check = message.is_some().then_some(number + 1);
            if let Some(message) = message {
                message.topic.take_if(|topic| topic.is_removed());
            }
        }
        while self.messages.front().is_some_and(|message| message.topic.is_none()) {
            self.messages.pop_front();
            self.first += 1;
        }
        if self.messages.capacity() > 1_024 && self.messages.len() < self.messages.capacity() / 4 {
            self.messages.shrink_to(self.messages.len() * 2);
        }
    }

    /// The number after the last message that is remembered.
    fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// The first number that is remembered.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Finds messages after one number and up to another whose topics or patterns have one of these
    /// bits. `None` if not all of these messages are remembered.
    ///
    /// One step looks at a bounded number of messages, and returns at most `max` of them, which is
    /// at least one.
    pub(crate) fn find(
        &self,
        after: u64,
        through: u64,
        mask: u64,
        max: usize,
    ) -> Option<RecentMatches> {
        let first = after + 1;
        if first < self.first || through >= self.end() {
            return None;
        }
        let last = through.min(after + MESSAGES_PER_STEP as u64);
        let mut found = RecentMatches { first: None, more: Vec::new(), through: last };
        let start = (first - self.first) as usize;
        let end = (last + 1 - self.first) as usize;
        let next = self.messages.range(start..end).take(max);
        next.filter_map(|message| message.topic.as_ref()).for_each(Topic::preload);
        for (number, message) in (first..).zip(self.messages.range(start..end)) {
            if message.mask & mask == 0 {
                continue;
            }
            let Some(topic) = &message.topic else {
                found.through = number - 1;
                break;
            };
            let message = (number, Arc::clone(topic));
            match &mut found.first {
                None => found.first = Some(message),
                Some(_) => {
                    if found.more.is_empty() {
                        found.more.reserve_exact(max - 1);
                    }
                    found.more.push(message);
                }
            }
            if found.len() == max {
                found.through = number;
                break;
            }
        }
        (found.through > after).then_some(found)
    }
}

impl RecentMatches {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// The numbers and topics of the messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &(u64, Arc<Topic>)> {
        self.first.iter().chain(&self.more)
    }

    /// The same without a copy of each topic.
    pub(crate) fn into_messages(self) -> impl Iterator<Item = (u64, Arc<Topic>)> {
        self.first.into_iter().chain(self.more)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::topic::EarlierNumbers;

    proptest! {
        #[test]
        fn a_search_finds_the_messages_that_were_noted(
            // Whether numbers are skipped before the message, its topic, and whether that topic is
            // then removed.
            steps in vec((0..100_u8, 0..100_usize, 0..100_u8), 0..3 * MAX_RECENT_MESSAGES),
            ends in (0..800_u64, 0..800_u64),
            mask: u64,
            max in 1..100_usize,
            removes: bool,
        ) {
            let topic = |id| Arc::new(Topic::new(id, 0, "a".into(), EarlierNumbers::default(), None));
            let mut topics: Vec<_> = (0..100).map(topic).collect();
            let mut recent = RecentMessages::default();
            let mut all = Vec::new();
            let (mut number, mut first, mut removed) = (0, 1, 0);
            for (skip, index, removal) in steps {
                number += 1 + u64::from(skip == 0);
                first = if skip == 0 { number } else { first };
                let bit = RecentMessages::topic_bit(&topics[index]);
                recent.note(number, Arc::clone(&topics[index]), bit, removed);
                all.push((number, Arc::clone(&topics[index]), bit));
                if removes && removal == 0 {
                    topics[index].set_removed();
                    removed += 1;
                    topics[index] = topic(100 * removed + index as u64);
                }
            }
            first = first.max(number.saturating_sub(MAX_RECENT_MESSAGES as u64 - 1));
            let (after, through) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let range = || all.iter().filter(|(n, ..)| (after + 1..=through).contains(n));
            let has_removed = range().any(|(_, topic, _)| topic.is_removed());
            let is_known = after + 1 >= first && through <= number && !has_removed;
            let (mut found, mut at) = (Vec::new(), after);
            while at < through {
                let Some(step) = recent.find(at, through, mask, max) else {
                    prop_assert!(!is_known);
                    break;
                };
                prop_assert!(at < step.through && step.through <= through);
                prop_assert!(step.messages().count() <= max);
                at = step.through;
                found.extend(step.messages().map(|(number, topic)| (*number, topic.id)));
            }
            let expect: Vec<_> = range()
                .filter(|(number, _, bit)| *number <= at && bit & mask != 0)
                .map(|(number, topic, _)| (*number, topic.id))
                .collect();
            prop_assert_eq!(found, expect);
        }
    }

    #[test]
    fn topics_that_were_removed_are_not_held() {
        let mut recent = RecentMessages::default();
        let kept = Arc::new(Topic::new(0, 0, "kept".into(), EarlierNumbers::default(), None));
        recent.note(1, Arc::clone(&kept), 1, 0);
        let mut all = Vec::new();
        for number in 2..200_u64 {
            let topic =
                Arc::new(Topic::new(number, 0, "made up".into(), EarlierNumbers::default(), None));
            topic.set_removed();
            all.push(Arc::downgrade(&topic));
            recent.note(number, topic, 1, number - 1);
        }
        let held = all.iter().filter(|topic| topic.strong_count() > 0).count();
        assert!(held < 80, "{held}");
        // Without the first one, nothing keeps the messages of the others.
        kept.set_removed();
        (200..400).for_each(|number| recent.note(number, Arc::clone(&kept), 1, number));
        assert!(recent.messages.len() < 80, "{}", recent.messages.len());
    }
}
