//! The connection's half of a request body: it reads the socket and hands the content to the
//! reader.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::decode::Decoder;
use super::read_buffer::ReadBuffer;
use super::request_head::BodyLength;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::exchange::body_channel::{BodyChannel, BodyFault, ChannelBody};
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::body_timer::BodyTimer;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{DISCARD_BYTES, READ_BYTES};

/// Decodes the body from the socket and sends it through a [`BodyChannel`].
#[derive(Debug)]
pub(crate) struct BodySender {
    decoder: Decoder,
    channel: Arc<BodyChannel>,
    /// The part of `100 Continue` that is still to be sent. Empty if the client does not wait for
    /// it.
    continue_line: &'static [u8],
    state: SenderState,
    timer: BodyTimer,
    /// Whether a piece was handed over since the last `take_progress`.
    has_progressed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SenderState {
    Open,
    /// The body is broken, and its reader was told so.
    Failed(BodyFault),
}

/// The client has disconnected.
#[derive(Debug)]
pub(crate) struct Disconnect;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl BodySender {
    /// Creates both halves of a body that is not empty.
    pub(crate) fn new(
        length: BodyLength,
        expects_continue: bool,
        limits: PaceLimits,
        timeouts: ClientTimeouts,
    ) -> (Self, ChannelBody) {
        let channel = Arc::<BodyChannel>::default();
        let left = match length {
            BodyLength::Known(length) => Some(length),
            BodyLength::Chunked => None,
        };
        let sender = Self {
            decoder: Decoder::new(length),
            channel: Arc::clone(&channel),
            continue_line: if expects_continue { CONTINUE } else { b"" },
            state: SenderState::Open,
            timer: BodyTimer::new(limits, timeouts),
            has_progressed: false,
        };
        (sender, ChannelBody::new(channel, left))
    }

    /// Whether the body is being read from the socket: its reader waits for a piece, and the piece
    /// has not arrived.
    pub(crate) fn is_reading(&self) -> bool {
        let channel = self.channel.state();
        self.state == SenderState::Open
            && !self.decoder.is_done()
            && channel.is_wanted
            && !channel.is_reader_gone
    }

    /// Whether a piece of the body was handed over since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progressed)
    }

    /// Whether the whole body was read from the socket.
    pub(crate) fn is_done(&self) -> bool {
        self.state == SenderState::Open && self.decoder.is_done()
    }

    /// Whether the body is incomplete and no longer needs to be read: it is broken, or its reader
    /// has dropped it.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.is_done() && (self.state != SenderState::Open || self.channel.state().is_reader_gone)
    }

    /// The rest of a `100 Continue` that was written in part, which must go before the response. If
    /// none of it was written, the response makes it unnecessary.
    pub(crate) fn unsent_continue(&mut self) -> &'static [u8] {
        let rest = std::mem::take(&mut self.continue_line);
        if rest.len() < CONTINUE.len() { rest } else { b"" }
    }

    /// Reads the next piece while the reader waits for one. Ready when the polling task itself has
    /// something new to read, and when nothing more follows: the connection may wait for that while
    /// the reader is in another task. Pending also if no reader waits.
    pub(crate) fn poll_feed<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        received: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Disconnect>> {
        loop {
            match self.state {
                SenderState::Failed(BodyFault::Incomplete)
                    if !io.timeouts().allows_half_close() =>
                {
                    return Poll::Ready(Err(Disconnect));
                }
                SenderState::Failed(_) => return Poll::Pending,
                SenderState::Open if self.decoder.is_done() || !self.is_reader_waiting(cx) => {
                    return Poll::Pending;
                }
                SenderState::Open => {}
            }
            self.send_continue(io, cx)?;
            let piece = match self.poll_piece(io, received, cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    let reason = ready!(self.timer.poll_too_slow(|_| None, cx));
                    Err(BodyFault::TooSlow(reason))
                }
            };
            self.timer.note_received(piece.as_ref().map_or(0, Vec::len), |_| None);
            let is_last = piece.is_err() || self.decoder.is_done();
            if self.hand_over(piece, cx) || is_last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Whether the reader waits for a piece. If not, this task is woken when the reader waits or is
    /// dropped.
    fn is_reader_waiting(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.channel.state();
        match &mut state.connection {
            Some(connection) => connection.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        state.is_wanted && !state.is_reader_gone
    }

    /// Tells a client that waits for it to send the body. The client may send the body without
    /// reading this first, so nothing waits for the write.
    fn send_continue<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        cx: &mut Context<'_>,
    ) -> Result<(), Disconnect> {
        while !self.continue_line.is_empty() {
            match std::pin::Pin::new(&mut *io).poll_write(cx, self.continue_line) {
                Poll::Ready(Ok(sent)) if sent > 0 => {
                    self.continue_line = &self.continue_line[sent..]
                }
                Poll::Ready(_) => return Err(Disconnect),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Reads the next piece of the body. It is empty only at the body's end.
    fn poll_piece<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        received: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, BodyFault>> {
        loop {
            let mut piece = Vec::new();
            if !received.is_empty() {
                let used = self.decoder.decode(received.bytes(), &mut piece);
                received.consume(used.map_err(BodyFault::Malformed)?);
            } else {
                let decoder = &mut self.decoder;
                let read = poll_read::<READ_BYTES, _, _>(io, READ_BYTES, cx, |bytes| {
                    if bytes.is_empty() {
                        return Err(BodyFault::Incomplete);
                    }
                    let used = decoder.decode(bytes, &mut piece).map_err(BodyFault::Malformed)?;
                    received.push(&bytes[used..]);
                    Ok(())
                });
                ready!(read).unwrap_or(Err(BodyFault::Incomplete))?;
            }
            if !piece.is_empty() || self.decoder.is_done() {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    /// Hands over a piece. Returns whether the reader is in this very task, which then need not be
    /// woken.
    fn hand_over(&mut self, piece: Result<Vec<u8>, BodyFault>, cx: &mut Context<'_>) -> bool {
        let mut state = self.channel.state();
        match piece {
            Ok(piece) => {
                self.has_progressed = true;
                state.data = (!piece.is_empty()).then(|| piece.into());
                if self.decoder.is_done() {
                    state.trailers = self.decoder.take_trailers();
                    state.end = Some(Ok(()));
                }
            }
            Err(fault) => {
                self.state = SenderState::Failed(fault);
                state.end = Some(Err(fault));
            }
        }
        state.is_wanted = false;
        let reader = state.reader.take();
        drop(state);
        match reader {
            Some(reader) if !reader.will_wake(cx.waker()) => {
                reader.wake();
                false
            }
            _ => true,
        }
    }

    /// Reads and drops what has arrived of an unread body, up to a limit. Afterwards the
    /// body is either complete or will never be.
    pub(crate) fn discard<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        received: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) {
        let mut left = DISCARD_BYTES;
        while self.state == SenderState::Open && !self.decoder.is_done() {
            match self.poll_piece(io, received, cx) {
                Poll::Ready(Ok(piece)) if left > piece.len() => left -= piece.len(),
                Poll::Ready(Err(fault)) => self.state = SenderState::Failed(fault),
                _ => return,
            }
        }
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        if self.is_done() {
            return;
        }
        let mut state = self.channel.state();
        state.end.get_or_insert(Err(BodyFault::Incomplete));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
