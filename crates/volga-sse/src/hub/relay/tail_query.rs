//! Asks an engine for the end of its log, once for all clients that wait for the answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Wake, Waker};

use crate::codec::position::Position;
use crate::hub::relay::adapter::{Relay, RelayFuture};
use crate::hub::relay::error::RelayError;
use crate::hub::relay::waiters::Waiters;
use crate::hub::sync::{Mutex, Ordering, lock};

/// One question at a time, whose answer all those get who came before it was asked.
pub(crate) struct TailQuery {
    relay: Arc<dyn Relay>,
    state: Mutex<QueryState>,
    /// Who waits for an answer.
    wake_all: Arc<WakeAll>,
}

struct QueryState {
    /// How many questions were asked.
    asked: u64,
    /// The last question that has an answer, and the answer. `None` if the engine gave none.
    answered: (u64, Option<Position>),
    running: Running,
}

enum Running {
    None,
    /// A thread polls the question.
    Polled,
    Waiting(RelayFuture<Result<Position, RelayError>>),
}

struct WakeAll {
    waiters: Waiters,
    /// The question was woken since it was polled last.
    is_woken: AtomicBool,
}

impl Wake for WakeAll {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.waiters.wake();
    }
}

/// The question for the end of the log that one client waits for.
#[derive(Debug, Default)]
pub(crate) struct TailTicket {
    /// The first question whose answer is recent enough for the client.
    question: Option<u64>,
    place: Option<u32>,
}

impl TailQuery {
    pub(crate) fn new(relay: Arc<dyn Relay>) -> Self {
        Self {
            relay,
            state: Mutex::new(QueryState { asked: 0, answered: (0, None), running: Running::None }),
            wake_all: Arc::new(WakeAll {
                waiters: Waiters::new(),
                is_woken: AtomicBool::new(false),
            }),
        }
    }

    /// Polls for the end of the log as it was after the first call with this ticket. `None` if the
    /// engine does not say it.
    pub(crate) fn poll(
        &self,
        ticket: &mut TailTicket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Position>> {
        self.wake_all.waiters.wait(&mut ticket.place, cx.waker());
        let mut state = lock(&self.state);
        // The answer to a question that was asked before may be older than the client's position.
        let question = *ticket.question.get_or_insert(state.asked + 1);
        loop {
            if state.answered.0 >= question {
                let answer = state.answered.1;
                drop(state);
                self.leave(ticket);
                return Poll::Ready(answer);
            }
            // The engine's future is foreign code, so it is polled without the lock.
            let mut running = match std::mem::replace(&mut state.running, Running::Polled) {
                Running::Polled => return Poll::Pending,
                Running::Waiting(running) => running,
                Running::None => {
                    state.asked += 1;
                    drop(state);
                    let running = self.relay.tail();
                    state = lock(&self.state);
                    running
                }
            };
            drop(state);
            let waker = Waker::from(Arc::clone(&self.wake_all));
            self.wake_all.is_woken.store(false, Ordering::Release);
            let polled = running.as_mut().poll(&mut Context::from_waker(&waker));
            state = lock(&self.state);
            match polled {
                Poll::Pending => {
                    state.running = Running::Waiting(running);
                    drop(state);
                    // Others that were woken while this thread polled have found nothing to poll.
                    if self.wake_all.is_woken.load(Ordering::Acquire) {
                        self.wake_all.waiters.wake();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(answer) => {
                    state.running = Running::None;
                    state.answered = (state.asked, answer.ok());
                    drop(state);
                    self.wake_all.waiters.wake();
                    state = lock(&self.state);
                }
            }
        }
    }

    /// Must be called with a ticket that is not polled any more. If its client was the one that
    /// polled, the others go on, because an answer wakes all of them.
    pub(crate) fn leave(&self, ticket: &mut TailTicket) {
        self.wake_all.waiters.leave(&mut ticket.place);
    }
}

impl fmt::Debug for TailQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailQuery").finish_non_exhaustive()
    }
}
