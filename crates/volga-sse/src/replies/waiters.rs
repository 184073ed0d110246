//! The clients of a reply that wait for its next message. Pure.

use std::task::Waker;

/// A slot for each client; it holds a waker while the client waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// How many slots hold a waker. A producer that is ahead of all clients finds zero here, and
    /// does not look at the slots.
    waiting: usize,
}

impl Waiters {
    /// Adds a client and returns its slot, which belongs to it until it is removed.
    pub(crate) fn add(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    pub(crate) fn remove(&mut self, slot: usize) {
        self.waiting -= usize::from(self.slots[slot].take().is_some());
        self.free.push(slot);
    }

    /// Stores the waker of the client in this slot.
    pub(crate) fn wait(&mut self, slot: usize, waker: &Waker) {
        match &mut self.slots[slot] {
            Some(known) => known.clone_from(waker),
            empty => {
                *empty = Some(waker.clone());
                self.waiting += 1;
            }
        }
    }

    /// Moves all wakers to `wakers`. Wake them without a lock, because a waker is foreign code.
    pub(crate) fn take(&mut self, wakers: &mut Vec<Waker>) {
        if self.waiting > 0 {
            self.waiting = 0;
            wakers.extend(self.slots.iter_mut().filter_map(Option::take));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_is_taken_once_and_slots_are_reused() {
        let mut waiters = Waiters::default();
        let mut wakers = Vec::new();
        let [a, b, c] = [waiters.add(), waiters.add(), waiters.add()];
        waiters.wait(a, Waker::noop());
        waiters.wait(a, Waker::noop());
        waiters.wait(c, Waker::noop());
        waiters.remove(c);
        waiters.take(&mut wakers);
        waiters.take(&mut wakers);
        assert_eq!(wakers.len(), 1);
        assert_eq!(waiters.add(), c);
        waiters.wait(b, Waker::noop());
        waiters.take(&mut wakers);
        assert_eq!(wakers.len(), 2);
        assert_eq!(waiters.slots.len(), 3);
    }
}
