//! The transport of an HTTP/2 connection, which `h2` and the connection's task share.
//!
//! `h2` would write each frame of more than a few hundred bytes by itself, and a write costs more
//! than anything else. So small frames are gathered in the [`SharedWriteBuffer`] during a turn,
//! together with the direct ones, and written together at the end of the turn or with the next
//! large frame. Of the client's frames, `h2` reads only those that [`ReceivedFrames`] lets pass.

use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::backpressure::Backpressure;
use super::direct::received_frames::{HEAD_BYTES, NUMBER_BYTES, ReceivedFrames, window_update};
use super::direct::windows::StreamRef;
use super::direct::write_buffer::SharedWriteBuffer;
use crate::io::send_queue::SendQueue;
use crate::limits::{
    FRAME_BYTES, GATHER_BYTES, GATHER_PIECE, LOOK_AHEAD_BYTES, LOOK_AHEAD_HEADS, TURN_READ_BYTES,
};
use crate::pool;

/// A transport that gathers writes, remembers when the client last sent something, and notes
/// whether the socket accepts anything.
///
/// `h2` owns one clone and writes to it. The connection's task owns the other, and
/// [sends](Self::poll_send) with it.
#[derive(Debug)]
pub(super) struct H2Transport<I> {
    shared: Arc<Mutex<TransportState<I>>>,
}

#[derive(Debug)]
struct TransportState<I> {
    io: I,
    write_buffer: SharedWriteBuffer,
    received: H2ReadBuffer,
    frames: ReceivedFrames,
    heard: Instant,
    backpressure: Arc<Backpressure>,
    /// About how many bytes this turn may still read.
    left: usize,
    /// How many of the received requests the client has already abandoned, at the last read.
    abandoned: usize,
}

/// Bytes that were read and not given to `h2` yet: at most two frames, or [`LOOK_AHEAD_BYTES`] of a
/// client that sends many requests. Between turns the buffer is empty, unless an incomplete frame
/// has arrived, or more than a turn reads.
#[derive(Debug, Default)]
struct H2ReadBuffer {
    bytes: Vec<u8>,
    /// How many of the bytes `h2` has read.
    given: usize,
    /// How many of the bytes `h2` may read.
    passed: usize,
}

impl H2ReadBuffer {
    /// How many bytes `h2` has not read.
    fn unread(&self) -> usize {
        self.bytes.len() - self.given
    }

    /// Makes room for this many more bytes, in place of those that `h2` has read.
    fn make_room(&mut self, space: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes = pool::take_http2_read_buffer();
        }
        self.bytes.drain(..std::mem::take(&mut self.given));
        self.passed = 0;
        self.bytes.reserve_exact(space);
    }

    /// Frees the buffer if `h2` has read all of it.
    fn free_if_empty(&mut self) {
        if self.unread() == 0 {
            let Self { mut bytes, .. } = std::mem::take(self);
            bytes.clear();
            pool::put_http2_read_buffer(bytes);
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let part = (self.passed - self.given).min(buf.remaining());
        buf.put_slice(&self.bytes[self.given..][..part]);
        self.given += part;
    }
}

impl<I> Clone for H2Transport<I> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<I> H2Transport<I> {
    pub(super) fn new(
        io: I,
        write_buffer: SharedWriteBuffer,
        backpressure: Arc<Backpressure>,
    ) -> Self {
        let shared = TransportState {
            io,
            write_buffer,
            received: H2ReadBuffer::default(),
            frames: ReceivedFrames::new(),
            heard: Instant::now(),
            backpressure,
            left: TURN_READ_BYTES,
            abandoned: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Begins a turn, in which `h2` may read this many frames, and a limited number of bytes.
    pub(super) fn start_turn(&self, frames: usize) {
        let mut shared = self.lock();
        shared.left = TURN_READ_BYTES;
        shared.frames.start_turn(frames);
    }

    /// Lets `h2` read this many more heads of requests.
    pub(super) fn allow_heads(&self, heads: usize) {
        self.lock().frames.allow(heads);
    }

    /// Whether this turn has read as much as a turn may read.
    pub(super) fn is_turn_over(&self) -> bool {
        self.lock().frames.is_turn_over()
    }

    /// The transport, once this is its only owner.
    pub(super) fn into_io(self) -> Option<I> {
        let shared = Arc::into_inner(self.shared)?;
        Some(shared.into_inner().unwrap_or_else(PoisonError::into_inner).io)
    }

    /// The streams that the client has reset since they were last taken.
    pub(super) fn take_resets(&self) -> Vec<StreamRef> {
        self.lock().frames.take_resets()
    }

    /// How many requests that `h2` has not read the client has already abandoned. Each read is
    /// counted once.
    pub(super) fn take_abandoned(&self) -> usize {
        std::mem::take(&mut self.lock().abandoned)
    }

    /// How much padding the client has sent in DATA frames beyond their content, since this was
    /// last called.
    pub(super) fn take_padding(&self) -> usize {
        self.lock().frames.take_padding()
    }

    /// Whether frames of the client were held back from `h2`: more heads than were
    /// [allowed](Self::allow_heads), more resets than are remembered, or more than one turn reads.
    pub(super) fn has_stopped(&self) -> bool {
        self.lock().frames.has_stopped()
    }

    /// When the client last sent anything.
    pub(super) fn last_received(&self) -> Instant {
        self.lock().heard
    }

    fn lock(&self) -> MutexGuard<'_, TransportState<I>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: SendQueue> H2Transport<I> {
    /// Limits the bytes that the kernel holds unsent.
    pub(super) fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        self.lock().io.limit_unsent(bytes);
    }
}

impl<I: AsyncWrite + Unpin> H2Transport<I> {
    /// Sends everything that was gathered.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.lock();
        while !shared.write_buffer.lock().is_empty() {
            let Poll::Ready(written) = shared.poll_write(&[], cx) else {
                shared.write_buffer.lock().shrink();
                return Poll::Pending;
            };
            written?;
        }
        if shared.backpressure.is_full() {
            // `h2` waits to write more. A flush would do nothing, and would look like progress.
            return Poll::Pending;
        }
        Pin::new(&mut shared.io).poll_flush(cx)
    }
}

impl<I: AsyncWrite + Unpin> TransportState<I> {
    /// Writes once: first what was gathered, then `bufs`. Returns how much of `bufs` was written.
    fn poll_write(
        &mut self,
        bufs: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = self.write_buffer.lock();
        // `h2` passes two buffers: the frames that it has encoded, and the payload of one frame.
        let mut all = [IoSlice::new(&[]); 3];
        let mut count = 0;
        let gathered = std::iter::once(buffer.rest());
        for buf in gathered.chain(bufs.iter().map(|buf| &**buf)).filter(|buf| !buf.is_empty()) {
            if count < all.len() {
                all[count] = IoSlice::new(buf);
                count += 1;
            }
        }
        let io = Pin::new(&mut self.io);
        let result = if count > 1 && io.is_write_vectored() {
            io.poll_write_vectored(cx, &all[..count])
        } else {
            io.poll_write(cx, &all[0])
        };
        self.backpressure.set_full(result.is_pending());
        match ready!(result)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(Ok(buffer.advance(written, bufs))),
        }
    }
}

impl<I: AsyncRead + Unpin> TransportState<I> {
    /// Reads up to the first frame that is held back from `h2`. `h2` does not wait for the client
    /// then, so it is woken at once, except while the socket accepts nothing, because responses
    /// must leave first.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let received = &mut self.received;
            if received.given < received.passed {
                received.give(buf);
                return Poll::Ready(Ok(()));
            }
            self.frames.settle();
            self.pass();
            if self.received.given < self.received.passed {
                continue;
            }
            if self.left == 0 {
                self.frames.end_turn();
            }
            if self.frames.has_stopped() {
                if !self.backpressure.is_full() {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            let Poll::Ready(read) = self.poll_fill(cx)? else {
                self.received.free_if_empty();
                return Poll::Pending;
            };
            let received = &mut self.received;
            if read > 0 {
                self.heard = Instant::now();
            } else if received.bytes.is_empty() {
                received.free_if_empty();
                return Poll::Ready(Ok(()));
            } else {
                // The client has closed in the middle of a frame. `h2` must see that.
                received.passed = received.bytes.len();
            }
        }
    }

    /// Reads from the socket: as much as the largest frame, and further if these bytes are full of
    /// requests. Notes how many of the requests are abandoned already. Returns how many bytes were
    /// read.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // The buffer holds less than one frame, because a whole frame would have passed. It is
        // filled up to the length of the largest frame, so in most cases it does not grow.
        let received = &mut self.received;
        let mut space = (HEAD_BYTES + FRAME_BYTES).saturating_sub(received.unread()).max(1);
        let mut filled = 0;
        loop {
            // A grant for `h2` may be inserted as well.
            received.make_room(space + HEAD_BYTES + NUMBER_BYTES);
            let mut free = (&mut received.bytes).limit(space);
            let read = match pin!(self.io.read_buf(&mut free)).poll(cx) {
                Poll::Ready(Ok(read)) => read,
                Poll::Pending if filled > 0 => 0,
                // The error comes again with the next read.
                Poll::Ready(Err(_)) if filled > 0 => 0,
                ended => return ended,
            };
            filled += read;
            if read == 0 {
                break;
            }
            let seen = self.frames.look_ahead(&received.bytes);
            self.abandoned = seen.abandoned;
            let is_undecided = seen.abandoned == 0 && seen.requests >= LOOK_AHEAD_HEADS;
            if read < space || !is_undecided || received.bytes.len() >= LOOK_AHEAD_BYTES {
                break;
            }
            space = FRAME_BYTES;
        }
        self.left = self.left.saturating_sub(filled);
        if self.abandoned > 0 {
            // Before any of these requests passes, the connection decides whether it goes on.
            self.frames.end_turn();
        }
        Poll::Ready(Ok(filled))
    }

    /// Finds how many of the received bytes `h2` may read.
    fn pass(&mut self) {
        let Self { write_buffer, received, frames, backpressure, .. } = self;
        let mut buffer = write_buffer.lock();
        let is_waiting_in_h2 = backpressure.is_waiting_in_h2();
        if is_waiting_in_h2 && frames.is_between_frames() {
            let increment = buffer.windows.give_back();
            if increment > 0 {
                let at = received.passed;
                received.bytes.splice(at..at, window_update(increment));
            }
        }
        let from = received.passed;
        let windows = &mut buffer.windows;
        received.passed = frames.pass(&mut received.bytes, from, is_waiting_in_h2, windows);
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for H2Transport<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.lock().poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for H2Transport<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.lock();
        let size: usize = bufs.iter().map(|buf| buf.len()).sum();
        loop {
            let mut buffer = shared.write_buffer.lock();
            if size <= GATHER_PIECE && buffer.rest().len() + size <= GATHER_BYTES {
                buffer.gather(bufs);
                return Poll::Ready(Ok(size));
            }
            drop(buffer);
            match ready!(shared.poll_write(bufs, cx))? {
                0 => {}
                written => return Poll::Ready(Ok(written)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing, because the connection's task sends at the end of its turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.lock().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::drain::client_timeouts::ClientTimeouts;
    use crate::drain::handle::Drain;
    use crate::limits::HEADS_AT_ONCE;

    fn backpressure() -> Arc<Backpressure> {
        Backpressure::new(ClientTimeouts::with_defaults(&Drain::new()), Waker::noop().clone())
    }

    /// Writes in pieces of these sizes through a transport that takes `size` bytes at a time, and
    /// returns what arrives and what was written.
    async fn carry(size: usize, pieces: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let (mut far, near) = duplex(size);
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.expect("memory does not fail");
            all
        });
        let mut transport = H2Transport::new(near, SharedWriteBuffer::new(true), backpressure());
        let mut written = Vec::new();
        for (number, &piece) in pieces.iter().enumerate() {
            let bytes: Vec<u8> = (0..piece).map(|at| (number * 31 + at) as u8).collect();
            transport.write_all(&bytes).await.expect("memory does not fail");
            written.extend_from_slice(&bytes);
        }
        transport.shutdown().await.expect("memory does not fail");
        drop(transport);
        (reading.await.expect("no panic"), written)
    }

    #[tokio::test]
    async fn every_byte_arrives_once_and_in_order_however_it_is_written() {
        let full = GATHER_BYTES / GATHER_PIECE;
        let pieces = [
            vec![],
            vec![1, 2, 3],
            vec![GATHER_PIECE; full + 1],
            vec![10, GATHER_PIECE + 1, 10],
            vec![GATHER_BYTES + 1, 1, GATHER_PIECE - 1, 2 * GATHER_BYTES],
        ];
        for size in [1, 7, 1024, GATHER_BYTES, 1 << 20] {
            for pieces in &pieces {
                let (arrived, written) = carry(size, pieces).await;
                assert!(arrived == written, "{pieces:?} through {size}");
            }
        }
    }

    /// Everything that has arrived at the other end.
    fn arrived(far: &mut DuplexStream) -> usize {
        let mut space = [0; 1024];
        let mut read = ReadBuf::new(&mut space);
        let _ =
            Pin::new(far).poll_read(&mut Context::from_waker(std::task::Waker::noop()), &mut read);
        read.filled().len()
    }

    #[tokio::test]
    async fn small_pieces_wait_for_the_end_of_the_turn_or_for_a_large_piece() {
        let (mut far, near) = duplex(1024);
        let mut transport = H2Transport::new(near, SharedWriteBuffer::new(true), backpressure());
        transport.write_all(b"small").await.expect("room");
        transport.flush().await.expect("room");
        assert_eq!(arrived(&mut far), 0);
        poll_fn(|cx| transport.poll_send(cx)).await.expect("room");
        assert_eq!(arrived(&mut far), 5);

        transport.write_all(b"small").await.expect("room");
        let written = transport.write(&[0; GATHER_PIECE + 1]).await.expect("room");
        assert_eq!(arrived(&mut far), 1024, "as much as fits");
        assert_eq!(written, 1024 - 5);
    }

    #[tokio::test]
    async fn gathering_is_limited_and_a_full_socket_is_reported() {
        let (mut far, near) = duplex(1);
        let backpressure = backpressure();
        let mut transport =
            H2Transport::new(near, SharedWriteBuffer::new(true), Arc::clone(&backpressure));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut gathered = 0;
        while Pin::new(&mut transport).poll_write(&mut cx, &[0; GATHER_PIECE]).is_ready() {
            gathered += GATHER_PIECE;
            assert!(!backpressure.is_full());
        }
        assert_eq!(gathered, GATHER_BYTES);
        assert!(backpressure.is_full());
        assert_eq!(arrived(&mut far), 1);
        assert!(transport.poll_send(&mut cx).is_pending(), "one more byte went out");
        assert!(backpressure.is_full());
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.expect("memory does not fail");
            all.len()
        });
        poll_fn(|cx| transport.poll_send(cx)).await.expect("it is read");
        assert!(!backpressure.is_full());
        drop(transport);
        assert_eq!(reading.await.expect("no panic"), GATHER_BYTES - 1);
    }

    #[tokio::test]
    async fn the_read_buffer_never_holds_more_than_the_largest_frame() {
        let largest = HEAD_BYTES + FRAME_BYTES;
        let head = |length: usize| {
            let bytes = (length as u32).to_be_bytes();
            [bytes[1], bytes[2], bytes[3], 0, 0, 0, 0, 0, 1]
        };
        for length in [0, 1, FRAME_BYTES / 2, FRAME_BYTES - 1, FRAME_BYTES] {
            let frame = [&head(length)[..], &vec![7; length]].concat();
            let sent = [&[0; 24][..], &frame.repeat(1 + 3 * largest / frame.len())].concat();
            for piece in [largest / 3, largest, sent.len()] {
                let (mut far, near) = duplex(sent.len());
                let mut transport =
                    H2Transport::new(near, SharedWriteBuffer::new(true), backpressure());
                let (mut all, mut most) = (Vec::new(), 0);
                for piece in sent.chunks(piece) {
                    far.write_all(piece).await.expect("room");
                    transport.start_turn(usize::MAX);
                    let mut space = [0; 1000];
                    loop {
                        let mut read = ReadBuf::new(&mut space);
                        let mut cx = Context::from_waker(Waker::noop());
                        if Pin::new(&mut transport).poll_read(&mut cx, &mut read).is_pending() {
                            break;
                        }
                        all.extend_from_slice(read.filled());
                        most = most.max(transport.lock().received.bytes.capacity());
                    }
                }
                assert!(all == sent, "frames of {length}");
                let limit = largest + HEAD_BYTES + NUMBER_BYTES;
                assert!(most <= limit, "{most} bytes for frames of {length}");
            }
        }
    }

    #[tokio::test]
    async fn further_heads_wait_until_they_are_allowed_and_every_byte_is_read_once() {
        // The preface, and heads without content.
        let head = [0, 0, 0, 1, 4, 0, 0, 0, 1];
        let sent = [&[0; 24][..], &head.repeat(2 * HEADS_AT_ONCE + 1)].concat();
        let (mut far, near) = duplex(1024);
        let mut transport = H2Transport::new(near, SharedWriteBuffer::new(true), backpressure());
        far.write_all(&sent).await.expect("room");
        let mut all = Vec::new();
        let mut stops = Vec::new();
        while all.len() < sent.len() {
            let mut space = [0; 50];
            let mut read = ReadBuf::new(&mut space);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            if Pin::new(&mut transport).poll_read(&mut cx, &mut read).is_pending() {
                assert!(transport.has_stopped());
                stops.push(all.len());
                transport.allow_heads(HEADS_AT_ONCE);
            }
            all.extend_from_slice(read.filled());
        }
        assert_eq!(all, sent);
        let stop = |heads: usize| 24 + heads * head.len();
        assert_eq!(stops, [stop(HEADS_AT_ONCE), stop(2 * HEADS_AT_ONCE)]);
        assert!(!transport.has_stopped());
    }
}
