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

use super::backpressure::Backpressure;
use super::direct::windows::{Place, Windows};
use super::direct::write_buffer::{DirectWriter, WriteBuffer};
use super::ready::{NOTES, Ready, stream_waker};
use super::send_body::{SendBody, Step};
use crate::limits::FRAMES_AT_ONCE;

/// The bodies, and those of them that are ready.
pub(super) struct LongLivedStreams<B> {
    streams: Slab<Stream<B>>,
    /// Who is served next. A stream stands here at most once, so no stream has two turns before another has one.
    queue: VecDeque<usize>,
    ready: Arc<Ready>,
    socket: Arc<Backpressure>,
}

struct Stream<B> {
    outgoing: Pin<Box<SendBody<B>>>,
    waker: Waker,
    /// The stream's number in the protocol.
    id: u32,
    is_queued: bool,
}

impl<B> Stream<B> {
    /// Stands in line, at most once.
    fn enqueue(&mut self, key: usize, queue: &mut VecDeque<usize>) {
        if !self.is_queued {
            self.is_queued = true;
            queue.push_back(key);
        }
    }
}

impl<B> LongLivedStreams<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(ready: Arc<Ready>, socket: Arc<Backpressure>) -> Self {
        Self { streams: Slab::new(), queue: VecDeque::new(), ready, socket }
    }

    /// Takes over a body, to be served in the next turn.
    pub(super) fn insert(&mut self, outgoing: Pin<Box<SendBody<B>>>, windows: &mut Windows) {
        let entry = self.streams.vacant_entry();
        let waker = stream_waker(entry.key(), &self.ready);
        self.queue.push_back(entry.key());
        let id = outgoing.id();
        windows.set_key(id, entry.key());
        entry.insert(Stream { outgoing, waker, id, is_queued: true });
    }

    /// Begins a turn: whoever is ready stands in line.
    pub(super) fn enqueue(&mut self) {
        let Self { streams, queue, ready, .. } = self;
        ready.take(|note| {
            // A note may outlive its stream; whoever has the place now is polled in vain.
            for key in (note..streams.capacity()).step_by(NOTES) {
                if let Some(stream) = streams.get_mut(key) {
                    stream.enqueue(key, queue);
                }
            }
        });
    }

    /// How many stand in line.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes a frame of each of the first `count` in line, as long as `h2` is not given too many and there is room in the write_buffer. Returns how many it came to.
    /// Whoever has more stands in line again.
    ///
    /// What came in turns before must have left: a failed stream is reset now, and that drops what `h2` still holds of it.
    pub(super) fn serve(&mut self, count: usize, buffer: &mut WriteBuffer) -> usize {
        let mut ended = 0;
        for served in 0..count {
            let is_full = buffer.is_full() || buffer.given() + ended >= FRAMES_AT_ONCE;
            // The budget is the task's own: a turn is as long as any other task's, and the connection writes and reads after it.
            if is_full || !has_budget_remaining() {
                return served;
            }
            let Some(key) = self.queue.pop_front() else { return served };
            // It may have been reset in line.
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.is_queued = false;
            let mut cx = Context::from_waker(&stream.waker);
            let past = DirectWriter { buffer, stream: stream.id };
            match stream.outgoing.as_mut().step(&self.socket, Some(past), &mut cx) {
                Poll::Pending => {}
                Poll::Ready(Step::Over) => {
                    ended += 1;
                    self.remove(key);
                }
                Poll::Ready(step) => {
                    ended += usize::from(step == Step::Failed);
                    stream.enqueue(key, &mut self.queue);
                }
            }
        }
        count
    }

    /// Enqueues these streams, because their windows are open again.
    pub(super) fn reopen(&mut self, opened: &[Place]) {
        for place in opened {
            if let Some((key, stream)) = find(&mut self.streams, *place) {
                stream.enqueue(key, &mut self.queue);
            }
        }
    }

    /// Drops the bodies of these streams, because one side has reset them.
    pub(super) fn end(&mut self, resets: &[Place]) {
        for place in resets {
            if let Some((key, _)) = find(&mut self.streams, *place) {
                self.remove(key);
            }
        }
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

/// The stream at this place, unless another one has its key by now.
fn find<B>(streams: &mut Slab<Stream<B>>, place: Place) -> Option<(usize, &mut Stream<B>)> {
    let key = place.key()?;
    let stream = streams.get_mut(key)?;
    (stream.id == place.id).then_some((key, stream))
}
