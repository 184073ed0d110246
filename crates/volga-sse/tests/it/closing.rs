//! What is ready when a stream is closed is sent, or the end says that it was not: for every kind
//! of source, number of messages, kind of end and speed of the reader.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, Stream, StreamExt, stream};
use http_body_util::BodyExt;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream, WatchStream};
use volga_sse::{
    BoxError, CloseGroup, DEFAULT_MAX_CLOSING_BYTES, DEFAULT_MAX_CLOSING_TIME,
    DEFAULT_MAX_FRAME_BYTES, EndReason, IntoSse, Message, Sse, SseSource,
    hub::{Delivery, Hub, Subscription},
    sse_stream,
};

/// The longest message, with its ID.
const MAX_MESSAGE: usize = 1_100;
const END_OF_TEST: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug)]
enum End {
    Handle,
    Group,
    MaxAge,
    Deadline,
}

#[derive(Clone, Copy, Debug)]
enum Reader {
    /// Takes each frame at once.
    Fast,
    /// Takes each frame in a turn of its own.
    Yielding,
    /// Takes so long for each frame that the time is not enough for many.
    Slow,
}

/// What a reader received.
#[derive(Debug)]
struct Received {
    numbers: Vec<usize>,
    /// The length without the opening and the farewell.
    bytes: usize,
    last_id: Option<String>,
    has_farewell: bool,
    is_proper: bool,
    reason: EndReason,
    has_unsent: bool,
    has_cause: bool,
}

fn message(number: usize, len: usize) -> Message {
    Message::new().data(format!("{number} {}", "x".repeat(len)))
}

fn channel(count: usize, len: usize) -> impl Stream<Item = Message> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (0..count).for_each(|number| sender.send(message(number, len)).expect("open"));
    stream::poll_fn(move |cx| {
        let _keeps_it_open = &sender;
        receiver.poll_recv(cx)
    })
}

/// A stream whose sender stays open, so it has no end.
fn open<T, S: Stream<Item = Message> + Unpin>(
    sender: T,
    mut messages: S,
) -> impl Stream<Item = Message> {
    stream::poll_fn(move |cx| {
        let _keeps_it_open = &sender;
        messages.poll_next_unpin(cx)
    })
}

/// A stream that rests at the end of what it has, and pauses so often before each message.
fn block(count: usize, len: usize, pauses: usize) -> impl Stream<Item = Result<Message, BoxError>> {
    let mut messages = Box::pin(channel(count, len));
    sse_stream! {
        while let Some(message) = messages.next().await {
            for _ in 0..pauses {
                tokio::task::yield_now().await;
            }
            yield message;
        }
    }
}

fn hub(topics: &[&str], count: usize, len: usize) -> (Hub, Subscription) {
    let hub = Hub::builder().max_messages(100_000).max_bytes(usize::MAX).build();
    let subscription = hub.subscribe(topics.to_vec()).pace(Duration::from_secs(1)).open();
    let subscription = subscription.expect("open");
    publish(&hub, topics, 0..count, len);
    (hub, subscription)
}

fn publish(hub: &Hub, topics: &[&str], numbers: std::ops::Range<usize>, len: usize) {
    for number in numbers {
        let topic = topics[number % topics.len()];
        hub.publish(topic, message(number, len)).expect("published");
    }
}

async fn read<S: SseSource>(sse: Sse<S>, end: End, reader: Reader, bound: usize) -> Received {
    let ended = Arc::new(Mutex::new(None));
    let told = Arc::clone(&ended);
    let now = tokio::time::Instant::now();
    let sse = sse.max_closing_bytes(bound).on_end(move |end| {
        let told_end = (end.reason(), end.has_unsent(), end.cause().is_some());
        *told.lock().expect("not poisoned") = Some(told_end);
    });
    let (group, handle) = (CloseGroup::new(), sse.close_handle());
    let sse = match end {
        End::Handle | End::Group => sse,
        End::MaxAge => sse.max_age(Duration::ZERO, Duration::ZERO),
        End::Deadline => sse.deadline(now.into_std()),
    };
    group.add(&handle);
    let mut body = pin!(sse.into_response().into_body());
    match end {
        End::Handle => handle.close(),
        End::Group => group.close(),
        End::MaxAge | End::Deadline => {}
    }
    let mut wire = String::new();
    let is_proper = loop {
        let frame = tokio::time::timeout(END_OF_TEST, body.frame()).await.expect("no hang");
        match frame {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => {
                let data = frame.into_data().expect("data");
                wire.push_str(std::str::from_utf8(&data).expect("text"));
            }
        }
        match reader {
            Reader::Fast => {}
            Reader::Yielding => tokio::task::yield_now().await,
            Reader::Slow => tokio::time::advance(DEFAULT_MAX_CLOSING_TIME / 3).await,
        }
    };
    assert!(body.frame().now_or_never().expect("ready").is_none(), "nothing comes after the end");
    let (reason, has_unsent, has_cause) =
        ended.lock().expect("not poisoned").take().expect("told once");
    let fields = |name| wire.lines().filter_map(move |line: &str| line.strip_prefix(name));
    let number = |data: &str| data.split(' ').next()?.parse().ok();
    Received {
        numbers: fields("data: ").filter_map(number).collect(),
        bytes: wire.len(),
        last_id: fields("id: ").next_back().map(str::to_owned),
        has_farewell: wire.ends_with('\n') && fields("retry: ").count() == 2,
        is_proper,
        reason,
        has_unsent,
        has_cause,
    }
}

/// Checks what every end must be like, and returns how much was sent.
#[track_caller]
fn check(received: &Received, count: usize, end: End, is_hub: bool, context: &str) -> usize {
    let sent = received.numbers.len();
    assert!(received.numbers.iter().copied().eq(0..sent), "{context}: in order, without holes");
    assert!(sent <= count, "{context}");
    assert_eq!(received.has_unsent, sent < count, "{context}: {sent} were sent");
    assert_eq!(received.is_proper, is_hub || !received.has_unsent, "{context}");
    assert_eq!(received.has_cause, !received.is_proper, "{context}");
    assert!(received.has_farewell, "{context}");
    let expect = match end {
        End::Handle => EndReason::Closed,
        End::Group => EndReason::Drained,
        End::MaxAge => EndReason::MaxAge,
        End::Deadline => EndReason::Deadline,
    };
    assert_eq!(received.reason, expect, "{context}");
    sent
}

/// Checks how much must have been sent.
fn check_amount(
    received: &Received,
    all: usize,
    bound: usize,
    end: End,
    reader: Reader,
    context: &str,
) {
    if received.has_unsent {
        // The opening and the farewell are two lines.
        let most = bound + DEFAULT_MAX_FRAME_BYTES + MAX_MESSAGE + 100;
        assert!(received.bytes <= most, "{context}: {} bytes", received.bytes);
        let is_late = matches!(end, End::Deadline) || matches!(reader, Reader::Slow);
        assert!(is_late || received.bytes >= bound, "{context}: {} bytes", received.bytes);
    } else if received.bytes > bound + DEFAULT_MAX_FRAME_BYTES + 100 {
        // Only the last frame may go beyond the bound.
        panic!("{context}: {} of {all} bytes were sent", received.bytes);
    }
}

const ENDS: [End; 4] = [End::Handle, End::Group, End::MaxAge, End::Deadline];
const READERS: [Reader; 3] = [Reader::Fast, Reader::Yielding, Reader::Slow];

async fn check_stream<S: IntoSse>(name: &str, make: impl Fn(usize, usize) -> S) {
    for (bound, len, counts) in [
        (DEFAULT_MAX_CLOSING_BYTES, 10, &[0, 1, 24, 127, 128, 129, 255, 256, 257, 1_000][..]),
        (DEFAULT_MAX_CLOSING_BYTES, 1_000, &[1_000, 1_100]),
        (0, 10, &[0, 1, 1_000]),
        (20_000, 1_000, &[10, 17, 50]),
    ] {
        for (count, end, reader) in product(counts) {
            let context = format!("{name}, {count} of {len}, {bound}, {end:?}, {reader:?}");
            let received = read(make(count, len).into_sse(), end, reader, bound).await;
            check(&received, count, end, false, &context);
            check_amount(&received, count * len, bound, end, reader, &context);
        }
    }
}

fn product(counts: &[usize]) -> impl Iterator<Item = (usize, End, Reader)> {
    counts.iter().flat_map(|count| {
        ENDS.into_iter().flat_map(|end| READERS.map(|reader| (*count, end, reader)))
    })
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_sent_whole_or_the_end_says_so() {
    check_stream("channel", channel).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_as_a_stream_is_sent_whole_or_the_end_says_so() {
    let bounded = |count: usize, len| {
        let (sender, receiver) = mpsc::channel(count.max(1));
        (0..count).for_each(|number| sender.try_send(message(number, len)).expect("room"));
        open(sender, ReceiverStream::new(receiver))
    };
    check_stream("bounded", bounded).await;
    let broadcast = |count: usize, len| {
        let (sender, receiver) = broadcast::channel(count.max(1));
        for number in 0..count {
            sender.send(message(number, len)).expect("a receiver");
        }
        open(sender, BroadcastStream::new(receiver).map(|received| received.expect("no lag")))
    };
    check_stream("broadcast", broadcast).await;
    let spawned = |count, len| {
        let messages = (0..count).map(move |number| std::future::ready(message(number, len)));
        stream::iter(messages).buffered(8).chain(stream::pending())
    };
    check_stream("buffered", spawned).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_value_of_a_watch_is_sent() {
    for (end, reader, changes) in ENDS
        .into_iter()
        .flat_map(|end| READERS.map(|reader| [0, 1, 1_000].map(|n| (end, reader, n))))
        .flatten()
    {
        let (sender, receiver) = watch::channel(message(0, 10));
        (0..changes).for_each(|_| sender.send(message(0, 10)).expect("a receiver"));
        let values = open(sender, WatchStream::new(receiver));
        let received = read(values.into_sse(), end, reader, DEFAULT_MAX_CLOSING_BYTES).await;
        check(&received, 1, end, false, &format!("{changes} changes, {end:?}, {reader:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_iterator_is_sent_whole_or_the_end_says_so() {
    let make = |count, len| {
        stream::iter((0..count).map(move |number| message(number, len))).chain(stream::pending())
    };
    check_stream("iterator", make).await;
}

#[tokio::test(start_paused = true)]
async fn a_block_is_sent_whole_or_the_end_says_so() {
    for pauses in [0, 1, 2, 5] {
        let name = format!("a block with {pauses} pauses");
        check_stream(&name, |count, len| block(count, len, pauses)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_pauses_has_more() {
    // As `FuturesUnordered` does it: it wakes the task, and says that it has nothing.
    let make = |count, len| {
        let (mut messages, mut pauses) = (Box::pin(channel(count, len)), false);
        stream::poll_fn(move |cx| {
            pauses = !pauses;
            if pauses {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            messages.poll_next_unpin(cx)
        })
    };
    check_stream("pausing", make).await;
}

#[tokio::test(start_paused = true)]
async fn a_hubs_reader_is_sent_everything_or_gets_it_when_it_resumes() {
    for topics in [&["a"][..], &["a", "b", "c"]] {
        for (bound, len, counts) in [
            (DEFAULT_MAX_CLOSING_BYTES, 10, &[0, 1, 24, 128, 255, 256, 257, 1_000][..]),
            (DEFAULT_MAX_CLOSING_BYTES, 1_000, &[1_100]),
            (0, 10, &[0, 1, 1_000]),
            (20_000, 1_000, &[10, 17, 50]),
        ] {
            for (count, end, reader) in product(counts) {
                let context = format!("{topics:?}, {count}, {bound}, {end:?}, {reader:?}");
                let (hub, subscription) = hub(topics, count, len);
                let received = read(Sse::new(subscription), end, reader, bound).await;
                let sent = check(&received, count, end, true, &context);
                check_amount(&received, count * len, bound, end, reader, &context);

                let resumed = hub.subscribe(topics.to_vec()).resume(received.last_id.as_deref());
                let mut resumed = resumed.open().expect("open");
                let mut next = sent;
                while let Some(delivery) = resumed.next().now_or_never() {
                    let Some(Delivery::Message(message)) = delivery else {
                        panic!("{context}: {delivery:?}")
                    };
                    let expect = format!("data: {next} ");
                    assert!(message.as_bytes().starts_with(expect.as_bytes()), "{context}");
                    next += 1;
                }
                assert_eq!(next, count, "{context}: the resume is whole");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_as_a_stream_are_like_any_stream() {
    let hubs = Mutex::new(Vec::new());
    let make = |count, len| {
        let (hub, subscription) = hub(&["a"], count, len);
        hubs.lock().expect("not poisoned").push(hub);
        subscription.deliveries().filter(|delivery| {
            let is_id_only = matches!(delivery, Delivery::Message(message) if message.as_bytes().starts_with(b"id"));
            std::future::ready(!is_id_only)
        })
    };
    for (count, end, reader) in product(&[0, 1, 255, 1_000]) {
        // Without the pace: a stream of deliveries waits for it.
        let context = format!("deliveries, {count}, {end:?}, {reader:?}");
        let received =
            read(make(count, 10).into_sse(), end, reader, DEFAULT_MAX_CLOSING_BYTES).await;
        check(&received, count, end, false, &context);
    }
}
