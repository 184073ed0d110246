//! A node's static children: from a segment's text to a node, by a small hash table. Pure.
//!
//! The keys are the application's own patterns, fixed before the first request, so nobody outside can make them collide.

use super::key::{EXACT, Key};

/// The slots are a power of two and at least twice as many as the keys; a taken slot's neighbour is tried next.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    slots: Box<[Slot]>,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    key: Key,
    /// The number of the node, plus one; zero in a free slot.
    node: u32,
    text: Box<[u8]>,
}

impl Statics {
    /// The child of a segment, which has this key.
    #[inline(always)]
    pub(crate) fn get(&self, key: Key, segment: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = home(key, segment);
        loop {
            let slot = &self.slots[at & (self.slots.len() - 1)];
            if slot.key == key && (key.len <= EXACT || *slot.text == *segment) {
                // The key of a free slot is that of the empty segment, whose look-up ends here as well.
                return slot.node.checked_sub(1);
            }
            if slot.node == 0 {
                return None;
            }
            at += 1;
        }
    }

    /// Adds a child that is not there yet.
    pub(crate) fn insert(&mut self, segment: &[u8], node: u32) {
        self.count += 1;
        let slot = Slot { key: Key::of(segment), node: node + 1, text: segment.into() };
        if self.slots.len() < 2 * self.count {
            let size = (2 * self.count).next_power_of_two();
            let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size].into());
            old.into_iter().filter(|slot| slot.node != 0).for_each(|slot| self.place(slot));
        }
        self.place(slot);
    }

    /// All children, in the order of their texts.
    pub(crate) fn children(&self) -> Vec<(&[u8], u32)> {
        let taken = self.slots.iter().filter(|slot| slot.node != 0);
        let mut children: Vec<_> = taken.map(|slot| (&*slot.text, slot.node - 1)).collect();
        children.sort_unstable();
        children
    }

    fn place(&mut self, slot: Slot) {
        let mut at = home(slot.key, &slot.text);
        while self.slots[at & (self.slots.len() - 1)].node != 0 {
            at += 1;
        }
        at &= self.slots.len() - 1;
        self.slots[at] = slot;
    }
}

/// Where a segment is looked for first.
#[inline(always)]
fn home(key: Key, segment: &[u8]) -> usize {
    // The upper half, which multiplication mixed best.
    (key.hash(segment) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(statics: &Statics, segment: &[u8]) -> Option<u32> {
        statics.get(Key::of(segment), segment)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(
            keys in prop::collection::btree_set(prop::collection::vec(0_u8..3, 0..30), 0..40),
            others in prop::collection::vec(prop::collection::vec(0_u8..3, 0..30), 0..40),
        ) {
            let mut statics = Statics::default();
            for (node, key) in keys.iter().enumerate() {
                statics.insert(key, node as u32);
            }
            for (node, key) in keys.iter().enumerate() {
                prop_assert_eq!(get(&statics, key), Some(node as u32));
            }
            for other in others {
                prop_assert_eq!(get(&statics, &other).is_some(), keys.contains(&other));
            }
            let children: Vec<_> = keys.iter().map(|key| &**key).zip(0..).collect();
            prop_assert_eq!(statics.children(), children);
        }
    }

    #[test]
    fn every_byte_counts() {
        for length in 0..40 {
            let text = vec![b'a'; length];
            let mut statics = Statics::default();
            statics.insert(&text, 7);
            assert_eq!(get(&statics, &text), Some(7));
            assert_eq!(get(&statics, &[&*text, b"a"].concat()), None);
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'b';
                assert_eq!(get(&statics, &other), None, "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn long_segments_that_differ_in_the_middle_do_not_crowd_one_place() {
        let mut statics = Statics::default();
        let text = |n: u32| format!("a-long-prefix-{n:08}-and-a-long-suffix").into_bytes();
        (0..1_000).for_each(|n| statics.insert(&text(n), n));
        let homes: std::collections::HashSet<_> =
            (0..1_000).map(|n| home(Key::of(&text(n)), &text(n)) % 2_048).collect();
        assert!(homes.len() > 600, "{} places for 1,000 keys", homes.len());
    }
}
