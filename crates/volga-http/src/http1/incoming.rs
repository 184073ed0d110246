//! The body of a request on its way from the connection to whoever reads it, which may be another task.
//!
//! The connection reads the socket only for somebody who waits, and one piece at a time: so a slow reader slows the client down.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::decode::{Decoder, Malformed};
use super::received::Received;
use super::request::BodyLength;
use crate::exchange::body_pace::{PaceLimits, TooSlow};
use crate::exchange::body_timer::BodyTimer;
use crate::io::stack_read::poll_read;
use crate::io::stall::Stall;
use crate::io::transport::Transport;
use crate::limits::{DISCARD_BYTES, READ_BYTES};

/// What both ends share.
#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// Whether nothing comes after those two; and if so, whether that was the body's end.
    end: Option<Result<(), Fault>>,
    /// Whether the reader waits.
    is_wanted: bool,
    /// Whether there is no reader any more.
    is_let_go: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at any time, whoever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Incomplete,
    Malformed(Malformed),
    TooSlow(TooSlow),
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Incoming {
    shared: Arc<Shared>,
    /// How much is still to come, if the client said.
    left: Option<u64>,
    is_over: bool,
}

impl Incoming {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut state = self.shared.state();
        if let Some(data) = state.data.take() {
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            self.is_over = state.is_over();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = state.trailers.take() {
            self.is_over = state.is_over();
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if let Some(end) = state.end {
            self.is_over = true;
            // A fault is told once.
            state.end = Some(Ok(()));
            return Poll::Ready(end.err().map(Err));
        }
        state.is_wanted = true;
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        // Where the connection's task polls this, it looks after the body right away.
        let connection = state.connection.take_if(|connection| !connection.will_wake(cx.waker()));
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
        Poll::Pending
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.is_over
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_let_go = true;
        let connection = state.connection.take().filter(|_| state.end.is_none());
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.trailers.is_none() && self.end == Some(Ok(()))
    }
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Feed {
    decoder: Decoder,
    shared: Arc<Shared>,
    /// What the client waits for before it sends the body, as far as it is not sent yet.
    go_ahead: &'static [u8],
    stage: Stage,
    timer: BodyTimer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Open,
    /// Its reader knows that there is no more.
    Failed(Fault),
}

/// The client has left.
#[derive(Debug)]
pub(crate) struct Gone;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Feed {
    /// Both ends of a body that is not empty.
    pub(crate) fn new(
        length: BodyLength,
        expects_continue: bool,
        limits: PaceLimits,
    ) -> (Self, Incoming) {
        let shared = Arc::<Shared>::default();
        let left = match length {
            BodyLength::Known(length) => Some(length),
            BodyLength::Chunked => None,
        };
        let feed = Self {
            decoder: Decoder::new(length),
            shared: Arc::clone(&shared),
            go_ahead: if expects_continue { CONTINUE } else { b"" },
            stage: Stage::Open,
            timer: BodyTimer::new(limits),
        };
        (feed, Incoming { shared, left, is_over: false })
    }

    /// Whether all of the body was read from the socket.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Open && self.decoder.is_done()
    }

    /// Whether there is nothing to be done for its reader any more, though it is not done.
    pub(crate) fn is_given_up(&self) -> bool {
        !self.is_done() && (self.stage != Stage::Open || self.shared.state().is_let_go)
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
        io: &mut Stall<I>,
        received: &mut Received,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        loop {
            match self.stage {
                Stage::Failed(Fault::Incomplete) => return Poll::Ready(Err(Gone)),
                Stage::Failed(Fault::Malformed(_) | Fault::TooSlow(_)) => return Poll::Pending,
                Stage::Open if self.decoder.is_done() || !self.is_asked(cx) => {
                    return Poll::Pending;
                }
                Stage::Open => {}
            }
            self.tell_to_go_ahead(io, cx)?;
            let piece = match self.poll_piece(io, received, cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    let reason = ready!(self.timer.poll_too_slow(|_| None, cx));
                    Err(Fault::TooSlow(reason))
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
        let mut state = self.shared.state();
        match &mut state.connection {
            Some(connection) => connection.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        state.is_wanted && !state.is_let_go
    }

    /// Tells a client that waits to send the body. It may not read that yet, and still send: so nothing waits for it.
    fn tell_to_go_ahead<I: Transport>(
        &mut self,
        io: &mut Stall<I>,
        cx: &mut Context<'_>,
    ) -> Result<(), Gone> {
        while !self.go_ahead.is_empty() {
            match std::pin::Pin::new(&mut *io).poll_write(cx, self.go_ahead) {
                Poll::Ready(Ok(sent)) if sent > 0 => self.go_ahead = &self.go_ahead[sent..],
                Poll::Ready(_) => return Err(Gone),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// The next piece of the body, which is empty only at its end.
    fn poll_piece<I: Transport>(
        &mut self,
        io: &mut Stall<I>,
        received: &mut Received,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, Fault>> {
        loop {
            let mut piece = Vec::new();
            if !received.is_empty() {
                let used = self.decoder.decode(received.bytes(), &mut piece);
                received.consume(used.map_err(Fault::Malformed)?);
            } else {
                let decoder = &mut self.decoder;
                let read = poll_read::<READ_BYTES, _, _>(io, READ_BYTES, cx, |bytes| {
                    if bytes.is_empty() {
                        return Err(Fault::Incomplete);
                    }
                    let used = decoder.decode(bytes, &mut piece).map_err(Fault::Malformed)?;
                    received.push(&bytes[used..]);
                    Ok(())
                });
                ready!(read).unwrap_or(Err(Fault::Incomplete))?;
            }
            if !piece.is_empty() || self.decoder.is_done() {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    /// Hands over a piece, and says whether its reader is in this very task, which then need not be woken.
    fn is_there_here(&mut self, piece: Result<Vec<u8>, Fault>, cx: &mut Context<'_>) -> bool {
        let mut state = self.shared.state();
        match piece {
            Ok(piece) => {
                state.data = (!piece.is_empty()).then(|| piece.into());
                if self.decoder.is_done() {
                    state.trailers = self.decoder.take_trailers();
                    state.end = Some(Ok(()));
                }
            }
            Err(fault) => {
                self.stage = Stage::Failed(fault);
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

    /// Reads and drops what is there already of a body that nobody reads, to a bound. Then it is done, or never will be.
    pub(crate) fn discard<I: Transport>(
        &mut self,
        io: &mut Stall<I>,
        received: &mut Received,
        cx: &mut Context<'_>,
    ) {
        let mut left = DISCARD_BYTES;
        while self.stage == Stage::Open && !self.decoder.is_done() {
            match self.poll_piece(io, received, cx) {
                Poll::Ready(Ok(piece)) if left > piece.len() => left -= piece.len(),
                Poll::Ready(Err(fault)) => self.stage = Stage::Failed(fault),
                _ => return,
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if self.is_done() {
            return;
        }
        let mut state = self.shared.state();
        state.end.get_or_insert(Err(Fault::Incomplete));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Incomplete => io::ErrorKind::UnexpectedEof.into(),
            Fault::Malformed(error) => error.into(),
            Fault::TooSlow(reason) => Self::new(io::ErrorKind::TimedOut, reason),
        }
    }
}
