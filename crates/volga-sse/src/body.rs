//! `SseBody`: a stream of messages as an `http_body::Body`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame as BodyFrame};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    CloseHandle, EncodeError, EndReason, Heartbeat, Message, SseItem,
    frame::Frame,
    heartbeat::Silence,
    item::sealed::{IntoPiece, Piece},
    spread::{farewell_retry, random_seed},
};

/// Any error, as a body carries it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a body behaves beside carrying its messages.
pub(crate) struct Settings {
    pub(crate) retry: Option<Duration>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) farewell: Option<Message>,
    pub(crate) farewell_spread: Duration,
}

pin_project! {
    /// The body of an event stream, made by [`Sse::into_response`](crate::Sse::into_response).
    ///
    /// A frame holds whole messages: one that is ready goes out as its own bytes, several as one frame, up to
    /// [`DEFAULT_MAX_FRAME_BYTES`](crate::DEFAULT_MAX_FRAME_BYTES) or
    /// [`DEFAULT_MAX_FRAME_MESSAGES`](crate::DEFAULT_MAX_FRAME_MESSAGES). The next message is taken from the stream
    /// only when the server asks for the next frame, so a slow client holds up its own stream and nothing is queued here.
    ///
    /// When an item is an error, what was ready before it is sent, and then the body fails: the server cuts the response
    /// short, and the client can tell.
    ///
    /// # Panics
    ///
    /// Polling a body with a heartbeat panics outside a tokio runtime with its timer enabled.
    pub struct SseBody<S> {
        #[pin]
        stream: S,
        // Made at the first poll: before it, there may be no runtime yet.
        #[pin]
        timer: Option<Sleep>,
        silence: Option<Silence>,
        phase: Phase,
        // What is needed once in a stream's life lives on the heap until then.
        settings: Box<Settings>,
        close: CloseHandle,
        ending: Ending,
    }
}

enum Phase {
    /// Nothing was sent yet.
    Opening,
    Open,
    /// The stream failed after messages that had to go out first.
    Failing(BoxError),
    Ended,
}

/// Tells the observer, once, why the stream ended.
pub(crate) struct Ending {
    observer: Option<Box<dyn FnOnce(EndReason) + Send>>,
}

impl Ending {
    pub(crate) fn new(observer: Option<Box<dyn FnOnce(EndReason) + Send>>) -> Self {
        Self { observer }
    }

    fn tell(&mut self, reason: EndReason) {
        if let Some(observer) = self.observer.take() {
            observer(reason);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.tell(EndReason::ClientLeft);
    }
}

impl<S> SseBody<S> {
    pub(crate) fn new(stream: S, settings: Settings, close: CloseHandle, ending: Ending) -> Self {
        Self {
            stream,
            timer: None,
            silence: None,
            phase: Phase::Opening,
            settings: Box::new(settings),
            close,
            ending,
        }
    }
}

/// What a look at the stream of messages came to.
enum Filled {
    Pending,
    Full,
    Ended(EndReason),
    Failed(BoxError),
}

impl<S> Body for SseBody<S>
where
    S: Stream,
    S::Item: SseItem,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let mut frame = Frame::default();
        let opened = match std::mem::replace(this.phase, Phase::Open) {
            Phase::Open => Ok(()),
            Phase::Opening => {
                *this.silence = this.settings.heartbeat.start(Instant::now());
                this.timer.set(this.silence.as_ref().map(|silence| sleep_until(silence.due())));
                this.settings.opening().map_or(Ok(()), |message| frame.push(Piece::Own(message)))
            }
            Phase::Failing(error) => {
                *this.phase = Phase::Ended;
                return Poll::Ready(Some(Err(error)));
            }
            Phase::Ended => {
                *this.phase = Phase::Ended;
                return Poll::Ready(None);
            }
        };

        // Asked before the messages are: what was sent before the close is ready by now and still goes out.
        let mut close = this.close.reason();
        let mut filled = match opened {
            Ok(()) => fill(&mut frame, this.stream, cx),
            Err(error) => Filled::Failed(error.into()),
        };
        if matches!(filled, Filled::Pending) && frame.is_empty() && close.is_none() {
            close = this.close.poll_reason(cx);
        }
        if let (Filled::Pending | Filled::Full, Some(reason)) = (&filled, close) {
            filled = match this.settings.say_farewell(&mut frame) {
                Ok(()) => Filled::Ended(reason),
                Err(error) => Filled::Failed(error.into()),
            };
        }

        match filled {
            Filled::Failed(error) => {
                this.ending.tell(EndReason::Failed);
                if frame.is_empty() {
                    *this.phase = Phase::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                *this.phase = Phase::Failing(error);
            }
            Filled::Ended(reason) => {
                this.ending.tell(reason);
                *this.phase = Phase::Ended;
                if frame.is_empty() {
                    return Poll::Ready(None);
                }
            }
            Filled::Pending if frame.is_empty() => {
                ready!(poll_silence(this.timer, this.silence, cx));
                frame.push_bytes(Bytes::from_static(this.settings.heartbeat.bytes()));
            }
            Filled::Pending | Filled::Full => {
                if let Some(silence) = this.silence {
                    silence.broken(Instant::now());
                }
            }
        }
        Poll::Ready(Some(Ok(BodyFrame::data(frame.into_bytes()))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

/// Takes what is ready, up to a full frame.
fn fill<S>(frame: &mut Frame, mut stream: Pin<&mut S>, cx: &mut Context<'_>) -> Filled
where
    S: Stream,
    S::Item: SseItem,
{
    while !frame.is_full() {
        match stream.as_mut().poll_next(cx) {
            Poll::Pending => return Filled::Pending,
            Poll::Ready(None) => return Filled::Ended(EndReason::Finished),
            Poll::Ready(Some(item)) => {
                let pushed = item.into_piece().and_then(|piece| Ok(frame.push(piece)?));
                if let Err(error) = pushed {
                    return Filled::Failed(error);
                }
            }
        }
    }
    Filled::Full
}

/// Ready once per interval of silence.
fn poll_silence(
    mut timer: Pin<&mut Option<Sleep>>,
    silence: &mut Option<Silence>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let (Some(mut timer), Some(silence)) = (timer.as_mut().as_pin_mut(), silence) else {
        return Poll::Pending;
    };
    loop {
        ready!(timer.as_mut().poll(cx));
        let owed = silence.fire(Instant::now());
        timer.as_mut().reset(silence.due());
        if owed {
            return Poll::Ready(());
        }
    }
}

impl Settings {
    /// What a stream starts with: the reconnection time that holds for it, so that one from an earlier farewell does not stick.
    fn opening(&self) -> Option<Message> {
        self.retry.map(|time| Message::new().retry(time))
    }

    fn say_farewell(&mut self, frame: &mut Frame) -> Result<(), EncodeError> {
        if let Some(farewell) = self.farewell.take() {
            frame.push(Piece::Own(farewell))?;
        }
        let retry = farewell_retry(self.farewell_spread, random_seed());
        frame.push(Piece::Own(Message::new().retry(retry)))
    }
}

impl<S> fmt::Debug for SseBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseBody")
            .field("ended", &matches!(self.phase, Phase::Ended))
            .field("close", &self.close)
            .finish_non_exhaustive()
    }
}
