//! The body of a response, on its way out as DATA frames.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

use super::outbox::Past;
use super::room::{Short, Socket, Wait};
use super::windows::Way;
use crate::limits::{FRAME_BYTES, FRAME_PIECES};

pin_project! {
    /// A body, and the stream that it goes out on.
    ///
    /// What the body has ready becomes one DATA frame, which goes to `h2` when the stream's window has room for it. Until then it is held here, and the
    /// body is not asked for more; a stream that gets no room for too long is reset.
    pub(super) struct Outgoing<B> {
        stream: SendStream<Bytes>,
        // In a box, because a stream that waits for its body holds nothing.
        held: Option<Box<Next>>,
        #[pin]
        body: B,
    }
}

/// What is to be sent next.
struct Next {
    data: Bytes,
    then: Then,
    wait: Wait,
    /// There while `h2` has no room for the stream.
    short: Option<Short>,
}

/// What follows the data.
enum Then {
    More,
    End,
    Trailers(Box<HeaderMap>),
    Failure,
    Reset,
}

/// What became of a step that was not in vain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// A frame went out, and the body may have more.
    Sent,
    /// Everything went out, or nobody wants it any more.
    Over,
    /// The body failed. The next step resets the stream; before it, `h2` must pass on what it has of it.
    Failed,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(stream: SendStream<Bytes>, body: B) -> Self {
        Self { stream, held: None, body }
    }

    /// Sends one frame of what is ready.
    ///
    /// Pending, it has registered for whatever makes another step worthwhile: the body, or room in the window; except that where it may send `past` `h2`, it is the connection
    /// which [learns](super::outbox::Outbox::take_news) that the stream's window is open. That the client resets the stream, it notices only where it has something to send: see
    /// [`Outgoing::poll_reset`].
    pub(super) fn step(
        self: Pin<&mut Self>,
        socket: &Arc<Socket>,
        past: Option<Past<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        let this = self.project();
        let (mut next, is_drained) = match this.held.take() {
            Some(held) => (*held, false),
            None => gather(this.body, cx),
        };
        if !next.data.is_empty() {
            // The last frame is held back like any other: in `h2`, nobody would count how long it waits.
            let is_last = matches!(next.then, Then::End);
            match send(this.stream, past, &mut next.data, is_last, cx) {
                Sent::Part => (next.wait, next.short) = (Wait::default(), None),
                Sent::Over => return Poll::Ready(Step::Over),
                shortage => {
                    if shortage == Sent::Short {
                        next.short.get_or_insert_with(|| Short::new(socket));
                    }
                    if next.wait.poll_too_long(socket, cx).is_pending() {
                        *this.held = Some(Box::new(next));
                        return Poll::Pending;
                    }
                    this.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Step::Over);
                }
            }
            if !next.data.is_empty() {
                *this.held = Some(Box::new(next));
                return Poll::Ready(Step::Sent);
            }
        }
        match next.then {
            Then::More if is_drained => return Poll::Pending,
            Then::More => return Poll::Ready(Step::Sent),
            // It fails only when nobody wants it any more.
            Then::End => drop(this.stream.send_data(Bytes::new(), true)),
            Then::Trailers(trailers) => {
                if this.stream.send_trailers(*trailers).is_err() {
                    this.stream.send_reset(Reason::INTERNAL_ERROR);
                }
            }
            Then::Failure => {
                *this.held = Some(Box::new(Next { then: Then::Reset, ..next }));
                return Poll::Ready(Step::Failed);
            }
            Then::Reset => this.stream.send_reset(Reason::INTERNAL_ERROR),
        }
        Poll::Ready(Step::Over)
    }

    /// Ready once nobody wants the body any more.
    pub(super) fn poll_reset(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().stream.poll_reset(cx).map(|_why| ())
    }

    /// The stream's number.
    pub(super) fn id(&self) -> u32 {
        self.stream.stream_id().as_u32()
    }
}

/// Takes from the body what is ready, up to a frame, and returns whether the body now waits.
fn gather<B>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> (Next, bool)
where
    B: Body<Data = Bytes>,
{
    let mut next =
        Next { data: Bytes::new(), then: Then::More, wait: Wait::default(), short: None };
    let mut joined = BytesMut::new();
    let mut is_drained = false;
    for _ in 0..FRAME_PIECES {
        let Poll::Ready((data, then)) = poll_piece(body.as_mut(), cx) else {
            is_drained = true;
            break;
        };
        next.then = then;
        if next.data.is_empty() {
            // Mostly the only piece, which then is not copied.
            next.data = data;
        } else {
            if joined.is_empty() {
                joined.reserve(2 * (next.data.len() + data.len()));
                joined.extend_from_slice(&next.data);
            }
            joined.extend_from_slice(&data);
        }
        // Pieces of one body are mostly of one size: when half of the frame is full, another one may not fit.
        let is_full = next.data.len().max(joined.len()) >= FRAME_BYTES / 2;
        if is_full || !matches!(next.then, Then::More) {
            break;
        }
    }
    if !joined.is_empty() {
        next.data = joined.freeze();
    }
    (next, is_drained)
}

/// What became of data that was to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sent {
    /// A part of it went out.
    Part,
    /// Nothing: the stream's window is shut.
    Shut,
    /// Nothing: `h2` has no room.
    Short,
    /// All went out, and it was the last; or nobody wants it any more.
    Over,
}

/// Sends as much of the data as there is room for: past `h2` if that may be.
fn send(
    stream: &mut SendStream<Bytes>,
    mut past: Option<Past<'_>>,
    data: &mut Bytes,
    is_last: bool,
    cx: &mut Context<'_>,
) -> Sent {
    // The end is for `h2` to know, so what comes with it goes through it.
    let way = match &mut past {
        Some(past) if is_last => past.claim_through(data.len()),
        Some(past) => past.send(data),
        None => Way::Through(data.len()),
    };
    let wanted = match way {
        Way::Past(sent) => {
            data.advance(sent);
            return Sent::Part;
        }
        Way::Shut => return Sent::Shut,
        Way::Through(wanted) => wanted,
    };
    let room = match poll_room(stream, wanted, cx) {
        Poll::Pending => return Sent::Short,
        Poll::Ready(None) => return Sent::Over,
        Poll::Ready(Some(room)) => room,
    };
    let part = data.split_to(room.min(wanted));
    if let Some(mut past) = past {
        past.give_h2(part.len());
    }
    let is_last = is_last && data.is_empty();
    if stream.send_data(part, is_last).is_err() || is_last { Sent::Over } else { Sent::Part }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_holds_its_body_and_four_words() {
        assert!(size_of::<Outgoing<[usize; 10]>>() <= size_of::<[usize; 14]>());
    }
}
