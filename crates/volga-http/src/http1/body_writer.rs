//! Sends the body of a response to the client.

use std::future::poll_fn;
use std::hint::cold_path;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::batch::{Batch, BatchRest};
use super::body_framing::BodyFraming;
use super::response_head::WrittenHead;
use super::trailers::AnnouncedTrailers;
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::service::catch_panic;
use crate::io::send_queue::SendQueue;
use crate::io::wake::wake_after_sockets;
use crate::limits::{FRAMES_PER_WRITE, WRITES_PER_TURN};

pin_project! {
    /// A body, and the bytes of it or of its head that are not sent yet.
    ///
    /// The body is polled for more only when everything that it gave was sent. State that is rarely
    /// needed, such as unsent bytes, is allocated when it is.
    #[project = BodyWriterProj]
    pub(crate) struct BodyWriter<B> {
        #[pin]
        body: B,
        framing: BodyFraming,
        trailers: Option<Box<AnnouncedTrailers>>,
        unsent: Option<Box<UnsentBytes>>,
        phase: BodyPhase,
        keep_alive: bool,
        // Whether the rest is given up when the body ends while the client reads nothing.
        is_cut_at_end: bool,
        // The limit of the bytes that the kernel holds unsent, until it is set.
        unsent_limit: Option<NonZeroU32>,
    }
}

/// What must be sent before the body is polled again.
#[derive(Debug)]
pub(crate) enum UnsentBytes {
    /// The head, which is sent together with the frames that are ready.
    Head(Vec<u8>),
    /// The rest of the last write.
    Rest(BatchRest),
}

/// How far the body has come.
#[derive(Debug)]
enum BodyPhase {
    Open,
    /// The whole body was written.
    Complete,
    /// The body failed, or is shorter than the head promised. The frames that it gave before are
    /// sent, and then the connection is closed in the middle of the body, so that the client can
    /// tell.
    Broken,
}

/// The connection cannot go on.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The client's input has ended. It may still receive what was taken from the body.
    ClientLeft,
    /// The connection is broken, the client took nothing for too long, or the body failed.
    Broken,
}

impl<B: Body<Data = Bytes>> BodyWriter<B> {
    pub(crate) fn new(body: B, promise: WrittenHead) -> Self {
        let WrittenHead { framing, trailers, keep_alive } = promise;
        // A body that may not have a byte is not polled for one.
        let phase = if framing.is_full() { BodyPhase::Complete } else { BodyPhase::Open };
        Self {
            body,
            framing,
            trailers,
            unsent: None,
            phase,
            keep_alive,
            is_cut_at_end: false,
            unsent_limit: None,
        }
    }

    /// The same, for a response that has the mark [`CutAtEnd`](crate::CutAtEnd) or not.
    pub(crate) fn cut_at_end(self, is_cut_at_end: bool) -> Self {
        Self { is_cut_at_end, ..self }
    }

    /// Whether the connection may serve another request after this response.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// The same, with the head to be sent first. From then on the kernel holds no more unsent bytes
    /// than `unsent_limit`.
    pub(crate) fn with_head(self, head: Vec<u8>, unsent_limit: Option<NonZeroU32>) -> Self {
        Self { unsent: Some(Box::new(UnsentBytes::Head(head))), unsent_limit, ..self }
    }

    /// Takes what was not sent of the last write.
    pub(crate) fn take_unsent(self: Pin<&mut Self>) -> Option<Box<UnsentBytes>> {
        self.project().unsent.take()
    }

    /// Sends what is ready, after what is in `first`. Ready once the whole body was sent.
    ///
    /// A panic of the body counts as a failure of the body.
    pub(crate) fn poll_send<W>(
        self: Pin<&mut Self>,
        io: &mut W,
        first: &mut Option<Batch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>>
    where
        W: AsyncWrite + SendQueue + Unpin,
    {
        let mut this = self.project();
        let mut writes = 0;
        let mut is_waiting = false;
        loop {
            let is_sent = this.poll_send_rest(io, cx);
            if is_sent.is_pending() && this.is_cut() {
                cold_path();
                return Poll::Ready(Err(SendError::Broken));
            }
            ready!(is_sent).map_err(|_| SendError::Broken)?;
            let mut batch = match (first.take(), &*this.phase) {
                (Some(batch), _) => batch,
                (None, BodyPhase::Complete) => return Poll::Ready(Ok(())),
                (None, BodyPhase::Broken) => return Poll::Ready(Err(SendError::Broken)),
                (None, BodyPhase::Open) if is_waiting => return Poll::Pending,
                (None, BodyPhase::Open) if writes == WRITES_PER_TURN => {
                    cold_path();
                    // The other tasks of this thread run first, also those whose sockets have
                    // become ready. This body continues afterwards.
                    wake_after_sockets(cx);
                    return Poll::Pending;
                }
                (None, BodyPhase::Open) => Batch::new(),
            };
            let head = this.unsent.take();
            if let Some(UnsentBytes::Head(head)) = head.as_deref() {
                cold_path();
                batch.push(head);
            }
            is_waiting = this.fill(&mut batch, io.is_write_vectored(), cx).is_pending();
            if this.unsent_limit.is_some() {
                cold_path();
                this.limit_unsent(io, &batch, head.is_some());
            }
            let unsent = batch.write(io, cx).map_err(|_| SendError::Broken)?;
            if let Some(unsent) = unsent {
                cold_path();
                *this.unsent = Some(Box::new(UnsentBytes::Rest(unsent)));
                this.keep_last_frame();
            }
            writes += 1;
        }
    }
}

impl UnsentBytes {
    /// Sends all of it.
    pub(crate) async fn send<W: AsyncWrite + Unpin>(mut self, io: &mut W) -> io::Result<()> {
        match &mut self {
            Self::Head(head) => io.write_all(head).await?,
            Self::Rest(rest) => poll_fn(|cx| rest.poll_write_all(io, cx)).await?,
        }
        io.flush().await
    }
}

impl<B: Body<Data = Bytes>> BodyWriterProj<'_, B> {
    /// Sends the rest of an earlier write.
    fn poll_send_rest<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if let Some(UnsentBytes::Rest(unsent)) = self.unsent.as_deref_mut() {
            cold_path();
            ready!(unsent.poll_write_all(io, cx))?;
            *self.unsent = None;
        }
        Pin::new(io).poll_flush(cx)
    }

    /// Limits the bytes that the kernel holds unsent, as soon as a write could exceed the limit.
    ///
    /// The first write mostly cannot. So a client that leaves soon after its stream has begun does
    /// not cost the system call, after which the kernel also reports the socket as ready once more.
    fn limit_unsent<W: SendQueue>(&mut self, io: &W, batch: &Batch, is_first: bool) {
        let is_small = |limit: &NonZeroU32| is_first && batch.len() <= limit.get() as usize;
        if !batch.is_empty() && !self.unsent_limit.as_ref().is_some_and(is_small) {
            io.limit_unsent(self.unsent_limit.take());
        }
    }

    /// Whether the body has ended after it was polled last, and the rest is to be given up.
    fn is_cut(&self) -> bool {
        *self.is_cut_at_end
            && matches!(self.phase, BodyPhase::Open)
            && catch_panic(|| self.body.is_end_stream()).unwrap_or(true)
    }

    /// Notes that the unsent bytes are the last ones of the body, if they are. Then an end of the
    /// body does not cut them.
    #[cold]
    fn keep_last_frame(&mut self) {
        if *self.is_cut_at_end && CutAtEnd::has_given_all(&*self.body) {
            *self.is_cut_at_end = false;
        }
    }

    /// Takes the frames that are ready from the body. Pending if the body has no more for now;
    /// ready if it is over or the batch is full.
    fn fill(&mut self, batch: &mut Batch, is_vectored: bool, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES_PER_WRITE {
            if batch.is_full() || !matches!(self.phase, BodyPhase::Open) {
                break;
            }
            let body = &mut self.body;
            // A body with the mark is asked only if a frame waits for the client, see
            // `keep_last_frame`.
            let asks_for_end = !*self.is_cut_at_end;
            let polled = catch_panic(|| {
                let frame = ready!(body.as_mut().poll_frame(cx));
                Poll::Ready((frame, asks_for_end && body.is_end_stream()))
            });
            let Ok(polled) = polled else {
                // The head and the earlier frames are still sent.
                *self.phase = BodyPhase::Broken;
                break;
            };
            let (frame, is_last) = ready!(polled);
            match frame {
                Some(Ok(frame)) => self.push(batch, frame, is_last, is_vectored),
                Some(Err(_)) => {
                    cold_path();
                    *self.phase = BodyPhase::Broken;
                }
                None => {
                    batch.push(self.framing.body_end());
                    self.end();
                }
            }
        }
        Poll::Ready(())
    }

    fn push(&mut self, batch: &mut Batch, frame: Frame<Bytes>, is_last: bool, is_vectored: bool) {
        let data = match frame.into_data() {
            Ok(data) => data,
            // A body ends with its trailers.
            Err(frame) => {
                cold_path();
                match (frame.into_trailers(), self.trailers.as_deref()) {
                    (Ok(trailers), Some(announced)) => announced.write(&trailers, batch.small()),
                    _ => batch.push(self.framing.body_end()),
                }
                return self.end();
            }
        };
        if !data.is_empty() {
            batch.push_frame(data, self.framing, is_last, is_vectored);
        } else if is_last {
            batch.push(self.framing.body_end());
        }
        if is_last || self.framing.is_full() {
            self.end();
        }
    }

    /// Ends the body. A body that is shorter than the head promised must not look complete.
    fn end(&mut self) {
        *self.phase = if self.framing.may_end() { BodyPhase::Complete } else { BodyPhase::Broken };
    }
}
