//! How many readers are woken under load: in waves, of which each delivers everything that was
//! published before it.
//!
//! A publisher that finds no wave under way wakes all readers itself. If they are many, it also
//! starts a task that waits until they have read. If somebody publishes before that, the hub is
//! busy: such a publisher only appends its message, and the task wakes the readers in the next
//! wave. It wakes some of them at a time and lets other tasks have their turn in between, so
//! publishers append more messages for those that are still to be woken. If there are many messages
//! already, it wakes more readers at a time. The first publisher after a busy time leaves all
//! readers to such a task.

use std::sync::{Arc, atomic::AtomicU32};
#[cfg(not(all(test, loom)))]
use std::{future::poll_fn, task::Poll};

#[cfg(not(all(test, loom)))]
use tokio::{
    runtime::Handle,
    task::{try_id, yield_now},
};

use crate::hub::patterns::sleeper_count::SleeperCount;
use crate::hub::sync::{AtomicU8, Ordering};
use crate::hub::topic::wait_list::WaitList;

/// How many readers a wave wakes before other tasks have a turn, among them publishers. A publisher
/// that has no more readers to wake runs no waves.
// tokio looks for input after 61 tasks, so more would only make messages wait. A smaller number
// divides the streams of an HTTP/2 connection among more turns of its task.
pub(crate) const READERS_AT_ONCE: usize = if cfg!(all(test, loom)) { 1 } else { 64 };

/// A wave for this many messages or more wakes [`MORE_READERS_AT_ONCE`].
// A write with so many messages costs little for each of them, so waiting for more saves little.
// And a client that pipelines its requests has sent all that it can. If it had turns during the
// wave, it would send the next requests in two parts, and each reader would get two writes.
const MANY_MESSAGES: u32 = if cfg!(all(test, loom)) { 2 } else { 16 };

/// How many readers a wave with many messages wakes before other tasks have a turn. Publishers wait
/// for that long, so this number has a bound as well.
const MORE_READERS_AT_ONCE: usize = 1024;

/// How many turns of the runtime a wave waits for its readers, of which some may be stalled.
const MAX_TURNS: usize = if cfg!(all(test, loom)) { 0 } else { 100 };

/// No wave is under way.
const IDLE: u8 = 0;
/// A wave is under way, or has ended a moment ago.
const RUNNING: u8 = 1;
/// The same, and another wave must follow.
const RUNNING_AND_NEXT: u8 = 2;
/// No wave is under way, and the last ones followed one another.
const WAS_BUSY: u8 = 3;

/// How often somebody has published, modulo 2^32. It is a hint: if several threads publish at the
/// same time, they may count as one.
// Each reader is woken whatever the count is, so the model check need not know this atomic.
#[derive(Debug, Default)]
pub(crate) struct PublishCount(AtomicU32);

impl PublishCount {
    #[inline]
    pub(crate) fn add_one(&self) {
        // `fetch_add` would be exact, and would make every publish slower.
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A topic or a pattern: something with a list of readers.
pub(crate) trait HasReaders: Send + Sync + 'static {
    fn readers(&self) -> &WaitList;

    /// Where it counts while one of its readers sleeps, if publishers look for it there.
    fn sleeper_count(&self) -> Option<&SleeperCount> {
        None
    }
}

/// Whether waves are run.
#[derive(Debug)]
pub(crate) struct WaveState(AtomicU8);

impl Default for WaveState {
    fn default() -> Self {
        Self(AtomicU8::new(IDLE))
    }
}

impl WaveState {
    /// Asks for a wave after the one that is under way. Returns false if none is.
    ///
    /// The caller has made its message readable. The next wave begins after this call, so it finds
    /// every reader that went to sleep before the message was readable.
    #[inline]
    pub(crate) fn ask_for_next(&self) -> bool {
        let is_running = |state| matches!(state, RUNNING | RUNNING_AND_NEXT);
        let ask = |state| is_running(state).then_some(RUNNING_AND_NEXT);
        is_running(self.0.load(Ordering::Relaxed))
            && self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, ask).is_ok()
    }

    fn is_next_asked(&self) -> bool {
        self.0.load(Ordering::Acquire) == RUNNING_AND_NEXT
    }

    /// Begins to run waves, and returns whether the last ones followed one another. `None` if
    /// somebody else runs waves.
    fn begin(&self) -> Option<bool> {
        let begin = |state| matches!(state, IDLE | WAS_BUSY).then_some(RUNNING);
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, begin);
        before.ok().map(|before| before == WAS_BUSY)
    }

    /// Ends, unless another wave must follow. Then that wave begins, and this returns false.
    fn end(&self, was_busy: bool) -> bool {
        let end = if was_busy { WAS_BUSY } else { IDLE };
        let ended = self.0.compare_exchange(RUNNING, end, Ordering::AcqRel, Ordering::Acquire);
        if ended.is_err() {
            self.0.swap(RUNNING, Ordering::AcqRel);
        }
        ended.is_ok()
    }

    fn abort(&self) {
        self.0.swap(IDLE, Ordering::AcqRel);
    }
}

/// Runs waves for as long as publishers ask for them.
struct Waves<O: HasReaders> {
    owner: Arc<O>,
    /// How many readers the current wave still has to visit. Zero after a wave.
    left: usize,
    /// How many readers a turn of the wave wakes. `None` before its first turn.
    at_once: Option<usize>,
    /// The number of publishes before the wave.
    published: u32,
    /// How many turns have passed since the wave.
    turns: usize,
    /// Whether the readers of the wave slept again when they were looked at last.
    slept: bool,
    /// Whether a wave has followed another one.
    is_busy: bool,
    has_ended: bool,
}

/// Starts a task that runs waves after the current one, of which `left` readers are to be visited.
/// Does nothing outside a task of a runtime, or if there is such a task. Returns true if the task
/// also runs the rest of the current wave, because the hub was busy.
#[cfg(not(all(test, loom)))]
#[inline(never)]
pub(crate) fn start<O: HasReaders>(owner: &Arc<O>, left: usize) -> bool {
    // A thread may have entered a runtime that nobody drives. Its tasks would never run, and the
    // readers may be in another runtime. So the caller must be such a task itself.
    let (Some(_), Ok(runtime)) = (try_id(), Handle::try_current()) else { return false };
    let Some(mut waves) = Waves::begin(owner, left) else { return false };
    let takes_over = waves.left > 0;
    drop(runtime.spawn(async move {
        loop {
            let_others_run().await;
            if !waves.turn() {
                return;
            }
        }
    }));
    takes_over
}

/// Waits until the runtime has looked for requests, and has then run the tasks that are ready.
#[cfg(not(all(test, loom)))]
async fn let_others_run() {
    yield_now().await;
    // A runtime with several threads runs a task first that was woken like this. If it runs before
    // the readers of the last turn, their queue never gets shorter, and publishers wait in it. A
    // task that wakes itself goes to the end of the queue.
    let mut is_last = false;
    poll_fn(|cx| {
        if is_last {
            return Poll::Ready(());
        }
        is_last = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(all(test, loom))]
pub(crate) use in_model::{end_after, start};

impl<O: HasReaders> Waves<O> {
    fn begin(owner: &Arc<O>, left: usize) -> Option<Self> {
        let readers = owner.readers();
        let was_busy = readers.waves.begin()?;
        // After a busy time, the publisher wakes no reader itself. It may have more messages to
        // publish in this turn, and readers on other threads would get the first one alone.
        Some(Self {
            owner: Arc::clone(owner),
            left: if was_busy { left } else { 0 },
            at_once: None,
            // A wave that is taken over is for the message of this publisher.
            published: readers.published.get().wrapping_sub(u32::from(was_busy)),
            turns: 0,
            slept: false,
            is_busy: false,
            has_ended: false,
        })
    }

    /// Does what is to be done before other tasks have a turn. Returns false at the end.
    fn turn(&mut self) -> bool {
        let readers = self.owner.readers();
        if self.left == 0 {
            if !readers.waves.is_next_asked() && !self.slept && self.turns < MAX_TURNS {
                self.turns += 1;
                // Once they sleep, there is one more turn. The runtime looks for requests before
                // it, and one of them may publish.
                self.slept = readers.sleep_again();
                return true;
            }
            if readers.waves.end(self.is_busy) {
                self.has_ended = true;
                return false;
            }
            self.left = readers.repeat_wave();
            (self.turns, self.slept, self.is_busy) = (0, false, true);
            self.at_once = None;
        }
        let at_once = self.at_once.unwrap_or_else(|| {
            let published = readers.published.get();
            let messages = published.wrapping_sub(self.published);
            self.published = published;
            if messages < MANY_MESSAGES { READERS_AT_ONCE } else { MORE_READERS_AT_ONCE }
        });
        self.at_once = Some(at_once);
        readers.wake_some(&mut self.left, at_once);
        true
    }
}

impl<O: HasReaders> Drop for Waves<O> {
    fn drop(&mut self) {
        if !self.has_ended {
            // The runtime shuts down. The readers may be in another one.
            let readers = self.owner.readers();
            readers.waves.abort();
            readers.wake_all();
        }
    }
}

/// Waves in a model check: a thread of the model runs them.
#[cfg(all(test, loom))]
mod in_model {
    use std::cell::Cell;
    use std::sync::Arc;

    use loom::thread;

    use super::{HasReaders, Waves};

    std::thread_local! {
        /// After how many turns the waves of the models on this thread end, as if the runtime shut
        /// down. `None` if these models have no waves.
        static TURNS: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Gives the models on this thread waves that end after so many turns.
    pub(crate) fn end_after(turns: usize) {
        TURNS.set(Some(turns));
    }

    pub(crate) fn start<O: HasReaders>(owner: &Arc<O>, left: usize) -> bool {
        let Some(turns) = TURNS.get() else { return false };
        let Some(mut waves) = Waves::begin(owner, left) else { return false };
        let takes_over = waves.left > 0;
        thread::spawn(move || {
            for _ in 0..turns {
                thread::yield_now();
                if !waves.turn() {
                    break;
                }
            }
        });
        takes_over
    }
}
