//! Sends the body of a response as DATA frames.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

use super::backpressure::{Backpressure, H2WaitGuard, WindowTimer};
use super::direct::windows::{FirstByte, SendPath};
use super::direct::write_buffer::DirectWriter;
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::service::catch_panic;
use crate::limits::{FRAME_BYTES, FRAME_PIECES};

pin_project! {
    /// A body, and the stream on which it is sent.
    ///
    /// The body is polled only when the first byte of its data could be sent. The data that is
    /// ready then becomes one DATA frame. If the window closes in the middle of the frame, the rest
    /// is held here, and the body is not polled. A stream whose window stays closed for too long is
    /// reset.
    pub(super) struct SendBody<B> {
        stream: SendStream<Bytes>,
        // In a box, because a stream that waits for its body has none.
        held: Option<Box<PendingFrame>>,
        #[pin]
        body: B,
    }
}

/// A body that is being sent.
pub(super) struct OutgoingBody<B> {
    pub(super) send_body: Pin<Box<SendBody<B>>>,
    /// Whether the response has the mark [`CutAtEnd`](crate::CutAtEnd): the rest is given up when
    /// the body ends while the client reads nothing.
    // Not in the box, because an idle stream holds that, and one byte more takes another 16 there.
    pub(super) is_cut_at_end: bool,
}

/// The data to send next. If it is empty, the body is polled next, or waits for room.
#[derive(Default)]
struct PendingFrame {
    data: Bytes,
    then: FollowUp,
    wait: WindowTimer,
    /// `Some` while `h2` has no room for the stream.
    waiting: Option<H2WaitGuard>,
}

/// What follows after the data.
#[derive(Default)]
enum FollowUp {
    #[default]
    More,
    End,
    Trailers(Box<HeaderMap>),
    Failure,
    Reset,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StepOutcome {
    /// A frame was sent, and the body may have more.
    Sent,
    /// A frame was taken from the body and a part of it was sent. This many bytes wait for room.
    Held(usize),
    /// Everything was sent, or the client has reset the stream.
    Over,
    /// The body failed. The next step resets the stream. Before that, `h2` must write the frames
    /// that it holds of the stream, because a reset drops them.
    Failed,
}

impl<B> SendBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(stream: SendStream<Bytes>, body: B) -> Self {
        Self { stream, held: None, body }
    }

    /// Sends one frame of the data that is ready. See [`OutgoingBody`] for `is_cut_at_end`.
    ///
    /// If this returns `Pending`, the waker of `cx` is woken when another step is worthwhile: when
    /// the body has data, or the window has room. With a `direct` writer the connection hears of an
    /// opened window instead, by
    /// [`take_changes`](super::direct::write_buffer::SharedWriteBuffer::take_changes). A step
    /// notices that the client has reset the stream only if it has something to send; see
    /// [`SendBody::poll_reset`].
    pub(super) fn step(
        self: Pin<&mut Self>,
        backpressure: &Arc<Backpressure>,
        mut direct: Option<DirectWriter<'_>>,
        is_cut_at_end: bool,
        cx: &mut Context<'_>,
    ) -> Poll<StepOutcome> {
        let mut this = self.project();
        let held = this.held.take();
        let is_new = held.as_ref().is_none_or(|held| held.is_for_more());
        let mut is_drained = false;
        // A body with the mark says whether it has ended by more than a look at its own state, and
        // most of its frames are not the last. So it is asked only if a frame waits for room.
        let asks_for_end = !is_cut_at_end;
        let mut next = if is_new {
            match poll_first_byte(this.stream, direct.as_mut(), cx) {
                FirstByteRoom::Bytes { room, is_direct } => {
                    let ready = gather(this.body.as_mut(), room, asks_for_end, cx);
                    is_drained = ready.is_drained;
                    // In most cases all of the data is sent, and nothing is to be remembered.
                    if is_direct
                        && ready.is_data_for_more()
                        && ready.data.len() <= room.min(FRAME_BYTES)
                        && let Some(direct) = &mut direct
                    {
                        direct.send_granted(&ready.data);
                        let more = Poll::Ready(StepOutcome::Sent);
                        return if is_drained { Poll::Pending } else { more };
                    }
                    let mut next = PendingFrame::of(ready);
                    // A frame that waits for room must know whether it is the last one.
                    if !asks_for_end
                        && next.is_data_for_more()
                        && CutAtEnd::has_given_all(&*this.body)
                    {
                        next.then = FollowUp::End;
                    }
                    if next.is_for_more() {
                        // An idle stream reserves no room, because all streams share the
                        // connection's window.
                        this.stream.reserve_capacity(0);
                    }
                    next
                }
                FirstByteRoom::Blocked(cause) => {
                    let mut next = held.map_or_else(PendingFrame::default, |held| *held);
                    if !this.body.is_end_stream() {
                        return next.wait(this.held, this.stream, cause, backpressure, cx);
                    }
                    // An end without data needs no room.
                    next.then = FollowUp::End;
                    next
                }
                FirstByteRoom::Reset => return Poll::Ready(StepOutcome::Over),
            }
        } else {
            held.map_or_else(PendingFrame::default, |held| *held)
        };
        if !next.data.is_empty() {
            // The last frame waits here for room like any other, because `h2` has no limit on that
            // wait.
            let is_last = matches!(next.then, FollowUp::End);
            match send(this.stream, direct.as_mut(), &mut next.data, is_last, cx) {
                SendOutcome::Part => (next.wait, next.waiting) = (WindowTimer::default(), None),
                SendOutcome::Over => return Poll::Ready(StepOutcome::Over),
                SendOutcome::Blocked(_)
                    if is_cut_at_end
                        && next.then.is_more()
                        && catch_panic(|| this.body.is_end_stream()).unwrap_or(true) =>
                {
                    this.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(StepOutcome::Over);
                }
                SendOutcome::Blocked(cause) => {
                    return next.wait(this.held, this.stream, cause, backpressure, cx);
                }
            }
            let left = next.data.len();
            if left > 0 {
                *this.held = Some(Box::new(next));
                let outcome = if is_new { StepOutcome::Held(left) } else { StepOutcome::Sent };
                return Poll::Ready(outcome);
            }
        }
        match next.then {
            FollowUp::More if is_drained => return Poll::Pending,
            FollowUp::More => return Poll::Ready(StepOutcome::Sent),
            // This fails only if the client has reset the stream.
            FollowUp::End => drop(this.stream.send_data(Bytes::new(), true)),
            FollowUp::Trailers(trailers) => {
                if this.stream.send_trailers(*trailers).is_err() {
                    this.stream.send_reset(Reason::INTERNAL_ERROR);
                }
            }
            FollowUp::Failure => {
                *this.held = Some(Box::new(PendingFrame { then: FollowUp::Reset, ..next }));
                return Poll::Ready(StepOutcome::Failed);
            }
            FollowUp::Reset => this.stream.send_reset(Reason::INTERNAL_ERROR),
        }
        Poll::Ready(StepOutcome::Over)
    }

    /// Resets the stream if its body has ended while nothing can be sent. Returns whether it did.
    /// The response must have the mark [`CutAtEnd`].
    pub(super) fn cut_if_ended(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let has_more = this.held.as_ref().is_none_or(|held| held.then.is_more());
        let is_cut = has_more
            && catch_panic(|| this.body.is_end_stream()).unwrap_or(true)
            && !CutAtEnd::has_given_all(&*this.body);
        if is_cut {
            this.stream.send_reset(Reason::CANCEL);
        }
        is_cut
    }

    /// Waits until the client has reset the stream.
    pub(super) fn poll_reset(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().stream.poll_reset(cx).map(|_why| ())
    }

    /// The stream's number.
    pub(super) fn id(&self) -> u32 {
        self.stream.stream_id().as_u32()
    }
}

impl FollowUp {
    fn is_more(&self) -> bool {
        matches!(self, Self::More)
    }
}

impl PendingFrame {
    /// A frame that has not waited.
    fn of(gathered: Gathered) -> Self {
        let Gathered { data, then, .. } = gathered;
        Self { data, then, wait: WindowTimer::default(), waiting: None }
    }

    /// Whether the body must be polled for more data.
    fn is_for_more(&self) -> bool {
        self.data.is_empty() && self.then.is_more()
    }

    /// Whether this is data without anything after it, as from a body that goes on.
    fn is_data_for_more(&self) -> bool {
        !self.data.is_empty() && self.then.is_more()
    }

    /// Waits for room, with the data in `held`. A stream that waits for too long is reset.
    fn wait(
        mut self,
        held: &mut Option<Box<Self>>,
        stream: &mut SendStream<Bytes>,
        cause: BlockCause,
        backpressure: &Arc<Backpressure>,
        cx: &mut Context<'_>,
    ) -> Poll<StepOutcome> {
        match cause {
            BlockCause::H2 => {
                self.waiting.get_or_insert_with(|| H2WaitGuard::new(backpressure));
            }
            BlockCause::Window => {
                // The stream may have waited for `h2` before. `h2` does not see what was sent
                // directly, so it would keep room for a stream whose window has none.
                stream.reserve_capacity(0);
                self.waiting = None;
            }
        }
        if self.wait.poll_too_long(backpressure, cx).is_pending() {
            *held = Some(Box::new(self));
            return Poll::Pending;
        }
        stream.send_reset(Reason::CANCEL);
        Poll::Ready(StepOutcome::Over)
    }
}

/// The data that a body had ready, and what follows it.
struct Gathered {
    data: Bytes,
    then: FollowUp,
    /// Whether the body now waits.
    is_drained: bool,
}

impl Gathered {
    /// Whether this is data without anything after it, as from a body that goes on.
    fn is_data_for_more(&self) -> bool {
        !self.data.is_empty() && self.then.is_more()
    }
}

/// Takes the data that is ready from the body, up to a frame.
///
/// Once the `room` is filled, no further piece is taken, because it could not be sent. Without
/// `asks_for_end`, the end of the body is noticed only if it is polled once more.
fn gather<B>(
    mut body: Pin<&mut B>,
    room: usize,
    asks_for_end: bool,
    cx: &mut Context<'_>,
) -> Gathered
where
    B: Body<Data = Bytes>,
{
    // Pieces of one body mostly have similar sizes. When half of the frame is full, another piece
    // may not fit.
    let enough = room.min(FRAME_BYTES / 2);
    let mut gathered = Gathered { data: Bytes::new(), then: FollowUp::More, is_drained: false };
    let mut joined: Option<BytesMut> = None;
    for _ in 0..FRAME_PIECES {
        let Poll::Ready((data, then)) = poll_piece(body.as_mut(), asks_for_end, cx) else {
            gathered.is_drained = true;
            break;
        };
        gathered.then = then;
        let length = if gathered.data.is_empty() {
            // Usually this is the only piece, and then it is not copied.
            gathered.data = data;
            gathered.data.len()
        } else if data.is_empty() {
            0
        } else {
            let first = &gathered.data;
            let joined = joined.get_or_insert_with(|| {
                let mut joined = BytesMut::with_capacity(2 * (first.len() + data.len()));
                joined.extend_from_slice(first);
                joined
            });
            joined.extend_from_slice(&data);
            joined.len()
        };
        if length >= enough || !gathered.then.is_more() {
            break;
        }
    }
    if let Some(joined) = joined {
        gathered.data = joined.freeze();
    }
    gathered
}

/// Why nothing can be sent now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BlockCause {
    /// The stream's window is closed.
    Window,
    /// `h2` has no room.
    H2,
}

/// Whether there is room for a first byte, so that the body can be polled.
enum FirstByteRoom {
    /// A first byte could be sent, and with it `room` bytes in total.
    Bytes {
        room: usize,
        is_direct: bool,
    },
    Blocked(BlockCause),
    /// The client has reset the stream.
    Reset,
}

/// Waits until the first byte of the body's next data could be sent.
fn poll_first_byte(
    stream: &mut SendStream<Bytes>,
    direct: Option<&mut DirectWriter<'_>>,
    cx: &mut Context<'_>,
) -> FirstByteRoom {
    let wanted = match direct.map(DirectWriter::first_byte) {
        Some(FirstByte::Direct(room)) => {
            return FirstByteRoom::Bytes { room, is_direct: true };
        }
        Some(FirstByte::Blocked) => return FirstByteRoom::Blocked(BlockCause::Window),
        Some(FirstByte::ViaH2(room)) => room.min(FRAME_BYTES),
        None => FRAME_BYTES,
    };
    match poll_room(stream, wanted, cx) {
        Poll::Pending => FirstByteRoom::Blocked(BlockCause::H2),
        Poll::Ready(None) => FirstByteRoom::Reset,
        Poll::Ready(Some(room)) => FirstByteRoom::Bytes { room, is_direct: false },
    }
}

/// The result of [`send`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SendOutcome {
    /// A part of the data was sent.
    Part,
    /// Nothing was sent.
    Blocked(BlockCause),
    /// All data was sent and the stream has ended, or the client has reset it.
    Over,
}

/// Sends as much of the data as there is room for, directly if that is possible.
fn send(
    stream: &mut SendStream<Bytes>,
    mut direct: Option<&mut DirectWriter<'_>>,
    data: &mut Bytes,
    is_last: bool,
    cx: &mut Context<'_>,
) -> SendOutcome {
    // `h2` must know of the end, so data that comes with it goes through `h2`.
    let path = match &mut direct {
        Some(direct) if is_last => direct.claim_via_h2(data.len()),
        Some(direct) => direct.send(data),
        None => SendPath::ViaH2(data.len()),
    };
    let wanted = match path {
        SendPath::Direct(sent) => {
            data.advance(sent);
            return SendOutcome::Part;
        }
        SendPath::Blocked => return SendOutcome::Blocked(BlockCause::Window),
        SendPath::ViaH2(wanted) => wanted,
    };
    let room = match poll_room(stream, wanted, cx) {
        Poll::Pending => return SendOutcome::Blocked(BlockCause::H2),
        Poll::Ready(None) => return SendOutcome::Over,
        Poll::Ready(Some(room)) => room,
    };
    let part = data.split_to(room.min(wanted));
    if let Some(direct) = direct {
        direct.give_h2(part.len());
    }
    let is_last = is_last && data.is_empty();
    if stream.send_data(part, is_last).is_err() || is_last {
        SendOutcome::Over
    } else {
        SendOutcome::Part
    }
}

/// Waits for room in the stream's window, and returns how many of the `wanted` bytes fit; `None` if
/// the client has reset the stream.
pub(super) fn poll_room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<usize>> {
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

/// The next piece of a body, perhaps empty, and what follows it. A panic counts as a failure of the
/// body, so it ends this stream and not the connection.
fn poll_piece<B>(
    mut body: Pin<&mut B>,
    asks_for_end: bool,
    cx: &mut Context<'_>,
) -> Poll<(Bytes, FollowUp)>
where
    B: Body<Data = Bytes>,
{
    let polled = catch_panic(|| {
        let frame = ready!(body.as_mut().poll_frame(cx));
        Poll::Ready((frame, asks_for_end && body.is_end_stream()))
    });
    let Ok(polled) = polled else { return Poll::Ready((Bytes::new(), FollowUp::Failure)) };
    polled.map(|(frame, is_end)| match frame {
        None => (Bytes::new(), FollowUp::End),
        Some(Err(_)) => (Bytes::new(), FollowUp::Failure),
        Some(Ok(frame)) => match frame.into_data() {
            Ok(data) => (data, if is_end { FollowUp::End } else { FollowUp::More }),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => (Bytes::new(), FollowUp::Trailers(Box::new(trailers))),
                // HTTP/2 has no frame for this kind of data.
                Err(_) => (Bytes::new(), FollowUp::More),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_holds_its_body_and_four_words() {
        assert_eq!(size_of::<SendBody<[usize; 10]>>(), size_of::<[usize; 14]>());
    }
}
