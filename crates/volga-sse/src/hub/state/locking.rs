//! How threads take the hub's lock, and wait for it.

use crate::hub::state::guard::StateGuard;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;
use crate::hub::sync::{MutexGuard, Ordering, lock, try_lock};

/// How often a thread lets others have the lock before it takes its next step.
const MAX_YIELDS: usize = 1_000;
/// How often a thread tries to take the lock before it sleeps until the lock is free.
const MAX_TRIES: usize = if cfg!(all(test, loom)) { 0 } else { 200 };

impl HubState {
    pub(crate) fn lock(&self) -> StateGuard<'_> {
        #[cfg(test)]
        crate::hub::work_counts::note_lock();
        let guard = try_lock(&self.locked).unwrap_or_else(|| self.wait_for_lock());
        StateGuard::new(self, guard)
    }

    /// Waits for the lock. Every holder releases it after a few microseconds, so the thread first
    /// tries again and again. A thread that sleeps may be woken much later than the lock is free.
    #[cold]
    fn wait_for_lock(&self) -> MutexGuard<'_, LockedState> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = (0..MAX_TRIES)
            .find_map(|_| {
                std::thread::yield_now();
                try_lock(&self.locked)
            })
            .unwrap_or_else(|| lock(&self.locked));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Takes the lock for one step of many. A thread that takes the lock again at once could keep a
    /// publisher waiting for all of its steps, so it first lets the others have the lock.
    pub(crate) fn lock_for_step(&self) -> StateGuard<'_> {
        #[cfg(test)]
        crate::hub::work_counts::between_steps();
        for _ in 0..MAX_YIELDS {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        self.lock()
    }

    /// Tells the watches of all topics of the changes that they do not know yet, a few at a time.
    #[cold]
    pub(crate) fn finish_telling(&self) {
        while self.lock_for_step().tell_step() {}
    }

    /// Takes the lock at a moment at which all watches know of all changes of presence.
    pub(crate) fn lock_when_told(&self) -> StateGuard<'_> {
        loop {
            let mut locked = self.lock_for_step();
            if !locked.presence.has_untold() {
                return locked;
            }
            locked.tell_step();
        }
    }
}
