//! Which readers of a wait list sleep, and which of those are to be woken now. Pure.

/// The end of the list of free handles.
const NONE: u32 = u32::MAX;

/// Values without holes between them, in three parts: those that the current wave still has to
/// wake, those that sleep, and those that are awake. Each value has a handle that stays the same
/// while the value moves.
///
/// A wave is the work of one publisher, which wakes all values that sleep when it begins.
///
/// Every change takes constant time, and a wave never visits a value that is awake.
///
/// A wave takes values from the end, and values that fall asleep again in the order in which they
/// were woken are then in the reverse order. The values and the tasks that they wake are larger
/// than a CPU cache, so each wave starts with the values that the last one visited last.
#[derive(Debug)]
pub(crate) struct Sleepers<T> {
    slots: Vec<Slot<T>>,
    /// For a handle in use, the index of its value. For a free handle, the next free handle.
    indexes: Vec<u32>,
    free: u32,
    /// The values before this index are to be woken.
    to_wake: u32,
    /// The values before this index sleep.
    asleep: u32,
}

#[derive(Debug)]
struct Slot<T> {
    value: T,
    /// A number that the caller gave with the value.
    tag: u32,
    handle: u32,
}

impl<T> Default for Sleepers<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), indexes: Vec::new(), free: NONE, to_wake: 0, asleep: 0 }
    }
}

impl<T> Sleepers<T> {
    /// Adds a value that is awake, and returns its handle.
    pub(crate) fn insert(&mut self, value: T, tag: u32) -> u32 {
        // 2^32 values do not fit into memory.
        let index = self.slots.len() as u32;
        let handle = match self.indexes.get_mut(self.free as usize) {
            Some(next) => {
                let handle = self.free;
                self.free = std::mem::replace(next, index);
                handle
            }
            None => {
                self.indexes.push(index);
                (self.indexes.len() - 1) as u32
            }
        };
        self.slots.push(Slot { value, tag, handle });
        handle
    }

    /// Removes the value of a handle. The handle may be used again.
    pub(crate) fn remove(&mut self, handle: u32) -> T {
        let mut index = self.indexes[handle as usize];
        if index < self.to_wake {
            self.to_wake -= 1;
            self.swap(index, self.to_wake);
            index = self.to_wake;
        }
        if index < self.asleep {
            self.asleep -= 1;
            self.swap(index, self.asleep);
            index = self.asleep;
        }
        let last = self.slots.len() as u32 - 1;
        self.swap(index, last);
        let removed = self.slots.swap_remove(last as usize);
        self.indexes[handle as usize] = self.free;
        self.free = handle;
        self.shrink();
        removed.value
    }

    /// Marks a value as asleep. The next wave wakes it, not the current one.
    pub(crate) fn sleep(&mut self, handle: u32) {
        let index = self.indexes[handle as usize];
        if index >= self.asleep {
            self.swap(index, self.asleep);
            self.asleep += 1;
        }
    }

    /// Lets the current wave wake all values that sleep now. Returns how many it has to wake.
    pub(crate) fn start_wave(&mut self) -> usize {
        self.to_wake = self.asleep;
        self.asleep as usize
    }

    /// The next value that the current wave wakes, with its tag. The value is awake from now on.
    pub(crate) fn wake_next(&mut self) -> Option<(&T, u32)> {
        self.to_wake = self.to_wake.checked_sub(1)?;
        self.asleep -= 1;
        self.swap(self.to_wake, self.asleep);
        let slot = &self.slots[self.asleep as usize];
        Some((&slot.value, slot.tag))
    }

    /// The value of a handle. `None` if the handle is not in use.
    pub(crate) fn get(&self, handle: u32) -> Option<&T> {
        let slot = self.slots.get(*self.indexes.get(handle as usize)? as usize)?;
        (slot.handle == handle).then_some(&slot.value)
    }

    /// All handles in use are below this one.
    pub(crate) fn end_of_handles(&self) -> u32 {
        self.indexes.len() as u32
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.value)
    }

    fn swap(&mut self, one: u32, other: u32) {
        if one == other {
            return;
        }
        self.slots.swap(one as usize, other as usize);
        for index in [one, other] {
            let handle = self.slots[index as usize].handle;
            self.indexes[handle as usize] = index;
        }
    }

    /// Frees memory after many values were removed.
    fn shrink(&mut self) {
        if self.slots.is_empty() {
            *self = Self::default();
        } else if self.slots.capacity() > 64 && self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The same as plain sets.
    #[derive(Default)]
    struct Naive {
        values: BTreeMap<u32, u32>,
        asleep: BTreeSet<u32>,
        to_wake: BTreeSet<u32>,
    }

    proptest! {
        #[test]
        fn it_agrees_with_plain_sets(steps in vec((0..8_u8, any::<u8>()), 0..300)) {
            let mut sleepers = Sleepers::default();
            let mut naive = Naive::default();
            for (number, (step, pick)) in (0..).zip(steps) {
                let picked = naive.values.keys().nth(usize::from(pick) % naive.values.len().max(1));
                match (step, picked.copied()) {
                    (0..2, _) | (_, None) => {
                        let handle = sleepers.insert(number, number + 1);
                        prop_assert_eq!(naive.values.insert(handle, number), None);
                    }
                    (2, Some(handle)) => {
                        let value = naive.values.remove(&handle);
                        naive.asleep.remove(&handle);
                        naive.to_wake.remove(&handle);
                        prop_assert_eq!(Some(sleepers.remove(handle)), value);
                    }
                    (3..6, Some(handle)) => {
                        sleepers.sleep(handle);
                        if !naive.to_wake.contains(&handle) {
                            naive.asleep.insert(handle);
                        }
                    }
                    (6, _) => {
                        naive.to_wake.append(&mut naive.asleep);
                        prop_assert_eq!(sleepers.start_wave(), naive.to_wake.len());
                    }
                    _ => {
                        let next = sleepers.wake_next().map(|(value, tag)| (*value, tag));
                        prop_assert_eq!(next.is_none(), naive.to_wake.is_empty());
                        if let Some((value, tag)) = next {
                            prop_assert_eq!(tag, value + 1);
                            let values = &naive.values;
                            let woken = naive.to_wake.extract_if(.., |handle| values[handle] == value);
                            prop_assert_eq!(woken.count(), 1);
                        }
                    }
                }
                prop_assert_eq!(sleepers.is_empty(), naive.values.is_empty());
                for handle in 0..sleepers.end_of_handles() + 2 {
                    prop_assert_eq!(sleepers.get(handle), naive.values.get(&handle));
                }
                let mut all: Vec<_> = sleepers.iter().copied().collect();
                let mut expect: Vec<_> = naive.values.values().copied().collect();
                all.sort_unstable();
                expect.sort_unstable();
                prop_assert_eq!(all, expect);
            }
        }
    }

    #[test]
    fn each_wave_begins_with_the_value_that_the_last_one_woke_last() {
        let mut sleepers = Sleepers::default();
        let handles: Vec<_> = (0..3).map(|value| sleepers.insert(value, 0)).collect();
        handles.iter().for_each(|handle| sleepers.sleep(*handle));
        for expect in [[2, 1, 0], [0, 1, 2], [2, 1, 0]] {
            sleepers.start_wave();
            let woken: Vec<_> =
                std::iter::from_fn(|| sleepers.wake_next().map(|(value, _)| *value)).collect();
            assert_eq!(woken, expect);
            woken.iter().for_each(|value: &usize| sleepers.sleep(handles[*value]));
        }
    }

    #[test]
    fn memory_is_freed_after_many_removals() {
        let mut sleepers = Sleepers::default();
        let handles: Vec<_> = (0..10_000).map(|value| sleepers.insert(value, 0)).collect();
        for handle in &handles[1..] {
            sleepers.remove(*handle);
        }
        assert!(sleepers.slots.capacity() <= 64, "{}", sleepers.slots.capacity());
        sleepers.remove(handles[0]);
        assert_eq!(sleepers.indexes.capacity(), 0);
    }
}
