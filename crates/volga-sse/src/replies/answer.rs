//! One answer, as its producer and its clients share it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use tokio::task::AbortHandle;

use crate::replies::log::{Log, Outcome};
use crate::replies::settings::EndObserver;
use crate::replies::waiters::Waiters;
use crate::replies::{AnswerError, Token};

/// An answer: its log, and who waits for it.
///
/// Its lock is held for a few instructions at a time, by its producer and by whoever reads a message. It is taken after the lock of the shelf or alone.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) token: Token,
    pub(crate) owner: Option<Box<str>>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) log: Log,
    pub(crate) waiters: Waiters,
    producer: Option<AbortHandle>,
}

impl Answer {
    pub(crate) fn new(token: Token, epoch: u64, owner: Option<Box<str>>) -> Self {
        let state = State { log: Log::new(epoch), waiters: Waiters::default(), producer: None };
        Self { token, owner, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which task produces it. If it was ended meanwhile, so is the task.
    pub(crate) fn set_producer(&self, task: AbortHandle) {
        let mut state = self.lock();
        if state.log.outcome().is_none() {
            state.producer = Some(task);
        } else {
            drop(state);
            task.abort();
        }
    }

    /// Adds a message and wakes who waits for it. False after the end.
    pub(crate) fn push(&self, message: Bytes, wakers: &mut Vec<Waker>) -> bool {
        let is_open = {
            let mut state = self.lock();
            state.waiters.take(wakers);
            state.log.push(message)
        };
        wakers.drain(..).for_each(Waker::wake);
        is_open
    }

    /// Ends it, if it has not ended yet.
    pub(crate) fn end(&self, outcome: Outcome, after: &mut Afterwards) -> bool {
        let mut state = self.lock();
        let is_first = state.log.end(outcome);
        if is_first {
            state.waiters.take(&mut after.wakers);
            after.producers.extend(state.producer.take());
        }
        is_first
    }

    /// Gives up its messages, and returns what they counted.
    pub(crate) fn clear(&self, after: &mut Afterwards) -> usize {
        let mut state = self.lock();
        let (messages, bytes) = state.log.clear();
        state.waiters.take(&mut after.wakers);
        after.messages.push(messages);
        bytes
    }
}

/// How an answer ended, as its [observer](crate::replies::AnswersBuilder::on_end) is told.
#[derive(Debug)]
pub struct AnswerEnd<'a> {
    answer: &'a Answer,
    messages: usize,
    bytes: usize,
    outcome: &'a Outcome,
}

impl AnswerEnd<'_> {
    /// The answer's token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.answer.token
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.answer.owner.as_deref()
    }

    /// How many messages it has.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The bytes that it is counted as.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `Ok` for one that came to its proper end.
    pub fn outcome(&self) -> Result<(), &AnswerError> {
        self.outcome.as_ref().copied()
    }
}

/// What is done once no lock is held: it runs code that is not ours, or takes long.
#[derive(Default)]
pub(crate) struct Afterwards {
    wakers: Vec<Waker>,
    producers: Vec<AbortHandle>,
    messages: Vec<Vec<Bytes>>,
    pub(crate) ended: Vec<Arc<Answer>>,
}

impl Afterwards {
    pub(crate) fn run(self, on_end: Option<&EndObserver>) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.producers.iter().for_each(AbortHandle::abort);
        let Some(on_end) = on_end else { return };
        for answer in &self.ended {
            let (messages, bytes, outcome) = {
                let state = answer.lock();
                (state.log.len(), state.log.bytes(), state.log.outcome().cloned())
            };
            if let Some(outcome) = &outcome {
                on_end(AnswerEnd { answer, messages, bytes, outcome });
            }
        }
    }
}
