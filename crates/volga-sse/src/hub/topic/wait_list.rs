//! The readers of a topic or of a pattern, and how a publisher wakes those that sleep.

use std::sync::Arc;
use std::task::Waker;

use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::sleepers::Sleepers;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};

/// How many wakers are collected under the lock of a list. They are woken after that lock is
/// released.
const WAKE_AT_ONCE: usize = if cfg!(all(test, loom)) { 1 } else { 32 };

/// How many publishes in a row may find that a wave does not go on before one of them wakes the
/// readers itself.
const MAX_IDLE_PUBLISHES: u32 = 256;

/// The readers of a topic or of a pattern. A publisher wakes those that sleep, and does no work for
/// the others: a reader that was woken is not visited again before it sleeps again.
///
/// # Waves
///
/// Woken all at once, hundreds of readers would be ahead of the connection that brings the next
/// message, and would be woken again for each message. So a publisher that runs in a task of tokio
/// wakes the first readers, and leaves the others to a task: the *wave*. It wakes a few readers,
/// lets them and all other tasks run, and wakes the next ones. A publish that finds a wave under
/// way only appends, and the next wave wakes everybody who sleeps then. So a reader waits for the
/// rest of one wave at most, and the more messages come, the more of them it reads at once.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    /// True if a reader went to sleep after the last wake, or if a wave is under way.
    has_sleeper: AtomicBool,
    readers: Mutex<Readers>,
}

#[derive(Debug, Default)]
struct Readers {
    sleepers: Sleepers<Arc<Subscriber>>,
    /// A task wakes the readers.
    has_wave: bool,
    /// Another wave must follow.
    has_next_wave: bool,
    /// How many publishes have come since the wave woke readers.
    idle_publishes: u32,
}

/// What has a wait list: a topic or a pattern.
pub(crate) trait HasReaders: Send + Sync + 'static {
    fn readers(&self) -> &WaitList;
}

/// A wave, which wakes the readers that are left when it is dropped.
#[derive(Debug)]
struct Wave<T: HasReaders> {
    owner: Arc<T>,
    is_done: bool,
}

/// Wakers that were collected under a lock.
type Wakers = [Option<Waker>; WAKE_AT_ONCE];

/// Wakes every reader that sleeps, or lets a wave do so. No lock is held while a waker runs.
pub(crate) fn wake_readers<T: HasReaders>(owner: &Arc<T>) {
    let list = owner.readers();
    if !list.has_sleeper.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut readers = lock(&list.readers);
    let is_first = !readers.has_wave;
    if !is_first {
        readers.has_next_wave = true;
        readers.idle_publishes += 1;
        if readers.idle_publishes < MAX_IDLE_PUBLISHES {
            // The next publish looks at the wave as well.
            list.has_sleeper.swap(true, Ordering::AcqRel);
            return;
        }
        // The runtime of the wave does not run its tasks, so this publisher goes on with the wave.
        readers.idle_publishes = 0;
    }
    let left = readers.sleepers.start_wave();
    if is_first && left > WAKE_AT_ONCE && can_spawn() {
        readers.has_wave = true;
        readers.idle_publishes = 0;
        list.has_sleeper.swap(true, Ordering::AcqRel);
        drop(readers);
        // The task comes first, because another worker of the runtime can't take the task that was
        // woken last.
        spawn(Wave { owner: Arc::clone(owner), is_done: false });
        list.wake_now(WAKE_AT_ONCE);
        return;
    }
    drop(readers);
    list.wake_now(left);
}

impl WaitList {
    /// Adds a reader, which is awake. The tag says which of its lists this is.
    pub(crate) fn join(&self, subscriber: &Arc<Subscriber>, tag: u32) -> u32 {
        lock(&self.readers).sleepers.insert(Arc::clone(subscriber), tag)
    }

    /// Removes a reader. Returns it, and whether it was the last one.
    pub(crate) fn leave(&self, handle: u32) -> (Arc<Subscriber>, bool) {
        let mut readers = lock(&self.readers);
        let subscriber = readers.sleepers.remove(handle);
        (subscriber, readers.sleepers.is_empty())
    }

    /// Records that a reader has left its waker and is going to sleep. The reader must look for new
    /// messages once more after this call.
    ///
    /// The publisher makes a message readable and then clears the flag. Both sides swap the same
    /// flag, so one swap happens before the other, and the later side sees what the earlier one
    /// did: the publisher finds the reader, or the reader finds the message.
    pub(crate) fn sleep(&self, handle: u32) {
        lock(&self.readers).sleepers.sleep(handle);
        self.has_sleeper.swap(true, Ordering::AcqRel);
    }

    /// Wakes the readers of the current wave, at most so many. A reader that goes to sleep
    /// meanwhile looks for messages itself. So a publisher wakes no more readers than slept when it
    /// came, however many others publish.
    fn wake_now(&self, mut left: usize) {
        while left > 0 {
            let (mut wakers, visited) = lock(&self.readers).take_wakers(left);
            if visited == 0 {
                return;
            }
            left -= visited;
            wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        }
    }

    /// Ends every subscription. Nobody may join meanwhile.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        let mut handle = 0;
        loop {
            let readers = lock(&self.readers);
            let sleepers = &readers.sleepers;
            let last = sleepers.end_of_handles().min(handle + WAKE_AT_ONCE as u32);
            let wakers: Vec<_> =
                (handle..last).filter_map(|handle| sleepers.get(handle)?.close(end)).collect();
            let is_done = last == sleepers.end_of_handles();
            drop(readers);
            wakers.into_iter().for_each(Waker::wake);
            if is_done {
                return;
            }
            handle = last;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.readers).sleepers.is_empty()
    }

    /// Visits every reader. The list is locked meanwhile.
    pub(crate) fn for_each(&self, visit: impl FnMut(&Arc<Subscriber>)) {
        lock(&self.readers).sleepers.iter().for_each(visit);
    }
}

impl Readers {
    /// Takes the wakers of the next readers of the wave. Visits at most `left` of them, and returns
    /// how many it visited: readers that something else has woken have no waker.
    fn take_wakers(&mut self, left: usize) -> (Wakers, usize) {
        let mut wakers: Wakers = [const { None }; WAKE_AT_ONCE];
        let (mut visited, mut count) = (0, 0);
        while count < WAKE_AT_ONCE
            && visited < left
            && let Some((subscriber, tag)) = self.sleepers.wake_next()
        {
            visited += 1;
            wakers[count] = subscriber.take_waker(tag);
            count += usize::from(wakers[count].is_some());
        }
        (wakers, visited)
    }
}

impl<T: HasReaders> Wave<T> {
    /// Wakes the next readers. Returns true once nobody is left.
    fn step(&mut self) -> bool {
        let mut readers = lock(&self.owner.readers().readers);
        readers.idle_publishes = 0;
        if !readers.sleepers.has_wave() && std::mem::take(&mut readers.has_next_wave) {
            readers.sleepers.start_wave();
        }
        let (mut wakers, _) = readers.take_wakers(usize::MAX);
        self.is_done = !readers.sleepers.has_wave() && !readers.has_next_wave;
        readers.has_wave = !self.is_done;
        drop(readers);
        wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        self.is_done
    }
}

impl<T: HasReaders> Drop for Wave<T> {
    fn drop(&mut self) {
        if !self.is_done {
            // The runtime shuts down. Readers may be tasks of another one.
            while !self.step() {}
        }
    }
}

/// Whether a task can go on with a wave. Only inside of a task it is certain that the runtime runs.
#[cfg(not(all(test, loom)))]
fn can_spawn() -> bool {
    tokio::task::try_id().is_some()
}

#[cfg(not(all(test, loom)))]
fn spawn<T: HasReaders>(mut wave: Wave<T>) {
    tokio::spawn(async move {
        while !wave.step() {
            // The readers that were woken run before this task, and so does what the network has
            // brought meanwhile.
            tokio::task::yield_now().await;
        }
    });
}

/// In the model check, a wave is a thread.
#[cfg(all(test, loom))]
fn can_spawn() -> bool {
    true
}

#[cfg(all(test, loom))]
fn spawn<T: HasReaders>(mut wave: Wave<T>) {
    loom::thread::spawn(move || {
        while !wave.step() {
            loom::thread::yield_now();
        }
    });
}
