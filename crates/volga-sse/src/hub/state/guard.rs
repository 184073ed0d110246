//! The guard of the hub's lock, and what it does once the lock is free.

use std::ops::{Deref, DerefMut};

use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;
use crate::hub::sync::MutexGuard;

/// The hub's lock while it is held.
///
/// Dropping the guard first releases the lock. Then it wakes the tasks that must learn what was
/// done under the lock, and clears the topics that were removed. Both wait until then because
/// wakers are foreign code, and because freeing a long log takes time. At last it takes the lock
/// again and again until all identities have joined the topics that came, and left those that went.
pub(crate) struct StateGuard<'a> {
    hub: &'a HubState,
    guard: Option<MutexGuard<'a, LockedState>>,
    /// Whether this guard is for one of those steps.
    is_step: bool,
}

impl<'a> StateGuard<'a> {
    pub(crate) fn new(hub: &'a HubState, guard: MutexGuard<'a, LockedState>) -> Self {
        Self { hub, guard: Some(guard), is_step: false }
    }
}

/// Lets all identities join and leave the topics that came or went, a few at a time.
#[cold]
fn finish_presence(hub: &HubState) {
    let mut has_more = true;
    while has_more {
        let mut locked = hub.lock_for_step();
        locked.is_step = true;
        locked.presence_step();
        has_more = locked.has_presence_steps();
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
        if !locked.has_deferred() {
            return;
        }
        let (wakers, removed) = locked.take_deferred();
        let has_presence_steps = locked.has_presence_steps() && !self.is_step;
        drop(locked);
        wakers.wake();
        removed.iter().for_each(|topic| topic.clear());
        if has_presence_steps {
            finish_presence(self.hub);
        }
    }
}

/// Why the guard inside a [`StateGuard`] is always present.
const GUARD_IS_PRESENT: &str = "only dropping takes the guard";
