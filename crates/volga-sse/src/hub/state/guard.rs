//! The guard of the hub's lock, and what it does once the lock is free.

use std::ops::{Deref, DerefMut};

use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::{Deferred, LockedState};
use crate::hub::sync::MutexGuard;

/// The hub's lock while it is held.
///
/// Dropping the guard first releases the lock. Then it wakes the tasks that must learn what was
/// done under the lock, and clears the topics that were removed. Both wait until then because
/// wakers are foreign code, and because freeing a long log takes time. If the holder of the guard
/// has changed the presence of an identity, the guard then tells the watches of a few topics at a
/// time. It takes the lock again for each step, until all of them have been told.
pub(crate) struct StateGuard<'a> {
    hub: &'a HubState,
    guard: Option<MutexGuard<'a, LockedState>>,
}

impl<'a> StateGuard<'a> {
    pub(crate) fn new(hub: &'a HubState, guard: MutexGuard<'a, LockedState>) -> Self {
        #[cfg(test)]
        crate::hub::work_counts::note_held(true);
        Self { hub, guard: Some(guard) }
    }
}

impl Deref for StateGuard<'_> {
    type Target = LockedState;

    fn deref(&self) -> &LockedState {
        self.guard.as_deref().expect(GUARD_IS_PRESENT)
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut LockedState {
        self.guard.as_deref_mut().expect(GUARD_IS_PRESENT)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let Some(mut locked) = self.guard.take() else { return };
        #[cfg(test)]
        crate::hub::work_counts::note_held(false);
        if !locked.has_deferred() {
            return;
        }
        let Deferred { wakers, removed, garbage, dropped_later, expired, must_tell } =
            locked.take_deferred();
        drop(locked);
        wakers.wake();
        self.hub.free_recent(&expired);
        garbage.into_iter().for_each(|garbage| self.hub.free(garbage));
        removed.iter().for_each(|topic| self.hub.free(topic.take_contents()));
        drop(dropped_later);
        if must_tell {
            self.hub.finish_telling();
        }
    }
}

/// Why the guard inside a [`StateGuard`] is always present.
const GUARD_IS_PRESENT: &str = "only dropping takes the guard";
