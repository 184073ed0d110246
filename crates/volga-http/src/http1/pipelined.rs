//! The bytes that a client sends during a long-lived response: usually none, sometimes its next
//! requests.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::read_buffer::ReadBuffer;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{DETECT_READ, MAX_PIPELINED_BYTES};

/// The bytes that have arrived, up to a bound. The pointer is usually null, so a stream that waits
/// pays one word.
#[derive(Debug)]
pub(crate) struct PipelinedBytes(Option<Box<ReadBuffer>>);

impl PipelinedBytes {
    /// Begins with the bytes that were read before.
    pub(crate) fn new(received: Bytes) -> Self {
        Self((!received.is_empty()).then(|| Box::new(ReadBuffer::new(&received))))
    }

    /// Reads what has arrived, and waits until the client has disconnected. A client that closes
    /// its sending side counts as disconnected.
    pub(crate) fn poll_disconnect<I>(
        &mut self,
        io: &mut WriteTimeout<I>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        I: Transport,
    {
        while !self.is_full() {
            let room = MAX_PIPELINED_BYTES - self.len();
            let read = poll_read::<DETECT_READ, _, _>(io, room, cx, |bytes| {
                if !bytes.is_empty() {
                    self.0.get_or_insert_default().push(bytes);
                }
                bytes.is_empty()
            });
            if ready!(read).unwrap_or(true) {
                return Poll::Ready(());
            }
        }
        io.get_ref().poll_disconnect(cx)
    }

    /// Whether the bound is reached. The client may then have sent more, which nothing reads.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MAX_PIPELINED_BYTES
    }

    /// Takes the bytes, for the code that reads the next request.
    pub(crate) fn take(&mut self) -> Bytes {
        self.0.take().map_or_else(Bytes::new, |received| received.into_bytes())
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |received| received.len())
    }
}
