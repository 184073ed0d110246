//! The long-lived bodies of a connection, polled in its one task.
//!
//! A task for each of them would turn a message for all into a wake, a schedule and a write for each. Here, one turn takes a frame of every stream that is
//! ready, and the connection then writes them together.

use std::collections::VecDeque;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;
use slab::Slab;
use tokio::task::coop::has_budget_remaining;

use super::outbox::{Past, Unsent};
use super::outgoing::{Outgoing, Step};
use super::ready::{NOTES, Ready, stream_waker};
use super::room::Socket;
use crate::limits::FRAMES_AT_ONCE;

/// The bodies, and those of them that are ready.
pub(super) struct Streams<B> {
    streams: Slab<Stream<B>>,
    /// Who is served next. A stream stands here at most once, so no stream has two turns before another has one.
    line: VecDeque<usize>,
    ready: Arc<Ready>,
    socket: Arc<Socket>,
}

struct Stream<B> {
    outgoing: Pin<Box<Outgoing<B>>>,
    waker: Waker,
    /// The stream's number in the protocol.
    id: u32,
    is_in_line: bool,
}

impl<B> Stream<B> {
    /// Stands in line, at most once.
    fn line_up(&mut self, key: usize, line: &mut VecDeque<usize>) {
        if !self.is_in_line {
            self.is_in_line = true;
            line.push_back(key);
        }
    }
}

impl<B> Streams<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(ready: Arc<Ready>, socket: Arc<Socket>) -> Self {
        Self { streams: Slab::new(), line: VecDeque::new(), ready, socket }
    }

    /// Takes over a body, to be served in the next turn.
    pub(super) fn insert(&mut self, outgoing: Pin<Box<Outgoing<B>>>) {
        let entry = self.streams.vacant_entry();
        let waker = stream_waker(entry.key(), &self.ready);
        self.line.push_back(entry.key());
        let id = outgoing.id();
        entry.insert(Stream { outgoing, waker, id, is_in_line: true });
    }

    /// Begins a turn: whoever is ready stands in line.
    pub(super) fn line_up(&mut self) {
        let Self { streams, line, ready, .. } = self;
        ready.take(|note| {
            // A note may outlive its stream; whoever has the place now is polled in vain.
            for key in (note..streams.capacity()).step_by(NOTES) {
                if let Some(stream) = streams.get_mut(key) {
                    stream.line_up(key, line);
                }
            }
        });
    }

    /// How many stand in line.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Takes a frame of each of the first `count` in line, as long as `h2` is not given too many and there is room in the outbox. Returns how many it came to.
    /// Whoever has more stands in line again.
    ///
    /// What came in turns before must have left: a failed stream is reset now, and that drops what `h2` still holds of it.
    pub(super) fn serve(&mut self, count: usize, unsent: &mut Unsent) -> usize {
        let mut ended = 0;
        for served in 0..count {
            let is_full = unsent.is_full() || unsent.given() + ended >= FRAMES_AT_ONCE;
            // The budget is the task's own: a turn is as long as any other task's, and the connection writes and reads after it.
            if is_full || !has_budget_remaining() {
                return served;
            }
            let Some(key) = self.line.pop_front() else { return served };
            // It may have been reset in line.
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.is_in_line = false;
            let mut cx = Context::from_waker(&stream.waker);
            let past = Past { unsent, stream: stream.id };
            match stream.outgoing.as_mut().step(&self.socket, Some(past), &mut cx) {
                Poll::Pending => {}
                Poll::Ready(Step::Over) => {
                    ended += 1;
                    self.remove(key);
                }
                Poll::Ready(step) => {
                    ended += usize::from(step == Step::Failed);
                    stream.line_up(key, &mut self.line);
                }
            }
        }
        count
    }

    /// Lets these streams stand in line, because their windows are open again.
    pub(super) fn reopen(&mut self, opened: &[u32]) {
        if opened.is_empty() {
            return;
        }
        for (key, stream) in &mut self.streams {
            if opened.contains(&stream.id) {
                stream.line_up(key, &mut self.line);
            }
        }
    }

    /// Drops the bodies of these streams, because the client has reset them, or `h2` has.
    pub(super) fn end(&mut self, resets: &[u32]) {
        if resets.is_empty() {
            return;
        }
        // One look at all of them, however many come together; and each costs the client a request first.
        let is_reset = |stream: &Stream<B>| resets.contains(&stream.id);
        let keys: Vec<usize> = self
            .streams
            .iter()
            .filter(|(_, stream)| is_reset(stream))
            .map(|(key, _)| key)
            .collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    /// Drops all bodies.
    pub(super) fn clear(&mut self) {
        let keys: Vec<usize> = self.streams.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    fn remove(&mut self, key: usize) {
        let stream = self.streams.remove(key);
        // A body that panics when it is dropped must not take the others along either.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stream)));
    }
}
