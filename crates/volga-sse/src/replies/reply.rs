//! One reply, as its producer and its clients share it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use tokio::task::AbortHandle;

use crate::replies::end::{EndObserver, ReplyEnd};
use crate::replies::log::{Outcome, ReplyLog};
use crate::replies::token::ReplyToken;
use crate::replies::waiters::Waiters;

/// A reply: its log, and the clients that wait for its next message.
///
/// The producer and the clients hold its lock for a few instructions at a time. Order of locks: it
/// is taken after the registry's lock, or alone, never the other way round.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) token: ReplyToken,
    pub(crate) owner: Option<Box<str>>,
    state: Mutex<ReplyState>,
}

#[derive(Debug)]
pub(crate) struct ReplyState {
    pub(crate) log: ReplyLog,
    pub(crate) waiters: Waiters,
    producer: Option<AbortHandle>,
}

impl Reply {
    pub(crate) fn new(token: ReplyToken, epoch: u64, owner: Option<Box<str>>) -> Self {
        let state =
            ReplyState { log: ReplyLog::new(epoch), waiters: Waiters::default(), producer: None };
        Self { token, owner, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ReplyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the task of its producer. If the reply was ended meanwhile, the task is aborted.
    pub(crate) fn set_producer(&self, task: AbortHandle) {
        let mut state = self.lock();
        if state.log.outcome().is_none() {
            state.producer = Some(task);
        } else {
            drop(state);
            task.abort();
        }
    }

    /// Adds a message and wakes the clients that wait for it. Returns false after the end.
    pub(crate) fn push(&self, message: Bytes, wakers: &mut Vec<Waker>) -> bool {
        let is_open = {
            let mut state = self.lock();
            state.waiters.take(wakers);
            state.log.push(message)
        };
        wakers.drain(..).for_each(Waker::wake);
        is_open
    }

    /// Ends the reply. Returns false if it had ended before, and then changes nothing.
    pub(crate) fn end(&self, outcome: Outcome, deferred: &mut DeferredWork) -> bool {
        let mut state = self.lock();
        let is_first = state.log.end(outcome);
        if is_first {
            state.waiters.take(&mut deferred.wakers);
            deferred.producers.extend(state.producer.take());
        }
        is_first
    }

    /// Removes its messages, and returns the bytes for which they counted.
    pub(crate) fn clear(&self, deferred: &mut DeferredWork) -> usize {
        let mut state = self.lock();
        let (messages, bytes) = state.log.clear();
        state.waiters.take(&mut deferred.wakers);
        deferred.messages.push(messages);
        bytes
    }
}

/// Work for when no lock is held, because it calls foreign code or takes long: wakers, aborted
/// producers, the observer, and the freeing of messages.
#[derive(Default)]
pub(crate) struct DeferredWork {
    wakers: Vec<Waker>,
    producers: Vec<AbortHandle>,
    messages: Vec<Vec<Bytes>>,
    pub(crate) ended: Vec<Arc<Reply>>,
}

impl DeferredWork {
    pub(crate) fn run(self, on_end: Option<&EndObserver>) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.producers.iter().for_each(AbortHandle::abort);
        let Some(on_end) = on_end else { return };
        for reply in &self.ended {
            let (messages, bytes, outcome) = {
                let state = reply.lock();
                (state.log.len(), state.log.bytes(), state.log.outcome().cloned())
            };
            if let Some(outcome) = &outcome {
                let (token, owner) = (reply.token, reply.owner.as_deref());
                on_end(ReplyEnd {
                    token,
                    owner,
                    messages,
                    bytes,
                    outcome: outcome.as_ref().copied(),
                });
            }
        }
    }
}
