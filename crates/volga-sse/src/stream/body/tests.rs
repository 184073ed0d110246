//! The body with sources, clocks and closes of every kind.

use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::*;
use crate::codec::encode::EncodedMessage;
use crate::codec::message::Message;
use crate::stream::frame::DEFAULT_MAX_FRAME_MESSAGES;
use crate::stream::response::Sse;

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
    let sse = Sse::new(stream::pending::<Message>()).without_retry().heartbeat(Heartbeat::off());
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
    let heartbeat = Heartbeat::every(Duration::from_secs(1)).blank_line();
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
    let quiet =
        || Sse::new(stream::pending::<Message>()).without_retry().farewell_spread(Duration::ZERO);
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
async fn clients_that_came_together_do_not_return_together() {
    let quiet = || Sse::new(stream::pending::<Message>()).without_retry();
    let (age, second) = (Duration::from_secs(10), Duration::from_secs(1));
    let (mut ages, mut times) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let start = Instant::now();
        let mut body = body(quiet().max_age(age, second));
        let farewell = next(&mut body).await.expect("a farewell").expect("no error");
        ages.push(start.elapsed());
        let time = farewell.strip_prefix("retry: ").and_then(|time| time.trim().parse().ok());
        times.push(Duration::from_millis(time.expect("a number")));
    }
    assert!(ages.iter().all(|one| (age..=age + second).contains(one)), "{ages:?}");
    let latest = second + crate::stream::spread::DEFAULT_FAREWELL_SPREAD;
    assert!(times.iter().all(|one| (second..=latest).contains(one)), "{times:?}");
    for mut all in [ages, times] {
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 10, "{all:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_the_default_times_unless_it_has_others() {
    let mut body = body(Sse::new(stream::pending::<Message>()));
    let start = Instant::now();
    assert_eq!(next(&mut body).await, ok("retry: 3000\n"));
    assert_eq!(next(&mut body).await, ok(":\n"));
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_pauses_ends_at_its_age_too() {
    let busy = stream::repeat_with(|| text("x"));
    let sse = Sse::new(busy).without_retry().max_age(Duration::from_secs(1), Duration::ZERO);
    let mut body = body(sse.max_closing_bytes(1));
    assert!(next(&mut body).await.is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!next(&mut body).await.unwrap().unwrap().contains("retry: "));
    assert!(next(&mut body).await.unwrap().unwrap().starts_with("retry: "));
    // Something was left, so the end is not a proper one.
    assert!(next(&mut body).now_or_never().is_none(), "the server flushes");
    let error = next(&mut body).await.unwrap().unwrap_err();
    assert!(error.contains("max_closing_bytes"), "{error}");
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
