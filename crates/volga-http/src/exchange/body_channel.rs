//! The channel of a request body: an HTTP/1 connection fills it, and a reader, perhaps in another
//! task, takes from it.
//!
//! The connection reads the socket only while the reader waits, and one piece at a time. So a slow
//! reader slows the client down.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::exchange::body_pace::PaceError;

/// The state that the connection and the reader share.
#[derive(Debug, Default)]
pub(crate) struct BodyChannel(Mutex<ChannelState>);

#[derive(Debug, Default)]
pub(crate) struct ChannelState {
    pub(crate) data: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// `Some` when nothing follows after `data` and `trailers`: `Ok` is the proper end of the body.
    pub(crate) end: Option<Result<(), BodyFault>>,
    /// Whether the reader waits for a piece.
    pub(crate) is_wanted: bool,
    /// Whether the reader was dropped.
    pub(crate) is_reader_gone: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) connection: Option<Waker>,
}

impl BodyChannel {
    pub(crate) fn state(&self) -> MutexGuard<'_, ChannelState> {
        // The state is consistent at any time, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a body ended early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyFault {
    Incomplete,
    Malformed(FramingError),
    TooSlow(PaceError),
}

/// The reader's half of the body.
#[derive(Debug)]
pub(crate) struct ChannelBody {
    channel: Arc<BodyChannel>,
    /// How many bytes are still to come, if the client has announced the length.
    left: Option<u64>,
    is_over: bool,
}

impl ChannelBody {
    /// Creates the reader's half. `length` is the length of the body, if the client has announced
    /// it.
    pub(crate) fn new(channel: Arc<BodyChannel>, length: Option<u64>) -> Self {
        Self { channel, left: length, is_over: false }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let mut state = self.channel.state();
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
            // A fault is reported once.
            state.end = Some(Ok(()));
            return Poll::Ready(end.err().map(Err));
        }
        state.is_wanted = true;
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        // If the polling task is the connection's own, it looks after the body right after this,
        // and need not be woken.
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

impl Drop for ChannelBody {
    fn drop(&mut self) {
        let mut state = self.channel.state();
        state.is_reader_gone = true;
        let connection = state.connection.take().filter(|_| state.end.is_none());
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

impl ChannelState {
    fn is_over(&self) -> bool {
        self.trailers.is_none() && self.end == Some(Ok(()))
    }
}

/// The framing of the body breaks the rules, so its end is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FramingError(pub(crate) &'static str);

impl From<FramingError> for io::Error {
    fn from(error: FramingError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<BodyFault> for io::Error {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Incomplete => io::ErrorKind::UnexpectedEof.into(),
            BodyFault::Malformed(error) => error.into(),
            BodyFault::TooSlow(reason) => Self::new(io::ErrorKind::TimedOut, reason),
        }
    }
}
