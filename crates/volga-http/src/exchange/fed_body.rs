//! A request body that its connection feeds piece by piece, to a reader that may be another task.
//!
//! The connection reads the socket only while the reader waits, and one piece at a time: so a slow
//! reader slows the client down.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::exchange::body_pace::TooSlow;

/// The state that the connection and the reader share.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) data: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether nothing comes after those two; and if so, whether that was the body's end.
    pub(crate) end: Option<Result<(), BodyFault>>,
    /// Whether the reader waits.
    pub(crate) is_wanted: bool,
    /// Whether there is no reader any more.
    pub(crate) is_let_go: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) connection: Option<Waker>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Whole at any time, whoever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyFault {
    Incomplete,
    Malformed(Malformed),
    TooSlow(TooSlow),
}

/// The reader's end of the body.
#[derive(Debug)]
pub(crate) struct FedBody {
    shared: Arc<Shared>,
    /// How many bytes are still to come, if the client has announced the length.
    left: Option<u64>,
    is_over: bool,
}

impl FedBody {
    /// A body that is fed through `shared`, of this length if the client said it.
    pub(crate) fn new(shared: Arc<Shared>, length: Option<u64>) -> Self {
        Self { shared, left: length, is_over: false }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
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

impl Drop for FedBody {
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

/// The bytes break the rules; where the body ends is not known any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for io::Error {
    fn from(error: Malformed) -> Self {
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
