//! The task that runs a producer: from its stream into the log.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Weak},
    task::{Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::coop::consume_budget;

use crate::box_error::BoxError;
use crate::codec::encode::event_name_in;
use crate::codec::position::Position;
use crate::replies::counts::{ProducerGuard, ReplyCounters};
use crate::replies::error::ReplyError;
use crate::replies::log::{Outcome, cost, write};
use crate::replies::registry::ReplyRegistry;
use crate::replies::reply::{DeferredWork, Reply};
use crate::stream::item::SseItem;
use crate::stream::item::sealed::Piece;

/// Takes messages from the stream until it ends, fails, panics, or reaches a bound.
///
/// If the future is dropped earlier, at an await of the stream, the reply ends too.
pub(crate) async fn produce<S>(stream: S, guard: ProducerGuard, mut writer: ReplyWriter)
where
    S: Stream<Item: SseItem>,
{
    let _guard = guard;
    let outcome = {
        let mut stream = pin!(stream);
        loop {
            let item = poll_fn(|cx| {
                let poll = || stream.as_mut().poll_next(cx).map(|item| item.map(piece));
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(poll) => poll.map(Ok),
                    Err(payload) => Poll::Ready(Err(ReplyError::panicked(&*payload))),
                }
            });
            let written = match item.await {
                Ok(Some(Ok(piece))) => writer.write(piece),
                Ok(Some(Err(cause))) => break Err(ReplyError::failed(cause)),
                Ok(None) => break Ok(()),
                Err(panicked) => break Err(panicked),
            };
            if let Err(error) = written {
                break Err(error);
            }
            // Without this, a stream that is always ready would keep the thread to itself.
            consume_budget().await;
        }
    };
    // After the stream is dropped: an observer of the end may rely on what the stream held being
    // free.
    writer.end(outcome);
}

fn piece(item: impl SseItem) -> Result<Piece, BoxError> {
    item.into_piece()
}

/// Writes the messages of one reply, within its bounds.
pub(crate) struct ReplyWriter {
    reply: Arc<Reply>,
    registry: Weak<ReplyRegistry>,
    counters: Arc<ReplyCounters>,
    max_bytes: usize,
    max_total_bytes: usize,
    /// The name that no event may have.
    gap_event: &'static str,
    // Only this writer adds to the reply, so it need not lock the reply to know its size.
    messages: usize,
    bytes: usize,
    epoch: u64,
    buffer: Vec<u8>,
    wakers: Vec<Waker>,
}

impl ReplyWriter {
    pub(crate) fn new(reply: Arc<Reply>, registry: &Arc<ReplyRegistry>) -> Self {
        let epoch = reply.lock().log.position(0).epoch();
        Self {
            reply,
            registry: Arc::downgrade(registry),
            counters: Arc::clone(&registry.counters),
            max_bytes: registry.settings().max_bytes,
            max_total_bytes: registry.settings().max_total_bytes,
            gap_event: registry.settings().gap_event,
            messages: 0,
            bytes: 0,
            epoch,
            buffer: Vec::new(),
            wakers: Vec::new(),
        }
    }

    fn write(&mut self, piece: Piece) -> Result<(), ReplyError> {
        let position = Position::new(self.epoch, self.messages as u64 + 1);
        write(piece, position, &mut self.buffer)
            .map_err(|error| ReplyError::failed(error.into()))?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        // The encoded bytes are checked, because a message may come encoded.
        if event_name_in(&self.buffer) == Some(self.gap_event.as_bytes()) {
            return Err(ReplyError::ReservedEvent { name: self.gap_event });
        }
        let bytes = cost(self.buffer.len());
        if self.bytes + bytes > self.max_bytes {
            return Err(ReplyError::TooLarge { max: self.max_bytes });
        }
        self.reserve(bytes)?;
        // Copied into a block of exactly its size, so that the bound counts all memory.
        if self.reply.push(Bytes::copy_from_slice(&self.buffer), &mut self.wakers) {
            self.messages += 1;
            self.bytes += bytes;
            Ok(())
        } else {
            self.counters.release(bytes);
            Err(ReplyError::Cancelled)
        }
    }

    fn reserve(&self, bytes: usize) -> Result<(), ReplyError> {
        let max = self.max_total_bytes;
        let is_reserved = self.counters.reserve(bytes, max)
            || self.registry.upgrade().is_some_and(|registry| registry.reserve_by_eviction(bytes));
        if is_reserved { Ok(()) } else { Err(ReplyError::TotalTooLarge { max }) }
    }

    fn end(&mut self, outcome: Outcome) {
        match self.registry.upgrade() {
            Some(registry) => registry.end(&self.reply, outcome),
            None => {
                // The registry has ended the reply, or is about to.
                let mut deferred = DeferredWork::default();
                self.reply.end(outcome, &mut deferred);
                deferred.run(None);
            }
        }
    }
}

impl Drop for ReplyWriter {
    fn drop(&mut self) {
        // Only the first end counts. So this one counts for a task that is dropped, or for a stream
        // that panics while it is dropped.
        self.end(Err(if std::thread::panicking() {
            ReplyError::Panicked("while it was dropped".into())
        } else {
            ReplyError::Cancelled
        }));
    }
}
