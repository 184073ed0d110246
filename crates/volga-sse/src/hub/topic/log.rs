//! The log of a topic: its last messages, within bounds. Pure.
//!
//! The log is the topic's history and the queue of all its subscribers at once, because a
//! subscriber is only a number that points into it.

use bytes::Bytes;

use crate::hub::clock::Moment;
use crate::hub::settings::LogBounds;
use crate::hub::stepped_queue::SteppedQueue;

/// How many entries before the last one are searched one by one, before a binary search. Most
/// subscribers are there.
const LINEAR_SEARCH_ENTRIES: usize = 4;
/// How many messages are dropped one by one. If more are to go, the log gives them up together, and
/// the caller frees them without a lock.
const DROPPED_ONE_BY_ONE: usize = 8;

/// A message in the log.
#[derive(Debug)]
pub(crate) struct LogEntry {
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    at: Moment,
    /// How many bytes were appended to the log, up to and including this entry. The difference
    /// between two entries is the number of bytes between them.
    end: u64,
}

#[cfg(test)]
impl Drop for LogEntry {
    fn drop(&mut self) {
        crate::hub::work_counts::note_work(1);
    }
}

/// Messages that a log has given up. They may be many, so they are freed without a lock.
pub(crate) type LogEntries = SteppedQueue<LogEntry>;

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
    earlier: LogEntries,
}

impl TopicLog {
    /// Appends a message, and drops messages that exceed the bounds. The newest message always
    /// stays. Calls `note_dropped` with the number of each message that is dropped, apart from
    /// those that it returns.
    pub(crate) fn append(
        &mut self,
        number: u64,
        bytes: Bytes,
        now: Moment,
        bounds: &LogBounds,
        mut note_dropped: impl FnMut(u64),
    ) -> Option<LogEntries> {
        let (end, at) = match &self.last {
            // Publishers read the clock before they get their numbers. A message does not expire
            // before the one before it.
            Some(last) => (last.end, last.at.max(now)),
            None => (0, now),
        };
        let entry = LogEntry { number, end: end + bytes.len() as u64, bytes, at };
        if let Some(last) = self.last.replace(entry) {
            self.earlier.push_back(last);
        }
        self.appended += 1;
        for _ in 0..DROPPED_ONE_BY_ONE {
            if self.is_within(bounds) {
                return self.expire(now, bounds, note_dropped);
            }
            note_dropped(self.drop_first());
        }
        let too_many = self.len().saturating_sub(bounds.messages.max(1));
        let is_too_long = |first: &LogEntry| self.bytes_from(Some(first)) > bounds.bytes as u64;
        let too_long = self.earlier.partition_point(is_too_long);
        let too_old = self.earlier.partition_point(|entry| entry.at.age(now) > bounds.age);
        Some(self.take_first(too_many.max(too_long).max(too_old)))
    }

    fn is_within(&self, bounds: &LogBounds) -> bool {
        self.earlier.is_empty()
            || self.len() <= bounds.messages && self.bytes() <= bounds.bytes as u64
    }

    /// Drops messages that are too old, and calls `note_dropped` with their numbers, apart from
    /// those that it returns.
    pub(crate) fn expire(
        &mut self,
        now: Moment,
        bounds: &LogBounds,
        mut note_dropped: impl FnMut(u64),
    ) -> Option<LogEntries> {
        let is_old = |entry: &LogEntry| entry.at.age(now) > bounds.age;
        let mut left = DROPPED_ONE_BY_ONE;
        while left > 0 && self.first().is_some_and(is_old) {
            note_dropped(self.drop_first());
            left -= 1;
        }
        let expired = if left > 0 || !self.first().is_some_and(is_old) {
            None
        } else if self.last.as_ref().is_some_and(is_old) {
            Some(self.take())
        } else {
            Some(self.take_first(self.earlier.partition_point(is_old)))
        };
        if self.last.is_none() && self.earlier.has_capacity() {
            // The topic has been silent for the whole age that messages may have, so its memory is
            // freed.
            self.earlier = LogEntries::default();
        }
        expired
    }

    /// Takes all messages out. The log records them as dropped.
    pub(crate) fn take(&mut self) -> LogEntries {
        self.dropped = self.last_message_number();
        let mut taken = std::mem::take(&mut self.earlier);
        if let Some(last) = self.last.take() {
            taken.push_back(last);
        }
        taken
    }

    /// Takes so many of the messages before the last one out. The log records them as dropped.
    fn take_first(&mut self, count: usize) -> LogEntries {
        if let Some(last) = count.checked_sub(1).and_then(|index| self.earlier.get(index)) {
            self.dropped = last.number;
        }
        self.earlier.take_front(count)
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

    /// Takes the messages after a number out, which did not last. Also returns the first number of
    /// which the topic may have had such a message. `None` if there was none.
    pub(crate) fn roll_back(&mut self, kept: u64) -> Option<(u64, LogEntries)> {
        let has_missing = self.dropped.max(self.lost) > kept;
        self.dropped = self.dropped.min(kept);
        self.lost = self.lost.min(kept);
        let last = self.last.take_if(|last| last.number > kept);
        if last.is_none() {
            return has_missing.then(|| (kept + 1, LogEntries::default()));
        }
        let index = self.earlier.partition_point(|entry| entry.number <= kept);
        let mut taken = self.earlier.split_off(index);
        self.last = self.earlier.pop_back();
        last.into_iter().for_each(|last| taken.push_back(last));
        let first = taken.front().map_or(kept + 1, |first| first.number);
        Some((if has_missing { kept + 1 } else { first }, taken))
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
        self.earlier.iter_from(index.min(self.earlier.len())).chain(last)
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

    /// The number after which the last `count` messages up to this number come.
    pub(crate) fn before_last(&self, count: usize, through: u64) -> u64 {
        let before = self.index_after(through).saturating_sub(count).checked_sub(1);
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
            if self.earlier.get(len - 1 - near).is_some_and(|entry| entry.number <= number) {
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
            20 => (1..4_u64, 0..30_usize).prop_map(|(skip, bytes)| LogStep::Append { skip, bytes }),
            2 => (0..40_u64).prop_map(LogStep::Wait),
            1 => Just(LogStep::Expire),
        ]
    }

    fn numbers(taken: Option<LogEntries>) -> Vec<u64> {
        taken.iter().flat_map(|taken| taken.iter_from(0)).map(|entry| entry.number).collect()
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
            messages in prop_oneof![1..10_usize, 10..60_usize],
            bytes in prop_oneof![0..100_usize, Just(1_000)],
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
                        let taken =
                            log.append(number, appended, Moment(now), &bounds, |number| dropped.push(number));
                        dropped.extend(numbers(taken));
                        naive.entries.push((number, bytes, now));
                        naive.trim(now, &bounds);
                        prop_assert!(log.len() >= 1);
                    }
                    LogStep::Wait(time) => now += time,
                    LogStep::Expire => {
                        let taken = log.expire(Moment(now), &bounds, |number| dropped.push(number));
                        dropped.extend(numbers(taken));
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
                    for through in [u64::MAX, number / 2, number.saturating_sub(3)] {
                        let after = log.before_last(count, through);
                        let all = log.after(0).filter(|entry| entry.number <= through).count();
                        let last = log.after(after).filter(|entry| entry.number <= through);
                        prop_assert_eq!(last.count(), count.min(all));
                        prop_assert!(after >= log.dropped());
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_larger_than_the_log_is_held_alone() {
        let bounds = LogBounds { messages: 10, bytes: 10, age: 10 };
        let mut log = TopicLog::default();
        for (number, text) in [(1, "12345"), (2, "12345678901")] {
            let bytes = Bytes::from_static(text.as_bytes());
            assert!(log.append(number, bytes, Moment(0), &bounds, |_| {}).is_none());
        }
        assert_eq!((log.len(), log.bytes(), log.dropped()), (1, 11, 1));
    }

    #[test]
    fn an_entry_is_one_cache_line() {
        assert!(size_of::<LogEntry>() <= 64, "{}", size_of::<LogEntry>());
    }
}
