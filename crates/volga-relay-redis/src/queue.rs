//! The messages that wait for Redis, within their bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use volga_sse::Position;
use volga_sse::hub::{Append, Receipt, RelayError, SendError};

/// A request to the appender.
#[derive(Debug)]
pub(crate) enum Request {
    Append(PendingAppend),
    Tail(PendingTail),
    /// The hub is closed, so no connection is kept. Its clones may still hold the queue.
    Close,
}

/// A message that waits for its receipt.
#[derive(Debug)]
pub(crate) struct PendingAppend {
    pub(crate) append: Append,
    pub(crate) reply: oneshot::Sender<Result<Receipt, SendError>>,
    /// When the message has waited for long enough.
    pub(crate) deadline: Instant,
    /// It was sent, and the connection broke before the reply came.
    pub(crate) may_be_appended: bool,
    _place: Place,
}

impl PendingAppend {
    /// Replies that the message is not in the log, or that it may be.
    pub(crate) fn fail(self, error: RelayError) {
        let failure = match self.may_be_appended {
            true => SendError::Unknown(error),
            false => SendError::NotSent(error),
        };
        _ = self.reply.send(Err(failure));
    }
}

/// A question for the end of the log.
#[derive(Debug)]
pub(crate) struct PendingTail {
    pub(crate) reply: oneshot::Sender<Result<Position, RelayError>>,
    pub(crate) deadline: Instant,
}

/// The number of messages that wait, and of their bytes.
#[derive(Debug, Default)]
struct Filled {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// The place of a message in the queue. Dropping it makes room.
#[derive(Debug)]
struct Place {
    filled: Arc<Filled>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.filled.messages.fetch_sub(1, Ordering::Relaxed);
        self.filled.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The way of requests to the appender.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    sender: mpsc::UnboundedSender<Request>,
    filled: Arc<Filled>,
    max_messages: usize,
    max_bytes: usize,
}

/// How many bytes a message takes.
pub(crate) fn size(append: &Append) -> usize {
    append.topic().len() + append.payload().len() + append.retry_key().map_or(0, str::len)
}

impl RequestQueue {
    pub(crate) fn new(
        max_messages: usize,
        max_bytes: usize,
    ) -> (Self, mpsc::UnboundedReceiver<Request>) {
        // Unbounded, because the places of the messages bound it. The hub asks one question for
        // the end of the log at a time.
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, filled: Arc::default(), max_messages, max_bytes }, receiver)
    }

    /// Puts a message into the queue. If it is full, the error says how to make it longer.
    pub(crate) fn append(
        &self,
        append: Append,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Receipt, SendError>>, RelayError> {
        let bytes = size(&append);
        let place = Place { filled: Arc::clone(&self.filled), bytes };
        let messages = self.filled.messages.fetch_add(1, Ordering::Relaxed);
        let filled = self.filled.bytes.fetch_add(bytes, Ordering::Relaxed);
        if messages >= self.max_messages {
            return Err(RelayError::new(format!(
                "{messages} messages wait for Redis, which is the maximum (`max_pending`)"
            )));
        }
        if filled.saturating_add(bytes) > self.max_bytes {
            return Err(RelayError::new(format!(
                "{filled} bytes of messages wait for Redis, and the maximum is {} \
                 (`max_pending_bytes`)",
                self.max_bytes
            )));
        }
        let (reply, receiver) = oneshot::channel();
        let pending =
            PendingAppend { append, reply, deadline, may_be_appended: false, _place: place };
        self.sender.send(Request::Append(pending)).map_err(|_| ended())?;
        Ok(receiver)
    }

    /// Lets the appender leave Redis once the requests before this one have their replies.
    pub(crate) fn close(&self) {
        _ = self.sender.send(Request::Close);
    }

    /// Asks for the end of the log.
    pub(crate) fn tail(
        &self,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Position, RelayError>>, RelayError> {
        let (reply, receiver) = oneshot::channel();
        let request = Request::Tail(PendingTail { reply, deadline });
        self.sender.send(request).map_err(|_| ended())?;
        Ok(receiver)
    }
}

/// The error of a request that nothing serves any more.
pub(crate) fn ended() -> RelayError {
    RelayError::new(
        "the task that talks to Redis has ended, because the tokio runtime that called \
         `RedisHub::build` has ended",
    )
}
