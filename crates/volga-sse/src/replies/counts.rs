//! What is counted over all replies without a lock: bytes, clients, producers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// What a [`Replies`](crate::replies::handle::Replies) holds at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RepliesCounts {
    /// Replies whose producers run.
    pub running: usize,
    /// Replies that have ended, and are kept or still read.
    pub kept: usize,
    /// Clients that have not read to the end.
    pub attached: usize,
    /// The bytes for which all replies count towards the bounds.
    pub bytes: usize,
}

/// The counters that the registry, the producers and the clients share.
#[derive(Debug, Default)]
pub(crate) struct ReplyCounters {
    bytes: AtomicUsize,
    attached: AtomicUsize,
    producers: AtomicUsize,
    idle: Notify,
}

impl ReplyCounters {
    /// Adds these bytes, unless the sum would exceed `max`. Returns whether it did.
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

/// Counts a producer for as long as it lives.
#[derive(Debug)]
pub(crate) struct ProducerGuard(Arc<ReplyCounters>);

impl ProducerGuard {
    pub(crate) fn new(counters: &Arc<ReplyCounters>) -> Self {
        counters.producers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for ProducerGuard {
    fn drop(&mut self) {
        if self.0.producers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
