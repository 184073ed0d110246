//! The guard of the hub's lock, and what it does once the lock is free.

use std::ops::{Deref, DerefMut};

use crate::hub::state::locked_state::LockedState;
use crate::hub::sync::MutexGuard;

/// The hub's lock while it is held.
///
/// Dropping the guard first releases the lock. Then it wakes the tasks that must learn what was
/// done under the lock, and clears the topics that were removed. Both wait until then because
/// wakers are foreign code, and because freeing a long log takes time.
#[derive(Debug)]
pub(crate) struct StateGuard<'a>(Option<MutexGuard<'a, LockedState>>);

impl<'a> StateGuard<'a> {
    pub(crate) fn new(guard: MutexGuard<'a, LockedState>) -> Self {
        Self(Some(guard))
    }
}

impl Deref for StateGuard<'_> {
    type Target = LockedState;

    fn deref(&self) -> &LockedState {
        self.0.as_deref().expect(GUARD_IS_PRESENT)
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut LockedState {
        self.0.as_deref_mut().expect(GUARD_IS_PRESENT)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let Some(mut locked) = self.0.take() else { return };
        if !locked.has_deferred() {
            return;
        }
        let (wakers, removed) = locked.take_deferred();
        drop(locked);
        wakers.wake();
        removed.iter().for_each(|topic| topic.clear());
    }
}

/// Why the guard inside a [`StateGuard`] is always present.
const GUARD_IS_PRESENT: &str = "only dropping takes the guard";
