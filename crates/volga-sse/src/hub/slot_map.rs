//! A set whose members come and go in constant time and lie side by side. Pure.

/// Members without holes between them, each with a handle that stays while the others move.
#[derive(Debug)]
pub(crate) struct SlotMap<T> {
    members: Vec<(T, u32)>,
    /// For each handle its member's place; for a free one, the next free one.
    places: Vec<u32>,
    free: u32,
    /// How many members were ever taken out.
    removed: u64,
    /// The next walk goes from the first to the last.
    goes_up: bool,
}

/// A walk over all members that can let go of their lock between steps, and misses nobody who is there from its start to its end.
///
/// Removal fills the hole with the last member. A walk down is safe from that: who moves, moves down to where the walk has yet to come, or has been visited
/// already. A walk up is not, so once somebody has left it becomes a whole walk down; who is visited twice has no waker any more.
///
/// Walks go down and up in turn, because members and what they wake are more than a cache holds. Always in one direction, each walk would push out what the next one
/// needs first; this way the half that was visited last is visited first.
#[derive(Debug)]
pub(crate) enum Walk {
    /// To the members below this place.
    Down(usize),
    /// From this place on, if nobody more was taken out.
    Up { place: usize, removed: u64 },
}

/// No handle.
const NONE: u32 = u32::MAX;

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SlotMap<T> {
    pub(crate) const fn new() -> Self {
        Self { members: Vec::new(), places: Vec::new(), free: NONE, removed: 0, goes_up: false }
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
        self.removed += 1;
        let (member, _) = self.members.swap_remove(place);
        if let Some((_, moved)) = self.members.get(place) {
            self.places[*moved as usize] = place as u32;
        }
        self.shrink();
        member
    }

    /// Begins a walk over all members.
    pub(crate) fn walk(&mut self) -> Walk {
        self.goes_up = !self.goes_up;
        if self.goes_up {
            Walk::Up { place: 0, removed: self.removed }
        } else {
            Walk::Down(self.members.len())
        }
    }

    /// The next member of a walk; `None` at its end.
    pub(crate) fn step(&self, walk: &mut Walk) -> Option<&T> {
        if let Walk::Up { place, removed } = walk {
            if *removed == self.removed {
                let (member, _) = self.members.get(*place)?;
                *place += 1;
                return Some(member);
            }
            *walk = Walk::Down(self.members.len());
        }
        let Walk::Down(end) = walk else { return None };
        *end = (*end).min(self.members.len()).checked_sub(1)?;
        self.members.get(*end).map(|(member, _)| member)
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
            *self = Self { removed: self.removed, goes_up: self.goes_up, ..Self::new() };
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
            let mut dense = SlotMap::new();
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
        fn a_walk_misses_nobody_who_stays(
            goes_up: bool,
            // Who leaves after which step; who comes in between has the place of those who left.
            steps in vec((0..50_usize, any::<bool>()), 0..60),
        ) {
            let mut dense = SlotMap::new();
            let mut handles: Vec<_> = (0..50).map(|member| Some(dense.insert(member))).collect();
            let mut visited = [false; 50];
            dense.goes_up = !goes_up;
            let mut walk = dense.walk();
            prop_assert_eq!(matches!(walk, Walk::Up { .. }), goes_up);
            let mut steps = steps.into_iter();
            let mut count = 0;
            while let Some(&member) = dense.step(&mut walk) {
                count += 1;
                if let Some(visited) = visited.get_mut(member) {
                    *visited = true;
                }
                let Some((who, comes)) = steps.next() else { continue };
                if let Some(handle) = handles[who].take() {
                    dense.remove(handle);
                }
                if comes {
                    dense.insert(usize::MAX);
                }
            }
            for (member, handle) in handles.iter().enumerate() {
                prop_assert!(handle.is_none() || visited[member]);
            }
            prop_assert!(count <= 2 * (50 + 60), "it comes to its end");
        }
    }

    #[test]
    fn walks_go_down_and_up_in_turn() {
        let mut dense = SlotMap::new();
        (0..3).for_each(|member| _ = dense.insert(member));
        for expect in [[0, 1, 2], [2, 1, 0], [0, 1, 2]] {
            let mut walk = dense.walk();
            let found: Vec<_> = std::iter::from_fn(|| dense.step(&mut walk).copied()).collect();
            assert_eq!(found, expect);
        }
    }

    #[test]
    fn memory_goes_back_after_a_crowd() {
        let mut dense = SlotMap::new();
        let handles: Vec<_> = (0..10_000).map(|member| dense.insert(member)).collect();
        for handle in &handles[1..] {
            dense.remove(*handle);
        }
        assert!(dense.members.capacity() <= 64, "{}", dense.members.capacity());
        dense.remove(handles[0]);
        assert_eq!(dense.places.capacity(), 0);
    }
}
