//! A call that a hub refuses changes nothing: neither its topics nor its messages, its keys, its
//! positions and its subscriptions.

use std::{cell::Cell, collections::BTreeMap, future::IntoFuture, sync::Arc};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*, sample::select};
use volga_sse::{
    EncodeError, Message, Position,
    hub::{
        CreateTopicError, Delivery, Hub, HubBuilder, HubStats, Policy, PublishError, SendError,
        SendMessage, SubscribeError, Subscription, TopicCreation, TopicStats,
    },
};

use super::hub_nodes::support::node_of;

const MAX_MESSAGES: usize = 8;
const MAX_BYTES: usize = 400;
const MAX_TOPICS: usize = 4;
const MAX_KEYS: usize = 2;
/// Two topics that are not keyed and two that are; the others are more than the hub takes.
const TOPICS: [&str; 6] = ["a", "b", "k.1", "k.2", "c", "k.3"];

#[derive(Debug, PartialEq)]
struct Picture {
    topics: Vec<Arc<str>>,
    stats: HubStats,
    topic_stats: Vec<Option<TopicStats>>,
    position: Position,
    presence: Vec<BTreeMap<Arc<str>, usize>>,
}

fn picture(hub: &Hub) -> Picture {
    Picture {
        topics: hub.topics(),
        stats: hub.stats(),
        topic_stats: TOPICS.iter().map(|topic| hub.topic_stats(topic)).collect(),
        position: hub.position(),
        presence: TOPICS.iter().map(|topic| hub.presence(topic)).collect(),
    }
}

/// The values of all keys, as a new client gets them. Looking changes some of the statistics.
fn values(hub: &Hub) -> Option<Vec<Vec<u8>>> {
    let mut reader = hub.subscribe("k.*").without_first_id().open().ok()?;
    let bytes = |delivery| match delivery {
        Delivery::Message(message) => message.as_bytes().to_vec(),
        gap => panic!("{gap:?}"),
    };
    Some(read(&mut reader).into_iter().map(bytes).collect())
}

fn text(data: impl AsRef<str>) -> Message {
    Message::new().data(data)
}

fn read(subscription: &mut Subscription) -> Vec<Delivery> {
    std::iter::from_fn(|| subscription.next().now_or_never()?).collect()
}

fn published_now(message: SendMessage) -> bool {
    message.into_future().now_or_never().expect("a hub without a relay").is_err()
}

/// Calls that a hub may refuse. Returns whether it did.
fn call(hub: &Hub, kind: usize, topic: &str, size: usize) -> bool {
    let key = ["p", "q", "r", "s"][size % 4];
    let published = |result: Result<Position, PublishError>| result.is_err();
    match kind {
        0 => published(hub.publish(topic, text("x"))),
        1 => published(hub.publish(&format!("{topic}.*"), text("x"))),
        2 => published(hub.publish(topic, text("x").event("\n"))),
        3 => published(hub.publish(topic, text("x".repeat(size * 40)))),
        4 => published(hub.publish_keyed(topic, key, text("x"))),
        5 => published(hub.publish_keyed(topic, &"k".repeat(size), text("x"))),
        6 => published(hub.remove_key(topic, key, text("x"))),
        7 => published(hub.remove_key(topic, key, text("x").id("\0"))),
        8 => hub.publish_many(topic, vec![text("x"); size]).is_err(),
        9 => hub.publish_many(topic, vec![text("x".repeat(30)); size]).is_err(),
        10 => hub.publish_many(topic, [text("x"), text("x").event("")]).is_err(),
        11 => published_now(hub.send(topic, text("x")).retry_key("r")),
        12 => published_now(hub.send(topic, text("x".repeat(size * 40))).key(key)),
        13 => hub.subscribe(topic).policy(Policy::Latest).identity("i").open().is_err(),
        14 => hub.subscribe([topic, "a."]).identity("i").open().is_err(),
        15 => hub.subscribe(["x.1", "x.2", topic]).identity("i").open().is_err(),
        16 => hub.subscribe(vec![topic; size]).identity("i").open().is_err(),
        17 => hub.create_topic(topic).is_err(),
        18 => published(hub.publish(topic, text("x").event("gap"))),
        19 => hub.publish_many(&format!("{topic}."), vec![text("x"); size]).is_err(),
        20 => hub.publish_many(topic, vec![text("x").event("gap"); size]).is_err(),
        21 => published_now(hub.send(topic, text("x".repeat(size * 40))).retry_key("s")),
        22 => published_now(hub.send(topic, text("x")).key("too long").retry_key("s")),
        23 => hub.subscribe(">").policy(Policy::Latest).identity("i").open().is_err(),
        _ => hub.watch_presence(&format!("{topic}.>")).is_err(),
    }
}

proptest! {
    #[test]
    fn a_refusal_changes_nothing(
        creation in 0..3_usize,
        steps in vec((0..25_usize, 0..TOPICS.len(), 0..12_usize), 0..60),
        closes in any::<bool>(),
    ) {
        let creation =
            [TopicCreation::OnUse, TopicCreation::OnPublish, TopicCreation::Explicit][creation];
        let hub = Hub::builder()
            .max_messages(MAX_MESSAGES)
            .max_bytes(MAX_BYTES)
            .max_topics(MAX_TOPICS)
            .max_message_bytes(MAX_BYTES / 2)
            .max_key(4)
            .max_topics_per_subscription(5)
            .topic_creation(creation)
            .keyed("k.*", MAX_KEYS)
            .unwrap()
            .build();
        let mut all = hub.subscribe(">").open().unwrap();
        let close_at = if closes { steps.len() / 2 } else { steps.len() };
        for (index, (kind, topic, size)) in steps.into_iter().enumerate() {
            if index == close_at {
                hub.close();
            }
            read(&mut all);
            let values_before = values(&hub);
            let before = picture(&hub);
            if call(&hub, kind, TOPICS[topic], size) {
                prop_assert_eq!(picture(&hub), before, "call {} of {}", kind, TOPICS[topic]);
                prop_assert_eq!(values(&hub), values_before, "call {} of {}", kind, TOPICS[topic]);
                prop_assert!(read(&mut all).is_empty());
            } else if !hub.position().eq(&before.position) {
                // What is published is held whole: nobody who keeps up is told of a gap.
                let gap = |delivery: &Delivery| matches!(delivery, Delivery::Gap(_));
                prop_assert!(!read(&mut all).iter().any(gap), "call {kind}");
            }
        }
    }
}

/// Otherwise a message that is sent again would be taken for one that was published.
#[test]
fn a_refused_message_leaves_no_retry_key() {
    let hub = Hub::builder().max_message_bytes(100).max_topics(1).keyed("k", 1).unwrap().build();
    let start = hub.position();
    let again = |message: SendMessage| message.into_future().now_or_never().expect("no relay");
    hub.create_topic("k").unwrap();
    for message in [
        hub.send("k", text("x".repeat(200))).retry_key("r"),
        hub.send("a.*", text("x")).retry_key("r"),
        hub.send("other", text("x")).retry_key("r"),
        hub.send("k", text("x").event("\n")).retry_key("r"),
        hub.send("k", text("x")).key(&"k".repeat(1_000)).retry_key("r"),
    ] {
        let refused = again(message).unwrap_err();
        assert!(matches!(refused, SendError::Refused(_)), "{refused}");
        assert_eq!(hub.position(), start);
    }
    let first = again(hub.send("k", text("x")).retry_key("r")).unwrap();
    assert_eq!(first.position.number(), start.number() + 1);
    assert_eq!(again(hub.send("k", text("x")).retry_key("r")).unwrap(), first);
}

#[test]
fn messages_that_the_log_cannot_hold_together_are_refused() {
    let hub = Hub::builder().max_messages(3).build();
    let taken = Cell::new(0);
    let endless = std::iter::repeat_with(|| {
        taken.set(taken.get() + 1);
        text("x")
    });
    let refused = hub.publish_many("a", endless);
    assert!(matches!(refused, Err(PublishError::TooManyMessages { max: 3 })), "{refused:?}");
    assert_eq!(taken.get(), 4);
    assert!(hub.topics().is_empty());
    hub.publish_many("a", [text("1"), text("2"), text("3")]).unwrap();

    // The numbers of positions get longer. So each start is tried with the exact sum.
    for before in 0..40 {
        let build = |bytes| Hub::builder().max_bytes(bytes).build();
        let hub = build(0);
        (0..before).for_each(|_| _ = hub.publish("other", text("x")).unwrap());
        let epoch = hub.position().epoch();
        let encoded = |number| text("x").encode_at(Position::new(epoch, number)).unwrap().len();
        let sum: usize = (before + 1..=before + 5).map(encoded).sum();
        for (bytes, fits) in [(sum, true), (sum - 1, false)] {
            let hub = build(bytes);
            (0..before).for_each(|_| _ = hub.publish("other", text("x")).unwrap());
            let start = hub.position();
            let mut reader = hub.subscribe("a").open().unwrap();
            read(&mut reader);
            match hub.publish_many("a", vec![text("x"); 5]) {
                Ok(_) => assert!(fits, "{bytes} after {before}"),
                Err(PublishError::TooManyBytes { max }) => {
                    assert!(!fits && max == bytes && hub.position() == start);
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(read(&mut reader).len(), if fits { 5 } else { 0 });
        }
    }
}

#[test]
fn the_limits_of_keys_and_topics_hold_for_the_first_message_too() {
    let hub = Hub::builder().keyed("k", 0).unwrap().max_topics(1).build();
    let key = hub.publish_keyed("k", "p", text("x"));
    assert!(matches!(key, Err(PublishError::TooManyKeys { max: 0 })), "{key:?}");
    assert!(matches!(hub.publish_keyed("a", "p", text("x")), Err(PublishError::NotKeyed)));
    assert!(hub.topics().is_empty());
    let _reader = hub.subscribe("a").open().unwrap();
    assert!(matches!(hub.create_topic("b"), Err(CreateTopicError::TooManyTopics { max: 1 })));
    let subscribed = hub.subscribe("b").open().unwrap_err();
    assert_eq!(subscribed, SubscribeError::TooManyTopics { max: 1 });
    assert_eq!(hub.topics(), ["a".into()]);
}

/// Sets the fields of a message in this order.
fn with_event(order: usize, name: &str, data: &str) -> Message {
    let message = Message::new().comment("event: gap");
    match order {
        0 => message.event(name).data(data),
        1 => message.data(data).event(name),
        2 => message.event("other").data(data).event(name).append(data),
        _ => message.id("event: gap").data(data).event(name).data("short"),
    }
}

proptest! {
    #[test]
    fn only_the_name_of_the_hubs_own_event_is_reserved(
        reserved in select(vec!["gap", "missed", "é", "event: gap"]),
        name in select(vec!["gap", "missed", "gap ", " gap", "Gap", "é", "event: gap", "ga"]),
        data in select(vec!["", "event: gap", "a\nevent: gap\nevent: missed", "gap"]),
        order in 0..4_usize,
    ) {
        let hub = Hub::builder().gap_event(reserved).unwrap().keyed("k", 9).unwrap().build();
        let message = || with_event(order, name, data);
        let results = [
            hub.publish("a", message()),
            hub.publish_keyed("k", "p", message()),
            hub.remove_key("k", "p", message()),
            hub.publish_many("a", [text(data), message()]).map(|last| last.expect("two")),
            sent(hub.send("a", message())),
            sent(hub.send("a", message()).retry_key("r")),
            sent(hub.send("k", message()).key("p")),
            sent(hub.send("k", message()).remove_key("p")),
        ];
        for result in results {
            match result {
                Ok(_) => prop_assert_ne!(name, reserved),
                Err(PublishError::ReservedEvent { name: refused }) => {
                    prop_assert_eq!((name, refused), (reserved, reserved));
                }
                Err(error) => panic!("{error}"),
            }
        }
        prop_assert!(hub.publish("a", Message::new().data(data)).is_ok());

        // The nodes of a shared hub do not even ask their engine.
        let builder = Hub::builder().gap_event(reserved).unwrap().keyed("k", 9).unwrap();
        let node = node_of(builder, 0);
        for send in [
            node.hub.send("a", message()),
            node.hub.send("k", message()).key("p").retry_key("r"),
            node.hub.send("k", message()).remove_key("p"),
        ] {
            let result = send.into_future().now_or_never().expect("an engine that answers");
            let is_refused =
                matches!(result, Err(SendError::Refused(PublishError::ReservedEvent { .. })));
            prop_assert_eq!(is_refused, name == reserved, "{:?}", result);
        }
        let appended = node.script.0.lock().unwrap().appended.len();
        prop_assert_eq!(appended, if name == reserved { 0 } else { 3 });
    }
}

/// The errors of `send` in a hub without a relay.
fn sent(message: SendMessage) -> Result<Position, PublishError> {
    match message.into_future().now_or_never().expect("a hub without a relay") {
        Ok(receipt) => Ok(receipt.position),
        Err(SendError::Refused(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    /// The two events get names in any order. A call is refused exactly if the name is invalid, if
    /// the other event has it at this moment, or if an `EventSource` has events of this name.
    #[test]
    fn the_two_events_of_a_hub_never_have_the_same_name(
        calls in vec(
            (
                any::<bool>(),
                select(vec![
                    "gap", "node", "missed", "Gap", "message", "open", "error", "errors", "", "a\nb",
                    "a\rb",
                ]),
            ),
            0..8,
        ),
    ) {
        let (mut gap, mut relay) = ("gap", None);
        let mut builder = Hub::builder();
        for (is_gap, name) in calls {
            let other = if is_gap { relay } else { Some(gap) };
            let result = match is_gap {
                true => builder.gap_event(name),
                false => builder.relay_event(name),
            };
            let is_invalid = name.is_empty() || name.contains(['\n', '\r']);
            let is_event_source = ["message", "open", "error"].contains(&name);
            match &result {
                Ok(_) => {
                    prop_assert!(!is_invalid && !is_event_source && other != Some(name));
                    if is_gap { gap = name } else { relay = Some(name) }
                }
                Err(EncodeError::EmptyEventName | EncodeError::LineBreak { .. }) => {
                    prop_assert!(is_invalid);
                }
                Err(EncodeError::EventSourceName { name: refused }) => {
                    prop_assert!(is_event_source && *refused == name);
                }
                Err(EncodeError::HubEventName { name: refused }) => {
                    prop_assert!(other == Some(name) && *refused == name);
                }
                Err(error) => panic!("{error}"),
            }
            // A refused call takes the builder, so this is another one with the same names.
            builder = result.unwrap_or_else(|_| with_events(gap, relay));
        }
        let hub = builder.build();
        for name in [Some(gap), relay].into_iter().flatten() {
            let refused = hub.publish("a", Message::new().event(name).data("x"));
            let is_refused = matches!(refused, Err(PublishError::ReservedEvent { .. }));
            prop_assert!(is_refused, "{}", name);
        }
    }
}

fn with_events(gap: &'static str, relay: Option<&'static str>) -> HubBuilder {
    let builder = Hub::builder().gap_event(gap).expect("a name that was accepted");
    match relay {
        Some(relay) => builder.relay_event(relay).expect("a name that was accepted"),
        None => builder,
    }
}

#[test]
fn a_gap_is_told_by_the_name_that_was_set() {
    assert!(Hub::builder().gap_event("").is_err());
    assert!(Hub::builder().gap_event("a\nb").is_err());
    let hub = Hub::builder().max_messages(1).gap_event("missed").unwrap().build();
    let first = hub.publish("a", text("1")).unwrap();
    (0..3).for_each(|_| _ = hub.publish("a", text("2").event("gap")).unwrap());
    let mut reader = hub.subscribe("a").resume(first).open().unwrap();
    let gap = read(&mut reader).remove(0).encode().unwrap();
    assert!(gap.as_bytes().starts_with(b"event: missed\ndata: {\"after\""), "{gap:?}");
}

#[test]
fn each_refusal_has_its_status() {
    let hub = Hub::builder()
        .max_topics(2)
        .max_messages(2)
        .max_message_bytes(64)
        .max_key(4)
        .max_topics_per_subscription(2)
        .topic_creation(TopicCreation::OnPublish)
        .keyed("k", 1)
        .expect("a name")
        .build();
    hub.publish_keyed("k", "key", text("x")).expect("published");
    hub.create_topic("a").expect("created");
    let published = [
        (hub.publish("a.*", text("x")), 400),
        (hub.publish("a", text("x").event("\n")), 400),
        (hub.publish("a", text("x").event("gap")), 400),
        (hub.publish("a", text("x".repeat(64))), 413),
        (hub.publish_keyed("k", "too long", text("x")), 400),
        (hub.publish_keyed("k", "two", text("x")), 503),
        (hub.publish_keyed("a", "key", text("x")), 500),
        (hub.publish_many("a", ["1", "2", "3"].map(text)).map(|_| hub.position()), 413),
        (hub.publish("b", text("x")), 503),
    ];
    for (result, status) in published {
        let error = result.expect_err("refused");
        assert_eq!(error.status(), status, "{error}");
    }
    let latest = hub.subscribe("a").policy(Policy::Latest).open();
    let none: [&str; 0] = [];
    let subscribed = [
        (hub.subscribe("a..b").open(), 400),
        (hub.subscribe(none).open(), 400),
        (hub.subscribe(["a", "k", "b"]).open(), 400),
        (hub.subscribe("b").open(), 404),
        (latest, 500),
    ];
    for (result, status) in subscribed {
        let error = result.expect_err("refused");
        assert_eq!(error.status(), status, "{error}");
    }
    assert_eq!(hub.create_topic("*").expect_err("refused").status(), 400);
    assert_eq!(hub.create_topic("b").expect_err("refused").status(), 503);
    assert_eq!(hub.watch_presence("*").expect_err("refused").status(), 400);
    hub.close();
    assert_eq!(hub.publish("a", text("x")).expect_err("closed").status(), 503);
    assert_eq!(hub.create_topic("a").expect_err("closed").status(), 503);
}
