//! Which readers of a wait list a publisher visits, and which ones are set aside. Pure.

use std::ops::Range;

/// The end of the list of free handles.
const NONE: u32 = u32::MAX;

/// Values without holes between them, in two parts: active values, which a wave visits, and values
/// that are set aside, which it does not visit. Each value has a handle that stays the same while
/// the value moves.
///
/// A wave is the work of one publisher. It takes the waker of each active value, and sets a value
/// aside that has none, because it is awake. A value that keeps up has a waker again at the next
/// wave, and so it never moves. A value that is set aside becomes active when it goes to sleep.
///
/// Every change takes constant time. A wave visits a value that stays awake at most once.
///
/// Waves go up and down in turn, apart from those that follow one right after another. The values
/// and the tasks that they wake are larger than a CPU cache, so each wave starts with the values
/// that the last one visited last.
#[derive(Debug)]
pub(crate) struct Sleepers<T> {
    slots: Vec<Slot<T>>,
    /// For a handle in use, the index of its value. For a free handle, the next free handle.
    indexes: Vec<u32>,
    free: u32,
    /// The indexes of the values that the current wave still has to visit.
    to_visit: Range<u32>,
    /// The values before this index are active.
    active: u32,
    goes_up: bool,
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
        Self {
            slots: Vec::new(),
            indexes: Vec::new(),
            free: NONE,
            to_visit: 0..0,
            active: 0,
            goes_up: false,
        }
    }
}

impl<T> Sleepers<T> {
    /// Adds a value that is set aside, and returns its handle.
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
        let index = self.set_index_aside(self.indexes[handle as usize]);
        let last = self.slots.len() as u32 - 1;
        self.swap(index, last);
        let removed = self.slots.swap_remove(last as usize);
        self.indexes[handle as usize] = self.free;
        self.free = handle;
        self.shrink();
        removed.value
    }

    /// Makes a value active. The next wave visits it, not the current one.
    pub(crate) fn activate(&mut self, handle: u32) {
        let index = self.indexes[handle as usize];
        if index >= self.active {
            self.swap(index, self.active);
            self.active += 1;
        }
    }

    /// Starts a wave. Returns how many values it has to visit.
    pub(crate) fn start_wave(&mut self) -> usize {
        self.goes_up = !self.goes_up;
        self.repeat_wave()
    }

    /// Starts a wave that goes in the direction of the last one. So if one wave follows another,
    /// all values wait for equally long.
    pub(crate) fn repeat_wave(&mut self) -> usize {
        self.to_visit = 0..self.active;
        self.active as usize
    }

    /// Visits the next value of the current wave, with its tag. `take_waker` returns its waker, or
    /// `None` if the value is awake and is set aside. Returns `None` at the end of the wave.
    #[inline]
    pub(crate) fn visit_next<W>(
        &mut self,
        take_waker: impl FnOnce(&T, u32) -> Option<W>,
    ) -> Option<Option<W>> {
        let next = if self.goes_up { self.to_visit.next() } else { self.to_visit.next_back() };
        let index = next?;
        let slot = &self.slots[index as usize];
        let waker = take_waker(&slot.value, slot.tag);
        if waker.is_none() {
            self.set_index_aside(index);
        }
        Some(waker)
    }

    /// Active values at this many places or a few more, with the same distance between any two of
    /// them.
    pub(crate) fn sample(&self, places: usize) -> impl Iterator<Item = &T> {
        let active = &self.slots[..self.active as usize];
        active.iter().step_by((active.len() / places).max(1)).map(|slot| &slot.value)
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

    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.value)
    }

    /// Sets the value at an index aside. Returns the value's new index.
    fn set_index_aside(&mut self, mut index: u32) -> u32 {
        // The active values are those before the values to visit, those to visit, and those after
        // them. The last value of each part takes the place of the one that leaves the part.
        if index < self.to_visit.start {
            self.to_visit.start -= 1;
            self.swap(index, self.to_visit.start);
            index = self.to_visit.start;
        }
        if index < self.to_visit.end {
            self.to_visit.end -= 1;
            self.swap(index, self.to_visit.end);
            index = self.to_visit.end;
        }
        if index < self.active {
            self.active -= 1;
            self.swap(index, self.active);
            index = self.active;
        }
        index
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
    struct PlainSets {
        values: BTreeMap<u32, u32>,
        active: BTreeSet<u32>,
        to_visit: BTreeSet<u32>,
    }

    proptest! {
        #[test]
        fn it_agrees_with_plain_sets(steps in vec((0..10_u8, any::<u8>()), 0..300)) {
            let mut sleepers = Sleepers::default();
            let mut naive = PlainSets::default();
            for (number, (step, pick)) in (0..).zip(steps) {
                let picked = naive.values.keys().nth(usize::from(pick) % naive.values.len().max(1));
                match (step, picked.copied()) {
                    (0..2, _) | (_, None) => {
                        let handle = sleepers.insert(number, number + 1);
                        prop_assert_eq!(naive.values.insert(handle, number), None);
                    }
                    (2, Some(handle)) => {
                        let value = naive.values.remove(&handle);
                        naive.active.remove(&handle);
                        naive.to_visit.remove(&handle);
                        prop_assert_eq!(Some(sleepers.remove(handle)), value);
                    }
                    (3..6, Some(handle)) => {
                        sleepers.activate(handle);
                        naive.active.insert(handle);
                    }
                    (6, _) => {
                        naive.to_visit = naive.active.clone();
                        let count =
                            if pick % 2 == 0 { sleepers.start_wave() } else { sleepers.repeat_wave() };
                        prop_assert_eq!(count, naive.to_visit.len());
                    }
                    _ => {
                        let is_awake = step == 7;
                        let mut visited = None;
                        let next = sleepers.visit_next(|value, tag| {
                            visited = Some((*value, tag));
                            (!is_awake).then_some(())
                        });
                        prop_assert_eq!(next.is_none(), naive.to_visit.is_empty());
                        prop_assert_eq!(next.is_some(), visited.is_some());
                        if let Some((value, tag)) = visited {
                            prop_assert_eq!(tag, value + 1);
                            let values = &naive.values;
                            let is_it = |handle: &u32| values[handle] == value;
                            let visited: Vec<_> = naive.to_visit.extract_if(.., is_it).collect();
                            prop_assert_eq!(visited.len(), 1);
                            if is_awake {
                                naive.active.remove(&visited[0]);
                            }
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

    /// Runs a wave in which the values that are not awake have a waker. Returns what it visits.
    fn wave(sleepers: &mut Sleepers<usize>, is_awake: impl Fn(usize) -> bool) -> Vec<usize> {
        sleepers.start_wave();
        let mut visited = Vec::new();
        while sleepers
            .visit_next(|value, _| {
                visited.push(*value);
                (!is_awake(*value)).then_some(())
            })
            .is_some()
        {}
        visited
    }

    #[test]
    fn each_wave_begins_with_the_value_that_the_last_one_visited_last() {
        let mut sleepers = Sleepers::default();
        for value in 0..3 {
            let handle = sleepers.insert(value, 0);
            sleepers.activate(handle);
        }
        for expect in [[0, 1, 2], [2, 1, 0], [0, 1, 2]] {
            assert_eq!(wave(&mut sleepers, |_| false), expect);
        }
    }

    #[test]
    fn waves_visit_a_value_that_stays_awake_once() {
        let mut sleepers = Sleepers::default();
        let handles: Vec<_> = (0..1_000).map(|value| sleepers.insert(value, 0)).collect();
        assert!(wave(&mut sleepers, |_| true).is_empty());
        handles.iter().for_each(|handle| sleepers.activate(*handle));
        assert_eq!(wave(&mut sleepers, |value| value != 500).len(), 1_000);
        for _ in 0..3 {
            assert_eq!(wave(&mut sleepers, |value| value != 500), [500]);
        }
        sleepers.activate(handles[7]);
        assert_eq!(wave(&mut sleepers, |_| false).len(), 2);
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
