//! How often the codec allocates memory. It is a binary of its own, because the counting allocator
//! counts for the whole process.

use allocation_counter::measure;
use volga_sse::{Decoder, Message};

/// Counts while the result is alive, so that its memory is counted and its drop is not.
#[track_caller]
fn check<T>(most: u64, run: impl FnOnce() -> T) {
    let mut kept = None;
    let info = measure(|| kept = Some(run()));
    assert!(info.count_total <= most, "{} allocations, expected at most {most}", info.count_total);
    drop(kept);
}

fn read_all(decoder: &mut Decoder, wire: &[u8], piece: usize) -> usize {
    let mut bytes = 0;
    for mut chunk in wire.chunks(piece) {
        while let Some(event) = decoder.next(&mut chunk).expect("within limits") {
            bytes += event.event().len() + event.data().len() + event.id().len();
        }
    }
    bytes
}

#[test]
fn reading_allocates_nothing_once_the_buffers_have_grown() {
    let long = "é".repeat(10_000);
    let wire = format!(
        "event: tick\nid: 1\ndata: one\n\n: c\ndata: two\ndata: lines\nid: 22\n\nretry: 1\nevent\n\ndata: {long}\r\n\r\n",
    );
    for piece in [1, 7, 1_000, wire.len()] {
        let mut decoder = Decoder::new();
        read_all(&mut decoder, wire.as_bytes(), piece);
        check(0, || (0..10).map(|_| read_all(&mut decoder, wire.as_bytes(), piece)).sum::<usize>());
    }
}

#[test]
fn an_event_that_lasts_is_one_allocation() {
    let mut decoder = Decoder::new();
    let mut chunk = &b"event: tick\nid: 1\ndata: one\n\n"[..];
    let event = decoder.next(&mut chunk).expect("within limits").expect("an event");
    check(1, || event.to_event());
    let event = event.to_event();
    check(0, || event.into_data());
}

#[test]
fn a_message_is_at_most_one_allocation() {
    check(1, || Message::new().data("Hello, world!").encode());
    check(1, || Message::new().event("greeting").id("7").data("Hello, world!").encode());
    let text = "x".repeat(2_048);
    check(1, || Message::new().event("greeting").id("7").data(&text).encode());
    check(1, || Message::new().data(&text).encode());
}

#[test]
fn a_short_message_into_a_buffer_with_room_is_none() {
    let mut out = Vec::with_capacity(1_024);
    check(0, || {
        Message::new().event("greeting").id("7").data("Hello, world!").encode_into(&mut out)
    });
}

#[cfg(feature = "json")]
#[test]
fn json_after_json_is_written_in_the_same_block() {
    let value = ["x"; 20];
    let mut out = Vec::with_capacity(1_024);
    let mut write = || Message::new().event("greeting").json(value).encode_into(&mut out);
    write().expect("valid");
    check(0, write);
    check(1, || Message::new().json(value).encode());
    check(1, || Message::new().json(value).encode());
}

#[test]
fn a_clone_of_an_encoded_message_copies_no_bytes() {
    let message = Message::new().data("x".repeat(10_000)).encode().expect("valid");
    // `Bytes` may move its count to the heap at the first clone; the bytes stay where they are.
    let first = message.clone();
    assert_eq!(first.as_bytes().as_ptr(), message.as_bytes().as_ptr());
    check(0, || message.clone());
}

#[test]
fn the_count_counts() {
    let info = measure(|| drop(vec![1, 2, 3]));
    assert_eq!(info.count_total, 1);
}

#[cfg(feature = "hub")]
mod hub {
    use std::task::{Context, Poll, Waker};

    use allocation_counter::measure;
    use http_body::Body;
    use volga_sse::{
        DEFAULT_HEARTBEAT, Heartbeat, Message, Position, Sse,
        hub::{
            Append, Delivery, Hub, Incoming, KeyChange, Policy, Receipt, Relay, RelayError,
            RelayFuture, RelayState, SendError, Subscribe, Subscription,
        },
    };

    /// The bytes of a subscription that waits, with all that the hub holds for it. Its stream's
    /// body and its connection come on top.
    const IDLE: usize = 200;

    fn poll(subscription: &mut Subscription) -> Poll<Option<Delivery>> {
        std::pin::pin!(subscription.next()).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Reads to the end of what there is; gives the number of messages.
    fn drain(subscription: &mut Subscription) -> usize {
        std::iter::from_fn(|| match poll(subscription) {
            Poll::Ready(Some(Delivery::Message(message))) => Some(message),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        })
        .count()
    }

    fn subscribed(hub: &Hub, count: usize, topics: &[&str]) -> Vec<Subscription> {
        let mut all: Vec<_> =
            (0..count).map(|_| hub.subscribe(topics).open().expect("a subscription")).collect();
        // The ID of its place comes first.
        all.iter_mut().for_each(|subscription| {
            assert!(poll(subscription).is_ready());
            assert!(poll(subscription).is_pending());
        });
        all
    }

    fn publish(hub: &Hub) {
        hub.publish("a.1", Message::new().data("x".repeat(100))).expect("published");
    }

    #[test]
    fn delivering_a_message_allocates_nothing_per_subscriber() {
        for topics in [&["a.1"][..], &["a.1", "b"], &["a.*"]] {
            let hub = Hub::new();
            publish(&hub);
            let mut all = subscribed(&hub, 1_000, topics);
            // The buffers of the log grow to their size.
            (0..9).for_each(|_| publish(&hub));
            all.iter_mut().for_each(|subscription| assert_eq!(drain(subscription), 9));
            let info = measure(|| {
                publish(&hub);
                all.iter_mut().for_each(|subscription| assert_eq!(drain(subscription), 1));
            });
            // The text, the message, its block grown for the ID, and the count of its references.
            assert!(info.count_total <= 5, "{topics:?}: {}", info.count_total);
        }
    }

    #[test]
    fn several_at_once_cost_one_buffer_for_as_long_as_they_wait() {
        let hub = Hub::new();
        publish(&hub);
        let mut all = subscribed(&hub, 1_000, &["a.1"]);
        (0..50).for_each(|_| publish(&hub));
        let info = measure(|| {
            all.iter_mut().for_each(|subscription| assert_eq!(drain(subscription), 50));
        });
        // One that grows a few times, and the counts of the messages' references.
        assert!(info.count_total <= 1_000 * 5 + 50, "{}", info.count_total);
        assert!(info.count_current <= 50, "{}", info.count_current);
    }

    #[test]
    fn a_subscription_that_does_not_read_holds_no_topics_that_are_gone() {
        let hub = Hub::builder().max_topics(100).max_remembered_topics(100).build();
        let publish = |index: usize| {
            hub.publish(&format!("n.{index}"), Message::new().data("x")).expect("room");
        };
        let mut stalled = hub.subscribe(">").open().expect("a subscription");
        (0..1_000).for_each(publish);
        let info = measure(|| (1_000..50_000).for_each(publish));
        println!("{} bytes more", info.bytes_current);
        assert!(info.bytes_current < 100_000, "{} bytes", info.bytes_current);
        assert!(matches!(poll(&mut stalled), Poll::Ready(Some(Delivery::Gap(_)))));
    }

    /// The bytes do not depend on how many topics the patterns match, also with an identity.
    #[test]
    fn a_reader_by_pattern_costs_its_patterns() {
        const MOST: usize = 400;
        for topics in [100, 10_000] {
            let hub = Hub::builder().max_topics(topics).build();
            for topic in 0..topics {
                let name = format!("group{}.{topic}", topic % 100);
                hub.publish(&name, Message::new().data("x")).expect("room");
            }
            let hundred: Vec<String> = (0..100).map(|group| format!("group{group}.*")).collect();
            let both = [&[">".to_owned()][..], &hundred];
            for (filters, has_identity) in both.into_iter().flat_map(|of| [(of, false), (of, true)])
            {
                let open = |index: usize| {
                    let subscribe = hub.subscribe(filters);
                    match has_identity {
                        true => subscribe.identity(format!("user {index}")),
                        false => subscribe,
                    }
                };
                let mut first = open(0).open().expect("a subscription");
                assert!(matches!(poll(&mut first), Poll::Ready(Some(Delivery::Message(_)))));
                let mut all = Vec::new();
                all.reserve_exact(300);
                let info = measure(|| {
                    for index in 1..=300 {
                        let mut reader = open(index).open().expect("a subscription");
                        assert!(matches!(poll(&mut reader), Poll::Ready(Some(_))));
                        assert!(poll(&mut reader).is_pending());
                        all.push(reader);
                    }
                });
                let bytes = info.bytes_current as usize / all.len() + size_of::<Subscription>();
                let kind = if has_identity { "with an identity" } else { "without an identity" };
                println!("{topics} topics, {} patterns, {kind}: {bytes} bytes", filters.len());
                let (most, of_pattern) = if has_identity { (1_000, 300) } else { (MOST, 64) };
                assert!(bytes <= most + of_pattern * filters.len(), "{bytes} bytes");
            }
        }
    }

    /// How each kind of client of one topic begins, and what happens to it before it waits.
    #[test]
    fn a_subscription_that_waits_is_small() {
        type Open = fn(&Hub) -> Subscribe<'_>;
        let kinds: [(&str, Open); 10] = [
            ("new", |hub| hub.subscribe("a.1")),
            ("without a first ID", |hub| hub.subscribe("a.1").without_first_id()),
            ("with a history", |hub| hub.subscribe("a.1").history(50)),
            ("ends if it is too slow", |hub| hub.subscribe("a.1").policy(Policy::close())),
            ("of a keyed topic", |hub| hub.subscribe("k.1")),
            ("gets the newest values", |hub| hub.subscribe("k.1").policy(Policy::Latest)),
            ("resumes", |hub| hub.subscribe("a.1").resume(hub.position())),
            ("was away for long", |hub| {
                hub.subscribe("a.1").resume(Position::new(hub.position().epoch(), 1))
            }),
            ("has an unknown ID", |hub| hub.subscribe("a.1").resume("unknown").history(9)),
            ("has an unknown ID for a keyed topic", |hub| hub.subscribe("k.1").resume("unknown")),
        ];
        for (kind, open) in kinds {
            for is_shared in [false, true] {
                for has_burst in [false, true] {
                    let hub = Hub::builder().max_messages(100).keyed("k.1", 9).expect("a name");
                    let (hub, mut feed) = match is_shared {
                        false => (hub.build(), None),
                        true => {
                            let (hub, mut feed) = hub.build_shared(NoEngine);
                            feed.begin(7, None);
                            feed.set_state(RelayState::Live);
                            (hub, Some(feed))
                        }
                    };
                    let mut last = 0;
                    let mut publish = |count: usize| {
                        for number in 0..count {
                            let topic = ["a.1", "k.1"][number % 2];
                            last += 1;
                            let Some(feed) = &mut feed else {
                                let message = Message::new().data("x");
                                _ = match topic {
                                    "k.1" => hub.publish_keyed(topic, "key", message),
                                    _ => hub.publish(topic, message),
                                }
                                .expect("published");
                                continue;
                            };
                            let key = match topic {
                                "k.1" => KeyChange::Set("key"),
                                _ => KeyChange::None,
                            };
                            feed.take([Incoming {
                                position: Position::new(7, last),
                                after: None,
                                at: None,
                                topic: topic.as_bytes(),
                                key,
                                payload: b"\x01data: x\n",
                            }]);
                        }
                    };
                    publish(300);
                    let mut all = Vec::new();
                    all.reserve_exact(2_000);
                    let read = |all: &mut Vec<Subscription>| {
                        all.iter_mut()
                            .for_each(|one| while matches!(poll(one), Poll::Ready(Some(_))) {});
                    };
                    let info = measure(|| {
                        all.extend((0..2_000).map(|_| open(&hub).open().expect("open")));
                        read(&mut all);
                    });
                    let mut bytes = info.bytes_current;
                    if has_burst {
                        // It is longer than the logs, which are full before and after it.
                        bytes += measure(|| {
                            publish(400);
                            read(&mut all);
                        })
                        .bytes_current;
                    }
                    let bytes = bytes as usize / all.len() + size_of::<Subscription>();
                    println!("{bytes} bytes: {kind}, shared: {is_shared}, burst: {has_burst}");
                    assert!(bytes <= IDLE, "{bytes} bytes: {kind}, {is_shared}, {has_burst}");
                }
            }
        }
    }

    /// A stream that does not end with a subscription pays nothing for those that do.
    #[test]
    fn a_stream_that_ends_with_its_subscription_costs_little_and_others_nothing() {
        const MOST: usize = 400;
        /// The bytes that the body and its close handle share.
        const SHARED: usize = 80;
        let hub = Hub::builder().policy(Policy::close()).build();
        publish(&hub);
        let of = |watches: usize| {
            let mut all = Vec::new();
            all.reserve_exact(1_000);
            let mut subscriptions = subscribed(&hub, 1_000, &["a.1"]);
            let info = measure(|| {
                for subscription in subscriptions.drain(..) {
                    let watch = subscription.watch_end();
                    let mut sse = Sse::new(subscription.deliveries());
                    for _ in 0..watches {
                        sse = sse.end_with(watch.clone());
                    }
                    let sse = sse.heartbeat(Heartbeat::every(DEFAULT_HEARTBEAT));
                    all.push(Box::pin(sse.into_response().into_body()));
                }
                let mut cx = Context::from_waker(Waker::noop());
                for body in &mut all {
                    while body.as_mut().poll_frame(&mut cx).is_ready() {}
                }
            });
            (info.bytes_current as usize / all.len(), size_of_val(&*all[0]))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let [(none, body), (one, _), (two, _)] = [0, 1, 2].map(of);
        println!("{none} bytes of a stream, {one} with a watch, {two} with two");
        assert!(none <= body + SHARED, "{none} bytes, of which the body has {body}");
        assert!(one > none && one <= none + MOST, "{one} bytes with a watch, {none} without");
        assert!(two <= one + MOST / 4, "{two} bytes with two, {one} with one");
    }

    struct NoEngine;

    impl Relay for NoEngine {
        fn append(&self, _: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
            Box::pin(std::future::pending())
        }

        fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
            Box::pin(std::future::pending())
        }
    }
}

/// The worst case: messages so small that most of their memory is bookkeeping, read by a client, so
/// that each block is shared.
#[cfg(feature = "replies")]
#[test]
fn a_reply_holds_no_more_memory_than_it_counts() {
    use futures_util::{StreamExt, stream};
    use volga_sse::{AttachOutcome, Replies};

    /// For the task and the reply itself.
    const ROOM: i64 = 10_000;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let replies = Replies::new();
    let mut attached = None;
    let held = measure(|| {
        runtime.block_on(async {
            let words = stream::iter(0..10_000).map(|_| Message::new().data(""));
            let token = replies.start(words).unwrap();
            replies.wait_idle().await;
            let Ok(AttachOutcome::Open(client)) = replies.claim(token.as_str()).attach() else {
                panic!("there is no reply");
            };
            let mut messages = client.messages();
            while messages.next().await.is_some() {}
            attached = Some(messages);
        });
    });
    let counted = replies.counts().bytes as i64;
    assert!(held.bytes_current <= counted + ROOM, "{} held, {counted} counted", held.bytes_current);
    assert!(held.bytes_current * 2 > counted, "{} held, {counted} counted", held.bytes_current);
}
