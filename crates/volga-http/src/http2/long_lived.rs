//! The long-lived bodies of a connection, polled in its one task.
//!
//! With a task for each body, a message for all of them would cost a wake, a schedule and a write
//! for each. Instead one turn of the connection's task takes a frame of every ready stream, and
//! writes the frames together.

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
use super::direct::windows::{StreamRef, Windows};
use super::direct::write_buffer::{DirectWriter, WriteBuffer};
use super::ready_set::{NOTES, ReadySet, stream_waker};
use super::send_body::{OutgoingBody, SendBody, StepOutcome};
use crate::limits::{FRAMES_AT_ONCE, HELD_PER_TURN};

/// The bodies, and the queue of those that are ready.
pub(super) struct LongLivedStreams<B> {
    streams: Slab<LongLivedStream<B>>,
    /// The keys of the streams to serve next. A stream is here at most once, so no stream is served
    /// twice before another is served once.
    queue: VecDeque<usize>,
    /// How many bytes this turn has taken from bodies and could not send.
    held: usize,
    ready: Arc<ReadySet>,
    backpressure: Arc<Backpressure>,
}

struct LongLivedStream<B> {
    send_body: Pin<Box<SendBody<B>>>,
    waker: Waker,
    /// The stream ID.
    id: u32,
    is_queued: bool,
    /// See [`OutgoingBody`].
    is_cut_at_end: bool,
}

impl<B> LongLivedStream<B> {
    /// Puts the stream into the queue, unless it is there already.
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
    pub(super) fn new(ready: Arc<ReadySet>, backpressure: Arc<Backpressure>) -> Self {
        Self { streams: Slab::new(), queue: VecDeque::new(), held: 0, ready, backpressure }
    }

    /// Adds a body, which is served in the next turn.
    pub(super) fn insert(&mut self, body: OutgoingBody<B>, windows: &mut Windows) {
        let OutgoingBody { send_body, is_cut_at_end } = body;
        let entry = self.streams.vacant_entry();
        let waker = stream_waker(entry.key(), &self.ready);
        self.queue.push_back(entry.key());
        let id = send_body.id();
        windows.set_key(id, entry.key());
        entry.insert(LongLivedStream { send_body, waker, id, is_queued: true, is_cut_at_end });
    }

    /// Begins a turn: puts every stream that is ready into the queue.
    pub(super) fn enqueue_ready(&mut self) {
        self.held = 0;
        let Self { streams, queue, ready, .. } = self;
        ready.take(|note| {
            // A note may outlive its stream. Then the stream that has its key now is polled once
            // more than necessary.
            for key in (note..streams.capacity()).step_by(NOTES) {
                if let Some(stream) = streams.get_mut(key) {
                    stream.enqueue(key, queue);
                }
            }
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many streams are in the queue.
    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Takes a frame of each of the first `count` streams in the queue, as long as `h2` does not
    /// hold too many frames and the write buffer has room. Returns how many streams were served. A
    /// stream that has more goes to the end of the queue.
    ///
    /// If windows close in the middle of frames, the turn is over when the rests of these frames
    /// are [`HELD_PER_TURN`] bytes. Otherwise a client that opens the windows of all its streams by
    /// one byte would make the turn fill a frame for each of them.
    ///
    /// `h2` must have written what it was given in earlier turns: a failed stream is reset here,
    /// and that drops what `h2` still holds of it.
    pub(super) fn serve(&mut self, count: usize, buffer: &mut WriteBuffer) -> usize {
        let mut ended = 0;
        for served in 0..count {
            let is_full = buffer.is_full() || buffer.frames_in_h2() + ended >= FRAMES_AT_ONCE;
            // tokio's coop budget limits this turn like that of any other task. The connection
            // reads and writes after it.
            if is_full || self.held >= HELD_PER_TURN || !has_budget_remaining() {
                return served;
            }
            let Some(key) = self.queue.pop_front() else { return served };
            // The stream may have been reset since it was put into the queue.
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.is_queued = false;
            let mut cx = Context::from_waker(&stream.waker);
            let direct = DirectWriter { buffer, stream: stream.id };
            let step = stream.send_body.as_mut().step(
                &self.backpressure,
                Some(direct),
                stream.is_cut_at_end,
                &mut cx,
            );
            match step {
                Poll::Pending => {}
                Poll::Ready(StepOutcome::Over) => {
                    ended += 1;
                    self.remove(key);
                }
                Poll::Ready(step) => {
                    match step {
                        StepOutcome::Held(bytes) => self.held += bytes,
                        StepOutcome::Failed => ended += 1,
                        StepOutcome::Sent | StepOutcome::Over => {}
                    }
                    stream.enqueue(key, &mut self.queue);
                }
            }
        }
        count
    }

    /// Puts these streams into the queue, because their windows are open again.
    pub(super) fn reopen(&mut self, opened: &[StreamRef]) {
        for stream_ref in opened {
            if let Some((key, stream)) = find(&mut self.streams, *stream_ref) {
                stream.enqueue(key, &mut self.queue);
            }
        }
    }

    /// Drops the bodies of these streams, because one side has reset them.
    pub(super) fn end(&mut self, resets: &[StreamRef]) {
        for stream_ref in resets {
            if let Some((key, _)) = find(&mut self.streams, *stream_ref) {
                self.remove(key);
            }
        }
    }

    /// Resets the streams whose bodies have ended although they were not polled, because the socket
    /// accepts nothing.
    pub(super) fn cut_ended(&mut self) {
        let cut = |(key, stream): (usize, &mut LongLivedStream<B>)| {
            let is_cut = stream.is_cut_at_end && stream.send_body.as_mut().cut_if_ended();
            is_cut.then_some(key)
        };
        let keys: Vec<usize> = self.streams.iter_mut().filter_map(cut).collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    /// Drops all bodies.
    pub(super) fn clear(&mut self) {
        let keys: Vec<usize> = self.streams.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    fn remove(&mut self, key: usize) {
        let stream = self.streams.remove(key);
        // A body that panics when it is dropped must not end the other streams.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stream)));
    }
}

/// Finds this stream, unless another one has its key by now.
fn find<B>(
    streams: &mut Slab<LongLivedStream<B>>,
    stream_ref: StreamRef,
) -> Option<(usize, &mut LongLivedStream<B>)> {
    let key = stream_ref.key()?;
    let stream = streams.get_mut(key)?;
    (stream_ref.id == stream.id).then_some((key, stream))
}
