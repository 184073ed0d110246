//! `Gate`: gives the parser only as many bytes as it needs.
//!
//! multer reads its stream until the stream is pending, and keeps what it has read. With a body
//! that is always ready it would hold the whole body. It has no limit for the headers of a part,
//! nor for what comes before the first part.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use volga_core::{BoxError, HttpBody};

/// Lets one piece of the body through each time the parser has used up the one before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<GateState>);

#[derive(Debug, Default)]
struct GateState {
    is_open: AtomicBool,
    /// The bytes that the parser got since the last [`Gate::reset`].
    passed: AtomicUsize,
}

impl Gate {
    /// Polls the parser with `poll`. While the parser needs more, lets it have one piece at a time.
    /// Before each further piece, `check` may refuse the bytes so far, of which it gets the number.
    pub(crate) fn poll<T, E>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, E>>,
        check: impl Fn(usize) -> Result<(), E>,
    ) -> Poll<Result<T, E>> {
        self.0.is_open.store(false, Ordering::Relaxed);
        loop {
            if let Poll::Ready(result) = poll(cx) {
                return Poll::Ready(result);
            }
            // The gate is still open if the body itself had nothing yet. It wakes the task then.
            if self.0.is_open.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            check(self.0.passed.load(Ordering::Relaxed))?;
            self.0.is_open.store(true, Ordering::Relaxed);
        }
    }

    /// Begins to count the bytes again.
    pub(crate) fn reset(&self) {
        self.0.passed.store(0, Ordering::Relaxed);
    }
}

/// The body, behind the gate.
pub(crate) struct GatedBody {
    pub(crate) body: HttpBody,
    pub(crate) gate: Gate,
}

impl Stream for GatedBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if !self.gate.0.is_open.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let item = match frame {
                None => None,
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => Some(Ok(bytes)),
                    // An empty piece, or trailers.
                    _ => continue,
                },
            };
            self.gate.0.is_open.store(false, Ordering::Relaxed);
            if let Some(Ok(bytes)) = &item {
                self.gate.0.passed.fetch_add(bytes.len(), Ordering::Relaxed);
            }
            return Poll::Ready(item);
        }
    }
}
