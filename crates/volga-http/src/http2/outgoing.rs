//! The body of a response, on its way out as DATA frames.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

use super::room::{Socket, Wait};
use crate::limits::{FRAME_BYTES, FRAME_PIECES};

pin_project! {
    /// A body, and the stream that it goes out on.
    ///
    /// What the body has ready becomes one DATA frame, which goes to `h2` when the stream's window has room for it. Until then it is held here, and the
    /// body is not asked for more; a stream that gets no room for too long is reset.
    pub(super) struct Outgoing<B> {
        stream: SendStream<Bytes>,
        held: Bytes,
        then: Then,
        wait: Wait,
        #[pin]
        body: B,
    }
}

/// What follows the bytes that are held.
enum Then {
    More,
    End,
    Trailers(Box<HeaderMap>),
    Failure,
}

/// What became of a step that was not in vain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// A frame went out, and the body may have more.
    Sent,
    /// Everything went out, or nobody wants it any more.
    Over,
    /// The body failed. Once what came before has left, call [`Outgoing::reset`].
    Failed,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(stream: SendStream<Bytes>, body: B, socket: Arc<Socket>) -> Self {
        Self { stream, held: Bytes::new(), then: Then::More, wait: Wait::new(socket), body }
    }

    /// Sends one frame of what is ready.
    ///
    /// Pending, it has registered for whatever makes another step worthwhile: the body, or room in the window. That the client resets the stream, it notices only
    /// where it has something to send: see [`Outgoing::poll_reset`].
    pub(super) fn step(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let mut is_drained = false;
        if self.held.is_empty() && matches!(self.then, Then::More) {
            is_drained = self.as_mut().gather(cx);
        }
        let this = self.project();
        if !this.held.is_empty() {
            // The last frame is held back like any other: in `h2`, nobody would count how long it waits.
            let Poll::Ready(room) = poll_room(this.stream, this.held.len(), cx) else {
                ready!(this.wait.poll_too_long(cx));
                this.stream.send_reset(Reason::CANCEL);
                return Poll::Ready(Step::Over);
            };
            this.wait.end();
            let Some(room) = room else { return Poll::Ready(Step::Over) };
            let part = this.held.split_to(room.min(this.held.len()));
            let is_last = matches!(this.then, Then::End) && this.held.is_empty();
            if this.stream.send_data(part, is_last).is_err() || is_last {
                return Poll::Ready(Step::Over);
            }
            if !this.held.is_empty() {
                return Poll::Ready(Step::Sent);
            }
        }
        match std::mem::replace(this.then, Then::More) {
            Then::More if is_drained => Poll::Pending,
            Then::More => Poll::Ready(Step::Sent),
            Then::End => {
                // It fails only when nobody wants it any more.
                let _ = this.stream.send_data(Bytes::new(), true);
                Poll::Ready(Step::Over)
            }
            Then::Trailers(trailers) => {
                if this.stream.send_trailers(*trailers).is_err() {
                    this.stream.send_reset(Reason::INTERNAL_ERROR);
                }
                Poll::Ready(Step::Over)
            }
            Then::Failure => {
                // It may be asked again, by whoever is to reset the stream; the body is not.
                *this.then = Then::Failure;
                Poll::Ready(Step::Failed)
            }
        }
    }

    /// Ready once nobody wants the body any more.
    pub(super) fn poll_reset(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().stream.poll_reset(cx).map(|_why| ())
    }

    /// The stream's number.
    pub(super) fn id(&self) -> u32 {
        self.stream.stream_id().as_u32()
    }

    /// Tells the client that the body failed.
    pub(super) fn reset(self: Pin<&mut Self>) {
        self.project().stream.send_reset(Reason::INTERNAL_ERROR);
    }

    /// Takes from the body what is ready, up to a frame, and returns whether the body now waits.
    fn gather(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let mut joined = BytesMut::new();
        let mut is_drained = false;
        for _ in 0..FRAME_PIECES {
            let Poll::Ready((data, then)) = poll_piece(this.body.as_mut(), cx) else {
                is_drained = true;
                break;
            };
            *this.then = then;
            if this.held.is_empty() {
                // Mostly the only piece, which then is not copied.
                *this.held = data;
            } else {
                if joined.is_empty() {
                    joined.reserve(2 * (this.held.len() + data.len()));
                    joined.extend_from_slice(this.held);
                }
                joined.extend_from_slice(&data);
            }
            // Pieces of one body are mostly of one size: when half of the frame is full, another one may not fit.
            let is_full = this.held.len().max(joined.len()) >= FRAME_BYTES / 2;
            if is_full || !matches!(this.then, Then::More) {
                break;
            }
        }
        if !joined.is_empty() {
            *this.held = joined.freeze();
        }
        is_drained
    }
}

/// Waits for room in the stream's window, and returns how many of the `wanted` bytes fit; `None` once nobody wants them.
fn poll_room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<usize>> {
    // Asked for only with the bytes in hand: room that an idle stream keeps is missing on the others (all streams of a connection share its window).
    stream.reserve_capacity(wanted);
    let mut room = stream.capacity();
    while room == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(now)) => room = now,
            Some(Err(_)) | None => return Poll::Ready(None),
        }
    }
    Poll::Ready(Some(room))
}

/// The next piece of a body, perhaps empty, and what follows it. A panic is a failure like any other, so it ends this stream and not its connection.
fn poll_piece<B>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<(Bytes, Then)>
where
    B: Body<Data = Bytes>,
{
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let frame = ready!(body.as_mut().poll_frame(cx));
        Poll::Ready((frame, body.is_end_stream()))
    }));
    let Ok(polled) = polled else { return Poll::Ready((Bytes::new(), Then::Failure)) };
    polled.map(|(frame, is_end)| match frame {
        None => (Bytes::new(), Then::End),
        Some(Err(_)) => (Bytes::new(), Then::Failure),
        Some(Ok(frame)) => match frame.into_data() {
            Ok(data) => (data, if is_end { Then::End } else { Then::More }),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => (Bytes::new(), Then::Trailers(Box::new(trailers))),
                // A kind of frame that HTTP/2 has no place for.
                Err(_) => (Bytes::new(), Then::More),
            },
        },
    })
}
