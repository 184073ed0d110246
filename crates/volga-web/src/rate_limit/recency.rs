//! `RecencyMap`: a bounded map that lets go of the key that was used longest ago (pure).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// No place.
const NONE: u32 = u32::MAX;

/// A map from keys, which are random numbers already, to times. All operations take constant time.
pub(crate) struct RecencyMap {
    places: HashMap<u128, u32, BuildHasherDefault<KeyHasher>>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    max: usize,
}

struct Entry {
    key: u128,
    value: u64,
    newer: u32,
    older: u32,
}

impl RecencyMap {
    /// Creates a map of at most this many keys, and at least one.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            places: HashMap::default(),
            entries: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            max: max.clamp(1, NONE as usize - 1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the value of a key, which becomes the newest. A new key has the value 0. If the map
    /// is full, the oldest key makes place.
    pub(crate) fn touch(&mut self, key: u128) -> &mut u64 {
        let at = match self.places.get(&key) {
            Some(at) => {
                let at = *at;
                self.unlink(at);
                at
            }
            None => self.insert(key),
        };
        self.link_newest(at);
        &mut self.entries[at as usize].value
    }

    /// The value of the oldest key.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.entries.get(self.oldest as usize).map(|entry| entry.value)
    }

    pub(crate) fn remove_oldest(&mut self) {
        let at = self.oldest;
        let Some(entry) = self.entries.get(at as usize) else { return };
        self.places.remove(&entry.key);
        self.unlink(at);
        self.free.push(at);
    }

    fn insert(&mut self, key: u128) -> u32 {
        if self.places.len() >= self.max {
            self.remove_oldest();
        }
        let entry = Entry { key, value: 0, newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.places.insert(key, at);
        at
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
        let entry = &mut self.entries[at as usize];
        (entry.newer, entry.older) = (NONE, before);
    }
}

/// Takes a part of the key as its hash.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_map_agrees_with_a_list(
            max in 0_usize..8,
            steps in prop::collection::vec((0_u128..12, 0_u64..100, 0_u8..6), 0..200),
        ) {
            let mut map = RecencyMap::new(max);
            // The oldest key is the first one.
            let mut list: Vec<(u128, u64)> = Vec::new();
            for (key, value, what) in steps {
                if what == 0 {
                    prop_assert_eq!(map.oldest(), list.first().map(|(_, value)| *value));
                    map.remove_oldest();
                    if !list.is_empty() {
                        list.remove(0);
                    }
                    continue;
                }
                let found = map.touch(key);
                let known = list.iter().position(|(other, _)| *other == key);
                let expect = known.map_or(0, |at| list.remove(at).1);
                prop_assert_eq!(*found, expect);
                *found = value;
                if list.len() == max.max(1) {
                    list.remove(0);
                }
                list.push((key, value));
                prop_assert_eq!(map.len(), list.len());
            }
            prop_assert!(map.entries.len() <= max.max(1));
        }
    }
}
