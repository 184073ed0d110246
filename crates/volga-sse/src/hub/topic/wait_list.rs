//! The readers of a topic or of a pattern, and how a publisher wakes those that sleep.

use std::sync::Arc;
use std::task::Waker;

use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::sleepers::Sleepers;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::hub::topic::waves::{self, HasReaders, PublishCount, READERS_AT_ONCE, WaveState};

/// How many wakers are collected under the lock of a list. They are woken after that lock is
/// released.
const WAKE_AT_ONCE: usize = if cfg!(all(test, loom)) { 1 } else { 32 };

/// How many readers are visited before the lock of the list is released and taken again.
const READERS_PER_PAGE: u32 = 128;

/// How many readers are looked at to tell whether a wave has ended. A runtime runs tasks in an
/// order of its own, so these are readers from everywhere in the list.
const SAMPLED_READERS: usize = 8;

/// The readers of a topic or of a pattern. A publisher wakes those that sleep.
///
/// The publisher visits all readers that were asleep at its last visit. A reader that it finds
/// awake is set aside, and is not visited again before it sleeps. So a publisher does no work for
/// readers that have stalled, and a reader that keeps up does not take the lock to go to sleep.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    /// True if a reader went to sleep after the last wake.
    has_sleeper: AtomicBool,
    pub(crate) waves: WaveState,
    pub(crate) published: PublishCount,
    readers: Mutex<Sleepers<Arc<Subscriber>>>,
}

impl WaitList {
    /// Adds a reader. The tag says which of its lists this is.
    ///
    /// The next publisher visits the reader, as if it had gone to sleep. So a reader that reads
    /// everything before somebody publishes has no list to tell that it sleeps, however many lists
    /// it is in. A publisher that finds it awake notes that in the subscriber, and sets it aside.
    pub(crate) fn join(owner: &impl HasReaders, subscriber: &Arc<Subscriber>, tag: u32) -> u32 {
        let list = owner.readers();
        let mut readers = lock(&list.readers);
        let handle = readers.insert(Arc::clone(subscriber), tag);
        readers.activate(handle);
        drop(readers);
        // If the flag is set already, the publisher that clears it takes the lock after this
        // thread has released it, and so finds the reader.
        if !list.has_sleeper.load(Ordering::Acquire) {
            Self::note_sleeper(owner);
        }
        handle
    }

    /// Removes a reader. Returns it, and whether it was the last one.
    pub(crate) fn leave(&self, handle: u32) -> (Arc<Subscriber>, bool) {
        let mut readers = lock(&self.readers);
        let subscriber = readers.remove(handle);
        (subscriber, readers.is_empty())
    }

    /// Records that a reader has left its waker and is going to sleep. `is_set_aside` says that a
    /// publisher may have set it aside. The reader must look for new messages once more after this
    /// call.
    ///
    /// The publisher makes a message readable and then clears the flag. Both sides swap the same
    /// flag, so one swap happens before the other, and the later side sees what the earlier one
    /// did: the publisher finds the reader, or the reader finds the message.
    #[inline]
    pub(crate) fn sleep(owner: &impl HasReaders, handle: u32, is_set_aside: bool) {
        #[cfg(test)]
        crate::hub::work_counts::note_sleep();
        if is_set_aside {
            owner.readers().activate(handle);
        }
        Self::note_sleeper(owner);
    }

    /// Sets the flag. The owner counts from before that, so whoever finds the flag set knows that
    /// publishers find the owner.
    #[inline]
    fn note_sleeper(owner: &impl HasReaders) {
        let flag = &owner.readers().has_sleeper;
        let Some(count) = owner.sleeper_count() else {
            flag.swap(true, Ordering::AcqRel);
            return;
        };
        if flag.compare_exchange(true, true, Ordering::AcqRel, Ordering::Acquire).is_err() {
            count.add_one();
            if flag.swap(true, Ordering::AcqRel) {
                // Another reader was faster, and counts.
                count.remove_one();
            }
        }
    }

    /// Clears the flag. Returns whether it was set: then the caller wakes the readers.
    #[inline]
    pub(crate) fn take_sleepers(owner: &impl HasReaders) -> bool {
        let had_sleeper = owner.readers().has_sleeper.swap(false, Ordering::AcqRel);
        if had_sleeper && let Some(count) = owner.sleeper_count() {
            count.remove_one();
        }
        had_sleeper
    }

    #[cold]
    fn activate(&self, handle: u32) {
        lock(&self.readers).activate(handle);
    }

    /// Wakes every reader that sleeps, at once or in the next wave. No lock is held while a waker
    /// runs.
    #[inline]
    pub(crate) fn wake<O: HasReaders>(owner: &Arc<O>) {
        owner.readers().published.add_one();
        if Self::take_sleepers(&**owner) {
            Self::wake_taken(owner);
        }
    }

    /// The same after [`take_sleepers`](Self::take_sleepers), and after the publish was counted.
    pub(crate) fn wake_taken<O: HasReaders>(owner: &Arc<O>) {
        let list = owner.readers();
        if list.waves.ask_for_next() {
            return;
        }
        let mut left = list.start_wave();
        if left >= READERS_AT_ONCE && waves::start(owner, left) {
            return;
        }
        list.wake_some(&mut left, usize::MAX);
    }

    /// Wakes every reader that sleeps, now.
    pub(crate) fn wake_all(&self) {
        let mut left = self.start_wave();
        self.wake_some(&mut left, usize::MAX);
    }

    /// Returns how many readers a wave has to visit that begins now.
    ///
    /// A reader that goes to sleep after this looks for the message itself. So the caller visits at
    /// most this many, however many others publish meanwhile.
    pub(crate) fn start_wave(&self) -> usize {
        lock(&self.readers).start_wave()
    }

    /// The same, for a wave that follows another one.
    pub(crate) fn repeat_wave(&self) -> usize {
        lock(&self.readers).repeat_wave()
    }

    /// Whether the readers of the last wave sleep again, as far as some of them tell.
    pub(crate) fn sleep_again(&self) -> bool {
        lock(&self.readers).sample(SAMPLED_READERS).all(|reader| reader.is_asleep())
    }

    /// Visits the next readers of the current wave, until about `at_once` of them were woken.
    pub(crate) fn wake_some(&self, left: &mut usize, mut at_once: usize) {
        let mut wakers: [Option<Waker>; WAKE_AT_ONCE] = [const { None }; WAKE_AT_ONCE];
        while at_once > 0 {
            let mut count = 0;
            let mut readers = lock(&self.readers);
            while count < WAKE_AT_ONCE {
                if *left == 0 {
                    break;
                }
                let visited = readers.visit_next(|reader, tag| reader.take_waker(tag));
                let Some(waker) = visited else {
                    *left = 0;
                    break;
                };
                #[cfg(test)]
                crate::hub::work_counts::note_visit();
                *left -= 1;
                if waker.is_some() {
                    wakers[count] = waker;
                    count += 1;
                }
            }
            drop(readers);
            wakers[..count].iter_mut().filter_map(Option::take).for_each(Waker::wake);
            if *left == 0 {
                return;
            }
            at_once = at_once.saturating_sub(count);
        }
    }

    /// Ends every subscription. Nobody may join meanwhile.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        let mut handle = 0;
        loop {
            let readers = lock(&self.readers);
            let last = readers.end_of_handles().min(handle + WAKE_AT_ONCE as u32);
            let wakers: Vec<_> =
                (handle..last).filter_map(|handle| readers.get(handle)?.close(end)).collect();
            let is_done = last == readers.end_of_handles();
            drop(readers);
            wakers.into_iter().for_each(Waker::wake);
            if is_done {
                return;
            }
            handle = last;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.readers).is_empty()
    }

    /// Visits every reader. The list is locked for a few of them at a time, because a publisher
    /// waits for it. A reader that comes or goes meanwhile may be missing.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Subscriber>)) {
        let mut next = 0;
        loop {
            let readers = lock(&self.readers);
            let end = readers.end_of_handles();
            let page = next..end.min(next + READERS_PER_PAGE);
            next = page.end;
            page.filter_map(|handle| readers.get(handle)).for_each(&mut visit);
            if next >= end {
                return;
            }
        }
    }
}
