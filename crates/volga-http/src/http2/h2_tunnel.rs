//! An HTTP/2 stream as a byte stream, after an extended CONNECT (RFC 8441).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::backpressure::{Backpressure, H2WaitGuard, WindowTimer};
use super::send_body::poll_room;
use crate::limits::FRAME_BYTES;

/// Bytes that the client has sent through a tunnel and the application has not read yet.
///
/// The bytes are taken out of `h2` as soon as they arrive. `h2` ends the whole connection when too
/// many small frames wait in it, and an application that reads slowly, for example because it
/// writes to a database between two messages, would let them wait. The client's window is widened
/// only when the application reads, so the window limits the buffer.
#[derive(Debug)]
pub(super) struct TunnelInput(Mutex<InputState>);

#[derive(Debug)]
struct InputState {
    recv: RecvStream,
    buffer: BytesMut,
    /// `Some` when the client has sent everything, or has reset the stream.
    end: Option<Option<io::Error>>,
    /// The task that waits for bytes.
    reader: Option<Waker>,
}

impl TunnelInput {
    pub(super) fn new(recv: RecvStream) -> Arc<Self> {
        let state = InputState { recv, buffer: BytesMut::new(), end: None, reader: None };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Takes what has arrived out of `h2`, and wakes the reader if it is in another task.
    pub(super) fn take_arrived(&self, cx: &mut Context<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_arrived = false;
        while state.end.is_none()
            && let Poll::Ready(data) = state.recv.poll_data(cx)
        {
            has_arrived = true;
            match data {
                Some(Ok(data)) => state.buffer.extend_from_slice(&data),
                Some(Err(error)) => state.end = Some(Some(reset(error))),
                None => state.end = Some(None),
            }
        }
        if has_arrived
            && let Some(reader) = state.reader.take()
            && !reader.will_wake(cx.waker())
        {
            reader.wake();
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buffer.is_empty() {
            return match &mut state.end {
                Some(error) => Poll::Ready(error.take().map_or(Ok(()), Err)),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let part = state.buffer.len().min(buf.remaining());
        buf.put_slice(&state.buffer[..part]);
        state.buffer.advance(part);
        if state.buffer.is_empty() {
            // A quiet tunnel holds no memory for bytes.
            state.buffer = BytesMut::new();
        }
        // This fails when the stream is over, and then there is no window to widen.
        let _ = state.recv.flow_control().release_capacity(part);
        Poll::Ready(Ok(()))
    }
}

/// Both directions of one stream.
#[derive(Debug)]
pub(super) struct H2Tunnel {
    send: SendStream<Bytes>,
    input: Arc<TunnelInput>,
    backpressure: Arc<Backpressure>,
    timer: WindowTimer,
    /// `Some` while `h2` has no room for the bytes to write.
    waiting: Option<H2WaitGuard>,
}

impl H2Tunnel {
    pub(super) fn new(
        send: SendStream<Bytes>,
        input: Arc<TunnelInput>,
        backpressure: Arc<Backpressure>,
    ) -> Self {
        Self { send, input, backpressure, timer: WindowTimer::default(), waiting: None }
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.input.poll_read(cx, buf)
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
            this.waiting.get_or_insert_with(|| H2WaitGuard::new(backpressure));
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
