//! The clients of an answer that wait for its next message. Pure.

use std::task::Waker;

/// A slot for each client, with the waker of those who wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// How many slots hold a waker: a producer that is ahead of all clients looks at none.
    waiting: usize,
}

impl Waiters {
    /// A slot for a client, its own until it is removed.
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

    /// Remembers whom to wake.
    pub(crate) fn wait(&mut self, slot: usize, waker: &Waker) {
        match &mut self.slots[slot] {
            Some(known) => known.clone_from(waker),
            empty => {
                *empty = Some(waker.clone());
                self.waiting += 1;
            }
        }
    }

    /// All who wait. They are to be woken without a lock: a waker is foreign code.
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
    fn who_waits_is_taken_once_and_slots_are_used_again() {
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
