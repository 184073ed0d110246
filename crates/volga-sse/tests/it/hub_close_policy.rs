//! `Policy::Close`: the stream of a reader that stalls ends, and never tells of a gap instead.

use std::{num::NonZeroU32, pin::Pin, time::Duration};

use futures_util::{FutureExt, StreamExt};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use volga_sse::{
    EndReason, Heartbeat, Message, Sse, SseBody,
    hub::{Delivery, Hub, Policy, Subscription, SubscriptionEnd},
};

fn hub(messages: usize) -> Hub {
    Hub::builder().max_messages(messages).policy(Policy::close()).build()
}

fn publish(hub: &Hub, count: usize) {
    (0..count).for_each(|_| _ = hub.publish("a", Message::new().data("x")).expect("published"));
}

/// The next message's number. `None` if nothing is ready, or if the subscription has ended.
fn next(subscription: &mut Subscription) -> Option<u64> {
    match subscription.next().now_or_never()?? {
        Delivery::Message(message) => message.position().map(|position| position.number()),
        Delivery::Gap(gap) => panic!("{gap:?} in place of the end"),
    }
}

/// The filters of each kind of reader. The topics are those of [`TOPICS`].
const READERS: [&[&str]; 8] = [
    &["a"],
    &["k"],
    &["a", "b.1"],
    &[">"],
    &["b.*"],
    &["a", "b.*"],
    &["k", "b.1", "b.2", "a", "c"],
    &["k", "b.>", "*"],
];
const TOPICS: [&str; 4] = ["a", "b.1", "b.2", "k"];

fn reads(filters: &[&str], topic: &str) -> bool {
    let is_match = |filter: &&str| match *filter {
        ">" => true,
        "*" => !topic.contains('.'),
        "b.*" | "b.>" => topic.starts_with("b."),
        name => name == topic,
    };
    filters.iter().any(is_match)
}

#[derive(Clone, Debug)]
enum Step {
    /// Publishes so many messages of this size to a topic.
    Publish {
        topic: usize,
        count: usize,
        size: usize,
    },
    /// Reads at most so many deliveries.
    Read(usize),
    Remove {
        topic: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![3 => Just(1), 1 => 1..200_usize];
    prop_oneof![
        5 => (0..TOPICS.len(), 0..12_usize, size)
            .prop_map(|(topic, count, size)| Step::Publish { topic, count, size }),
        4 => (0..12_usize).prop_map(Step::Read),
        2 => Just(Step::Read(usize::MAX)),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::Remove { topic }),
    ]
}

/// A message that the reader has not read.
#[derive(Debug)]
struct Unread {
    number: u64,
    topic: usize,
    bytes: usize,
    /// Its topic was removed.
    is_lost: bool,
}

const MAX_BYTES: usize = 2_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// It ends at the moment at which one of its topics is half a log ahead of it, or has lost a
    /// message that it had not read. Until then it gets every message. The only gap that it is told
    /// of is that of a keyed topic that was removed with its values.
    #[test]
    fn a_reader_that_has_caught_up_is_ended_half_a_log_behind_and_resumes_whole(
        max in 4..40_usize,
        kind in 0..READERS.len(),
        max_lag in prop_oneof![Just(None), (1..60_u32).prop_map(NonZeroU32::new)],
        max_remembered in prop_oneof![3 => Just(10_000_usize), 1 => Just(0)],
        comes_back in any::<bool>(),
        asks in any::<bool>(),
        steps in vec(step(), 1..40),
    ) {
        let hub = Hub::builder()
            .max_messages(max)
            .max_bytes(MAX_BYTES)
            .max_remembered_topics(max_remembered)
            .keyed("k", 3)
            .unwrap()
            .policy(Policy::Close { max_lag })
            .build();
        let filters = READERS[kind];
        let subscribe = || hub.subscribe(filters);
        let mut reader = if comes_back {
            let start = hub.position();
            hub.publish("a", Message::new().data("x")).unwrap();
            subscribe().resume(start).open().unwrap()
        } else {
            subscribe().open().unwrap()
        };
        while next(&mut reader).is_some() {}
        prop_assert_eq!(reader.end(), None);
        let mut unread: Vec<Unread> = Vec::new();
        let (mut has_lost, mut ends) = (false, false);
        // The last position at which a keyed topic was removed.
        let mut removed_at = None;
        let mut has_snapshot = false;
        for step in steps {
            // Nobody looks at a reader that has ended while the hub goes on.
            match step {
                Step::Publish { topic, count, size } => {
                    for index in 0..count {
                        let message = Message::new().data("x".repeat(size));
                        let key = (index % 3).to_string();
                        let published = match TOPICS[topic] {
                            "k" => hub.publish_keyed("k", &key, message.clone()),
                            name => hub.publish(name, message.clone()),
                        };
                        let position = published.unwrap();
                        let bytes = message.encode_at(position).unwrap().len();
                        if reads(filters, TOPICS[topic]) {
                            let number = position.number();
                            unread.push(Unread { number, topic, bytes, is_lost: false });
                        }
                    }
                }
                Step::Remove { topic } => {
                    let name = TOPICS[topic];
                    let before = hub.position();
                    hub.remove_topic(name);
                    if reads(filters, name) {
                        for unread in unread.iter_mut().filter(|unread| unread.topic == topic) {
                            (unread.is_lost, has_lost) = (true, true);
                        }
                        if hub.position() != before {
                            removed_at = Some(hub.position().number());
                        }
                    }
                }
                Step::Read(_) if ends => {}
                Step::Read(most) => {
                    for _ in 0..most {
                        match reader.next().now_or_never() {
                            Some(Some(Delivery::Message(message))) => {
                                let number = message.position().unwrap().number();
                                // Values come again after the gap.
                                if unread.first().is_none_or(|unread| unread.number != number) {
                                    prop_assert!(has_snapshot, "{}", number);
                                    continue;
                                }
                                unread.remove(0);
                            }
                            Some(Some(Delivery::Gap(gap))) => {
                                prop_assert!(gap.has_snapshot());
                                prop_assert!(removed_at.take().is_some_and(|at| at <= gap.through().number()));
                                has_snapshot = true;
                            }
                            Some(None) | None => break,
                        }
                    }
                }
            }
            let is_behind = |topic: usize| {
                let of_topic = || unread.iter().filter(|unread| unread.topic == topic);
                let count = of_topic().count();
                let bytes: usize = of_topic().map(|unread| unread.bytes).sum();
                let may_lag = match max_lag {
                    None => count < (max / 2).max(2) && bytes < MAX_BYTES / 2,
                    Some(messages) => count < messages.get() as usize,
                };
                // Beyond the log, the first one is lost.
                !may_lag || count > max || count > 1 && bytes > MAX_BYTES
            };
            let is_too_slow = has_lost || (0..TOPICS.len()).any(is_behind);
            // Also without being polled.
            if asks {
                prop_assert_eq!(reader.end().is_some(), ends || is_too_slow, "{:?}", unread);
            }
            ends |= is_too_slow;
        }
        if !ends {
            prop_assert_eq!(reader.end(), None);
            return Ok(());
        }
        if has_lost {
            // Messages that were read already may come before the end.
            while let Some(Some(delivery)) = reader.next().now_or_never() {
                let Delivery::Message(message) = delivery else {
                    // It had read all messages of the topic that was removed, so it goes on.
                    prop_assert!(unread.iter().all(|unread| !unread.is_lost), "{:?}", unread);
                    prop_assert!(removed_at.is_some());
                    return Ok(());
                };
                let number = message.position().unwrap().number();
                if unread.first().is_some_and(|unread| unread.number == number) {
                    unread.remove(0);
                } else {
                    prop_assert!(has_snapshot, "{}", number);
                }
            }
        }
        match reader.next().now_or_never() {
            // All messages of the topic that was removed had been read from it.
            None => {
                prop_assert!(has_lost && unread.is_empty());
                return Ok(());
            }
            end => prop_assert_eq!(end, Some(None)),
        }
        prop_assert_eq!(reader.end(), Some(SubscriptionEnd::TooSlow));
        let mut again = subscribe().resume(reader.position()).open().unwrap();
        let of_topic = |topic| unread.iter().filter(move |unread| unread.topic == topic);
        let is_held = |topic| {
            let bytes: usize = of_topic(topic).map(|unread| unread.bytes).sum();
            let count = of_topic(topic).count();
            count <= max && (count <= 1 || bytes <= MAX_BYTES)
        };
        let is_whole = !has_lost && (0..TOPICS.len()).all(is_held);
        let (mut received, mut gaps) = (Vec::new(), Vec::new());
        while let Some(delivery) = again.next().now_or_never() {
            match delivery {
                Some(Delivery::Message(message)) => {
                    received.push(message.position().unwrap().number());
                }
                Some(Delivery::Gap(gap)) => {
                    gaps.push(gap.after().unwrap().number() + 1..=gap.through().number());
                }
                None => prop_assert!(false, "it has not caught up yet"),
            }
        }
        let numbers: Vec<u64> = unread.iter().map(|unread| unread.number).collect();
        if is_whole && removed_at.is_none() && !has_snapshot {
            prop_assert_eq!((received, gaps), (numbers, Vec::new()));
        } else if is_whole {
            // It is told of the removal, and may get values again.
            prop_assert!(numbers.iter().all(|number| received.contains(number)));
            prop_assert!(gaps.len() <= 1);
        } else {
            for number in numbers.into_iter().filter(|number| !received.contains(number)) {
                let is_told = gaps.iter().any(|gap| gap.contains(&number));
                prop_assert!(is_told, "{} of {:?}", number, gaps);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_with_a_pace_is_ended_although_a_message_always_waits() {
    let pace = Duration::from_millis(50);
    let hub = hub(16);
    let mut reader = hub.subscribe("a").pace(pace).open().unwrap();
    let mut has_read = 0;
    // Whenever its time is over, a message is there already.
    for _ in 0..5 {
        publish(&hub, 1);
        tokio::time::advance(2 * pace).await;
        while let Some(number) = next(&mut reader) {
            has_read = number;
        }
        assert_eq!(reader.end(), None);
    }
    assert_eq!(has_read, 5);
    publish(&hub, 100);
    assert_eq!(reader.end(), Some(SubscriptionEnd::TooSlow));
    assert_eq!(next(&mut reader), None);
}

/// Takes all frames that are ready.
fn take_all(body: &mut Pin<Box<SseBody<Subscription>>>) {
    while let Some(frame) = body.frame().now_or_never() {
        assert!(frame.is_some(), "it has not ended yet");
    }
}

proptest! {
    /// A server asks a body whether it has ended also while it does not poll it, because the
    /// client reads nothing.
    #[test]
    fn the_body_of_a_stalled_reader_says_that_it_has_ended_half_a_log_behind(
        max in 4..40_usize,
        kind in 0..4_usize,
        steps in vec((0..50_usize, any::<bool>()), 1..20),
    ) {
        let hub = hub(max);
        let topics: &[&str] = [&["a"][..], &["a", "b"], &[">"], &["a", "b.*"]][kind];
        let subscription = hub.subscribe(topics).identity("anna").open().unwrap();
        let (told, reason) = std::sync::mpsc::channel();
        let sse = Sse::new(subscription)
            .without_retry()
            .heartbeat(Heartbeat::off())
            .on_end(move |end| told.send(end.reason()).expect("the test waits"));
        let mut body = Box::pin(sse.into_response().into_body());
        take_all(&mut body);
        let mut unread = 0;
        for (more, reads) in steps {
            publish(&hub, more);
            unread += more;
            let has_ended = unread >= (max / 2).max(2);
            prop_assert_eq!(body.is_end_stream(), has_ended, "{} of {}", unread, max);
            if has_ended {
                break;
            }
            if reads {
                take_all(&mut body);
                unread = 0;
            }
        }
        if !body.is_end_stream() {
            hub.close_identity("anna");
            prop_assert!(body.is_end_stream(), "the identity is closed");
        }
        if max % 2 == 0 {
            prop_assert!(body.frame().now_or_never().expect("the end").is_none());
        }
        drop(body);
        prop_assert_eq!(reason.try_recv(), Ok(EndReason::Finished));
        prop_assert!(reason.try_recv().is_err(), "it is told once");
    }
}

#[test]
fn a_body_that_stalls_for_longer_than_the_log_ends() {
    let hub = hub(8);
    let subscription = hub.subscribe("a").open().unwrap();
    let sse = Sse::new(subscription).without_retry().heartbeat(Heartbeat::off());
    let mut body = Box::pin(sse.into_response().into_body());
    let frame = body.frame().now_or_never().expect("an ID").expect("a frame").expect("valid");
    assert!(frame.into_data().expect("data").starts_with(b"id: "));
    assert!(body.frame().now_or_never().is_none());
    publish(&hub, 100);
    assert!(body.frame().now_or_never().expect("the end").is_none());
}

/// Only the subscription itself says that it has ended while nobody polls it.
#[test]
fn a_stream_of_deliveries_ends_when_its_client_reads_again() {
    for stalled in [4, 8, 100] {
        let hub = hub(8);
        let subscription = hub.subscribe("a").without_first_id().open().unwrap();
        let stream = subscription.deliveries().map(|delivery| delivery.encode());
        let sse = Sse::new(stream).without_retry().heartbeat(Heartbeat::off());
        let mut body = Box::pin(sse.into_response().into_body());
        assert!(body.frame().now_or_never().is_none());
        publish(&hub, stalled);
        assert!(!body.is_end_stream());
        assert!(body.frame().now_or_never().expect("the end").is_none());
    }
}

#[test]
fn a_client_that_has_not_caught_up_is_not_ended_and_gets_a_gap() {
    for max in 4..20_u64 {
        for away in 1..=max {
            let hub = hub(max as usize);
            let start = hub.position();
            publish(&hub, away as usize);
            let mut back = hub.subscribe("a").resume(start).open().unwrap();
            // It reads more slowly than the others publish.
            publish(&hub, 2 * max as usize);
            assert_eq!(back.end(), None);
            let Some(Some(Delivery::Gap(gap))) = back.next().now_or_never() else {
                panic!("{max} {away}");
            };
            assert_eq!((gap.after(), gap.through().number()), (Some(start), max + away));
            for number in max + away + 1..=2 * max + away {
                assert_eq!(next(&mut back), Some(number));
            }
            assert_eq!((next(&mut back), back.end()), (None, None), "it has caught up");
            publish(&hub, max as usize);
            assert_eq!(back.end(), Some(SubscriptionEnd::TooSlow));
        }
    }
}

/// Each policy, set for the hub or for one subscription, and readers that are not slow beside it.
#[test]
fn a_policy_applies_to_a_slow_reader_and_to_nobody_else() {
    const LOG: u64 = 8;
    assert_eq!(Policy::default(), Policy::Gap);
    let policies = [Policy::Gap, Policy::close(), Policy::Latest];
    for of_hub in [None, Some(Policy::Gap), Some(Policy::close()), Some(Policy::Latest)] {
        for own in policies.into_iter().map(Some).chain([None]) {
            let settings = Hub::builder().max_messages(LOG as usize).keyed("k", 10).unwrap();
            let hub = match of_hub {
                Some(policy) => settings.policy(policy).build(),
                None => settings.build(),
            };
            let subscribe = || hub.subscribe("k");
            let mut slow = match own {
                Some(policy) => subscribe().policy(policy).open().unwrap(),
                None => subscribe().open().unwrap(),
            };
            assert_eq!(next(&mut slow), Some(0), "its first ID");
            assert_eq!(next(&mut slow), None);
            let mut others = policies.map(|policy| subscribe().policy(policy).open().unwrap());
            others.iter_mut().for_each(|other| while next(other).is_some() {});
            for number in 1..=3 * LOG {
                hub.publish_keyed("k", "key", Message::new().data("x")).unwrap();
                for other in &mut others {
                    assert_eq!(next(other), Some(number));
                }
            }
            let delivered = slow.next().now_or_never().expect("something");
            match own.or(of_hub).unwrap_or_default() {
                Policy::Close { .. } => {
                    assert_eq!(delivered, None);
                    assert_eq!(slow.end(), Some(SubscriptionEnd::TooSlow));
                }
                Policy::Latest => {
                    let Some(Delivery::Message(message)) = delivered else { panic!() };
                    assert_eq!(message.position().unwrap().number(), 3 * LOG);
                    assert_eq!(next(&mut slow), None, "only the newest of the key");
                }
                _ => {
                    let Some(Delivery::Gap(gap)) = delivered else { panic!() };
                    assert_eq!(gap.through().number(), 2 * LOG);
                    assert_eq!(next(&mut slow), Some(2 * LOG + 1), "the oldest that is held");
                }
            }
        }
    }
}
