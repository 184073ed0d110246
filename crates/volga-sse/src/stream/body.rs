//! `SseBody`: a stream of messages as an `http_body::Body`.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::box_error::BoxError;
use crate::codec::error::EncodeError;
use crate::stream::close::{CloseHandle, EndReason, SentCounts, StreamEnd};
use crate::stream::frame::Frame;
use crate::stream::heartbeat::Heartbeat;
use crate::stream::item::sealed::Piece;
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
        // On the heap, because they are used once or twice in a stream's life. `None` once the
        // stream is open, if only defaults are left. A stream may wait for hours, and the settings
        // were a fifth of the memory that it held.
        settings: Option<Box<StreamSettings>>,
        end_notifier: EndNotifier,
    }
}

enum Phase {
    /// Nothing was sent yet.
    Opening,
    Open,
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
    fn notify(&self, reason: EndReason, cause: Option<&BoxError>) {
        self.close.notify_end(StreamEnd {
            reason,
            cause: cause.map(|cause| &**cause),
            sent: self.sent,
        });
    }
}

impl Drop for EndNotifier {
    fn drop(&mut self) {
        match self.close.take_cut() {
            Some((reason, cause)) => self.notify(reason, Some(&cause)),
            None => self.notify(EndReason::ClientLeft, None),
        }
    }
}

impl<S> SseBody<S> {
    pub(crate) fn new(stream: S, settings: StreamSettings, close: CloseHandle) -> Self {
        Self {
            stream,
            timer: None,
            schedule: Schedule::default(),
            phase: Phase::Opening,
            known_waker: None,
            settings: Some(Box::new(settings)),
            end_notifier: EndNotifier { close, sent: SentCounts::default() },
        }
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
        loop {
            match std::mem::replace(this.phase, Phase::Open) {
                phase @ (Phase::Opening | Phase::Open) => {
                    let is_opening = matches!(phase, Phase::Opening);
                    let turn = ready!(this.turn(&mut frame, is_opening, cx));
                    this.end_notifier.sent.bytes += frame.len() as u64;
                    match turn {
                        Ok(None) => {}
                        Ok(Some(reason)) => {
                            *this.phase = Phase::Ended;
                            this.end_notifier.notify(reason, None);
                        }
                        Err(error) => {
                            let reason = if error.is::<StreamPanic>() {
                                EndReason::Panicked
                            } else {
                                EndReason::Failed
                            };
                            this.end_notifier.notify(reason, Some(&error));
                            *this.phase = Phase::Flushing(Box::new(error));
                        }
                    }
                    if !frame.is_empty() {
                        return Poll::Ready(Some(Ok(BodyFrame::data(frame.into_bytes()))));
                    }
                }
                Phase::Flushing(error) => {
                    // Servers drop the data that they hold when a body fails. After `Pending`, they
                    // send it first.
                    *this.phase = Phase::Failing(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Phase::Failing(error) => {
                    *this.phase = Phase::Ended;
                    return Poll::Ready(Some(Err(*error)));
                }
                Phase::Ended => {
                    *this.phase = Phase::Ended;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

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
    /// Fills the frame with what is to be sent, and returns the reason if it is the last frame. It
    /// is ready when the frame is not empty, at an end, or with an error.
    fn turn(
        &mut self,
        frame: &mut Frame,
        is_opening: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<EndReason>, BoxError>> {
        if is_opening {
            self.open(frame)?;
        }
        if let Some(settings) = self.settings {
            settings.poll_close_on(cx, &self.end_notifier.close);
        }
        // Checked before the messages are taken: messages that were ready before the close still go
        // out.
        let mut end = self.end_notifier.close.reason();
        let before = frame.messages();
        // A panic must not take the connection with it, and what came before it must be sent.
        let stream = self.stream.as_mut();
        let filled = catch_unwind(AssertUnwindSafe(|| stream.fill(frame, cx)));
        let filled = filled.unwrap_or_else(|payload| Err(StreamPanic::new(&*payload).into()));
        self.end_notifier.sent.messages += (frame.messages() - before) as u64;
        let filled = filled?;
        if let FillOutcome::Finished = filled {
            return Poll::Ready(Ok(Some(EndReason::Finished)));
        }
        if end.is_none() && !frame.is_empty() {
            end = self.schedule.record_send(Instant::now());
        } else if end.is_none() {
            if let FillOutcome::Full = filled {
                // There were only empty messages. The other tasks of this thread have a turn, and
                // then this stream goes on.
                cx.waker().wake_by_ref();
            }
            end = ready!(self.wait(frame, cx));
        }
        if end.is_some() {
            self.settings.get_or_insert_default().push_farewell(frame)?;
        }
        Poll::Ready(Ok(end))
    }

    /// Starts the clock, and sends what a stream starts with.
    fn open(&mut self, frame: &mut Frame) -> Result<(), EncodeError> {
        let settings = self.settings.get_or_insert_default();
        *self.schedule = settings.schedule(Instant::now());
        self.timer.set(self.schedule.next().map(sleep_until));
        let opening = settings.opening();
        if settings.is_default_from_now_on() {
            *self.settings = None;
        }
        opening.map_or(Ok(()), |opening| frame.push(Piece::Message(opening)))
    }

    /// Waits for a close or for the clock.
    fn wait(&mut self, frame: &mut Frame, cx: &mut Context<'_>) -> Poll<Option<EndReason>> {
        // After each delivery, a stream waits for the same events with the same waker. Registering
        // it again would be wasted work. What happened meanwhile has woken the task, or is seen
        // here.
        let is_known = self.known_waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let is_due = self.timer.as_ref().as_pin_ref().is_some_and(|timer| timer.is_elapsed());
        if is_known && !is_due && !self.end_notifier.close.is_closed() {
            return Poll::Pending;
        }
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
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt, Stream, StreamExt, stream};
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_stream_after_what_came_before_and_is_told() {
        for before in [0, 1, 3] {
            let (told, mut end) = mpsc::unbounded_channel();
            let mut left = before;
            let messages = stream::poll_fn(move |_| {
                assert!(left > 0, "on purpose");
                left -= 1;
                Poll::Ready(Some(Message::new().data("x")))
            });
            let sse = Sse::new(messages).on_end(move |end| {
                let cause = end.cause().map(ToString::to_string);
                told.send((end.reason(), cause, end.messages())).expect("the test waits");
            });
            let mut body = std::pin::pin!(sse.into_response().into_body());
            let mut received = String::new();
            let error = loop {
                match body.frame().await.expect("no proper end") {
                    Ok(frame) => {
                        let data = frame.into_data().expect("data");
                        received.push_str(std::str::from_utf8(&data).expect("text"));
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!(received.matches("data: x\n\n").count(), before);
            assert!(error.to_string().contains("on purpose"), "{error}");
            let (reason, cause, messages) = end.recv().await.expect("the end is told");
            assert_eq!((reason, messages), (EndReason::Panicked, before as u64));
            assert_eq!(cause, Some(error.to_string()));
        }
    }
    use crate::codec::encode::EncodedMessage;
    use crate::codec::message::Message;
    use crate::stream::frame::DEFAULT_MAX_FRAME_MESSAGES;
    use crate::stream::response::Sse;

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
    async fn next<S: SseSource>(body: &mut Pin<Box<SseBody<S>>>) -> Option<Result<String, String>> {
        let frame = body.frame().await?;
        Some(match frame {
            Ok(frame) => {
                let bytes = frame.into_data().expect("data, since there are no trailers");
                Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
            }
            Err(error) => Err(error.to_string()),
        })
    }

    fn body<S: SseSource>(sse: Sse<S>) -> Pin<Box<SseBody<S>>> {
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
        let (causes, mut cause) = mpsc::unbounded_channel();
        let sse = Sse::new(stream::iter(items)).without_retry();
        let mut body = body(sse.on_end(move |end| {
            let sent = (end.messages(), end.bytes());
            causes.send((end.reason(), end.cause().map(ToString::to_string), sent)).unwrap();
        }));
        assert_eq!(next(&mut body).await, ok("data: a\n\n"));
        let expect = (EndReason::Failed, Some("the cause".to_owned()), (1, 9));
        assert_eq!(cause.try_recv(), Ok(expect));
        // The server gets a turn to flush before it gets the error.
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
    async fn the_task_that_polled_last_is_woken_by_the_clock_and_by_a_close() {
        let heartbeat = Heartbeat::every(Duration::from_secs(1));
        let sse = Sse::new(stream::pending::<Message>()).without_retry().heartbeat(heartbeat);
        let close = sse.close_handle();
        let mut body = body(sse);
        for _ in 0..2 {
            // Polled by another task, twice: the second time nothing is new.
            assert!((0..2).all(|_| next(&mut body).now_or_never().is_none()));
            assert_eq!(next(&mut body).await, ok(":\n"));
        }
        assert!((0..2).all(|_| next(&mut body).now_or_never().is_none()));
        let waiting = tokio::spawn(async move { next(&mut body).await });
        tokio::task::yield_now().await;
        close.close();
        let farewell = waiting.await.unwrap().expect("a farewell").expect("no error");
        assert!(farewell.starts_with("retry: "), "{farewell}");
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
            .on_end(move |end| {
                let farewell = "event: bye\ndata: \n\nretry: 1000\n".len() as u64;
                assert_eq!((end.messages(), end.bytes()), (0, farewell));
                reasons.send(end.reason()).unwrap();
            });
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

    /// StreamSettings are dropped at the opening if they are the defaults, and only then.
    #[tokio::test(start_paused = true)]
    async fn what_was_set_holds_for_as_long_as_the_stream() {
        let heartbeat = Heartbeat::every(Duration::from_secs(1)).with_blank_line();
        let sse = || Sse::new(stream::pending::<Message>()).without_retry().heartbeat(heartbeat);
        let mut body = body(sse());
        for _ in 0..2 {
            assert_eq!(next(&mut body).await, ok(":\n\n"));
        }
        let sse = sse().heartbeat(Heartbeat::every(Duration::from_secs(1)));
        let close = sse.close_handle();
        let mut body = super::tests::body(sse);
        for _ in 0..2 {
            assert_eq!(next(&mut body).await, ok(":\n"));
        }
        assert!(body.settings.is_none(), "nothing but defaults is left");
        close.close();
        let farewell = next(&mut body).await.expect("a farewell").expect("no error");
        assert!(farewell.starts_with("retry: "), "{farewell}");
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

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_its_age_or_deadline_whichever_is_earlier() {
        let start = Instant::now();
        let quiet = || {
            Sse::new(stream::pending::<Message>()).without_retry().farewell_spread(Duration::ZERO)
        };
        let deadline = (start + Duration::from_secs(5)).into_std();
        let (age, jitter) = (Duration::from_secs(3), Duration::from_secs(1));
        for (sse, reason, latest) in [
            (quiet().max_age(age, jitter), EndReason::MaxAge, 4),
            (quiet().max_age(age, jitter).deadline(deadline), EndReason::Deadline, 5),
        ] {
            let (reasons, mut ended) = mpsc::unbounded_channel();
            let mut body = body(sse.on_end(move |end| reasons.send(end.reason()).unwrap()));
            assert_eq!(next(&mut body).await, ok("retry: 1000\n"));
            assert_eq!(ended.try_recv(), Ok(reason));
            assert!(start.elapsed() >= age && start.elapsed().as_secs() <= latest);
            assert_eq!(next(&mut body).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_never_pauses_ends_at_its_age_too() {
        let busy = stream::repeat_with(|| text("x"));
        let mut body =
            body(Sse::new(busy).without_retry().max_age(Duration::from_secs(1), Duration::ZERO));
        assert!(next(&mut body).await.is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(next(&mut body).await.unwrap().unwrap().contains("\n\nretry: "));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_stream_closes_on_what_it_was_told_to() {
        let (logout, logged_out) = tokio::sync::oneshot::channel::<()>();
        let sse = Sse::new(stream::pending::<Message>())
            .without_retry()
            .farewell_spread(Duration::ZERO)
            .close_on(async { drop(logged_out.await) });
        let mut body = body(sse);
        assert!(next(&mut body).now_or_never().is_none());
        drop(logout);
        assert_eq!(next(&mut body).await, ok("retry: 1000\n"));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_body_that_is_dropped_tells_that_the_client_left() {
        let (reasons, mut reason) = mpsc::unbounded_channel();
        let sse = Sse::new(stream::iter([text("a")]).chain(stream::pending()))
            .on_end(move |end| reasons.send(end.reason()).unwrap());
        let mut body = body(sse);
        next(&mut body).await;
        drop(body);
        assert_eq!(reason.try_recv(), Ok(EndReason::ClientLeft));
    }

    #[test]
    fn a_body_that_waits_is_small() {
        type Quiet = stream::Pending<Message>;
        let size = size_of::<SseBody<Quiet>>();
        assert!(size <= size_of::<Option<Sleep>>() + 88, "{size} bytes");
    }
}
