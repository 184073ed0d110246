//! A dense slot map: constant-time insertion and removal, and values that are contiguous in memory.
//! Pure.

/// Values without holes between them. Each has a handle that stays the same while the values move.
#[derive(Debug)]
pub(crate) struct SlotMap<T> {
    values: Vec<(T, u32)>,
    /// For a handle in use, the index of its value. For a free handle, the next free handle.
    indexes: Vec<u32>,
    free: u32,
    /// How many values were ever removed.
    removed: u64,
    /// Whether the next walk visits the values from the first to the last.
    is_next_up: bool,
}

/// A walk over all values that may release the lock between two steps. It visits every value that
/// is there from its start to its end.
///
/// Removing a value moves the last one into its place. A walk down is not affected: a value that
/// moves, moves to an index that the walk has not reached yet, or was visited already. A walk up
/// could miss a value, so it becomes a whole walk down once a value was removed. A subscriber that
/// is visited twice has no waker the second time.
///
/// Walks go up and down in turn. The values and the tasks that they wake are larger than a CPU
/// cache. If all walks had the same direction, each would evict what the next one needs first. In
/// turn, each walk starts with the values that the last one visited last.
#[derive(Debug)]
pub(crate) enum Walk {
    /// Continues with the values below this index.
    Down(usize),
    /// Continues with the value at this index, if no more values were removed.
    Up { index: usize, removed: u64 },
}

/// The end of the list of free handles.
const NONE: u32 = u32::MAX;

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SlotMap<T> {
    pub(crate) const fn new() -> Self {
        Self { values: Vec::new(), indexes: Vec::new(), free: NONE, removed: 0, is_next_up: false }
    }

    /// Adds a value, and returns its handle.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        // 2^32 values do not fit into memory.
        let index = self.values.len() as u32;
        let handle = self.free;
        let handle = match self.indexes.get_mut(handle as usize) {
            Some(next) => {
                self.free = std::mem::replace(next, index);
                handle
            }
            None => {
                self.indexes.push(index);
                (self.indexes.len() - 1) as u32
            }
        };
        self.values.push((value, handle));
        handle
    }

    /// Removes the value of a handle. The handle may be used again.
    pub(crate) fn remove(&mut self, handle: u32) -> T {
        let index = std::mem::replace(&mut self.indexes[handle as usize], self.free) as usize;
        self.free = handle;
        self.removed += 1;
        let (value, _) = self.values.swap_remove(index);
        if let Some((_, moved)) = self.values.get(index) {
            self.indexes[*moved as usize] = index as u32;
        }
        self.shrink();
        value
    }

    /// Starts a walk over all values.
    pub(crate) fn walk(&mut self) -> Walk {
        self.is_next_up = !self.is_next_up;
        if self.is_next_up {
            Walk::Up { index: 0, removed: self.removed }
        } else {
            Walk::Down(self.values.len())
        }
    }

    /// The next value of a walk, or `None` at its end.
    pub(crate) fn step(&self, walk: &mut Walk) -> Option<&T> {
        if let Walk::Up { index, removed } = walk {
            if *removed == self.removed {
                let (value, _) = self.values.get(*index)?;
                *index += 1;
                return Some(value);
            }
            *walk = Walk::Down(self.values.len());
        }
        let Walk::Down(end) = walk else { return None };
        *end = (*end).min(self.values.len()).checked_sub(1)?;
        self.values.get(*end).map(|(value, _)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|(value, _)| value)
    }

    /// Frees memory after many values were removed.
    fn shrink(&mut self) {
        if self.values.is_empty() {
            *self = Self { removed: self.removed, is_next_up: self.is_next_up, ..Self::new() };
        } else if self.values.capacity() > 64 && self.values.len() < self.values.capacity() / 4 {
            self.values.shrink_to(self.values.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn handles_stay_while_values_move(steps in vec(any::<Option<u8>>(), 0..400)) {
            let mut map = SlotMap::new();
            let mut naive: Vec<(u32, usize)> = Vec::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Some(pick) if !naive.is_empty() => {
                        let (handle, expect) = naive.swap_remove(usize::from(pick) % naive.len());
                        prop_assert_eq!(map.remove(handle), expect);
                    }
                    _ => {
                        let handle = map.insert(value);
                        prop_assert!(naive.iter().all(|(other, _)| *other != handle));
                        naive.push((handle, value));
                    }
                }
                let mut found: Vec<_> = map.iter().copied().collect();
                let mut expect: Vec<_> = naive.iter().map(|(_, value)| *value).collect();
                found.sort_unstable();
                expect.sort_unstable();
                prop_assert_eq!(found, expect);
                prop_assert_eq!(map.len(), naive.len());
            }
        }

        #[test]
        fn a_walk_visits_every_value_that_stays(
            is_next_up: bool,
            // Which value is removed after each step, and whether a new one is inserted in its
            // place.
            steps in vec((0..50_usize, any::<bool>()), 0..60),
        ) {
            let mut map = SlotMap::new();
            let mut handles: Vec<_> = (0..50).map(|value| Some(map.insert(value))).collect();
            let mut visited = [false; 50];
            map.is_next_up = !is_next_up;
            let mut walk = map.walk();
            prop_assert_eq!(matches!(walk, Walk::Up { .. }), is_next_up);
            let mut steps = steps.into_iter();
            let mut count = 0;
            while let Some(&value) = map.step(&mut walk) {
                count += 1;
                if let Some(visited) = visited.get_mut(value) {
                    *visited = true;
                }
                let Some((removed, is_refilled)) = steps.next() else { continue };
                if let Some(handle) = handles[removed].take() {
                    map.remove(handle);
                }
                if is_refilled {
                    map.insert(usize::MAX);
                }
            }
            for (value, handle) in handles.iter().enumerate() {
                prop_assert!(handle.is_none() || visited[value]);
            }
            prop_assert!(count <= 2 * (50 + 60), "it comes to its end");
        }
    }

    #[test]
    fn walks_go_down_and_up_in_turn() {
        let mut map = SlotMap::new();
        (0..3).for_each(|value| _ = map.insert(value));
        for expect in [[0, 1, 2], [2, 1, 0], [0, 1, 2]] {
            let mut walk = map.walk();
            let found: Vec<_> = std::iter::from_fn(|| map.step(&mut walk).copied()).collect();
            assert_eq!(found, expect);
        }
    }

    #[test]
    fn memory_is_freed_after_many_removals() {
        let mut map = SlotMap::new();
        let handles: Vec<_> = (0..10_000).map(|value| map.insert(value)).collect();
        for handle in &handles[1..] {
            map.remove(*handle);
        }
        assert!(map.values.capacity() <= 64, "{}", map.values.capacity());
        map.remove(handles[0]);
        assert_eq!(map.indexes.capacity(), 0);
    }
}
