//! While a call holds the hub's lock, all publishers wait. So it does a bounded amount of work at
//! once, however long the logs are, and however many topics, keys and names there are.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::advance;

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::handle::Hub;
use crate::hub::presence::announcement::{Announcement, ChangeKind, ListPart, PresenceChange};
use crate::hub::relay::adapter::{Append, Receipt, Relay, RelayFuture};
use crate::hub::relay::control::{CONTROL_TOPIC, Control};
use crate::hub::relay::error::{RelayError, SendError};
use crate::hub::relay::feed::Feed;
use crate::hub::relay::incoming::{Incoming, SnapshotEntry};
use crate::hub::relay::retry_keys::RETRY_WINDOW;
use crate::hub::relay::state::RelayState;
use crate::hub::settings::DEFAULT_MAX_AGE;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::work_counts::{held_work, work};

/// The most work that a call may do while it holds the lock once. The longest step of most calls is
/// a sweep of 16 topics.
const MOST: usize = 200;
/// A feed takes up to 512 messages and changes at once, and each message may create a topic.
const MOST_OF_FEED: usize = 2_500;

const SIZES: [usize; 3] = [20, 600, 5_000];

fn message() -> Message {
    Message::new().data("x")
}

fn read_all(reader: &mut Subscription) -> usize {
    std::iter::from_fn(|| reader.next().now_or_never().flatten()).count()
}

/// Runs a call, which must not do much while it holds the lock.
#[track_caller]
fn check<T>(most: usize, case: &str, call: impl FnOnce() -> T) -> T {
    let (result, work) = held_work(call);
    assert!(work <= most, "{case}: {work} pieces of work under one lock");
    result
}

/// A call that may drop what has expired. It gets the position of the first message.
type Cause = fn(&Hub, Position);

#[tokio::test(start_paused = true)]
async fn a_log_expires_without_holding_up_publishers_for_its_length() {
    let causes: [(&str, Cause); 9] = [
        ("a publish to its topic", |hub, _| _ = hub.publish("a", message()).unwrap()),
        ("a value of its topic", |hub, _| _ = hub.publish_keyed("k", "1", message()).unwrap()),
        ("a publish to another topic", |hub, _| _ = hub.publish("b", message()).unwrap()),
        ("a client that returns", |hub, first| {
            _ = read_all(&mut hub.subscribe("a").resume(first).open().unwrap());
        }),
        ("a client that returns by pattern", |hub, first| {
            _ = read_all(&mut hub.subscribe(["*", "a.*"]).resume(first).open().unwrap());
        }),
        ("a new client", |hub, _| drop(hub.subscribe(["a", "k"]).history(5).open().unwrap())),
        ("the statistics of a topic", |hub, _| _ = hub.topic_stats("k")),
        ("the application", |hub, _| hub.drop_expired()),
        ("a removal", |hub, _| {
            hub.remove_topic("a");
            hub.remove_topic("k");
        }),
    ];
    for size in SIZES {
        for (cause, call) in causes {
            for has_list in [false, true] {
                let case = format!("{cause}, {size} messages, {has_list}");
                let hub = Hub::builder().max_messages(size).max_bytes(usize::MAX);
                let hub = hub.keyed("k", size).unwrap().build();
                let _named: Vec<_> =
                    ["a", "k"].map(|name| hub.subscribe(name).open().unwrap()).into();
                let _all = has_list.then(|| hub.subscribe(">").open().unwrap());
                let first = hub.publish("a", message()).unwrap();
                for number in 1..size {
                    hub.publish("a", message()).unwrap();
                    hub.publish_keyed("k", &number.to_string(), message()).unwrap();
                }
                advance(DEFAULT_MAX_AGE + Duration::from_millis(1)).await;
                check(MOST, &case, || call(&hub, first));
                check(MOST, &case, || hub.drop_expired());
                for topic in ["a", "k"] {
                    let stats = hub.topic_stats(topic).unwrap();
                    assert!(stats.messages <= 1, "{case}: {stats:?}");
                    let is_gone = cause == "a removal" || topic == "a";
                    let keys = if is_gone { 0 } else { size - 1 };
                    assert_eq!(stats.keys, keys, "{case}");
                    // Each value has an ID and `x`. The last one of a key may be in the log.
                    assert!(is_gone || stats.bytes >= 20 * keys as u64, "{case}: {stats:?}");
                }
                hub.state().check_recent();
            }
        }
    }
}

#[test]
fn a_long_message_takes_the_place_of_many_without_freeing_them_under_the_lock() {
    for size in SIZES {
        for has_list in [false, true] {
            let bytes = 100 * size;
            let hub = Hub::builder().max_messages(usize::MAX).max_bytes(bytes);
            let hub = hub.max_message_bytes(bytes).build();
            let _all = has_list.then(|| hub.subscribe(["a", "b", "c", "d", "e"]).open().unwrap());
            let mut reader = hub.subscribe("a").resume(hub.position()).open().unwrap();
            for _ in 0..size {
                hub.publish("a", message()).unwrap();
            }
            let long = Message::new().data("x".repeat(bytes - 100));
            let case = format!("{size} messages");
            check(MOST, &case, || hub.publish("a", long).unwrap());
            let stats = hub.topic_stats("a").unwrap();
            assert!(stats.messages <= 4 && stats.bytes <= bytes as u64, "{case}: {stats:?}");
            let Some(Some(Delivery::Gap(gap))) = reader.next().now_or_never() else {
                panic!("{case}: no gap");
            };
            assert!(gap.through().number() >= size as u64 - 3, "{case}: {gap:?}");
            assert_eq!(read_all(&mut reader), stats.messages, "{case}");
            hub.drop_expired();
            hub.state().check_recent();
        }
    }
}

/// The call that finds a long log too old does not free all of it itself.
#[tokio::test(start_paused = true)]
async fn a_call_frees_a_part_of_a_long_log_and_later_calls_free_the_rest() {
    const MOST_AT_ONCE: usize = 2_500;
    const PIECE: usize = 300;
    for size in [1_000, 20_000] {
        for has_pause in [false, true] {
            let case = format!("{size} messages, {has_pause}");
            let hub = Hub::builder().max_messages(size).max_bytes(usize::MAX).build();
            let _named = hub.subscribe("a").open().unwrap();
            let _all = hub.subscribe(">").open().unwrap();
            (0..size).for_each(|_| _ = hub.publish("a", message()).unwrap());
            advance(DEFAULT_MAX_AGE + Duration::from_millis(1)).await;
            let publish = || work(|| hub.publish("b", message()).unwrap()).1;
            let mut freed = publish();
            assert!(freed <= MOST_AT_ONCE, "{case}: {freed}");
            if has_pause {
                advance(Duration::from_secs(10)).await;
                freed += publish();
            }
            let mut calls = 0;
            while hub.state().garbage.has_some() {
                let some = publish();
                assert!(some <= PIECE && !has_pause, "{case}: {some} of {freed}");
                freed += some;
                calls += 1;
            }
            assert!(freed >= size && calls <= size / 200, "{case}: {freed} in {calls}");
            hub.state().check_recent();
        }
    }
}

#[test]
fn new_topics_do_a_bounded_amount_of_work() {
    let hub = Hub::builder().max_topics(2_000).max_remembered_topics(50).build();
    let mut readers = Vec::new();
    for number in 0..3_000 {
        let case = format!("topic {number}");
        // All of them come first, and some of them are idle later.
        if number < 1_500 {
            let open = || hub.subscribe(format!("t{number}")).open().unwrap();
            readers.push(check(MOST, &case, open));
        }
        check(MOST, &case, || hub.publish(&format!("t{number}"), message()).unwrap());
    }
    while let Some(reader) = readers.pop() {
        check(MOST, "the last topics become idle first", || drop(reader));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_keys_are_forgotten_a_few_at_a_time() {
    for size in SIZES {
        let hub = Hub::new();
        let send = |key: usize| hub.send("a", message()).retry_key(key.to_string());
        for key in 0..size {
            send(key).await.unwrap();
        }
        let again = send(size - 1).await.unwrap();
        assert_eq!(again.position, hub.position(), "it is not published again");
        advance(RETRY_WINDOW + Duration::from_millis(1)).await;
        for key in (0..size).step_by(3) {
            let sending = send(key);
            let sent = check(MOST, &format!("{size} keys"), || {
                sending.into_future().now_or_never().expect("at once").unwrap()
            });
            assert_eq!(sent.position, hub.position(), "the window is over, so it is new");
        }
    }
}

/// An engine that is not there.
pub(super) struct NoEngine;

impl Relay for NoEngine {
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
        let error = SendError::NotSent(RelayError::new("there is no engine"));
        Box::pin(std::future::ready(vec![Err(error); batch.len()]))
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        Box::pin(std::future::ready(Err(RelayError::new("there is no engine"))))
    }
}

pub(super) fn incoming<'a>(
    position: Position,
    topic: &'a str,
    key: KeyChange<'a>,
    payload: &'a [u8],
) -> Incoming<'a> {
    Incoming { position, after: None, at: None, topic: topic.as_bytes(), key, payload }
}

/// A node with messages of many topics, some of which were removed, and with values of many keys.
/// The last message has the returned number.
fn node(size: usize) -> (Hub, Feed, u64) {
    let builder = Hub::builder().max_messages(size).max_bytes(usize::MAX).max_topics(2 * size);
    let (hub, mut feed) = builder.keyed("k", size).expect("a name").build_shared(NoEngine);
    feed.begin(1, None);
    let mut messages: Vec<(String, String)> = Vec::new();
    for number in 0..size {
        messages.push(("long".to_owned(), String::new()));
        messages.push((format!("t{number}"), String::new()));
        messages.push(("k".to_owned(), number.to_string()));
    }
    let all = (1..).zip(&messages).map(|(number, (topic, key))| {
        let key = if key.is_empty() { KeyChange::None } else { KeyChange::Set(key) };
        incoming(Position::new(1, number), topic, key, b"\x01data: x\n")
    });
    check(MOST_OF_FEED, "messages", || feed.take(all));
    feed.set_state(RelayState::Live);
    for number in (0..size).step_by(2) {
        hub.remove_topic(&format!("t{number}"));
    }
    (hub, feed, messages.len() as u64)
}

#[test]
fn a_loss_of_the_engine_is_taken_in_a_few_topics_at_a_time() {
    for size in SIZES {
        for ended_at in [None, Some(Position::new(1, 0)), Some(Position::new(1, 7))] {
            for has_list in [false, true] {
                let case = format!("{size} topics, {ended_at:?}, {has_list}");
                let (hub, mut feed, last) = node(size);
                let filters: &[&str] = if has_list { &[">"] } else { &["long"] };
                let start = Position::new(1, last);
                let mut reader = hub.subscribe(filters).resume(start).open().unwrap();
                let all = hub.subscribe("*").open().unwrap();
                assert_eq!(read_all(&mut reader), 0, "{case}");
                check(MOST_OF_FEED, &case, || {
                    feed.begin(2, ended_at);
                    feed.set_state(RelayState::Lost);
                });
                let Some(Some(Delivery::Gap(gap))) = reader.next().now_or_never() else {
                    panic!("{case}: no gap");
                };
                assert_eq!(gap.through(), Position::new(2, 0), "{case}");
                let held = hub.topic_stats("long").map_or(0, |stats| stats.messages);
                let kept = ended_at.map_or(size, |kept| kept.number() as usize / 3 + 1);
                let kept = if ended_at == Some(Position::new(1, 0)) { 0 } else { kept };
                assert_eq!(held, kept, "{case}");
                let keys = hub.topic_stats("k").map_or(0, |stats| stats.keys);
                assert_eq!(
                    keys,
                    ended_at.map_or(size, |kept| kept.number() as usize / 3),
                    "{case}"
                );
                hub.state().check_recent();
                drop(all);
            }
        }
    }
}

#[test]
fn a_snapshot_is_collected_without_the_lock() {
    for size in SIZES {
        let (hub, mut feed, last) = node(size);
        let keys: Vec<String> = (0..size).map(|key| key.to_string()).collect();
        for kept in [size, size / 2] {
            let entries = keys[..kept].iter().enumerate().map(|(index, key)| SnapshotEntry {
                key,
                position: Position::new(1, 3 * (index as u64 + 1)),
                payload: b"\x01data: y\n",
            });
            let through = Position::new(1, last);
            let is_taken =
                check(MOST, &format!("{size} values"), || feed.snapshot("k", through, entries));
            assert!(is_taken);
            let stats = hub.topic_stats("k").unwrap();
            assert_eq!((stats.keys, stats.messages), (kept, size));
        }
        // The values replace those of the log, which still has all messages.
        let mut reader = hub.subscribe("k").without_first_id().open().unwrap();
        assert_eq!(read_all(&mut reader), size / 2);
    }
}

#[test]
fn an_announcement_is_taken_a_few_changes_at_a_time() {
    for size in SIZES {
        let (hub, mut feed) = Hub::builder().build_shared(NoEngine);
        feed.begin(1, None);
        feed.set_state(RelayState::Live);
        let change = |number: usize| PresenceChange {
            pair: ("a".into(), number.to_string().into()),
            kind: ChangeKind::Joined,
        };
        let mut number = 0;
        let mut take = |feed: &mut Feed, kinds: [usize; 3], part: Option<ListPart>| {
            let payloads: Vec<_> = kinds
                .into_iter()
                .enumerate()
                .map(|(index, changes)| {
                    let changes: Vec<_> = (0..changes).map(change).collect();
                    let from = if part.is_some() { 2 * size as u64 } else { (index * size) as u64 };
                    let through = from + if part.is_some() { 0 } else { changes.len() as u64 };
                    let part = part.map(|part| ListPart { index: index as u32, ..part });
                    let part = part.map(|part| ListPart { is_last: index == 2, ..part });
                    let lease = 8_000;
                    Control::Presence(Announcement { node: 7, lease, from, through, part, changes })
                        .encode()
                })
                .collect();
            let messages = payloads.iter().map(|payload| {
                number += 1;
                incoming(Position::new(1, number), CONTROL_TOPIC, KeyChange::None, payload)
            });
            let messages: Vec<_> = messages.collect();
            check(MOST_OF_FEED, &format!("{size} changes"), || feed.take(messages));
        };
        take(&mut feed, [size, size, 0], None);
        assert_eq!(hub.presence("a").len(), size);
        // The other node sends a list of all the identities that it still has.
        let list = Some(ListPart { index: 0, is_last: false });
        take(&mut feed, [size / 2, size / 4, 0], list);
        hub.drop_expired();
        let present = hub.presence("a");
        assert!(present.values().all(|subscriptions| *subscriptions <= 1));
        let here = present.values().filter(|subscriptions| **subscriptions > 0).count();
        assert_eq!(here, size / 2);
    }
}
