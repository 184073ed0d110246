//! Which streams of a connection are ready, and when its task must run.
//!
//! Every stream has a waker of its own, which notes the stream and wakes the connection's task: so one turn of the task serves exactly those that are
//! ready, however many others wait. Once the task runs, a wake only leaves its note, for the turn ends with a look at the notes. That matters because `h2` wakes
//! the connection with every frame that it is given, and these come from the turn itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The notes of one connection. As a waker it notes that `h2` has something to do.
#[derive(Debug, Default)]
pub(super) struct Ready {
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    streams: Vec<usize>,
    connection: bool,
    /// Taken by the first wake; `None` while the task runs or is about to.
    task: Option<Waker>,
}

impl Ready {
    /// Moves the noted streams to the end of `line`.
    pub(super) fn take(&self, line: &mut VecDeque<usize>) {
        let mut notes = self.lock();
        // Whatever woke the task, it runs now.
        notes.task = None;
        line.extend(notes.streams.drain(..));
    }

    /// Forgets that `h2` has something to do, because it is about to be polled.
    pub(super) fn clear_connection(&self) {
        self.lock().connection = false;
    }

    /// Ends a turn: the next one comes with the next note, or at once if there is one that can be acted on. Streams are left alone while `is_blocked`.
    pub(super) fn rest(&self, is_blocked: bool, is_line_empty: bool, cx: &Context<'_>) {
        let mut notes = self.lock();
        let is_anyone_ready = !is_line_empty || !notes.streams.is_empty();
        if notes.connection || (is_anyone_ready && !is_blocked) {
            drop(notes);
            cx.waker().wake_by_ref();
        } else {
            notes.task = Some(cx.waker().clone());
        }
    }

    fn note(&self, what: impl FnOnce(&mut Notes)) {
        let mut notes = self.lock();
        what(&mut notes);
        let task = notes.task.take();
        drop(notes);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.note(|notes| notes.connection = true);
    }
}

/// Notes its stream, once until the stream is polled.
#[derive(Debug)]
pub(super) struct StreamWaker {
    stream: usize,
    /// The stream's number in the protocol.
    id: u32,
    is_noted: AtomicBool,
    ready: Arc<Ready>,
}

impl StreamWaker {
    /// A waker for the stream, which is noted already.
    pub(super) fn noted(stream: usize, id: u32, ready: Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { stream, id, is_noted: AtomicBool::new(true), ready })
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The stream is about to be polled: from now on a wake is news.
    pub(super) fn clear(&self) {
        // Acquire, to see what was done before the wake; a swap, because a wake that comes between is not lost but seen by the poll.
        self.is_noted.swap(false, Ordering::AcqRel);
    }

    /// Notes the stream without a wake, in its own turn. Returns whether it was not noted yet.
    pub(super) fn keep(&self) -> bool {
        !self.is_noted.swap(true, Ordering::AcqRel)
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_noted.swap(true, Ordering::AcqRel) {
            self.ready.note(|notes| notes.streams.push(self.stream));
        }
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
        ready: Arc<Ready>,
        line: VecDeque<usize>,
    }

    impl Task {
        fn new() -> Self {
            let wakes = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            Self { wakes, waker, ready: Arc::default(), line: VecDeque::new() }
        }

        fn stream(&self, stream: usize) -> Arc<StreamWaker> {
            StreamWaker::noted(stream, 1, Arc::clone(&self.ready))
        }

        fn rest(&self, is_blocked: bool) {
            let cx = Context::from_waker(&self.waker);
            self.ready.rest(is_blocked, self.line.is_empty(), &cx);
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn any_number_of_wakes_is_one_note_and_one_wake_of_the_task() {
        let mut task = Task::new();
        let streams = [task.stream(7), task.stream(8)];
        streams.iter().for_each(|stream| stream.clear());
        task.rest(false);
        for _ in 0..3 {
            streams.iter().for_each(Wake::wake_by_ref);
            Waker::from(Arc::clone(&task.ready)).wake();
        }
        assert_eq!(task.wakes(), 1);
        task.ready.take(&mut task.line);
        assert_eq!(task.line, [7, 8]);
    }

    #[test]
    fn a_wake_within_the_turn_brings_the_next_one() {
        let task = Task::new();
        let stream = task.stream(7);
        stream.clear();
        stream.wake_by_ref();
        assert_eq!(task.wakes(), 0, "it runs");
        task.rest(false);
        assert_eq!(task.wakes(), 1);
    }

    #[test]
    fn streams_wait_while_the_socket_is_blocked_and_the_connection_does_not() {
        let task = Task::new();
        let stream = task.stream(7);
        stream.clear();
        stream.wake_by_ref();
        task.rest(true);
        assert_eq!(task.wakes(), 0);
        task.ready.wake_by_ref();
        assert_eq!(task.wakes(), 1);
    }

    #[test]
    fn what_h2_notes_before_its_own_poll_needs_no_turn() {
        let task = Task::new();
        task.ready.wake_by_ref();
        task.ready.clear_connection();
        task.rest(false);
        assert_eq!(task.wakes(), 0);
    }

    #[test]
    fn a_stream_is_noted_again_only_after_it_was_polled() {
        let mut task = Task::new();
        let stream = task.stream(7);
        stream.wake_by_ref();
        task.ready.take(&mut task.line);
        assert!(task.line.is_empty(), "it stands in line already");
        stream.clear();
        assert!(stream.keep());
        assert!(!stream.keep());
    }
}
