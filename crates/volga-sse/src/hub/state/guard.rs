//! The guard of the hub's lock, and what it does once the lock is free.

use std::ops::{Deref, DerefMut};
use std::task::Waker;

use crate::hub::state::locked::Order;
use crate::hub::sync::MutexGuard;

/// The hub's lock while it is held.
///
/// When it is dropped, it first frees the lock. Then it wakes the tasks that concern what was done
/// under it, and clears the topics that were removed: wakers are foreign code, and a long log takes
/// time to free.
#[derive(Debug)]
pub(crate) struct Locked<'a>(Option<MutexGuard<'a, Order>>);

impl<'a> Locked<'a> {
    pub(crate) fn new(guard: MutexGuard<'a, Order>) -> Self {
        Self(Some(guard))
    }
}

impl Deref for Locked<'_> {
    type Target = Order;

    fn deref(&self) -> &Order {
        self.0.as_deref().expect(HELD)
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Order {
        self.0.as_deref_mut().expect(HELD)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut order) = self.0.take() else { return };
        if !order.has_rest() {
            return;
        }
        let (wakers, removed) = order.take_rest();
        drop(order);
        wakers.into_iter().for_each(Waker::wake);
        removed.iter().for_each(|topic| topic.clear());
    }
}

/// Why the guard of [`Locked`] is there.
const HELD: &str = "only dropping takes the guard";
