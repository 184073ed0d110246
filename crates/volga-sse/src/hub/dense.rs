//! A set whose members come and go in constant time and lie side by side. Pure.

/// Members without holes between them, each with a handle that stays while the others move.
///
/// Removal fills the hole with the last member. So a walk from the last to the first, which lets go of its lock between steps, misses
/// nobody that was there at its start: who moves, moves down to where the walk has yet to come, or has been visited already.
#[derive(Debug)]
pub(crate) struct Dense<T> {
    members: Vec<(T, u32)>,
    /// For each handle its member's place; for a free one, the next free one.
    places: Vec<u32>,
    free: u32,
}

/// No handle.
const NONE: u32 = u32::MAX;

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Dense<T> {
    pub(crate) const fn new() -> Self {
        Self { members: Vec::new(), places: Vec::new(), free: NONE }
    }

    /// Takes a member in; the handle takes it out again.
    pub(crate) fn insert(&mut self, member: T) -> u32 {
        // Four thousand million members do not fit into memory.
        let place = self.members.len() as u32;
        let handle = self.free;
        let handle = match self.places.get_mut(handle as usize) {
            Some(next) => {
                self.free = std::mem::replace(next, place);
                handle
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as u32
            }
        };
        self.members.push((member, handle));
        handle
    }

    /// Takes a member out. The handle is then free.
    pub(crate) fn remove(&mut self, handle: u32) -> T {
        let place = std::mem::replace(&mut self.places[handle as usize], self.free) as usize;
        self.free = handle;
        let (member, _) = self.members.swap_remove(place);
        if let Some((_, moved)) = self.members.get(place) {
            self.places[*moved as usize] = place as u32;
        }
        self.shrink();
        member
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.members.get(place).map(|(member, _)| member)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.members.iter().map(|(member, _)| member)
    }

    /// Gives memory back after a crowd has left.
    fn shrink(&mut self) {
        if self.members.is_empty() {
            *self = Self::new();
        } else if self.members.capacity() > 64 && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn handles_stay_while_members_move(steps in vec(any::<Option<u8>>(), 0..400)) {
            let mut dense = Dense::new();
            let mut naive: Vec<(u32, usize)> = Vec::new();
            for (member, step) in steps.into_iter().enumerate() {
                match step {
                    Some(pick) if !naive.is_empty() => {
                        let (handle, expect) = naive.swap_remove(usize::from(pick) % naive.len());
                        prop_assert_eq!(dense.remove(handle), expect);
                    }
                    _ => {
                        let handle = dense.insert(member);
                        prop_assert!(naive.iter().all(|(other, _)| *other != handle));
                        naive.push((handle, member));
                    }
                }
                let mut found: Vec<_> = dense.iter().copied().collect();
                let mut expect: Vec<_> = naive.iter().map(|(_, member)| *member).collect();
                found.sort_unstable();
                expect.sort_unstable();
                prop_assert_eq!(found, expect);
                prop_assert_eq!(dense.len(), naive.len());
            }
        }

        #[test]
        fn a_walk_from_the_end_misses_nobody_who_stays(
            leave in vec((0..50_usize, 0..50_usize), 0..60),
        ) {
            let mut dense = Dense::new();
            let mut handles: Vec<_> = (0..50).map(|member| Some(dense.insert(member))).collect();
            let mut visited = [false; 50];
            let mut place = dense.len();
            let mut leave = leave.into_iter();
            while place > 0 {
                place = place.min(dense.len());
                if place == 0 { break; }
                place -= 1;
                visited[*dense.get(place).unwrap()] = true;
                if let Some((who, _)) = leave.next() && let Some(handle) = handles[who].take() {
                    dense.remove(handle);
                }
            }
            for (member, handle) in handles.iter().enumerate() {
                prop_assert!(handle.is_none() || visited[member]);
            }
        }
    }

    #[test]
    fn memory_goes_back_after_a_crowd() {
        let mut dense = Dense::new();
        let handles: Vec<_> = (0..10_000).map(|member| dense.insert(member)).collect();
        for handle in &handles[1..] {
            dense.remove(*handle);
        }
        assert!(dense.members.capacity() <= 64, "{}", dense.members.capacity());
        dense.remove(handles[0]);
        assert_eq!(dense.places.capacity(), 0);
    }
}
