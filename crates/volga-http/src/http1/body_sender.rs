//! The connection's end of a request body: reads the socket for the body's reader.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::decode::Decoder;
use super::read_buffer::ReadBuffer;
use super::request_head::BodyLength;
use crate::exchange::body_channel::{BodyChannel, BodyFault, ChannelBody};
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::body_timer::BodyTimer;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{DISCARD_BYTES, READ_BYTES};

/// The connection's end.
#[derive(Debug)]
pub(crate) struct BodySender {
    decoder: Decoder,
    channel: Arc<BodyChannel>,
    /// What the client waits for before it sends the body, as far as it is not sent yet.
    go_ahead: &'static [u8],
    stage: SenderState,
    timer: BodyTimer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SenderState {
    Open,
    /// Its reader knows that there is no more.
    Failed(BodyFault),
}

/// The client has left.
#[derive(Debug)]
pub(crate) struct Disconnect;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl BodySender {
    /// Both ends of a body that is not empty.
    pub(crate) fn new(
        length: BodyLength,
        expects_continue: bool,
        limits: PaceLimits,
    ) -> (Self, ChannelBody) {
        let channel = Arc::<BodyChannel>::default();
        let left = match length {
            BodyLength::Known(length) => Some(length),
            BodyLength::Chunked => None,
        };
        let feed = Self {
            decoder: Decoder::new(length),
            channel: Arc::clone(&channel),
            go_ahead: if expects_continue { CONTINUE } else { b"" },
            stage: SenderState::Open,
            timer: BodyTimer::new(limits),
        };
        (feed, ChannelBody::new(channel, left))
    }

    /// Whether all of the body was read from the socket.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == SenderState::Open && self.decoder.is_done()
    }

    /// Whether there is nothing to be done for its reader any more, though it is not done.
    pub(crate) fn is_given_up(&self) -> bool {
        !self.is_done() && (self.stage != SenderState::Open || self.channel.state().is_reader_gone)
    }

    /// What of a "100 Continue" must go before the response, which may have begun.
    pub(crate) fn begun_go_ahead(&mut self) -> &'static [u8] {
        let rest = std::mem::take(&mut self.go_ahead);
        if rest.len() < CONTINUE.len() { rest } else { b"" }
    }

    /// Gives the reader what it waits for. Ready when the task that polls this has something new to
    /// read, and when nothing more follows, which the connection may wait for while the reader is
    /// in another task; pending as well where nobody waits.
    pub(crate) fn poll_feed<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        received: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Disconnect>> {
        loop {
            match self.stage {
                SenderState::Failed(BodyFault::Incomplete) => return Poll::Ready(Err(Disconnect)),
                SenderState::Failed(BodyFault::Malformed(_) | BodyFault::TooSlow(_)) => {
                    return Poll::Pending;
                }
                SenderState::Open if self.decoder.is_done() || !self.is_asked(cx) => {
                    return Poll::Pending;
                }
                SenderState::Open => {}
            }
            self.tell_to_go_ahead(io, cx)?;
            let piece = match self.poll_piece(io, received, cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    let reason = ready!(self.timer.poll_too_slow(|_| None, cx));
                    Err(BodyFault::TooSlow(reason))
                }
            };
            self.timer.received(piece.as_ref().map_or(0, Vec::len), |_| None);
            let is_last = piece.is_err() || self.decoder.is_done();
            if self.is_there_here(piece, cx) || is_last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Whether the reader waits; if not, this task is woken when it does, or when it is no more.
    fn is_asked(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.channel.state();
        match &mut state.connection {
            Some(connection) => connection.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        state.is_wanted && !state.is_reader_gone
    }

    /// Tells a client that waits to send the body. It may not read that yet, and still send: so
    /// nothing waits for it.
    fn tell_to_go_ahead<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        cx: &mut Context<'_>,
    ) -> Result<(), Disconnect> {
        while !self.go_ahead.is_empty() {
            match std::pin::Pin::new(&mut *io).poll_write(cx, self.go_ahead) {
                Poll::Ready(Ok(sent)) if sent > 0 => self.go_ahead = &self.go_ahead[sent..],
                Poll::Ready(_) => return Err(Disconnect),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// The next piece of the body, which is empty only at its end.
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

    /// Hands over a piece, and says whether its reader is in this very task, which then need not be
    /// woken.
    fn is_there_here(&mut self, piece: Result<Vec<u8>, BodyFault>, cx: &mut Context<'_>) -> bool {
        let mut state = self.channel.state();
        match piece {
            Ok(piece) => {
                state.data = (!piece.is_empty()).then(|| piece.into());
                if self.decoder.is_done() {
                    state.trailers = self.decoder.take_trailers();
                    state.end = Some(Ok(()));
                }
            }
            Err(fault) => {
                self.stage = SenderState::Failed(fault);
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

    /// Reads and drops what is there already of a body that nobody reads, to a bound. Then it is
    /// done, or never will be.
    pub(crate) fn discard<I: Transport>(
        &mut self,
        io: &mut WriteTimeout<I>,
        received: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) {
        let mut left = DISCARD_BYTES;
        while self.stage == SenderState::Open && !self.decoder.is_done() {
            match self.poll_piece(io, received, cx) {
                Poll::Ready(Ok(piece)) if left > piece.len() => left -= piece.len(),
                Poll::Ready(Err(fault)) => self.stage = SenderState::Failed(fault),
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
