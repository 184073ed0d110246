//! Subscriptions that wait until their node can serve them.

use std::task::Waker;

use crate::hub::slot_map::SlotMap;
use crate::hub::sync::{Mutex, lock};

/// The wakers of subscriptions that wait for the same thing. Each has one place here.
#[derive(Debug)]
pub(crate) struct Waiters(Mutex<SlotMap<Waker>>);

impl Waiters {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(SlotMap::new()))
    }

    /// Leaves a waker, in the place of the one that the caller has left before. After that the
    /// caller must look once more at what it waits for.
    pub(crate) fn wait(&self, place: &mut Option<u32>, waker: &Waker) {
        let mut wakers = lock(&self.0);
        // The old waker is dropped without the lock, because that runs foreign code.
        let old = place.take().map(|place| wakers.remove(place));
        *place = Some(wakers.insert(waker.clone()));
        drop(wakers);
        drop(old);
    }

    pub(crate) fn leave(&self, place: &mut Option<u32>) {
        let old = place.take().map(|place| lock(&self.0).remove(place));
        drop(old);
    }

    pub(crate) fn wake(&self) {
        let wakers: Vec<Waker> = lock(&self.0).iter().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}
