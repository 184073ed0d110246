//! The body of a response on its way to the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::io::AsyncWrite;

use super::batch::{Batch, BatchRest};
use super::body_framing::BodyFraming;
use super::response_head::WrittenHead;
use super::trailers::AnnouncedTrailers;
use crate::limits::{FRAMES_PER_WRITE, WRITES_PER_TURN};

pin_project! {
    /// A body, and what of it, or before it, is not sent yet.
    ///
    /// It is asked for more only when all that it gave was sent. What is needed now and then, such as unsent bytes, is allocated then.
    #[project = BodyWriterProj]
    pub(crate) struct BodyWriter<B> {
        #[pin]
        body: B,
        framing: BodyFraming,
        trailers: Option<Box<AnnouncedTrailers>>,
        unsent: Option<Box<UnsentBytes>>,
        phase: BodyPhase,
        keep_alive: bool,
    }
}

/// What goes out before the body is polled again.
#[derive(Debug)]
enum UnsentBytes {
    /// The head, which goes out with what is ready of the body.
    Head(Vec<u8>),
    /// What the last write left over.
    Rest(BatchRest),
}

/// How far the body has come.
#[derive(Debug)]
enum BodyPhase {
    Open,
    /// All of it was written.
    Complete,
    /// It failed. What it gave before goes out, and then the connection is cut, so that the client can tell.
    Broken,
}

/// The connection is of no use any more: the client left, it took nothing for too long, or the body failed.
#[derive(Debug)]
pub(crate) struct SendError;

impl<B: Body<Data = Bytes>> BodyWriter<B> {
    pub(crate) fn new(body: B, promise: WrittenHead) -> Self {
        let WrittenHead { framing, trailers, keep_alive } = promise;
        // What has no room for a byte is not asked for one.
        let phase = if framing.is_full() { BodyPhase::Complete } else { BodyPhase::Open };
        Self { body, framing, trailers, unsent: None, phase, keep_alive }
    }

    /// Whether the connection may live on after it.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// The same, with the head to be sent before it.
    pub(crate) fn with_head(self, head: Vec<u8>) -> Self {
        Self { unsent: Some(Box::new(UnsentBytes::Head(head))), ..self }
    }

    /// Sends what is ready, after what is in `first`. It is over once all of the body was sent.
    ///
    /// A panic of the body ends the task, and so cuts the connection.
    pub(crate) fn poll_send<W>(
        self: Pin<&mut Self>,
        io: &mut W,
        mut first: Option<Batch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>>
    where
        W: AsyncWrite + Unpin,
    {
        let mut this = self.project();
        let mut writes = 0;
        let mut is_waiting = false;
        loop {
            ready!(this.poll_send_rest(io, cx)).map_err(|_| SendError)?;
            let mut batch = match (first.take(), &*this.phase) {
                (Some(batch), _) => batch,
                (None, BodyPhase::Complete) => return Poll::Ready(Ok(())),
                (None, BodyPhase::Broken) => return Poll::Ready(Err(SendError)),
                (None, BodyPhase::Open) if is_waiting => return Poll::Pending,
                (None, BodyPhase::Open) if writes == WRITES_PER_TURN => {
                    // The others on this thread have a turn, and this body has the next.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (None, BodyPhase::Open) => Batch::new(),
            };
            if let Some(UnsentBytes::Head(head)) = this.unsent.take().as_deref() {
                batch.push(head);
            }
            is_waiting = this.fill(&mut batch, io.is_write_vectored(), cx).is_pending();
            let unsent = batch.write(io, cx).map_err(|_| SendError)?;
            *this.unsent = unsent.map(|unsent| Box::new(UnsentBytes::Rest(unsent)));
            writes += 1;
        }
    }
}

impl<B: Body<Data = Bytes>> BodyWriterProj<'_, B> {
    /// Sends what an earlier turn left over.
    fn poll_send_rest<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if let Some(UnsentBytes::Rest(unsent)) = self.unsent.as_deref_mut() {
            ready!(unsent.poll_write_all(io, cx))?;
            *self.unsent = None;
        }
        Pin::new(io).poll_flush(cx)
    }

    /// Takes from the body what is ready. Pending if the body has no more for now, ready if it is over or the batch is full.
    fn fill(&mut self, batch: &mut Batch, is_vectored: bool, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES_PER_WRITE {
            if batch.is_full() || !matches!(self.phase, BodyPhase::Open) {
                break;
            }
            match ready!(self.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => self.push(batch, frame, is_vectored),
                Some(Err(_)) => *self.phase = BodyPhase::Broken,
                None => {
                    batch.push(self.framing.end());
                    self.end();
                }
            }
        }
        Poll::Ready(())
    }

    fn push(&mut self, batch: &mut Batch, frame: Frame<Bytes>, is_vectored: bool) {
        let data = match frame.into_data() {
            Ok(data) => data,
            // A body ends with its trailers.
            Err(frame) => {
                match (frame.into_trailers(), self.trailers.as_deref()) {
                    (Ok(trailers), Some(announced)) => announced.write(&trailers, batch.small()),
                    _ => batch.push(self.framing.end()),
                }
                return self.end();
            }
        };
        let is_last = self.body.is_end_stream();
        if !data.is_empty() {
            batch.push_frame(data, self.framing, is_last, is_vectored);
        } else if is_last {
            batch.push(self.framing.end());
        }
        if is_last || self.framing.is_full() {
            self.end();
        }
    }

    /// A body shorter than the head promised must not look whole.
    fn end(&mut self) {
        *self.phase = if self.framing.may_end() { BodyPhase::Complete } else { BodyPhase::Broken };
    }
}
