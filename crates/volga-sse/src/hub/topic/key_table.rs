//! The table of a keyed topic: the newest message of each key, beside the log and in the same
//! order. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::error::PublishError;

/// What a message is to the keys of a [keyed](crate::hub::HubBuilder::keyed) topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyChange<'a> {
    /// It has no key.
    None,
    /// It is the newest of this key.
    Set(&'a str),
    /// It says that this key is gone.
    Remove(&'a str),
}

/// The newest value of each key; and which messages of the log have no key, since those no newer
/// one replaces.
#[derive(Debug)]
pub(crate) struct KeyTable {
    max: usize,
    numbers: HashMap<Arc<str>, u64>,
    newest: BTreeMap<u64, (Arc<str>, Bytes)>,
    unkeyed: VecDeque<u64>,
    unkeyed_dropped: u64,
}

impl KeyTable {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            numbers: HashMap::new(),
            newest: BTreeMap::new(),
            unkeyed: VecDeque::new(),
            unkeyed_dropped: 0,
        }
    }

    /// Whether a value for this key has room.
    pub(crate) fn has_room(&self, key: &str) -> bool {
        self.numbers.len() < self.max || self.numbers.contains_key(key)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Sets the newest value of a key. The caller has asked for room.
    pub(crate) fn set(&mut self, key: &str, number: u64, bytes: Bytes) {
        let key = self.remove(key).unwrap_or_else(|| key.into());
        self.numbers.insert(Arc::clone(&key), number);
        self.newest.insert(number, (key, bytes));
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Arc<str>> {
        let (key, number) = self.numbers.remove_entry(key)?;
        self.newest.remove(&number);
        Some(key)
    }

    /// Notes a message without a key.
    pub(crate) fn note_unkeyed(&mut self, number: u64) {
        self.unkeyed.push_back(number);
    }

    /// Follows the log in what it let go of. Values stay.
    pub(crate) fn dropped(&mut self, dropped: u64) {
        while let Some(number) = self.unkeyed.front().copied().filter(|number| *number <= dropped) {
            self.unkeyed.pop_front();
            self.unkeyed_dropped = number;
        }
    }

    /// Takes out all values, and notes that messages up to this number are gone. So whoever has not
    /// read them is told of a gap.
    pub(crate) fn clear(&mut self, through: u64) -> Self {
        let empty = Self { unkeyed_dropped: through, ..Self::new(self.max) };
        std::mem::replace(self, empty)
    }

    /// The newest values with greater numbers than this, in order.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Bytes)> {
        self.newest.range(number.saturating_add(1)..).map(|(number, (_, bytes))| (*number, bytes))
    }

    /// The numbers greater than this of messages without a key that the log holds, in order.
    pub(crate) fn unkeyed_after(&self, number: u64) -> impl Iterator<Item = u64> {
        self.unkeyed.range(self.unkeyed.partition_point(|plain| *plain <= number)..).copied()
    }

    /// The greatest number of a message that is gone without a newer one of its key, or zero.
    pub(crate) fn unkeyed_dropped(&self) -> u64 {
        self.unkeyed_dropped
    }

    /// How many keys have a value.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The bytes of the values up to this number.
    pub(crate) fn bytes_through(&self, number: u64) -> u64 {
        self.newest.range(..=number).map(|(_, (_, bytes))| bytes.len() as u64).sum()
    }
}

/// Whether a message with this key may be the first of a topic with so many keys at most, or of one
/// that is not keyed.
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

    #[test]
    fn messages_without_a_key_are_known_for_as_long_as_the_log_holds_them() {
        let mut keys = KeyTable::new(1);
        [2, 5, 9].into_iter().for_each(|number| keys.note_unkeyed(number));
        keys.dropped(6);
        assert_eq!(keys.unkeyed_dropped(), 5);
        assert_eq!(keys.unkeyed_after(0).collect::<Vec<_>>(), [9]);
        assert_eq!(keys.unkeyed_after(9).count(), 0);
        keys.dropped(8);
        assert_eq!(keys.unkeyed_dropped(), 5);
    }
}
