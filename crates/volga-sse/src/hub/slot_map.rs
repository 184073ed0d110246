//! A dense slot map: constant-time insertion and removal, and values that are contiguous in memory.
//! Pure.

/// Values without holes between them. Each has a handle that stays the same while the values move.
#[derive(Debug)]
pub(crate) struct SlotMap<T> {
    values: Vec<(T, u32)>,
    /// For a handle in use, the index of its value. For a free handle, the next free handle.
    indexes: Vec<u32>,
    free: u32,
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
        Self { values: Vec::new(), indexes: Vec::new(), free: NONE }
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
        let (value, _) = self.values.swap_remove(index);
        if let Some((_, moved)) = self.values.get(index) {
            self.indexes[*moved as usize] = index as u32;
        }
        self.shrink();
        value
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a handle. `None` if the handle is free.
    pub(crate) fn get(&self, handle: u32) -> Option<&T> {
        let index = *self.indexes.get(handle as usize)?;
        // A free handle has no index here but the next free handle. The value at that index, if
        // there is one, has another handle.
        let (value, own) = self.values.get(index as usize)?;
        (*own == handle).then_some(value)
    }

    /// Every handle in use is smaller.
    pub(crate) fn end_of_handles(&self) -> u32 {
        self.indexes.len() as u32
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|(value, _)| value)
    }

    /// Frees memory after many values were removed.
    fn shrink(&mut self) {
        if self.values.is_empty() {
            *self = Self::new();
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
                prop_assert_eq!(&found, &expect);
                prop_assert_eq!(map.is_empty(), naive.is_empty());
                let by_handle = (0..map.end_of_handles()).filter_map(|handle| map.get(handle));
                let mut found: Vec<_> = by_handle.copied().collect();
                found.sort_unstable();
                prop_assert_eq!(found, expect);
                for (handle, value) in &naive {
                    prop_assert_eq!(map.get(*handle), Some(value));
                }
            }
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
