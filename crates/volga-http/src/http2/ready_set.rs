//! Tracks which streams of a connection are ready, and when its task must run.
//!
//! Every stream has a waker of its own, which leaves a note and wakes the connection's task. So one
//! turn of the task serves exactly the ready streams, however many others wait. A note is one bit,
//! so a message to many streams is cheap to note. While the task runs, a wake only leaves its note,
//! because the turn ends with a look at the notes. That matters because `h2` wakes the connection
//! with every frame that it is given, and the turn itself gives it these frames.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::limits::MAX_STREAMS;

const BITS: usize = u64::BITS as usize;
const WORDS: usize = (MAX_STREAMS as usize).div_ceil(BITS);
/// The number of notes. Streams whose keys differ by a multiple of this share a note.
pub(super) const NOTES: usize = WORDS * BITS;

/// The notes of one connection. As a waker it notes that `h2` has work to do.
#[derive(Debug, Default)]
pub(super) struct ReadySet {
    streams: [AtomicU64; WORDS],
    connection: AtomicBool,
    /// Whether the task waits. A waker leaves its note and then looks here, and wakes the task if
    /// it waits. The task sets this and then looks for notes. All of these operations are in one
    /// order (`SeqCst`), so at least one of the two sees the other.
    is_waiting: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl ReadySet {
    /// Takes the notes of all streams, and calls `each` with the key that each note stands for. The
    /// stream may have ended by now.
    pub(super) fn take(&self, mut each: impl FnMut(usize)) {
        // The task runs now, whatever has woken it.
        self.is_waiting.store(false, Ordering::SeqCst);
        for (at, word) in self.streams.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                each(at * BITS + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// Clears the note of `h2`, because `h2` is about to be polled.
    pub(super) fn clear_connection(&self) {
        self.connection.store(false, Ordering::SeqCst);
    }

    /// Ends a turn. Returns whether there is a note that can be handled: then the task has to wake
    /// itself. Otherwise the next note wakes it. While `is_blocked`, notes of streams do not count.
    #[must_use]
    pub(super) fn wait_for_note(
        &self,
        is_blocked: bool,
        is_line_empty: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        drop(task);
        self.is_waiting.store(true, Ordering::SeqCst);
        let is_noted = |word: &AtomicU64| word.load(Ordering::SeqCst) != 0;
        let is_anyone_ready = !is_line_empty || self.streams.iter().any(is_noted);
        let is_turn_due =
            self.connection.load(Ordering::SeqCst) || (is_anyone_ready && !is_blocked);
        is_turn_due && self.is_waiting.swap(false, Ordering::SeqCst)
    }

    fn note(&self, stream: usize) {
        let bit = 1 << (stream % BITS);
        let before = self.streams[stream / BITS % WORDS].fetch_or(bit, Ordering::SeqCst);
        if before & bit == 0 {
            self.wake_task();
        }
    }

    /// Wakes the task if it waits. Only the first call does.
    fn wake_task(&self) {
        let is_waiting = &self.is_waiting;
        if is_waiting.load(Ordering::SeqCst) && is_waiting.swap(false, Ordering::SeqCst) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

impl Wake for ReadySet {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.connection.store(true, Ordering::SeqCst);
        self.wake_task();
    }
}

/// Notes its stream.
#[derive(Debug)]
struct StreamWaker {
    stream: usize,
    ready: Arc<ReadySet>,
}

/// A waker for the stream with this key.
pub(super) fn stream_waker(stream: usize, ready: &Arc<ReadySet>) -> Waker {
    Waker::from(Arc::new(StreamWaker { stream, ready: Arc::clone(ready) }))
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.note(self.stream);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Task {
        wakes: Arc<Count>,
        waker: Waker,
        ready: Arc<ReadySet>,
    }

    impl Task {
        fn new() -> Self {
            let wakes = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            Self { wakes, waker, ready: Arc::default() }
        }

        fn wait_for_note(&self, is_blocked: bool) -> bool {
            self.ready.wait_for_note(is_blocked, true, &mut Context::from_waker(&self.waker))
        }

        fn take(&self) -> Vec<usize> {
            let mut notes = vec![];
            self.ready.take(|note| notes.push(note));
            notes
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn many_wakes_are_one_note_and_one_wake_of_the_task() {
        let task = Task::new();
        let streams = [8, 7, 200, NOTES - 1].map(|stream| stream_waker(stream, &task.ready));
        assert!(!task.wait_for_note(false));
        for _ in 0..3 {
            streams.iter().for_each(Waker::wake_by_ref);
            Waker::from(Arc::clone(&task.ready)).wake();
        }
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.take(), [7, 8, 200, NOTES - 1]);
        assert!(task.take().is_empty());
    }

    #[test]
    fn keys_beyond_the_notes_share_a_note() {
        let task = Task::new();
        stream_waker(NOTES + 7, &task.ready).wake();
        assert_eq!(task.take(), [7]);
    }

    #[test]
    fn a_wake_during_a_turn_causes_another_turn() {
        let task = Task::new();
        stream_waker(7, &task.ready).wake();
        assert_eq!(task.wakes(), 0, "it runs");
        assert!(task.wait_for_note(false));
    }

    #[test]
    fn while_the_socket_is_blocked_only_h2_wakes_the_task() {
        let task = Task::new();
        stream_waker(7, &task.ready).wake();
        assert!(!task.wait_for_note(true));
        task.ready.wake_by_ref();
        assert_eq!(task.wakes(), 1);
    }

    #[test]
    fn a_note_of_h2_before_its_poll_needs_no_turn() {
        let task = Task::new();
        task.ready.wake_by_ref();
        task.ready.clear_connection();
        assert!(!task.wait_for_note(false));
    }

    #[test]
    fn no_wake_is_lost() {
        const WAKES: usize = 100_000;
        let ready = Arc::<ReadySet>::default();
        let waker = stream_waker(7, &ready);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let sent = Arc::<AtomicUsize>::default();
        let sending = Arc::clone(&sent);
        let waking = std::thread::spawn(move || {
            for number in 1..=WAKES {
                sending.store(number, Ordering::Relaxed);
                waker.wake_by_ref();
            }
        });
        // A lost wake would make this wait forever.
        runtime.block_on(std::future::poll_fn(|cx| {
            ready.take(|_| {});
            if sent.load(Ordering::Relaxed) == WAKES {
                return std::task::Poll::Ready(());
            }
            if ready.wait_for_note(false, true, cx) {
                cx.waker().wake_by_ref();
            }
            std::task::Poll::Pending
        }));
        waking.join().expect("no panic");
    }
}
