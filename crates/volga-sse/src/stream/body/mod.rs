//! `SseBody`: a stream of messages as an `http_body::Body`.
//!
//! | module | content |
//! |---|---|
//! | `closing` (pure) | how much is still sent after a close, and for how long |

pub(crate) mod closing;

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::box_error::BoxError;
use crate::codec::error::EncodeError;
use crate::stream::body::closing::ClosingStream;
use crate::stream::close::{CloseHandle, EndReason, SentCounts, StreamEnd};
use crate::stream::frame::Frame;
use crate::stream::heartbeat::Heartbeat;
use crate::stream::inner_source::InnerSource;
use crate::stream::schedule::{Schedule, TimerAction};
use crate::stream::settings::StreamSettings;
use crate::stream::source::SseSource;
use crate::stream::source::sealed::FillOutcome;

pin_project! {
    /// The body of an event stream, made by
    /// [`Sse::into_response`](crate::stream::response::Sse::into_response).
    ///
    /// A frame holds whole messages. A single message that is ready goes out as its own bytes,
    /// without a copy. Several messages go out as one frame, up to
    /// [`DEFAULT_MAX_FRAME_BYTES`](crate::stream::frame::DEFAULT_MAX_FRAME_BYTES) or
    /// [`DEFAULT_MAX_FRAME_MESSAGES`](crate::stream::frame::DEFAULT_MAX_FRAME_MESSAGES). The body
    /// takes the next message from the stream only when the server asks for the next frame. So a
    /// slow client holds up only its own stream, and nothing is queued here.
    ///
    /// The body of a hub's `Subscription` to one topic shares its frames with other bodies of its
    /// thread that are missing the same messages. Other streams copy each message for each client.
    ///
    /// When the stream is [closed](CloseHandle::close), the body still sends the messages that are
    /// ready, up to
    /// [`DEFAULT_MAX_CLOSING_BYTES`](crate::stream::settings::DEFAULT_MAX_CLOSING_BYTES) and for at
    /// most [`DEFAULT_MAX_CLOSING_TIME`](crate::stream::settings::DEFAULT_MAX_CLOSING_TIME).
    ///
    /// When an item is an error, the body first sends the messages that were ready before it, and
    /// then fails. The server then cuts the response short, so that the client notices the failure.
    ///
    /// # Panics
    ///
    /// Polling a body with a heartbeat, a maximum age or a deadline panics outside a tokio runtime
    /// with its timer enabled.
    #[project = SseBodyProj]
    pub struct SseBody<S> {
        #[pin]
        stream: S,
        // Made at the first poll, because there may be no runtime before.
        #[pin]
        timer: Option<Sleep>,
        schedule: Schedule,
        phase: Phase,
        // The task that the close handle and the timer will wake, while both of them know it.
        known_waker: Option<Waker>,
        // On the heap, because they are used once or twice in a stream's life. `None` for the
        // defaults, and once the stream is open, if only defaults are left. A stream may wait for
        // hours, and the settings were a fifth of the memory that it held.
        settings: Option<Box<StreamSettings>>,
        end_notifier: EndNotifier,
    }
}

enum Phase {
    /// Nothing was sent yet.
    Opening,
    Open,
    /// The stream is to end, and the messages that are ready are sent before. Boxed, because no
    /// stream is in this phase for long.
    Closing(Box<ClosingStream>),
    /// The stream failed, and the server is about to send what came before the error. The error is
    /// boxed, because it would be the largest part of the body.
    Flushing(Box<BoxError>),
    /// The server gets the error next.
    Failing(Box<BoxError>),
    Ended,
}

/// Tells the observers how the stream ended, also when the body is dropped.
struct EndNotifier {
    close: CloseHandle,
    sent: SentCounts,
}

impl EndNotifier {
    fn notify(&self, reason: EndReason, cause: Option<&BoxError>, has_unsent: bool) {
        let cause = cause.map(|cause| &**cause);
        self.close.notify_end(StreamEnd { reason, cause, sent: self.sent, has_unsent });
    }
}

impl Drop for EndNotifier {
    fn drop(&mut self) {
        match self.close.take_cut() {
            _ if self.close.has_finished() => self.notify(EndReason::Finished, None, false),
            Some((reason, cause)) => self.notify(reason, Some(&cause), false),
            None => self.notify(EndReason::ClientLeft, None, false),
        }
    }
}

impl<S> SseBody<S> {
    pub(crate) fn new(
        stream: S,
        settings: Option<Box<StreamSettings>>,
        close: CloseHandle,
    ) -> Self {
        Self {
            stream,
            timer: None,
            schedule: Schedule::default(),
            phase: Phase::Opening,
            known_waker: None,
            settings,
            end_notifier: EndNotifier { close, sent: SentCounts::default() },
        }
    }

    fn has_inner_source_ended(&self) -> bool {
        let sources = self.settings.as_ref().map(|settings| &settings.inner_sources);
        sources.is_some_and(|sources| sources.iter().any(|source| source.has_ended()))
    }
}

impl<S: SseSource> Body for SseBody<S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let mut frame = Frame::default();
        if let Phase::Open = this.phase {
            let turn = ready!(this.turn(&mut frame, false, cx));
            if let Ok(Turn::Send) = turn
                && !frame.is_empty()
            {
                this.end_notifier.sent.bytes += frame.len() as u64;
                return Poll::Ready(Some(Ok(BodyFrame::data(frame.into_bytes()))));
            }
            this.end_turn(turn, &frame);
        }
        this.poll_phases(frame, cx)
    }

    fn is_end_stream(&self) -> bool {
        match self.phase {
            Phase::Ended => true,
            Phase::Open if self.stream.has_ended() || self.has_inner_source_ended() => {
                // The server need not poll the body again.
                self.end_notifier.close.note_finished();
                true
            }
            _ => false,
        }
    }

    /// Exact once the stream has given its last frame. So a server can tell this end from that of a
    /// stream that is behind.
    fn size_hint(&self) -> SizeHint {
        match self.phase {
            Phase::Ended => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

/// How a turn of the body ends.
enum Turn {
    /// The frame is sent, and the stream goes on.
    Send,
    /// The stream is to end for this reason.
    Close(EndReason),
    /// The source has no further messages.
    Finished,
    /// The farewell is in the frame.
    Farewell { reason: EndReason, has_unsent: bool },
}

/// What the source of a closing stream did.
enum ClosingOutcome {
    NothingReady,
    Full,
    /// The runtime's cooperative budget is used up, so the source could not say what is ready.
    OutOfBudget,
    Finished,
}

/// How often in a row a source says that nothing is ready before a closing stream believes it. A
/// source may pause between two messages to let other tasks have their turn, as
/// `tokio::task::yield_now` and `FuturesUnordered` do, and several parts of it may do so.
const MAX_PAUSES: usize = 8;

/// The stream was closed before all messages that were ready were sent.
#[derive(Debug)]
struct UnsentMessages;

impl fmt::Display for UnsentMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the stream was closed before all of its messages were sent; \
             raise `Sse::max_closing_bytes` or `Sse::max_closing_time` to send more",
        )
    }
}

impl std::error::Error for UnsentMessages {}

/// The stream of messages panicked.
#[derive(Debug)]
struct StreamPanic(String);

impl StreamPanic {
    fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text.unwrap_or("no message").to_owned())
    }
}

impl fmt::Display for StreamPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream panicked: {}", self.0)
    }
}

impl std::error::Error for StreamPanic {}

impl<S: SseSource> SseBodyProj<'_, S> {
    /// Polls for a frame in any phase, and adds to the frame of the turn before.
    // A function of its own, so that an open stream with a frame to send does not pay for the other
    // phases: with them, a delivery of one message took 10% more instructions.
    #[inline(never)]
    fn poll_phases(
        &mut self,
        mut frame: Frame,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        loop {
            // A close leaves its frame to the first closing turn, which adds to it.
            if !frame.is_empty()
                && !matches!(self.phase, Phase::Closing(closing) if closing.is_new())
            {
                return Poll::Ready(Some(Ok(BodyFrame::data(frame.into_bytes()))));
            }
            match std::mem::replace(self.phase, Phase::Open) {
                phase @ (Phase::Opening | Phase::Open) => {
                    let is_opening = matches!(phase, Phase::Opening);
                    let turn = ready!(self.turn(&mut frame, is_opening, cx));
                    self.end_turn(turn, &frame);
                }
                Phase::Closing(mut closing) => {
                    let turn = self.closing_turn(&mut closing, &mut frame, cx);
                    *self.phase = Phase::Closing(closing);
                    self.end_turn(ready!(turn), &frame);
                }
                Phase::Flushing(error) => {
                    // Servers drop the data that they hold when a body fails. After `Pending`, they
                    // send it first.
                    *self.phase = Phase::Failing(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Phase::Failing(error) => {
                    *self.phase = Phase::Ended;
                    return Poll::Ready(Some(Err(*error)));
                }
                Phase::Ended => {
                    *self.phase = Phase::Ended;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Fills the frame with what is to be sent. It is ready when the frame is not empty, when the
    /// stream ends or is to end, or with an error.
    #[inline(always)]
    fn turn(
        &mut self,
        frame: &mut Frame,
        is_opening: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Turn, BoxError>> {
        if is_opening {
            self.open(frame)?;
        }
        if let Some(settings) = self.settings {
            if settings.inner_sources.iter().any(|source| source.is_over()) {
                return Poll::Ready(Ok(Turn::Finished));
            }
            settings.poll_close_on(cx, &self.end_notifier.close);
        }
        if let Some(reason) = self.end_notifier.close.reason() {
            return Poll::Ready(Ok(Turn::Close(reason)));
        }
        let filled = self.fill(frame, cx)?;
        if let FillOutcome::Finished = filled {
            return Poll::Ready(self.finish(frame));
        }
        let end = if frame.is_empty() {
            if let FillOutcome::Full = filled {
                // There were only empty messages. The other tasks of this thread have a turn, and
                // then this stream goes on.
                cx.waker().wake_by_ref();
            }
            ready!(self.wait(frame, cx))
        } else {
            self.schedule.record_send(Instant::now())
        };
        Poll::Ready(Ok(end.map_or(Turn::Send, Turn::Close)))
    }

    /// Fills the frame with messages that are ready after the stream was told to end. The end
    /// follows when no more are ready, or when a bound is reached. It is ready when the frame is
    /// not empty, at the end, or with an error.
    fn closing_turn(
        &mut self,
        closing: &mut ClosingStream,
        frame: &mut Frame,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Turn, BoxError>> {
        if self.inner_sources().any(|source| source.is_over()) {
            return Poll::Ready(Ok(Turn::Finished));
        }
        // Beyond the bounds, the source is only asked whether it has anything left.
        if closing.is_over(Instant::now()) {
            let mut unsent = Frame::default();
            let outcome = self.fill_closing(&mut unsent, cx);
            let has_unsent = match outcome {
                Ok(ClosingOutcome::Finished) => return Poll::Ready(self.finish(frame)),
                Ok(ClosingOutcome::NothingReady) => !unsent.is_empty(),
                Ok(ClosingOutcome::Full) => true,
                // Asked once more in the next turn, when the budget is whole again.
                Ok(ClosingOutcome::OutOfBudget) if unsent.is_empty() && closing.ask_again() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(ClosingOutcome::OutOfBudget) => true,
                Err(error) => return Poll::Ready(Err(error)),
            };
            return Poll::Ready(self.say_farewell(closing.reason, has_unsent, frame));
        }
        let before = frame.messages();
        let outcome = self.fill_closing(frame, cx);
        self.end_notifier.sent.messages += (frame.messages() - before) as u64;
        closing.note_turn(frame.len());
        match outcome? {
            ClosingOutcome::Finished => Poll::Ready(self.finish(frame)),
            ClosingOutcome::NothingReady => {
                Poll::Ready(self.say_farewell(closing.reason, false, frame))
            }
            ClosingOutcome::Full | ClosingOutcome::OutOfBudget if frame.is_empty() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            ClosingOutcome::Full | ClosingOutcome::OutOfBudget => Poll::Ready(Ok(Turn::Send)),
        }
    }

    /// Adds messages that are ready to the frame. A source that only pauses, to let others have
    /// their turn, has more to give.
    fn fill_closing(
        &mut self,
        frame: &mut Frame,
        cx: &mut Context<'_>,
    ) -> Result<ClosingOutcome, BoxError> {
        let mut pauses = 0;
        loop {
            let before = frame.messages();
            match self.poll_fill(frame, cx)? {
                FillOutcome::Finished => return Ok(ClosingOutcome::Finished),
                FillOutcome::Full => return Ok(ClosingOutcome::Full),
                FillOutcome::Pending if !coop::has_budget_remaining() => {
                    return Ok(ClosingOutcome::OutOfBudget);
                }
                FillOutcome::Pending if frame.messages() > before => pauses = 1,
                FillOutcome::Pending => pauses += 1,
            }
            if pauses == MAX_PAUSES {
                return Ok(ClosingOutcome::NothingReady);
            }
        }
    }

    /// Adds messages that are ready to the frame, and counts them.
    fn fill(&mut self, frame: &mut Frame, cx: &mut Context<'_>) -> Result<FillOutcome, BoxError> {
        let before = frame.messages();
        let filled = self.poll_fill(frame, cx);
        self.end_notifier.sent.messages += (frame.messages() - before) as u64;
        filled
    }

    #[inline(always)]
    fn poll_fill(
        &mut self,
        frame: &mut Frame,
        cx: &mut Context<'_>,
    ) -> Result<FillOutcome, BoxError> {
        // A panic must not take the connection with it, and what came before it must be sent.
        let stream = self.stream.as_mut();
        let filled = catch_unwind(AssertUnwindSafe(|| stream.fill(frame, cx)));
        filled.unwrap_or_else(|payload| Err(StreamPanic::new(&*payload).into()))
    }

    fn inner_sources(&self) -> impl Iterator<Item = &dyn InnerSource> {
        self.settings.iter().flat_map(|settings| &settings.inner_sources).map(|source| &**source)
    }

    /// Ends a stream whose source has finished.
    fn finish(&mut self, frame: &mut Frame) -> Result<Turn, BoxError> {
        let has_farewell = self.stream.as_mut().ends_with_farewell()
            || self.inner_sources().any(|source| source.ends_with_farewell());
        if has_farewell {
            return self.say_farewell(EndReason::Finished, false, frame);
        }
        Ok(Turn::Finished)
    }

    /// Adds the farewell.
    fn say_farewell(
        &mut self,
        reason: EndReason,
        has_unsent: bool,
        frame: &mut Frame,
    ) -> Result<Turn, BoxError> {
        self.settings.get_or_insert_default().push_farewell(frame)?;
        Ok(Turn::Farewell { reason, has_unsent })
    }

    /// Sets the next phase, and tells the observers of an end. Unless the stream is to close, the
    /// frame is about to be sent.
    fn end_turn(&mut self, turn: Result<Turn, BoxError>, frame: &Frame) {
        if let Ok(Turn::Close(reason)) = turn {
            self.stream.as_mut().begin_close();
            let limits = self.settings.as_ref().map_or_else(Default::default, |set| set.closing);
            *self.phase =
                Phase::Closing(Box::new(ClosingStream::new(reason, limits, Instant::now())));
            return;
        }
        self.end_notifier.sent.bytes += frame.len() as u64;
        match turn {
            Ok(Turn::Send | Turn::Close(_)) => {}
            Ok(Turn::Finished) => {
                *self.phase = Phase::Ended;
                self.end_notifier.notify(EndReason::Finished, None, false);
            }
            Ok(Turn::Farewell { reason, has_unsent }) => {
                // A client that resumes gets what was not sent. Any other client must not take the
                // stream for complete.
                let is_cut = has_unsent && !self.stream.as_mut().is_resumable();
                let error: Option<BoxError> = is_cut.then(|| UnsentMessages.into());
                self.end_notifier.notify(reason, error.as_ref(), has_unsent);
                *self.phase = match error {
                    Some(error) => Phase::Flushing(Box::new(error)),
                    None => Phase::Ended,
                };
            }
            Err(error) => {
                let reason =
                    if error.is::<StreamPanic>() { EndReason::Panicked } else { EndReason::Failed };
                self.end_notifier.notify(reason, Some(&error), false);
                *self.phase = Phase::Flushing(Box::new(error));
            }
        }
    }

    /// Starts the clock, and sends what a stream starts with.
    fn open(&mut self, frame: &mut Frame) -> Result<(), EncodeError> {
        let defaults = StreamSettings::default();
        let settings = self.settings.as_deref().unwrap_or(&defaults);
        *self.schedule = settings.schedule(Instant::now());
        self.timer.set(self.schedule.next().map(sleep_until));
        let opening = settings.opening();
        if settings.is_default_from_now_on() {
            *self.settings = None;
        }
        opening.map_or(Ok(()), |opening| frame.push(opening))
    }

    /// Waits for a close or for the clock.
    #[inline(always)]
    fn wait(&mut self, frame: &mut Frame, cx: &mut Context<'_>) -> Poll<Option<EndReason>> {
        // After each delivery, a stream waits for the same events with the same waker. Registering
        // it again would be wasted work. What happened meanwhile has woken the task, or is seen
        // here.
        let is_known = self.known_waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let is_due = self.timer.as_ref().as_pin_ref().is_some_and(|timer| timer.is_elapsed());
        if is_known && !is_due && !self.end_notifier.close.is_closed() {
            return Poll::Pending;
        }
        self.register(frame, cx)
    }

    /// Lets the close handle and the timer wake the task, unless one of them has something to do.
    fn register(&mut self, frame: &mut Frame, cx: &mut Context<'_>) -> Poll<Option<EndReason>> {
        *self.known_waker = None;
        if let Some(reason) = self.end_notifier.close.poll_reason(cx) {
            return Poll::Ready(Some(reason));
        }
        while let Some((mut timer, next)) =
            self.timer.as_mut().as_pin_mut().zip(self.schedule.next())
            && timer.as_mut().poll(cx).is_ready()
        {
            let action = self.schedule.fire(Instant::now());
            timer.reset(self.schedule.next().unwrap_or(next));
            match action {
                TimerAction::Nothing => {}
                TimerAction::End(reason) => return Poll::Ready(Some(reason)),
                TimerAction::Comment => {
                    self.stream.as_mut().on_silence();
                    self.inner_sources().for_each(|source| source.on_silence());
                    let heartbeat =
                        self.settings.as_ref().map_or_else(Heartbeat::default, |set| set.heartbeat);
                    frame.push_bytes(Bytes::from_static(heartbeat.bytes()));
                    return Poll::Ready(None);
                }
            }
        }
        *self.known_waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<S> fmt::Debug for SseBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseBody")
            .field("ended", &matches!(self.phase, Phase::Ended))
            .field("close", &self.end_notifier.close)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
