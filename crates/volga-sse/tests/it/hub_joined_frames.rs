//! Bodies of one topic share joined frames. Each still gets all of its messages, within the bounds
//! of a frame.

use std::{
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, Waker},
    thread,
};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Body;
use volga_sse::{
    DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES, EndReason, Heartbeat, Message, Sse,
    SseBody, SseSource, StreamEnd,
    hub::{Hub, Policy, Subscribe, Subscription},
};

type Stream = Pin<Box<SseBody<Subscription>>>;

fn body(subscribe: Subscribe<'_>) -> Stream {
    observed(subscribe, |_| {})
}

/// The body of a client that resumes, so its first frame has messages.
fn returning(hub: &Hub) -> Stream {
    body(hub.subscribe("t").resume(hub.position()))
}

fn observed(subscribe: Subscribe<'_>, end: impl FnOnce(StreamEnd<'_>) + Send + 'static) -> Stream {
    let sse = Sse::new(subscribe.open().expect("open"));
    let sse = sse.without_retry().heartbeat(Heartbeat::off()).on_end(end);
    Box::pin(sse.into_response().into_body())
}

/// The next frame, if there is one.
fn frame<S: SseSource>(body: &mut Pin<Box<SseBody<S>>>) -> Option<Bytes> {
    match body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame?.expect("no error").into_data().ok(),
        Poll::Pending => None,
    }
}

fn publish(hub: &Hub, count: usize, len: usize) {
    let message = || Message::new().data("x".repeat(len));
    (0..count).for_each(|_| _ = hub.publish("t", message()).expect("published"));
}

fn messages(frame: &[u8]) -> usize {
    frame.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"data: ")).count()
}

#[test]
fn bodies_at_one_position_share_the_same_bytes() {
    let hub = Hub::new();
    let mut all: Vec<_> = (0..10).map(|_| returning(&hub)).collect();
    for count in [1, 2, 64] {
        publish(&hub, count, 10);
        let frames: Vec<_> = all.iter_mut().map(|body| frame(body).expect("a frame")).collect();
        assert_eq!(messages(&frames[0]), count);
        assert!(frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()));
        assert!(all.iter_mut().all(|body| frame(body).is_none()));
    }
    assert_eq!(hub.stats().delivered, 10 * (1 + 2 + 64));
}

#[test]
fn bodies_at_different_positions_each_get_what_they_lack() {
    let hub = Hub::new();
    let start = hub.position();
    let mut early = returning(&hub);
    publish(&hub, 2, 10);
    let mut late = returning(&hub);
    publish(&hub, 3, 10);
    // Topics with other names, and topics of other hubs, have other messages at the same numbers.
    let other = Hub::new();
    let mut elsewhere = returning(&other);
    publish(&other, 5, 20);
    assert_eq!(frame(&mut body(hub.subscribe("u").resume(start))), None);
    assert_eq!(messages(&frame(&mut late).expect("a frame")), 3);
    assert_eq!(messages(&frame(&mut early).expect("a frame")), 5);
    let theirs = frame(&mut elsewhere).expect("a frame");
    assert!(theirs.starts_with(format!("data: {}\n", "x".repeat(20)).as_bytes()));
}

#[test]
fn a_joined_frame_ends_at_the_bounds_of_a_frame() {
    let hub = Hub::builder().max_messages(1_000).max_bytes(1 << 20).build();
    let mut all: Vec<_> = (0..2).map(|_| returning(&hub)).collect();
    publish(&hub, DEFAULT_MAX_FRAME_MESSAGES + 44, 0);
    for body in &mut all {
        assert_eq!(messages(&frame(body).expect("full")), DEFAULT_MAX_FRAME_MESSAGES);
        assert_eq!(messages(&frame(body).expect("the rest")), 44);
        assert!(frame(body).is_none());
    }
    publish(&hub, 40, 1_000);
    for body in &mut all {
        let mut left = 40;
        while left > 0 {
            let full = frame(body).expect("a frame");
            let (bytes, count) = (full.len(), messages(&full));
            assert!(bytes <= DEFAULT_MAX_FRAME_BYTES, "{bytes} bytes");
            left -= count;
            // The next message would not have fitted.
            assert!(left == 0 || bytes + 1_030 > DEFAULT_MAX_FRAME_BYTES, "{bytes} bytes");
        }
        assert!(frame(body).is_none());
    }
}

#[test]
fn a_full_frame_is_shared_when_more_messages_have_come_since() {
    let hub = Hub::new();
    let mut all: Vec<_> = (0..2).map(|_| returning(&hub)).collect();
    let [first, second] = &mut all[..] else { panic!("two") };
    publish(&hub, 20, 1_000);
    let full = frame(first).expect("full");
    assert!(full.len() < DEFAULT_MAX_FRAME_BYTES, "the next message did not fit");
    publish(&hub, 1, 10);
    assert_eq!(frame(second).expect("full").as_ptr(), full.as_ptr());
    let rest = frame(first).expect("the rest");
    assert_eq!(messages(&rest), 21 - messages(&full));
    assert_eq!(frame(second).expect("the rest").as_ptr(), rest.as_ptr());
}

#[test]
fn a_message_larger_than_a_frame_is_a_frame_of_its_own() {
    let hub = Hub::builder().max_bytes(1 << 20).build();
    let mut all: Vec<_> = (0..2).map(|_| returning(&hub)).collect();
    publish(&hub, 1, 10);
    publish(&hub, 1, 2 * DEFAULT_MAX_FRAME_BYTES);
    publish(&hub, 2, 10);
    for body in &mut all {
        let counts = [(); 3].map(|()| messages(&frame(body).expect("a frame")));
        assert_eq!(counts, [1, 1, 2]);
    }
}

/// The type from which a body was made decides at compile time whether it shares frames. A body of
/// an ordinary stream of deliveries carries the same messages.
#[test]
fn a_stream_of_deliveries_carries_the_same_and_shares_nothing() {
    let hub = Hub::new();
    let mut shared = returning(&hub);
    let seen = std::cell::Cell::new(0);
    let subscription = || hub.subscribe("t").resume(hub.position()).open().expect("open");
    let stream = || subscription().deliveries().inspect(|_| seen.set(seen.get() + 1));
    let sse = || Sse::new(stream()).without_retry().heartbeat(Heartbeat::off());
    let mut bodies = [(); 2].map(|()| Box::pin(sse().into_response().into_body()));
    publish(&hub, 64, 10);
    let expect = frame(&mut shared).expect("a frame");
    let frames = bodies.each_mut().map(|body| frame(body).expect("a frame"));
    assert!(frames.iter().all(|frame| *frame == expect));
    assert_ne!(frames[0].as_ptr(), frames[1].as_ptr());
    assert_eq!(seen.get(), 2 * 64);
}

#[test]
fn messages_and_bytes_that_a_body_sent_are_counted() {
    let hub = Hub::new();
    let (tell, told) = std::sync::mpsc::channel();
    let mut one = observed(hub.subscribe("t").resume(hub.position()), move |end| {
        tell.send((end.reason(), end.messages(), end.bytes())).expect("somebody listens");
    });
    publish(&hub, 64, 10);
    let sent = frame(&mut one).expect("a frame").len();
    drop(one);
    assert_eq!(told.recv(), Ok((EndReason::ClientLeft, 64, sent as u64)));
}

#[test]
fn a_slow_body_is_closed_although_others_got_the_same_frame() {
    let hub = Hub::new();
    let max_lag = NonZeroU32::new(5);
    let mut patient = returning(&hub);
    let strict = hub.subscribe("t").resume(hub.position()).policy(Policy::Close { max_lag });
    let mut slow = body(strict);
    assert!(frame(&mut slow).is_none(), "it is up to date, and from then on may be too slow");
    publish(&hub, 4, 10);
    assert_eq!(messages(&frame(&mut patient).expect("a frame")), 4);
    assert_eq!(messages(&frame(&mut slow).expect("a frame")), 4);
    publish(&hub, 5, 10);
    assert_eq!(messages(&frame(&mut patient).expect("a frame")), 5);
    assert!(frame(&mut slow).is_none() && slow.is_end_stream(), "it lags behind by five");
}

#[test]
fn a_gap_is_reported_although_others_got_what_it_covers() {
    let hub = Hub::builder().max_messages(8).build();
    let (mut reads, mut sleeps) = (returning(&hub), returning(&hub));
    for _ in 0..2 {
        publish(&hub, 8, 10);
        assert_eq!(messages(&frame(&mut reads).expect("a frame")), 8);
    }
    let late = frame(&mut sleeps).expect("a frame");
    assert!(late.starts_with(b"event: gap\n"));
    assert_eq!(messages(&late), 1 + 8);
}

#[test]
fn bodies_in_several_threads_each_get_every_message_in_order() {
    const MESSAGES: usize = 3_000;
    let hub = Hub::builder().max_messages(MESSAGES).max_bytes(1 << 20).build();
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut all: Vec<_> = (0..8).map(|_| returning(&hub)).collect();
            scope.spawn(move || {
                let mut received = vec![Vec::new(); all.len()];
                for turn in 0.. {
                    for (index, (body, text)) in all.iter_mut().zip(&mut received).enumerate() {
                        // Some bodies are read less often, so they are at other positions.
                        if turn % (index / 2 + 1) == 0 {
                            text.extend(frame(body).into_iter().flatten());
                        }
                    }
                    if received.iter().all(|text: &Vec<u8>| messages(text) == MESSAGES) {
                        break;
                    }
                    thread::yield_now();
                }
                for text in received {
                    let numbers = text.split(|byte| *byte == b'\n');
                    let numbers = numbers.filter_map(|line| line.strip_prefix(b"data: "));
                    assert!(
                        numbers.eq((0..MESSAGES).map(|number| number.to_string().into_bytes()))
                    );
                }
            });
        }
        for number in 0..MESSAGES {
            hub.publish("t", Message::new().data(number.to_string())).expect("published");
        }
    });
}
