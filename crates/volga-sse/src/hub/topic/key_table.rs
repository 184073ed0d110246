//! The table of a keyed topic: the newest message of each key, in the order of their numbers. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::error::PublishError;
use crate::hub::stepped_map::SteppedMap;
use crate::hub::stepped_queue::SteppedQueue;

/// What a message means for the keys of a [keyed](crate::hub::HubBuilder::keyed) topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyChange<'a> {
    /// The message has no key.
    None,
    /// The message is the newest one of this key.
    Set(&'a str),
    /// The message says that this key was removed.
    Remove(&'a str),
}

/// The newest value of each key, and the numbers of the messages in the log that have no key. No
/// newer message replaces those.
#[derive(Debug)]
pub(crate) struct KeyTable {
    max: usize,
    numbers: SteppedMap<Arc<str>, u64>,
    newest: BTreeMap<u64, (Arc<str>, Bytes)>,
    unkeyed: SteppedQueue<u64>,
    unkeyed_dropped: u64,
    /// The log has dropped the messages up to this number.
    dropped: u64,
    /// The bytes of the values with numbers up to `counted`. The log has dropped their messages.
    unlogged_bytes: u64,
    /// At most `dropped`. It follows a few values at a time, because a publisher waits while
    /// somebody reads the table.
    counted: u64,
    /// How often the table was cleared.
    clears: u64,
}

/// Values that will replace those of a table. They may be many, so they are collected without a
/// lock.
pub(crate) struct NewValues {
    table: KeyTable,
    /// How often the table had been cleared.
    clears: u64,
    /// How many values found no room.
    unheld: u64,
    is_changed: bool,
    old_len: usize,
}

/// How many values one step counts, or drops because their messages did not last.
const VALUES_PER_STEP: usize = 64;

impl KeyTable {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            numbers: SteppedMap::default(),
            newest: BTreeMap::new(),
            unkeyed: SteppedQueue::default(),
            unkeyed_dropped: 0,
            dropped: 0,
            unlogged_bytes: 0,
            counted: 0,
            clears: 0,
        }
    }

    /// Whether there is room for a value of this key.
    pub(crate) fn has_room(&self, key: &str) -> bool {
        self.numbers.len() < self.max || self.numbers.get(key).is_some()
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Sets the newest value of a key. The caller has checked that there is room.
    pub(crate) fn set(&mut self, key: &str, number: u64, bytes: Bytes) {
        #[cfg(test)]
        crate::hub::work_counts::note_work(1);
        let key = self.remove(key).unwrap_or_else(|| key.into());
        if number <= self.counted {
            self.unlogged_bytes += bytes.len() as u64;
        }
        self.numbers.insert(Arc::clone(&key), number);
        self.newest.insert(number, (key, bytes));
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Arc<str>> {
        #[cfg(test)]
        crate::hub::work_counts::note_work(1);
        let (key, number) = self.numbers.remove_entry(key)?;
        let value = self.newest.remove(&number);
        if let Some((_, bytes)) = value.filter(|_| number <= self.counted) {
            self.unlogged_bytes -= bytes.len() as u64;
        }
        Some(key)
    }

    /// Drops a few of the values after a number, which did not last. Returns true if there are
    /// more.
    pub(crate) fn roll_back_step(&mut self, kept: u64) -> bool {
        for _ in 0..VALUES_PER_STEP {
            let Some(last) = self.newest.last_entry().filter(|last| *last.key() > kept) else {
                self.counted = self.counted.min(kept);
                return false;
            };
            let key = Arc::clone(&last.get().0);
            self.remove(&key);
        }
        true
    }

    /// Forgets the messages without a key after a number, which did not last.
    pub(crate) fn roll_back_unkeyed(&mut self, kept: u64) {
        self.unkeyed.split_off(self.unkeyed.partition_point(|number| *number <= kept));
        self.unkeyed_dropped = self.unkeyed_dropped.min(kept);
        self.dropped = self.dropped.min(kept);
    }

    /// Puts values in the place of all others. Returns the table of before. `None` if somebody has
    /// [cleared](Self::clear) the table since the values were collected, which changes nothing.
    pub(crate) fn replace(&mut self, new: NewValues) -> Option<Self> {
        if self.clears != new.clears {
            return None;
        }
        let mut other = new.table;
        std::mem::swap(&mut self.numbers, &mut other.numbers);
        std::mem::swap(&mut self.newest, &mut other.newest);
        (self.unlogged_bytes, self.counted) = (0, 0);
        Some(other)
    }

    /// Begins to collect values that will replace those of this table.
    pub(crate) fn begin_replacement(&self) -> NewValues {
        NewValues {
            table: Self::new(self.max),
            clears: self.clears,
            unheld: 0,
            is_changed: false,
            old_len: self.len(),
        }
    }

    /// Records a message without a key.
    pub(crate) fn note_unkeyed(&mut self, number: u64) {
        self.unkeyed.push_back(number);
    }

    /// Records that the log has dropped messages up to this number. The values of keys stay.
    pub(crate) fn drop_through(&mut self, dropped: u64) {
        if self.unkeyed.front().is_some_and(|first| *first <= dropped) {
            let unkeyed = self.unkeyed.partition_point(|number| *number <= dropped);
            self.unkeyed_dropped = self.unkeyed.get(unkeyed - 1).copied().unwrap_or(dropped);
            self.unkeyed.take_front(unkeyed);
        }
        self.dropped = self.dropped.max(dropped);
        self.count_step();
    }

    /// Counts the bytes of a few values whose messages the log has dropped. Returns true if there
    /// are more to count.
    pub(crate) fn count_step(&mut self) -> bool {
        if self.counted >= self.dropped {
            return false;
        }
        let uncounted = self.newest.range(self.counted + 1..=self.dropped);
        let mut left = VALUES_PER_STEP;
        for (number, (_, bytes)) in uncounted.take(VALUES_PER_STEP) {
            #[cfg(test)]
            crate::hub::work_counts::note_work(1);
            self.unlogged_bytes += bytes.len() as u64;
            self.counted = *number;
            left -= 1;
        }
        if left > 0 {
            self.counted = self.dropped;
        }
        left == 0
    }

    /// Takes all values out, and records that messages up to this number were dropped. So a
    /// subscription that had not read them reports a gap.
    pub(crate) fn clear(&mut self, through: u64) -> Self {
        let empty = Self {
            unkeyed_dropped: through,
            dropped: through,
            counted: through,
            clears: self.clears + 1,
            ..Self::new(self.max)
        };
        std::mem::replace(self, empty)
    }

    /// The newest values with numbers greater than this, in order.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Bytes)> {
        self.newest.range(number.saturating_add(1)..).map(|(number, (_, bytes))| (*number, bytes))
    }

    /// The message with this number, if it is the newest value of its key.
    pub(crate) fn value_at(&self, number: u64) -> Option<&Bytes> {
        self.newest.get(&number).map(|(_, bytes)| bytes)
    }

    /// The newest value of a key, with its number.
    pub(crate) fn get(&self, key: &str) -> Option<(u64, Bytes)> {
        let number = self.numbers.get(key)?;
        Some((*number, self.value_at(*number)?.clone()))
    }

    /// The numbers greater than this of the messages without a key that the log holds, in order.
    pub(crate) fn unkeyed_after(&self, number: u64) -> impl Iterator<Item = u64> {
        let first = self.unkeyed.partition_point(|plain| *plain <= number);
        self.unkeyed.iter_from(first).copied()
    }

    /// The greatest number of a message that was dropped although no newer message of its key
    /// replaced it, or zero.
    pub(crate) fn unkeyed_dropped(&self) -> u64 {
        self.unkeyed_dropped
    }

    /// How many keys have a value.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The bytes of the values whose messages the log has dropped, as far as they were
    /// [counted](Self::count_step).
    pub(crate) fn unlogged_bytes(&self) -> u64 {
        self.unlogged_bytes
    }
}

impl NewValues {
    /// Adds the value of a key. If its number is greater than `last`, the value of before stays
    /// until the newest one comes. `old` is that value, with its number.
    pub(crate) fn add(
        &mut self,
        key: &str,
        (number, bytes): (u64, &Bytes),
        last: u64,
        old: Option<(u64, Bytes)>,
    ) {
        let old_number = old.as_ref().map(|(number, _)| *number);
        let (number, bytes) = match old.filter(|(old, _)| *old <= last) {
            _ if number <= last => (number, bytes.clone()),
            Some(old) => old,
            None => return,
        };
        if self.table.has_room(key) && !self.table.newest.contains_key(&number) {
            self.table.set(key, number, bytes);
            self.is_changed |= old_number != Some(number);
        } else {
            self.unheld += 1;
        }
    }

    /// How many values found no room.
    pub(crate) fn unheld(&self) -> u64 {
        self.unheld
    }

    /// Whether they differ from the values of before.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed || self.table.len() != self.old_len
    }
}

/// Checks whether a message with this key may be the first one of a topic. `max_keys` is `None` if
/// the topic is not keyed.
pub(crate) fn check_first_key(
    key: KeyChange<'_>,
    max_keys: Option<usize>,
) -> Result<(), PublishError> {
    match (key, max_keys) {
        (KeyChange::None, _) => Ok(()),
        (_, None) => Err(PublishError::NotKeyed),
        (KeyChange::Set(_), Some(0)) => Err(PublishError::TooManyKeys { max: 0 }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_table_agrees_with_the_last_value_of_each_key(
            steps in vec((0..6_u8, any::<bool>()), 0..60),
        ) {
            let mut keys = KeyTable::new(4);
            let mut naive: Vec<(String, u64)> = Vec::new();
            for (number, (key, set)) in (1..).zip(steps) {
                let key = key.to_string();
                if !set {
                    keys.remove(&key);
                    naive.retain(|(other, _)| *other != key);
                } else if keys.has_room(&key) {
                    keys.set(&key, number, Bytes::new());
                    naive.retain(|(other, _)| *other != key);
                    naive.push((key, number));
                } else {
                    prop_assert_eq!(naive.len(), 4);
                }
                prop_assert_eq!(keys.len(), naive.len());
                for after in 0..number + 2 {
                    let expect: Vec<_> =
                        naive.iter().map(|(_, number)| *number).filter(|n| *n > after).collect();
                    prop_assert_eq!(keys.after(after).map(|(n, _)| n).collect::<Vec<_>>(), expect);
                }
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, usize),
        Remove(u8),
        Drop(u64),
        RollBack(u64),
        Replace(Vec<(u8, usize)>),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..6_u8, 0..50_usize).prop_map(|(key, bytes)| Step::Set(key, bytes)),
            2 => (0..6_u8).prop_map(Step::Remove),
            4 => (0..8_u64).prop_map(Step::Drop),
            1 => (0..8_u64).prop_map(Step::RollBack),
            1 => vec((0..6_u8, 0..50_usize), 0..4).prop_map(Step::Replace),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn the_bytes_that_only_the_table_holds_agree_with_a_sum_over_all_values(
            steps in vec(step(), 0..60),
        ) {
            let mut keys = KeyTable::new(4);
            let (mut number, mut dropped) = (0_u64, 0);
            for step in steps {
                match step {
                    Step::Set(key, bytes) => {
                        number += 1;
                        if keys.has_room(&key.to_string()) {
                            keys.set(&key.to_string(), number, vec![b'x'; bytes].into());
                        }
                    }
                    Step::Remove(key) => drop(keys.remove(&key.to_string())),
                    Step::Drop(back) => {
                        dropped = dropped.max(number.saturating_sub(back));
                        keys.drop_through(dropped);
                    }
                    Step::RollBack(back) => {
                        let kept = number.saturating_sub(back);
                        keys.roll_back_unkeyed(kept);
                        while keys.roll_back_step(kept) {}
                        dropped = dropped.min(kept);
                    }
                    Step::Replace(entries) => {
                        let texts: Vec<String> =
                            entries.iter().map(|(key, _)| key.to_string()).collect();
                        let mut new = keys.begin_replacement();
                        for ((key, (_, bytes)), number) in texts.iter().zip(&entries).zip(1..) {
                            new.add(key, (number, &vec![b'y'; *bytes].into()), number, None);
                        }
                        prop_assert!(keys.replace(new).is_some());
                    }
                    Step::Clear => {
                        dropped = number;
                        keys.clear(dropped);
                    }
                }
                while keys.count_step() {}
                let unlogged = keys.after(0).filter(|(number, _)| *number <= dropped);
                let expect: u64 = unlogged.map(|(_, bytes)| bytes.len() as u64).sum();
                prop_assert_eq!(keys.unlogged_bytes(), expect);
            }
        }
    }

    #[test]
    fn messages_without_a_key_are_known_for_as_long_as_the_log_holds_them() {
        let mut keys = KeyTable::new(1);
        [2, 5, 9].into_iter().for_each(|number| keys.note_unkeyed(number));
        keys.drop_through(6);
        assert_eq!(keys.unkeyed_dropped(), 5);
        assert_eq!(keys.unkeyed_after(0).collect::<Vec<_>>(), [9]);
        assert_eq!(keys.unkeyed_after(9).count(), 0);
        keys.drop_through(8);
        assert_eq!(keys.unkeyed_dropped(), 5);
    }
}
