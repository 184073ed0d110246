//! The effects of a feed, call by call.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use tokio::time::advance;
use volga_sse::{
    Sse,
    hub::{Incoming, KeyChange, TopicCreation},
};

use super::support::{HELD, at, builder, node, node_of, payload, ready};
use crate::hub_support::Wakes;

/// The order in which a hub gets the messages of its source. Each message comes a few places early
/// or late, and some come twice.
fn disorder(seed: u64, last: u64) -> Vec<u64> {
    let mut random = crate::seeded::Random(seed);
    let mut next = move |end: u64| random.below(end as usize) as u64;
    let mut all: Vec<(u64, u64)> = Vec::new();
    for number in 1..=last {
        all.push((number + next(HELD as u64 / 2), number));
        if next(4) == 0 {
            all.push((number + next(HELD as u64 * 4), number));
        }
    }
    all.sort_by_key(|(when, _)| *when);
    all.into_iter().map(|(_, number)| number).collect()
}

#[test]
fn an_id_of_one_node_resumes_on_another_in_whatever_order_messages_come() {
    const LAST: u64 = 600;
    for seed in 0..20 {
        let mut nodes = [node(0), node(0)];
        let orders = [disorder(seed, LAST), disorder(seed + 1_000, LAST)];
        // The second node lags behind the first.
        let mut steps = [(0, 0), (1, 0)];
        let mut received: Vec<u64> = Vec::new();
        let mut client = nodes[0].hub.subscribe("t.*").open().unwrap();
        for round in 0.. {
            for (node, done) in &mut steps {
                let pace = 7 + (round + *node as u64) % 3 - 2 * *node as u64;
                for number in orders[*node].iter().skip(*done).take(pace as usize) {
                    nodes[*node].put(*number);
                    *done += 1;
                }
            }
            for (after, through) in ready(&mut client) {
                assert_eq!(after, through, "a gap, seed {seed}");
                received.push(after);
            }
            if steps.iter().all(|(node, done)| *done == orders[*node].len()) {
                break;
            }
            let last = received.last().copied().unwrap_or(0);
            let next = &nodes[round as usize / 3 % 2].hub;
            if round % 3 == 0 && next.position().number() >= last {
                client = next.subscribe("t.*").resume(at(last)).open().unwrap();
            }
        }
        received.extend(ready(&mut client).into_iter().map(|(number, _)| number));
        assert_eq!(received, (1..=LAST).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_message_that_never_comes_becomes_a_gap_for_everybody() {
    let mut node = node(0);
    let mut one = node.hub.subscribe("t.a").open().unwrap();
    let mut other = node.hub.subscribe("quiet").open().unwrap();
    let mut later = node.hub.subscribe("later.*").open().unwrap();
    node.put(2);
    // The first message never comes.
    for number in 3..=HELD as u64 + 1 {
        node.put(number);
        assert_eq!(ready(&mut one), []);
    }
    node.put(HELD as u64 + 2);
    assert_eq!(ready(&mut one)[..3], [(0, 1), (2, 2), (4, 4)]);
    assert_eq!(ready(&mut other), [(0, 1)]);
    assert_eq!(ready(&mut later), [(0, 1)]);
    let mut resumed = node.hub.subscribe("new").resume(at(0)).open().unwrap();
    assert_eq!(ready(&mut resumed), [(0, 1)]);
    let mut resumed = node.hub.subscribe("t.a").resume(at(1)).open().unwrap();
    assert_eq!(ready(&mut resumed)[0], (2, 2));
    // This is too late.
    node.put(1);
    assert_eq!(ready(&mut one), []);
    assert_eq!(node.hub.stats().losses, 1);
}

#[test]
fn an_engine_may_say_that_messages_are_missing() {
    let mut node = node(0);
    let mut all = node.hub.subscribe("t.*").open().unwrap();
    node.put(2);
    node.put(5);
    node.feed.lost(at(6), None);
    assert_eq!(ready(&mut all), [], "it takes effect with the next call");
    node.put(7);
    assert_eq!(ready(&mut all), [(0, 6), (2, 2), (5, 5), (7, 7)]);
    node.feed.lost(at(3), None);
    node.feed.take([]);
    assert_eq!(ready(&mut all), []);
    node.feed.lost(at(u64::MAX), None);
    node.feed.take([]);
    assert_eq!(ready(&mut all), [(7, u64::MAX)]);
}

#[test]
fn a_feed_may_leave_numbers_out() {
    let mut node = node(0);
    let mut all = node.hub.subscribe("t.*").open().unwrap();
    let payload = payload("x");
    let incoming = |number, after| Incoming {
        position: at(number),
        after: Some(at(after)),
        at: None,
        topic: b"t.a",
        key: KeyChange::None,
        payload: &payload,
    };
    node.feed.take([incoming(90, 40), incoming(40, 7), incoming(7, 0), incoming(40, 7)]);
    assert_eq!(ready(&mut all), [(7, 7), (40, 40), (90, 90)]);
    node.feed.take([incoming(200, 100)]);
    node.feed.lost(at(100), None);
    node.feed.take([]);
    assert_eq!(ready(&mut all), [(90, 100), (200, 200)]);
}

#[test]
fn a_node_that_starts_later_has_no_earlier_messages() {
    let mut node = node(100);
    node.put(101);
    let mut all = node.hub.subscribe("t.*").resume(at(90)).open().unwrap();
    assert_eq!(ready(&mut all), [(90, 100), (101, 101)]);
    let mut newcomer = node.hub.subscribe("t.*").history(10).open().unwrap();
    assert_eq!(ready(&mut newcomer), [(101, 101)]);
    assert_eq!(node.hub.stats().losses, 0, "it was lost before the node started");
}

#[test]
fn what_a_node_cannot_hold_is_missing_in_its_topic_alone() {
    let build = || builder().max_message_bytes(64).max_topic_name(8).max_topics(3);
    for (topic, bytes, is_told) in [
        ("t.a", payload(&"x".repeat(64)), [true, true, false]),
        ("t.a", b"\x02data: x\n".to_vec(), [true, true, false]),
        ("t.a", b"\x01data: x\n\nid: 1-1\n".to_vec(), [true, true, false]),
        ("t.a", b"\x01event: gap\n".to_vec(), [true, true, false]),
        ("t.long.name", payload("x"), [false, true, false]),
        ("t.", payload("x"), [false, false, false]),
    ] {
        let mut node = node_of(build(), 0);
        let subscribe = |name| node.hub.subscribe(name).resume(at(0)).open().unwrap();
        let mut readers = ["t.a", "t.>", "quiet"].map(subscribe);
        node.put(2);
        node.take_foreign(1, topic.as_bytes(), &bytes);
        node.put(3);
        for (reader, is_told) in readers.iter_mut().zip(is_told) {
            let gaps = ready(reader).into_iter().filter(|(after, through)| after != through);
            assert_eq!(gaps.collect::<Vec<_>>(), if is_told { vec![(0, 1)] } else { vec![] });
        }
        assert_eq!((node.hub.stats().unheld, node.hub.stats().losses), (1, 0), "{topic}");
        // A client that returns is told as well.
        let mut back = node.hub.subscribe("t.a").resume(at(0)).open().unwrap();
        assert_eq!(ready(&mut back)[0], if is_told[0] { (0, 1) } else { (2, 2) }, "{topic}");
    }
}

#[test]
fn names_that_a_node_has_no_room_for_hurt_nobody() {
    let mut node = node_of(builder().max_topics(2), 0);
    let mut readers = ["t.a", "t.b"].map(|name| node.hub.subscribe(name).open().unwrap());
    let mut flood = node.hub.subscribe("flood.*").open().unwrap();
    for number in 1..=2_000 {
        node.put_in(at(number), &format!("flood.{number}"), KeyChange::None);
    }
    node.put(2_001);
    node.put(2_002);
    assert_eq!(ready(&mut readers[0]), [(2_002, 2_002)]);
    assert_eq!(ready(&mut readers[1]), [(2_001, 2_001)]);
    assert_eq!(node.hub.stats().unheld, 2_000);
    let (after, through) = ready(&mut flood)[0];
    assert_eq!((after, through), (0, 2_000));

    let mut strict = node_of(builder().topic_creation(TopicCreation::Explicit), 0);
    strict.hub.create_topic("t.a").unwrap();
    let mut one = strict.hub.subscribe("t.a").open().unwrap();
    let mut all = strict.hub.subscribe(">").open().unwrap();
    strict.put(1);
    strict.put(2);
    assert_eq!(ready(&mut one), [(2, 2)]);
    assert_eq!(ready(&mut all), [(0, 1), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn messages_are_held_for_their_age_by_the_clock_of_the_engine() {
    let minute = Duration::from_secs(60);
    let engine = SystemTime::UNIX_EPOCH + 1_000_000 * minute;
    for clock in [None, Some(engine)] {
        let mut node = node_of(builder().max_age(10 * minute), 0);
        node.feed.set_clock(clock.unwrap_or_else(SystemTime::now));
        let now = clock.unwrap_or_else(SystemTime::now);
        let payload = payload("x");
        let incoming = |number, at: SystemTime| Incoming {
            position: self::at(number),
            after: None,
            at: Some(at),
            topic: b"t",
            key: KeyChange::None,
            payload: &payload,
        };
        // The first one is too old, the second one for a while not, and the third one is of a clock
        // that goes wrong.
        let times = [now - 11 * minute, now - 6 * minute, now + 60 * minute];
        node.feed.take((1..).zip(times).map(|(number, at)| incoming(number, at)));
        let held = || node.hub.topic_stats("t").map_or(0, |topic| topic.messages);
        assert_eq!(held(), 2);
        advance(5 * minute).await;
        assert_eq!(held(), 1);
        advance(6 * minute).await;
        assert_eq!(held(), 0);
    }
}

#[test]
fn a_batch_wakes_a_reader_once() {
    let mut node = node(0);
    let mut readers =
        ["t.a", "t.>"].map(|topics| node.hub.subscribe(topics).resume(at(0)).open().unwrap());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for reader in &mut readers {
        assert!(pin!(reader.next()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let payload = payload("x");
    let batch = (1..=100).map(|number| Incoming {
        position: at(number),
        after: None,
        at: None,
        topic: if number % 2 == 0 { b"t.a" } else { b"t.b" },
        key: KeyChange::None,
        payload: &payload,
    });
    node.feed.take(batch);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    assert_eq!(readers.map(|mut reader| ready(&mut reader).len()), [50, 100]);
}

#[test]
fn a_topic_that_makes_room_before_it_was_seen_is_a_gap() {
    let mut node = node_of(builder().max_topics(1), 0);
    // The first message comes last, so that both have their turn at once.
    node.put_in(at(2), "b", KeyChange::None);
    node.put_in(at(1), "a", KeyChange::None);
    assert_eq!(node.hub.topics(), ["b".into()]);
    for topics in [&["a"][..], &["a", "b"]] {
        let mut node = node_of(builder().max_topics(2), 0);
        for (number, name) in [(3, "c"), (2, "b"), (1, "a")] {
            node.put_in(at(number), name, KeyChange::None);
        }
        let mut resumed = node.hub.subscribe(topics).resume(at(0)).open().unwrap();
        assert_eq!(ready(&mut resumed)[0], (0, 1), "{topics:?}");
    }
}

#[tokio::test]
async fn a_gap_of_the_engine_is_reported_before_later_messages_of_a_frame() {
    let mut node = node(0);
    node.put_in(at(1), "t", KeyChange::None);
    let subscription = node.hub.subscribe("t").resume(at(1)).open().unwrap();
    let body = Sse::new(subscription).into_response().into_body();
    node.feed.lost(at(3), None);
    node.put_in(at(4), "t", KeyChange::None);
    node.hub.close();
    let sent = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let sent = String::from_utf8_lossy(&sent);
    let (gap, message) = (sent.find("event: gap\n"), sent.find("data: 4\n"));
    assert!(gap.is_some() && gap < message, "{sent}");
}
