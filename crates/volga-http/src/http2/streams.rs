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

use super::outgoing::{Outgoing, Step};
use super::ready::{Ready, StreamWaker};
use super::room::Socket;

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
    noted: Arc<StreamWaker>,
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
        let noted = StreamWaker::noted(entry.key(), outgoing.id(), Arc::clone(&self.ready));
        self.line.push_back(entry.key());
        entry.insert(Stream { outgoing, noted });
    }

    /// Whether nobody stands in line.
    pub(super) fn is_line_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Begins a turn: whoever is ready stands in line. Returns how many do.
    pub(super) fn line_up(&mut self) -> usize {
        self.ready.take(&mut self.line);
        self.line.len()
    }

    /// Takes a frame of each of the first `count` in line. Whoever has more, or was not reached, stands in line for the next turn.
    ///
    /// What came in turns before must have left: a failed stream is reset now, and that drops what `h2` still holds of it.
    pub(super) fn serve(&mut self, count: usize) {
        for _ in 0..count {
            // The budget is the task's own: a turn is as long as any other task's, and the connection writes and reads after it.
            if !has_budget_remaining() {
                break;
            }
            let Some(key) = self.line.pop_front() else { break };
            // A note may outlive its stream; whoever has the place now is polled in vain.
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.noted.clear();
            let waker = Waker::from(Arc::clone(&stream.noted));
            let mut cx = Context::from_waker(&waker);
            match stream.outgoing.as_mut().step(&self.socket, &mut cx) {
                Poll::Pending => {}
                Poll::Ready(Step::Over) => self.remove(key),
                Poll::Ready(Step::Sent | Step::Failed) => {
                    if stream.noted.keep() {
                        self.line.push_back(key);
                    }
                }
            }
        }
    }

    /// Drops the bodies of these streams, because the client has reset them.
    ///
    /// `h2` resets a stream by itself, too, when the client breaks a rule that is the stream's own. It tells no waker, so such a body
    /// stays until it has a frame; before there are more than `MAX_ERROR_RESETS` of them, `h2` ends the connection.
    pub(super) fn end(&mut self, resets: &[u32]) {
        if resets.is_empty() {
            return;
        }
        // One look at all of them, however many come together; and each costs the client a request first.
        let is_reset = |stream: &Stream<B>| resets.contains(&stream.noted.id());
        let keys: Vec<usize> = self
            .streams
            .iter()
            .filter(|(_, stream)| is_reset(stream))
            .map(|(key, _)| key)
            .collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    fn remove(&mut self, key: usize) {
        let stream = self.streams.remove(key);
        // Its wakers may live on, and from now on note nothing.
        stream.noted.keep();
        // A body that panics when it is dropped must not take the others along either.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stream)));
    }
}
