//! What a client sends while it is sent a stream: nothing as a rule, its next requests, or its end.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use crate::limits::{DETECT_READ, MAX_PIPELINED_BYTES};
use crate::stall::Stall;
use crate::transport::Transport;

/// The bytes that came, up to a bound. A pointer that is null as a rule.
#[derive(Debug)]
pub(crate) struct Inbound(Option<Box<Received>>);

#[derive(Debug, Default)]
struct Received(Vec<u8>);

impl Inbound {
    /// Begins with what came before.
    pub(crate) fn new(received: Bytes) -> Self {
        Self((!received.is_empty()).then(|| Box::new(Received(received.into()))))
    }

    /// Reads what is there, and waits until the client has left. Closing its sending side is leaving.
    pub(crate) fn poll_left<I>(&mut self, io: &mut Stall<I>, cx: &mut Context<'_>) -> Poll<()>
    where
        I: Transport,
    {
        while !self.is_over() {
            // On the stack and only while reading: a stream that waits holds no buffer.
            let mut space = [MaybeUninit::uninit(); DETECT_READ];
            let room = space.len().min(MAX_PIPELINED_BYTES - self.len());
            let mut read = ReadBuf::uninit(&mut space[..room]);
            if ready!(Pin::new(&mut *io).poll_read(cx, &mut read)).is_err()
                || read.filled().is_empty()
            {
                return Poll::Ready(());
            }
            let Received(received) = &mut **self.0.get_or_insert_default();
            received.reserve_exact(read.filled().len());
            received.extend_from_slice(read.filled());
        }
        io.get_ref().poll_left(cx)
    }

    /// Whether the bound is reached. There may be more then, which nobody reads.
    pub(crate) fn is_over(&self) -> bool {
        self.len() >= MAX_PIPELINED_BYTES
    }

    /// What came, for whoever reads the next request.
    pub(crate) fn take(&mut self) -> Bytes {
        self.0.take().map_or_else(Bytes::new, |received| received.0.into())
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |received| received.0.len())
    }
}
