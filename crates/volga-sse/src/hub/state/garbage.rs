//! Gives memory back a little at a time. A log of a million messages takes milliseconds to free,
//! and a publish must not take that long, even if only its own caller waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};

use crate::hub::clock::Moment;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::recent_messages::ForgottenMessages;
use crate::hub::sync::Ordering;
use crate::hub::topic::TopicContents;

/// How many pieces of something are freed at once. A piece has up to 256 messages, so a log with
/// the default bounds is freed as a whole.
const PIECES_AT_ONCE: usize = 8;
/// After a pause, a call frees one more piece for each such time, in milliseconds. So a hub that is
/// hardly used does not keep what it has dropped.
const PAUSE_PER_PIECE: u64 = 16;

/// Memory that may be much.
#[derive(Debug)]
pub(crate) enum Garbage {
    Contents(TopicContents),
    Messages(ForgottenMessages),
}

/// Dropped memory that later calls free.
#[derive(Debug, Default)]
pub(crate) struct GarbageQueue {
    queue: Mutex<VecDeque<Garbage>>,
    has_some: AtomicBool,
    /// When a piece was freed last.
    last: AtomicU64,
}

impl From<TopicContents> for Garbage {
    fn from(contents: TopicContents) -> Self {
        Self::Contents(contents)
    }
}

impl From<ForgottenMessages> for Garbage {
    fn from(forgotten: ForgottenMessages) -> Self {
        Self::Messages(forgotten)
    }
}

impl GarbageQueue {
    pub(crate) fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Relaxed)
    }

    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Garbage>) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut queue);
        self.has_some.store(!queue.is_empty(), Ordering::Relaxed);
        result
    }
}

impl HubState {
    /// Frees something at once if it is not much. Otherwise later calls free the rest. The caller
    /// holds no lock.
    pub(crate) fn free(&self, garbage: impl Into<Garbage>) {
        let mut garbage = garbage.into();
        for _ in 0..PIECES_AT_ONCE {
            if !self.free_piece(&mut garbage) {
                return;
            }
        }
        if !self.garbage.has_some() {
            self.garbage.last.store(self.clock.now().0, Ordering::Relaxed);
        }
        self.garbage.with(|queue| queue.push_back(garbage));
    }

    /// Frees a piece of the queued memory, and more after a pause.
    #[cold]
    pub(super) fn free_pieces(&self, now: Moment) {
        let last = Moment(self.garbage.last.swap(now.0, Ordering::Relaxed));
        self.free_up_to(1 + last.age(now) / PAUSE_PER_PIECE);
    }

    /// Frees all of the queued memory.
    pub(super) fn free_all(&self) {
        if self.garbage.has_some() {
            self.free_up_to(u64::MAX);
        }
    }

    fn free_up_to(&self, mut pieces: u64) {
        while let Some(mut garbage) = self.garbage.with(VecDeque::pop_front) {
            while pieces > 0 && self.free_piece(&mut garbage) {
                pieces -= 1;
            }
            if pieces == 0 {
                self.garbage.with(|queue| queue.push_front(garbage));
                return;
            }
        }
    }

    /// Frees a part. Returns true if there is more.
    fn free_piece(&self, garbage: &mut Garbage) -> bool {
        match garbage {
            Garbage::Contents(contents) => contents.free_piece(|numbers| self.free_recent(numbers)),
            Garbage::Messages(forgotten) => forgotten.free_piece(),
        }
    }
}
