//! How far the messages are: what a publisher and the readers of its messages know of each other.

use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// One thread publishes, and one thread reads. They may be the same.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The maximum number of messages that are on their way at once.
    outstanding: u64,
    published: AtomicU64,
    /// The number of messages that every stream has.
    complete: AtomicU64,
    /// The publisher, if it has waited.
    publisher: OnceLock<Thread>,
    is_waiting: AtomicBool,
}

impl Progress {
    pub(crate) fn new(outstanding: u64) -> Self {
        Self {
            outstanding,
            published: AtomicU64::new(0),
            complete: AtomicU64::new(0),
            publisher: OnceLock::new(),
            is_waiting: AtomicBool::new(false),
        }
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    pub(crate) fn complete(&self) -> u64 {
        self.complete.load(Ordering::SeqCst)
    }

    /// Returns the numbers of the messages that may be published now, and at most so many. The
    /// caller publishes them.
    pub(crate) fn publish(&self, at_most: u64) -> Range<u64> {
        let published = self.published();
        let until = (self.complete() + self.outstanding).min(published.saturating_add(at_most));
        self.published.store(until, Ordering::SeqCst);
        published..until
    }

    /// Waits until at least one message may be published. Returns an empty range after this time.
    pub(crate) fn wait_and_publish(&self, at_most: u64, time: Duration) -> Range<u64> {
        self.publisher.get_or_init(thread::current);
        let mut numbers = self.publish(at_most);
        if numbers.is_empty() {
            self.is_waiting.store(true, Ordering::SeqCst);
            // Messages may have become complete before the reader could see that this waits.
            numbers = self.publish(at_most);
            if numbers.is_empty() {
                thread::park_timeout(time);
                numbers = self.publish(at_most);
            }
            self.is_waiting.store(false, Ordering::SeqCst);
        }
        numbers
    }

    /// Records how many messages every stream has, and wakes the publisher if it waits.
    pub(crate) fn set_complete(&self, complete: u64) {
        self.complete.store(complete, Ordering::SeqCst);
        if self.is_waiting.load(Ordering::SeqCst) {
            self.publisher.get().inspect(|publisher| publisher.unpark());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn no_more_messages_are_on_their_way_than_allowed() {
        let progress = Progress::new(3);
        assert_eq!(progress.publish(1), 0..1);
        assert_eq!(progress.publish(u64::MAX), 1..3);
        assert_eq!(progress.publish(1), 3..3);
        assert_eq!(progress.wait_and_publish(1, Duration::ZERO), 3..3);
        progress.set_complete(2);
        assert_eq!(progress.publish(u64::MAX), 3..5);
    }

    #[test]
    fn a_publisher_waits_until_a_message_is_complete() {
        let progress = Arc::new(Progress::new(1));
        assert_eq!(progress.publish(1), 0..1);
        let waiting = Arc::clone(&progress);
        let publisher = thread::spawn(move || waiting.wait_and_publish(1, Duration::from_mins(1)));
        while !progress.is_waiting.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        progress.set_complete(1);
        assert_eq!(publisher.join().expect("no panic"), 1..2);
    }
}
