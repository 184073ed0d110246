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
    /// The stream failed; what was sent before has a turn to get out.
    Flushing(BoxError),
    /// The next thing that the server is told.
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
            Phase::Flushing(error) => {
                // Servers drop what they hold when a body fails. Told that nothing is ready, they send it first.
                *this.phase = Phase::Failing(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
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
                    *this.phase = Phase::Failing(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                *this.phase = Phase::Flushing(error);
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

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{DEFAULT_MAX_FRAME_MESSAGES, EncodedMessage, Sse};

    fn text(text: &str) -> Message {
        Message::new().data(text)
    }

    fn channel() -> (mpsc::UnboundedSender<Message>, impl Stream<Item = Message>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let messages =
            stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        (sender, messages)
    }

    /// The body's next frame as text; `None` at its end.
    async fn next<S>(body: &mut Pin<Box<SseBody<S>>>) -> Option<Result<String, String>>
    where
        S: Stream<Item: SseItem>,
    {
        let frame = body.frame().await?;
        Some(match frame {
            Ok(frame) => {
                let bytes = frame.into_data().expect("data, since there are no trailers");
                Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
            }
            Err(error) => Err(error.to_string()),
        })
    }

    fn body<S: Stream<Item: SseItem>>(sse: Sse<S>) -> Pin<Box<SseBody<S>>> {
        Box::pin(sse.into_response().into_body())
    }

    fn ok(text: &str) -> Option<Result<String, String>> {
        Some(Ok(text.to_owned()))
    }

    #[tokio::test]
    async fn the_opening_goes_out_before_any_message_is_there() {
        let (sender, messages) = channel();
        let mut body = body(Sse::new(messages).retry(Duration::from_millis(7)));
        assert_eq!(next(&mut body).await, ok("retry: 7\n"));
        assert!(next(&mut body).now_or_never().is_none());
        sender.send(text("a")).unwrap();
        assert_eq!(next(&mut body).await, ok("data: a\n\n"));
        drop(sender);
        assert_eq!(next(&mut body).await, None);
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn what_is_ready_is_one_frame_up_to_the_bound() {
        let messages = stream::iter((0..DEFAULT_MAX_FRAME_MESSAGES + 1).map(|_| text("")));
        let mut body = body(Sse::new(messages).without_retry());
        let full = "data: \n\n".repeat(DEFAULT_MAX_FRAME_MESSAGES);
        assert_eq!(next(&mut body).await, ok(&full));
        assert!(!body.is_end_stream());
        assert_eq!(next(&mut body).await, ok("data: \n\n"));
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn one_encoded_message_is_sent_without_a_copy() {
        let message: EncodedMessage = text("shared").encode().unwrap();
        let mut body = body(Sse::new(stream::iter([message.clone()])).without_retry());
        let sent = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(sent.as_ptr(), message.as_bytes().as_ptr());
    }

    #[tokio::test]
    async fn an_empty_message_is_no_frame() {
        let mut body = body(Sse::new(stream::iter([Message::new()])).without_retry());
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_ready_before_it() {
        let items = [Ok(text("a")), Err("the cause"), Ok(text("never"))];
        let mut body = body(Sse::new(stream::iter(items)).without_retry());
        assert_eq!(next(&mut body).await, ok("data: a\n\n"));
        // The server gets a turn to flush before it is told.
        assert!(next(&mut body).now_or_never().is_none());
        assert_eq!(next(&mut body).await, Some(Err("the cause".to_owned())));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_sent_ends_the_body_and_names_the_field() {
        for sse in [
            Sse::new(stream::iter([text("a").id("1\nid: 2")])).without_retry(),
            Sse::new(stream::iter([text("a")])).retry(Duration::MAX),
        ] {
            let mut body = body(sse);
            let error = next(&mut body).await.unwrap().unwrap_err();
            assert!(error.contains("event ID") || error.contains("reconnection time"), "{error}");
            assert_eq!(next(&mut body).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_breaks_each_interval_of_silence() {
        let (sender, messages) = channel();
        let sse =
            Sse::new(messages).without_retry().heartbeat(Heartbeat::every(Duration::from_secs(10)));
        let mut body = body(sse);
        let start = Instant::now();
        assert_eq!(next(&mut body).await, ok(":\n"));
        assert_eq!(start.elapsed().as_secs(), 10);

        tokio::time::advance(Duration::from_secs(6)).await;
        sender.send(text("a")).unwrap();
        assert_eq!(next(&mut body).await, ok("data: a\n\n"));
        assert_eq!(next(&mut body).await, ok(":\n"));
        assert_eq!(start.elapsed().as_secs(), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_heartbeat_is_silent() {
        let sse =
            Sse::new(stream::pending::<Message>()).without_retry().heartbeat(Heartbeat::off());
        let mut body = body(sse);
        let silence = tokio::time::timeout(Duration::from_secs(100_000), next(&mut body)).await;
        assert!(silence.is_err());
    }

    #[tokio::test]
    async fn a_close_wakes_the_body_and_says_farewell_with_a_time_of_its_own() {
        let (reasons, mut reason) = mpsc::unbounded_channel();
        let (sender, messages) = channel();
        let sse = Sse::new(messages)
            .without_retry()
            .farewell(Message::new().event("bye").data(""))
            .farewell_spread(Duration::ZERO)
            .on_end(move |reason| reasons.send(reason).unwrap());
        let close = sse.close_handle();
        let mut body = body(sse);
        let (frame, ()) = tokio::join!(next(&mut body), async {
            tokio::task::yield_now().await;
            close.close();
        });
        assert_eq!(frame, ok("event: bye\ndata: \n\nretry: 1000\n"));
        assert_eq!(next(&mut body).await, None);
        assert_eq!(reason.try_recv(), Ok(EndReason::Closed));
        drop((body, sender));
        assert!(reason.try_recv().is_err(), "told once");
    }

    #[tokio::test]
    async fn what_was_ready_at_the_close_goes_before_the_farewell() {
        let (sender, messages) = channel();
        let sse = Sse::new(messages).without_retry().farewell_spread(Duration::ZERO);
        let close = sse.close_handle();
        let mut body = body(sse);
        sender.send(text("last")).unwrap();
        close.close();
        assert_eq!(next(&mut body).await, ok("data: last\n\nretry: 1000\n"));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_body_that_is_dropped_tells_that_the_client_left() {
        let (reasons, mut reason) = mpsc::unbounded_channel();
        let sse = Sse::new(stream::iter([text("a")]).chain(stream::pending()))
            .on_end(move |reason| reasons.send(reason).unwrap());
        let mut body = body(sse);
        next(&mut body).await;
        drop(body);
        assert_eq!(reason.try_recv(), Ok(EndReason::ClientLeft));
    }
}
