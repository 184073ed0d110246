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

use crate::codec::position::Position;
use crate::replies::AnswerError;
use crate::replies::answer::{Afterwards, Answer};
use crate::replies::log::{Outcome, cost, write};
use crate::replies::shelf::Shelf;
use crate::replies::tally::{Running, Tally};
use crate::stream::body::BoxError;
use crate::stream::item::SseItem;
use crate::stream::item::sealed::Piece;

/// Takes messages from the stream until it ends, fails, panics, or is too much.
///
/// Dropped before, at an await of the stream, it leaves the answer ended too.
pub(crate) async fn produce<S>(stream: S, running: Running, mut writer: Writer)
where
    S: Stream<Item: SseItem>,
{
    let _running = running;
    let outcome = {
        let mut stream = pin!(stream);
        loop {
            let item = poll_fn(|cx| {
                let poll = || stream.as_mut().poll_next(cx).map(|item| item.map(piece));
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(poll) => poll.map(Ok),
                    Err(payload) => Poll::Ready(Err(AnswerError::panicked(&*payload))),
                }
            });
            let written = match item.await {
                Ok(Some(Ok(piece))) => writer.write(piece),
                Ok(Some(Err(cause))) => break Err(AnswerError::failed(cause)),
                Ok(None) => break Ok(()),
                Err(panicked) => break Err(panicked),
            };
            if let Err(error) = written {
                break Err(error);
            }
            // A stream that is always ready leaves the thread to others now and then.
            consume_budget().await;
        }
    };
    // Once the stream is dropped: who is told of the end may count on what it held being free.
    writer.end(outcome);
}

fn piece(item: impl SseItem) -> Result<Piece, BoxError> {
    item.into_piece()
}

/// Writes an answer, within its bounds.
pub(crate) struct Writer {
    answer: Arc<Answer>,
    shelf: Weak<Shelf>,
    tally: Arc<Tally>,
    max_bytes: usize,
    max_total_bytes: usize,
    // Only this writer adds to the answer, so it need not ask how far it is.
    messages: usize,
    bytes: usize,
    epoch: u64,
    buffer: Vec<u8>,
    wakers: Vec<Waker>,
}

impl Writer {
    pub(crate) fn new(answer: Arc<Answer>, shelf: &Arc<Shelf>) -> Self {
        let epoch = answer.lock().log.position(0).epoch();
        Self {
            answer,
            shelf: Arc::downgrade(shelf),
            tally: Arc::clone(&shelf.tally),
            max_bytes: shelf.settings().max_bytes,
            max_total_bytes: shelf.settings().max_total_bytes,
            messages: 0,
            bytes: 0,
            epoch,
            buffer: Vec::new(),
            wakers: Vec::new(),
        }
    }

    fn write(&mut self, piece: Piece) -> Result<(), AnswerError> {
        let position = Position::new(self.epoch, self.messages as u64 + 1);
        write(piece, position, &mut self.buffer)
            .map_err(|error| AnswerError::failed(error.into()))?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = cost(self.buffer.len());
        if self.bytes + bytes > self.max_bytes {
            return Err(AnswerError::TooLarge { max: self.max_bytes });
        }
        self.reserve(bytes)?;
        // Copied into a block of its very size, which the bound then knows all about.
        if self.answer.push(Bytes::copy_from_slice(&self.buffer), &mut self.wakers) {
            self.messages += 1;
            self.bytes += bytes;
            Ok(())
        } else {
            self.tally.release(bytes);
            Err(AnswerError::Cancelled)
        }
    }

    fn reserve(&self, bytes: usize) -> Result<(), AnswerError> {
        let max = self.max_total_bytes;
        let room = self.tally.reserve(bytes, max)
            || self.shelf.upgrade().is_some_and(|shelf| shelf.make_room(bytes));
        if room { Ok(()) } else { Err(AnswerError::NoRoom { max }) }
    }

    fn end(&mut self, outcome: Outcome) {
        match self.shelf.upgrade() {
            Some(shelf) => shelf.end(&self.answer, outcome),
            None => {
                // The shelf has ended it, unless it is about to.
                let mut after = Afterwards::default();
                self.answer.end(outcome, &mut after);
                after.run(None);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Only the first end counts, so this is for a task that is dropped, or whose stream panics as it is dropped.
        self.end(Err(if std::thread::panicking() {
            AnswerError::Panicked("while it was dropped".into())
        } else {
            AnswerError::Cancelled
        }));
    }
}
