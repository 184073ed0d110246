//! A hash map that grows in small steps. Pure.
//!
//! Now and then, an insertion into a usual hash map moves all of its entries to a larger table.
//! With 100,000 topics that takes 40 ms, and under the hub's lock every publisher would wait for
//! it.
//!
//! This map has its entries in parts. When it has grown by [`ENTRIES_PER_PART`], an insertion
//! splits one part in two, the parts in turn (*linear hashing*, W. Litwin, 1980). So an insertion
//! moves the entries of one part at most, however many the map has.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// How many entries a part has on average, right after all parts were split.
const ENTRIES_PER_PART: usize = 512;
/// The lowest of the bits of a hash that choose a part. A table uses the bits below and the highest
/// ones itself.
const FIRST_PART_BIT: u32 = 32;

/// A hash map that moves a bounded number of entries at once.
pub(crate) struct SteppedMap<K, V> {
    hasher: RandomState,
    parts: Vec<HashTable<Entry<K, V>>>,
    len: usize,
}

struct Entry<K, V> {
    /// Kept, so that moving an entry does not read its key.
    hash: u64,
    key: K,
    value: V,
}

impl<K, V> Default for SteppedMap<K, V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), parts: Vec::new(), len: 0 }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SteppedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for SteppedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K, V> SteppedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flatten().map(|entry| (&entry.key, &entry.value))
    }

    /// The keys, in any order.
    pub(crate) fn into_keys(self) -> impl Iterator<Item = K> {
        self.parts.into_iter().flatten().map(|entry| entry.key)
    }

    /// Splits the next part if the parts have too many entries.
    fn grow(&mut self) {
        let new = self.parts.len();
        if self.len < new * ENTRIES_PER_PART {
            return;
        }
        self.parts.push(HashTable::new());
        if new == 0 {
            return;
        }
        let old = new - (1 << new.ilog2());
        let (before, after) = self.parts.split_at_mut(new);
        for entry in before[old].extract_if(|entry| part_of(entry.hash, new + 1) == new) {
            after[0].insert_unique(entry.hash, entry, |entry| entry.hash);
        }
    }
}

impl<K: Eq + Hash, V> SteppedMap<K, V> {
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    #[inline]
    pub(crate) fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        if self.len == 1 {
            // In a tree of patterns, most maps are like this. A comparison needs no hash.
            let only = self.parts.iter().find_map(|part| part.iter().next())?;
            return (only.key.borrow() == key).then_some((&only.key, &only.value));
        }
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get(part_of(hash, self.parts.len()))?;
        let entry = part.find(hash, |entry| entry.hash == hash && entry.key.borrow() == key)?;
        Some((&entry.key, &entry.value))
    }

    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let part = part_of(hash, self.parts.len());
        let is_it = |entry: &Entry<K, V>| entry.hash == hash && entry.key.borrow() == key;
        self.parts.get_mut(part)?.find_mut(hash, is_it).map(|entry| &mut entry.value)
    }

    /// Sets the value of a key, and returns the one of before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.get_mut(&key) {
            Some(old) => Some(std::mem::replace(old, value)),
            None => {
                let hash = self.hasher.hash_one(&key);
                self.insert_new(hash, key, value);
                None
            }
        }
    }

    /// The value of a key. If it has none, it gets the default value.
    pub(crate) fn entry_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let hash = self.hasher.hash_one(&key);
        let part = part_of(hash, self.parts.len());
        let is_it = |entry: &Entry<K, V>| entry.hash == hash && entry.key == key;
        // Not `find_mut`, whose borrow would last until the insertion.
        match self.parts.get(part).and_then(|part| part.find_bucket_index(hash, is_it)) {
            Some(bucket) => {
                let found = self.parts[part].get_bucket_mut(bucket);
                &mut found.expect("the search has just found it").value
            }
            None => self.insert_new(hash, key, V::default()),
        }
    }

    /// Adds a key that is not there.
    fn insert_new(&mut self, hash: u64, key: K, value: V) -> &mut V {
        self.grow();
        self.len += 1;
        let part = part_of(hash, self.parts.len());
        let entry = Entry { hash, key, value };
        let entry = self.parts[part].insert_unique(hash, entry, |entry| entry.hash);
        &mut entry.into_mut().value
    }

    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_entry(key).map(|(_, value)| value)
    }

    pub(crate) fn remove_entry<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let part = part_of(hash, self.parts.len());
        let is_it = |entry: &Entry<K, V>| entry.hash == hash && entry.key.borrow() == key;
        let found = self.parts.get_mut(part)?.find_entry(hash, is_it).ok()?;
        let (entry, _) = found.remove();
        self.len -= 1;
        if self.len == 0 {
            self.parts.truncate(1);
        }
        Some((entry.key, entry.value))
    }
}

/// The part of an entry with this hash, in a map of so many parts.
fn part_of(hash: u64, parts: usize) -> usize {
    // With five parts, for example, 0 to 4 are chosen by three bits. The entries of 5 to 7 are
    // still in 1 to 3, which two bits choose.
    let mask = parts.next_power_of_two() - 1;
    let part = (hash >> FIRST_PART_BIT) as usize & mask;
    if part < parts { part } else { part & (mask >> 1) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_does_what_a_hash_map_does(
            // How often some step is repeated, with which key, and the step.
            steps in vec((1..2_000_usize, 0..4_000_usize, 0..6_u8), 0..12),
        ) {
            let (mut map, mut naive) = (SteppedMap::default(), HashMap::new());
            for (times, first, step) in steps {
                for key in (first..first + times).map(|key| key.to_string()) {
                    match step {
                        0..=2 => prop_assert_eq!(
                            map.insert(key.clone(), times),
                            naive.insert(key, times)
                        ),
                        3 => {
                            *map.entry_or_default(key.clone()) += 1;
                            *naive.entry(key).or_default() += 1;
                        }
                        4 => prop_assert_eq!(map.remove(key.as_str()), naive.remove(&key)),
                        _ => prop_assert_eq!(map.get_mut(key.as_str()), naive.get_mut(&key)),
                    }
                }
                prop_assert_eq!((map.len(), map.is_empty()), (naive.len(), naive.is_empty()));
                let pairs = map.iter().map(|(key, value)| (key.clone(), *value));
                let all: HashMap<_, _> = pairs.collect();
                prop_assert_eq!(&all, &naive);
                let mut copy = SteppedMap::default();
                for (key, value) in &naive {
                    prop_assert_eq!(map.get(key.as_str()), Some(value));
                    copy.insert(key.clone(), *value);
                }
                prop_assert!(copy == map);
                copy.insert(String::new(), 0);
                prop_assert!(copy != map);
            }
        }
    }

    #[test]
    fn no_part_is_large_however_many_entries_there_are() {
        let mut map = SteppedMap::default();
        for key in 0..200_000_u32 {
            map.insert(key, ());
            if key % 1_000 == 0 {
                let largest = map.parts.iter().map(HashTable::len).max();
                assert!(largest <= Some(3 * ENTRIES_PER_PART), "{largest:?} of {key}");
            }
        }
        (0..200_000_u32).for_each(|key| assert_eq!(map.remove(&key), Some(())));
        assert_eq!(map.parts.len(), 1);
    }
}
