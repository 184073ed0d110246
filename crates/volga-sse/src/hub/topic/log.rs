//! The log of a topic: its last messages, within bounds. Pure.
//!
//! The log is the topic's history and the queue of all its subscribers at once, because a
//! subscriber is only a number that points into it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::hub::clock::Moment;
use crate::hub::settings::LogBounds;

/// How many entries before the last one are searched one by one, before a binary search. Most
/// subscribers are there.
const LINEAR_SEARCH_ENTRIES: usize = 4;

/// A message in the log.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    at: Moment,
    /// How many bytes were appended to the log, up to and including this entry. The difference
    /// between two entries is the number of bytes between them.
    end: u64,
}

/// Messages in the order of their numbers. Numbers grow but are not consecutive, because all topics
/// of the hub share them.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct TopicLog {
    /// Most readers look for this one. So it lies beside the rest of its topic, and a topic with a
    /// single message needs no other memory.
    last: Option<LogEntry>,
    dropped: u64,
    /// The greatest number of a message of the topic that never came, or zero. The log may hold
    /// messages before it.
    lost: u64,
    appended: u64,
    /// All entries but the last one.
    earlier: VecDeque<LogEntry>,
}

impl TopicLog {
    /// Appends a message, and drops messages that exceed the bounds. The newest message always
    /// stays. Calls `note_dropped` with the number of each message that is dropped.
    pub(crate) fn append(
        &mut self,
        number: u64,
        bytes: Bytes,
        now: Moment,
        bounds: &LogBounds,
        mut note_dropped: impl FnMut(u64),
    ) {
        let end = self.last.as_ref().map_or(0, |entry| entry.end) + bytes.len() as u64;
        let entry = LogEntry { number, bytes, at: now, end };
        self.earlier.extend(self.last.replace(entry));
        self.appended += 1;
        while !self.earlier.is_empty()
            && (self.len() > bounds.messages || self.bytes() > bounds.bytes as u64)
        {
            note_dropped(self.drop_first());
        }
        self.expire(now, bounds, note_dropped);
    }

    /// Drops messages that are too old, and calls `note_dropped` with their numbers.
    pub(crate) fn expire(
        &mut self,
        now: Moment,
        bounds: &LogBounds,
        mut note_dropped: impl FnMut(u64),
    ) {
        while self.first().is_some_and(|entry| entry.at.age(now) > bounds.age) {
            note_dropped(self.drop_first());
        }
        if self.last.is_none() && self.earlier.capacity() > 0 {
            // The topic has been silent for the whole age that messages may have, so its memory is
            // freed.
            self.earlier = VecDeque::new();
        }
    }

    /// Takes all messages out. The log records them as dropped.
    pub(crate) fn take(&mut self) -> VecDeque<LogEntry> {
        self.dropped = self.last_message_number();
        let mut taken = std::mem::take(&mut self.earlier);
        taken.extend(self.last.take());
        taken
    }

    /// Whether there are messages that have not expired.
    pub(crate) fn has_messages_at(&self, now: Moment, bounds: &LogBounds) -> bool {
        self.last.as_ref().is_some_and(|entry| entry.at.age(now) <= bounds.age)
    }

    /// Whether it holds a message with this number that is too old.
    pub(crate) fn has_expired(&self, number: u64, now: Moment, bounds: &LogBounds) -> bool {
        self.find(number).is_some_and(|entry| entry.at.age(now) > bounds.age)
    }

    /// When the first and the last message expire, or `None` without messages.
    pub(crate) fn expiries(&self, bounds: &LogBounds) -> Option<(Moment, Moment)> {
        let expiry = |entry: &LogEntry| entry.at.after(bounds.age).next();
        Some((expiry(self.first()?), expiry(self.last.as_ref()?)))
    }

    /// The number of the last message that was appended or lost, or zero.
    pub(crate) fn last_number(&self) -> u64 {
        self.last_message_number().max(self.lost)
    }

    /// The number of the last message that was appended, or zero.
    pub(crate) fn last_message_number(&self) -> u64 {
        self.last.as_ref().map_or(self.dropped, |entry| entry.number)
    }

    /// Records that the message with this number never came, or that readers must be told of a gap
    /// up to this number although it is not the number of a message.
    pub(crate) fn note_lost(&mut self, number: u64) {
        self.lost = self.lost.max(number);
    }

    /// Drops the messages after a number, which did not last. Returns the first number of which
    /// the topic may have had such a message.
    pub(crate) fn roll_back(&mut self, kept: u64) -> Option<u64> {
        let mut first = (self.dropped.max(self.lost) > kept).then_some(kept + 1);
        self.dropped = self.dropped.min(kept);
        self.lost = self.lost.min(kept);
        while let Some(entry) = self.last.take_if(|entry| entry.number > kept) {
            self.last = self.earlier.pop_back();
            first = first.filter(|first| *first == kept + 1).or(Some(entry.number));
        }
        first
    }

    /// Drops the first message, and returns its number.
    fn drop_first(&mut self) -> u64 {
        if let Some(entry) = self.earlier.pop_front().or_else(|| self.last.take()) {
            self.dropped = entry.number;
        }
        self.dropped
    }

    fn first(&self) -> Option<&LogEntry> {
        self.earlier.front().or(self.last.as_ref())
    }

    fn get(&self, index: usize) -> Option<&LogEntry> {
        if index == self.earlier.len() { self.last.as_ref() } else { self.earlier.get(index) }
    }

    /// The greatest number that was dropped, or zero. A subscription whose cursor is before it has
    /// missed something.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The greatest number that was dropped or lost, or zero. A subscription whose cursor is before
    /// it has missed something.
    pub(crate) fn missing(&self) -> u64 {
        self.dropped.max(self.lost)
    }

    /// The greatest number that was lost, or zero.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// The entries with numbers greater than this, in order.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &LogEntry> + Clone {
        let index = self.index_after(number);
        let last = self.last.as_ref().filter(|_| index < self.len());
        self.earlier.range(index.min(self.earlier.len())..).chain(last)
    }

    /// The number of the last entry up to this number, or the last number that was dropped. Also
    /// the last number that was lost, if it is not greater than this one.
    pub(crate) fn last_through(&self, number: u64) -> u64 {
        let before = self.index_after(number).checked_sub(1).and_then(|index| self.get(index));
        let last = before.map_or(self.dropped, |entry| entry.number);
        if self.lost <= number { last.max(self.lost) } else { last }
    }

    /// The entry with this number.
    pub(crate) fn find(&self, number: u64) -> Option<&LogEntry> {
        if let Some(last) = &self.last
            && last.number == number
        {
            return Some(last);
        }
        self.after(number.checked_sub(1)?).next().filter(|entry| entry.number == number)
    }

    /// How many messages and bytes come after this number.
    pub(crate) fn behind(&self, number: u64) -> (usize, u64) {
        let index = self.index_after(number);
        (self.len() - index, self.bytes_from(self.get(index)))
    }

    /// The number after which the last `count` messages come.
    pub(crate) fn before_last(&self, count: usize) -> u64 {
        let before = self.len().saturating_sub(count).checked_sub(1);
        before.and_then(|index| self.get(index)).map_or(self.dropped, |entry| entry.number)
    }

    /// How many bytes the log holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_from(self.first())
    }

    /// How many bytes this entry and those after it have.
    fn bytes_from(&self, first: Option<&LogEntry>) -> u64 {
        match (first, &self.last) {
            (Some(first), Some(last)) => last.end - first.end + first.bytes.len() as u64,
            _ => 0,
        }
    }

    /// How many messages were ever appended.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// How many messages the log holds.
    pub(crate) fn len(&self) -> usize {
        self.earlier.len() + usize::from(self.last.is_some())
    }

    fn index_after(&self, number: u64) -> usize {
        if self.last.as_ref().is_none_or(|last| last.number <= number) {
            return self.len();
        }
        let len = self.earlier.len();
        for near in 0..LINEAR_SEARCH_ENTRIES.min(len) {
            if self.earlier[len - 1 - near].number <= number {
                return len - near;
            }
        }
        self.earlier.partition_point(|entry| entry.number <= number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    enum LogStep {
        Append { skip: u64, bytes: usize },
        Wait(u64),
        Expire,
    }

    fn step() -> impl Strategy<Value = LogStep> {
        prop_oneof![
            6 => (1..4_u64, 0..30_usize).prop_map(|(skip, bytes)| LogStep::Append { skip, bytes }),
            2 => (0..40_u64).prop_map(LogStep::Wait),
            1 => Just(LogStep::Expire),
        ]
    }

    /// The same log as a plain list that is searched from its start.
    #[derive(Default)]
    struct PlainLog {
        entries: Vec<(u64, usize, u64)>,
        dropped: u64,
    }

    impl PlainLog {
        fn trim(&mut self, now: u64, bounds: &LogBounds) {
            let held = |entries: &[(u64, usize, u64)]| -> usize {
                entries.iter().map(|entry| entry.1).sum()
            };
            while self.entries.len() > 1
                && (self.entries.len() > bounds.messages || held(&self.entries) > bounds.bytes)
            {
                self.dropped = self.entries.remove(0).0;
            }
            while self.entries.first().is_some_and(|entry| now - entry.2 > bounds.age) {
                self.dropped = self.entries.remove(0).0;
            }
        }
    }

    proptest! {
        #[test]
        fn the_log_agrees_with_a_plain_list(
            steps in vec(step(), 0..60),
            messages in 1..10_usize,
            bytes in 0..100_usize,
            age in 0..100_u64,
        ) {
            let bounds = LogBounds { messages, bytes, age };
            let (mut log, mut naive) = (TopicLog::default(), PlainLog::default());
            let (mut number, mut now, mut dropped) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    LogStep::Append { skip, bytes } => {
                        number += skip;
                        let appended = vec![b'x'; bytes].into();
                        log.append(number, appended, Moment(now), &bounds, |number| dropped.push(number));
                        naive.entries.push((number, bytes, now));
                        naive.trim(now, &bounds);
                        prop_assert!(log.len() >= 1);
                    }
                    LogStep::Wait(time) => now += time,
                    LogStep::Expire => {
                        log.expire(Moment(now), &bounds, |number| dropped.push(number));
                        naive.trim(now, &bounds);
                    }
                }
                prop_assert_eq!(log.dropped(), naive.dropped);
                prop_assert_eq!(dropped.last().copied().unwrap_or(0), naive.dropped);
                prop_assert_eq!(dropped.len() + naive.entries.len(), log.appended() as usize);
                for &(number, _, at) in &naive.entries {
                    prop_assert_eq!(log.has_expired(number, Moment(now), &bounds), now - at > age);
                }
                prop_assert!(!log.has_expired(number + 1, Moment(now), &bounds));
                let is_young = |entry: &(u64, usize, u64)| now - entry.2 <= age;
                let has_young = naive.entries.iter().any(is_young);
                prop_assert_eq!(log.has_messages_at(Moment(now), &bounds), has_young);
                let expiry = |entry: &(u64, usize, u64)| Moment(entry.2 + age + 1);
                let ends = naive.entries.first().zip(naive.entries.last());
                let expect = ends.map(|(first, last)| (expiry(first), expiry(last)));
                prop_assert_eq!(log.expiries(&bounds), expect);
                prop_assert_eq!(log.last_number(), number);
                prop_assert_eq!(log.len(), naive.entries.len());
                for after in 0..=number + 1 {
                    let expect: Vec<_> =
                        naive.entries.iter().filter(|entry| entry.0 > after).collect();
                    let found: Vec<_> = log.after(after).map(|entry| entry.number).collect();
                    prop_assert_eq!(&found, &expect.iter().map(|entry| entry.0).collect::<Vec<_>>());
                    let before = naive.entries.iter().rev().find(|entry| entry.0 <= after);
                    let before = before.map_or(naive.dropped, |entry| entry.0);
                    prop_assert_eq!(log.last_through(after), before);
                    let bytes: usize = expect.iter().map(|entry| entry.1).sum();
                    prop_assert_eq!(log.behind(after), (expect.len(), bytes as u64));
                    prop_assert_eq!(log.find(after).is_some(), naive.entries.iter().any(|entry| entry.0 == after));
                }
                for count in 0..12 {
                    let after = log.before_last(count);
                    prop_assert_eq!(log.after(after).count(), count.min(log.len()));
                    prop_assert!(after >= log.dropped());
                }
            }
        }
    }

    #[test]
    fn a_message_larger_than_the_log_is_held_alone() {
        let bounds = LogBounds { messages: 10, bytes: 10, age: 10 };
        let mut log = TopicLog::default();
        log.append(1, Bytes::from_static(b"12345"), Moment(0), &bounds, |_| {});
        log.append(2, Bytes::from_static(b"12345678901"), Moment(0), &bounds, |_| {});
        assert_eq!((log.len(), log.bytes(), log.dropped()), (1, 11, 1));
    }

    #[test]
    fn an_entry_is_one_cache_line() {
        assert!(size_of::<LogEntry>() <= 64, "{}", size_of::<LogEntry>());
    }
}
