//! An HTTP/2 stream as a byte stream, after an extended CONNECT (RFC 8441).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::backpressure::{Backpressure, WaitingInH2, WindowTimer};
use super::send_body::poll_room;
use crate::limits::FRAME_BYTES;

/// Both directions of one stream.
#[derive(Debug)]
pub(super) struct H2Tunnel {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// Bytes that were received and not read yet.
    received: Bytes,
    backpressure: Arc<Backpressure>,
    timer: WindowTimer,
    /// `Some` while `h2` has no room for the bytes to write.
    waiting: Option<WaitingInH2>,
}

impl H2Tunnel {
    pub(super) fn new(
        send: SendStream<Bytes>,
        recv: RecvStream,
        backpressure: Arc<Backpressure>,
    ) -> Self {
        Self {
            send,
            recv,
            received: Bytes::new(),
            backpressure,
            timer: WindowTimer::default(),
            waiting: None,
        }
    }
}

/// The error for a read or a write on a stream that the client has reset.
fn reset(error: h2::Error) -> io::Error {
    match error.reason() {
        // The client has reset the stream.
        Some(Reason::NO_ERROR | Reason::CANCEL) => io::ErrorKind::BrokenPipe.into(),
        _ => io::Error::other(error),
    }
}

impl AsyncRead for H2Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.received.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => self.received = data,
                Some(Err(error)) => return Poll::Ready(Err(reset(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = self.received.len().min(buf.remaining());
        buf.put_slice(&self.received[..part]);
        self.received.advance(part);
        if self.received.is_empty() {
            // An empty slice would still hold the connection's read buffer.
            self.received = Bytes::new();
        }
        // This fails when the stream is over, and then there is no window to widen.
        let _ = self.recv.flow_control().release_capacity(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H2Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let wanted = buf.len().min(FRAME_BYTES);
        let Poll::Ready(room) = poll_room(&mut this.send, wanted, cx) else {
            let backpressure = &this.backpressure;
            this.waiting.get_or_insert_with(|| WaitingInH2::new(backpressure));
            return this
                .timer
                .poll_too_long(backpressure, cx)
                .map(|()| Err(io::ErrorKind::TimedOut.into()));
        };
        (this.timer, this.waiting) = (WindowTimer::default(), None);
        let Some(room) = room else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let part = room.min(wanted);
        let data = Bytes::copy_from_slice(&buf[..part]);
        Poll::Ready(this.send.send_data(data, false).map(|()| part).map_err(reset))
    }

    /// `h2` sends its frames by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(reset))
    }
}
