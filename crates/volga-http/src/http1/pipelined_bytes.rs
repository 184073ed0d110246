//! The bytes that a client sends during a long-lived response: usually none, sometimes its next
//! requests.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::body_sender::Disconnect;
use super::half_close::HalfClose;
use super::read_buffer::ReadBuffer;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{DETECT_READ, MAX_PIPELINED_BYTES};

/// The bytes that have arrived, up to a bound, and whether more may arrive. The pointer is usually
/// null, so a stream that waits pays one word.
#[derive(Debug)]
pub(crate) struct PipelinedBytes(Option<Box<PipelineBuffer>>);

#[derive(Debug, Default)]
struct PipelineBuffer {
    received: ReadBuffer,
    half_close: Option<Box<HalfClose>>,
}

impl PipelinedBytes {
    /// Begins with the bytes that were read before.
    pub(crate) fn new(received: Bytes, half_close: Option<Box<HalfClose>>) -> Self {
        if received.is_empty() && half_close.is_none() {
            return Self(None);
        }
        Self(Some(Box::new(PipelineBuffer { received: ReadBuffer::new(&received), half_close })))
    }

    /// Reads what has arrived, and waits until the client has disconnected. Unless half-closed
    /// connections are allowed, a client that closes its sending side counts as disconnected.
    pub(crate) fn poll_disconnect<I>(
        &mut self,
        io: &mut WriteTimeout<I>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        I: Transport,
    {
        if !self.is_half_closed() && ready!(self.poll_input_end(io, cx)).is_err() {
            return Poll::Ready(());
        }
        if !io.timeouts().allows_half_close() {
            return Poll::Ready(());
        }
        let pipelined = self.0.get_or_insert_default();
        pipelined.half_close.get_or_insert_default().poll_broken(io.get_ref(), cx)
    }

    /// Reads what has arrived, and waits until the client has closed its sending side, or the
    /// connection is broken.
    fn poll_input_end<I>(
        &mut self,
        io: &mut WriteTimeout<I>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Disconnect>>
    where
        I: Transport,
    {
        while !self.is_full() {
            let room = MAX_PIPELINED_BYTES - self.len();
            let read = poll_read::<DETECT_READ, _, _>(io, room, cx, |bytes| {
                if !bytes.is_empty() {
                    self.0.get_or_insert_default().received.push(bytes);
                }
                bytes.is_empty()
            });
            match ready!(read) {
                Ok(false) => {}
                Ok(true) => return Poll::Ready(Ok(())),
                Err(_) => return Poll::Ready(Err(Disconnect)),
            }
        }
        io.get_ref().poll_disconnect(cx).map(Ok)
    }

    fn is_half_closed(&self) -> bool {
        let half_close = self.0.as_ref().and_then(|pipelined| pipelined.half_close.as_ref());
        half_close.is_some_and(|half_close| half_close.is_closed())
    }

    /// Whether the bound is reached. The client may then have sent more, which nothing reads.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MAX_PIPELINED_BYTES
    }

    /// Takes the bytes, for the code that reads the next request.
    pub(crate) fn take(&mut self) -> Bytes {
        self.0.take().map_or_else(Bytes::new, |pipelined| pipelined.received.into_bytes())
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pipelined| pipelined.received.len())
    }
}
