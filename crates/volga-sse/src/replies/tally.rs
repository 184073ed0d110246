//! What is counted of all answers without a lock: bytes, clients, producers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The counts, shared by the shelf, the producers and the clients.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bytes: AtomicUsize,
    attached: AtomicUsize,
    producers: AtomicUsize,
    idle: Notify,
}

impl Tally {
    /// Counts so many bytes, unless there would be more than `max`.
    pub(crate) fn reserve(&self, bytes: usize, max: usize) -> bool {
        let add = |held: usize| held.checked_add(bytes).filter(|held| *held <= max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn attached(&self) -> usize {
        self.attached.load(Ordering::Relaxed)
    }

    pub(crate) fn attach(&self) {
        self.attached.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn detach(&self) {
        self.attached.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits until no producer is left.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.producers.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// A producer that is there, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Tally>);

impl Running {
    pub(crate) fn new(tally: &Arc<Tally>) -> Self {
        tally.producers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(tally))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.producers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
