//! Which topics a hub has: what creates them, how long they stay, and which one makes room for
//! another. One claim per test; `hub_model` checks the rules with random steps.

use std::{collections::BTreeSet, time::Duration};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::time::advance;
use volga_sse::{
    Message, Position,
    hub::{
        CreateTopicError, Delivery, Hub, HubBuilder, Policy, PresenceEvent, PublishError,
        SubscribeError, Subscription, TopicCreation,
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn text() -> Message {
    Message::new().data("x")
}

fn names(hub: &Hub) -> Vec<String> {
    hub.topics().iter().map(|name| name.to_string()).collect()
}

/// Everything that is ready: a message as its number twice, and a gap as its two ends. The message
/// that gives a new client an ID is left out.
fn ready(subscription: &mut Subscription) -> Vec<(u64, u64)> {
    let next = || subscription.next().now_or_never()?;
    let ends = |delivery| match delivery {
        Delivery::Message(message) if message.as_bytes().starts_with(b"id: ") => None,
        Delivery::Message(message) => {
            let number = message.position().expect("of a hub").number();
            Some((number, number))
        }
        Delivery::Gap(gap) => {
            Some((gap.after().map_or(0, Position::number), gap.through().number()))
        }
    };
    std::iter::from_fn(next).filter_map(ends).collect()
}

/// A step of clients that only read.
#[derive(Clone, Debug)]
enum Step {
    Open { filters: Vec<String>, has_identity: bool },
    Leave(usize),
    Refused(u8),
    WatchPresence,
}

fn step() -> impl Strategy<Value = Step> {
    let filter = prop_oneof![
        6 => (0..40_u8).prop_map(|name| format!("n.{name}")),
        1 => select(vec![">".to_owned(), "n.*".to_owned(), "*.1".to_owned()]),
    ];
    prop_oneof![
        4 => (vec(filter, 1..4), any::<bool>())
            .prop_map(|(filters, has_identity)| Step::Open { filters, has_identity }),
        4 => any::<prop::sample::Index>().prop_map(|index| Step::Leave(index.index(8))),
        2 => (0..6_u8).prop_map(Step::Refused),
        1 => Just(Step::WatchPresence),
    ]
}

/// A call that fails, and so creates no topic.
fn refused(hub: &Hub, which: u8) {
    match which {
        0 => assert!(hub.publish_keyed("plain", "key", text()).is_err()),
        1 => assert!(hub.remove_key("plain", "key", text()).is_err()),
        2 => assert!(hub.publish_keyed("keyless", "key", text()).is_err()),
        3 => assert!(hub.publish("plain", text().event("\n")).is_err()),
        4 => assert!(hub.subscribe(["plain", "a..b"]).open().is_err()),
        _ => assert!(hub.subscribe(["plain", "*"]).policy(Policy::Latest).open().is_err()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn opening_and_leaving_any_names_leaves_no_topic_and_refuses_nobody_else(
        steps in vec(step(), 0..60),
    ) {
        // There is room for all topics that the clients hold open, and for one more.
        let hub = Hub::builder().max_topics(3 * 8 + 1).keyed("keyless", 0).unwrap().build();
        let mut open: Vec<(Subscription, Vec<String>)> = Vec::new();
        let mut watches = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Open { filters, has_identity } if open.len() < 8 => {
                    let mut subscribe = hub.subscribe(filters.clone());
                    if has_identity {
                        subscribe = subscribe.identity("anna");
                    }
                    open.push((subscribe.open().unwrap(), filters));
                }
                Step::Open { .. } => {}
                Step::Leave(index) if index < open.len() => drop(open.swap_remove(index)),
                Step::Leave(_) => {}
                Step::Refused(which) => refused(&hub, which),
                Step::WatchPresence => watches.push(hub.watch_presence("n.1").unwrap()),
            }
            let named: BTreeSet<_> = open.iter().flat_map(|(_, filters)| filters.clone()).collect();
            for name in named.iter().filter(|name| !name.contains(['*', '>'])) {
                prop_assert!(hub.topic_stats(name).is_some(), "{} is read", name);
            }
            // Another client needs a topic with a new name.
            drop(hub.subscribe(format!("other.{number}")).open().unwrap());
        }
        drop(open);
        prop_assert_eq!(names(&hub), Vec::<String>::new());
        let stats = hub.stats();
        prop_assert_eq!((stats.topics, stats.subscribers, stats.evicted), (0, 0, 0));
        prop_assert!(hub.presence("n.1").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn no_publish_is_refused_while_topics_are_idle() {
    let bounds: [fn(HubBuilder) -> HubBuilder; 2] = [|hub| hub, |hub| hub.max_age(7 * DAY)];
    for bounds in bounds {
        let hub = bounds(Hub::builder().max_topics(10_000)).build();
        let live: Vec<_> = (0..9_000)
            .map(|index| hub.subscribe(format!("live.{index}")).open().unwrap())
            .collect();
        (0..1_000).for_each(|index| _ = hub.publish(&format!("idle.{index}"), text()).unwrap());
        advance(DAY).await;
        for index in 0..3_000 {
            hub.publish(&format!("new.{index}"), text()).unwrap();
            hub.publish(&format!("live.{index}"), text()).unwrap();
        }
        let stats = hub.stats();
        assert_eq!(stats.topics, 10_000);
        assert!(hub.topic_stats("new.1999").is_none() && hub.topic_stats("new.2000").is_some());
        assert!(names(&hub).iter().all(|name| !name.starts_with("idle.")));
        // A new topic is refused only when every topic is read.
        let more: Vec<_> = (0..1_000)
            .map(|index| hub.subscribe(format!("more.{index}")).open().unwrap())
            .collect();
        let refused = hub.publish("one.more", text());
        assert!(matches!(refused, Err(PublishError::TooManyTopics { max: 10_000 })));
        drop(more);
        hub.publish("one.more", text()).unwrap();
        drop(live);
        assert_eq!(hub.stats().topics, 3_001);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_goes_with_its_last_message_and_its_last_reader() {
    let hub = Hub::builder().max_age(Duration::from_secs(10)).build();
    for index in 0..100 {
        hub.publish(&format!("a.{index}"), text()).unwrap();
        advance(Duration::from_millis(1)).await;
    }
    let named = hub.subscribe("a.7").open().unwrap();
    let pattern = hub.subscribe("*.8").open().unwrap();
    advance(Duration::from_secs(11)).await;
    assert_eq!(names(&hub), ["a.7", "a.8"]);
    drop(pattern);
    assert_eq!(names(&hub), ["a.7"]);
    drop(named);
    assert_eq!(names(&hub), [""; 0]);
    // The removed topics are remembered.
    let start = Position::new(hub.position().epoch(), 0);
    let mut resumed = hub.subscribe("a.7").resume(start).open().unwrap();
    assert_eq!(ready(&mut resumed), [(0, 8)]);
}

#[tokio::test(start_paused = true)]
async fn the_topics_that_have_been_idle_longest_make_room_and_no_gap_is_silent() {
    let hub = Hub::builder().max_topics(3).build();
    for name in ["a", "b", "c"] {
        hub.publish(name, text()).unwrap();
        advance(Duration::from_secs(1)).await;
    }
    hub.publish("a", text()).unwrap();
    let start = Position::new(hub.position().epoch(), 0);
    // `b` was read meanwhile, so `c` has been idle longest.
    drop(hub.subscribe("b").open().unwrap());
    hub.publish("d", text()).unwrap();
    assert_eq!(names(&hub), ["a", "b", "d"]);
    // `a` exists and `e` gets room. The topic that is removed is neither of them.
    let two = hub.subscribe(["a", "e"]).open().unwrap();
    assert_eq!(names(&hub), ["a", "d", "e"]);
    assert_eq!(hub.stats().evicted, 2);
    drop(two);
    assert_eq!(names(&hub), ["a", "d"]);
    for (topics, expect) in [
        (&["b"][..], &[(0, 2)][..]),
        (&["c"], &[(0, 3)]),
        (&["*"], &[(0, 3), (1, 1), (4, 4), (5, 5)]),
    ] {
        let mut resumed = hub.subscribe(topics).resume(start).open().unwrap();
        assert_eq!(ready(&mut resumed), expect, "{topics:?}");
    }
}

#[test]
fn a_refused_call_creates_nothing_and_makes_no_room() {
    let hub = Hub::builder().max_topics(3).keyed("keyless", 0).unwrap().keyed("k", 1).unwrap();
    let hub = hub.build();
    hub.publish("idle", text()).unwrap();
    hub.publish_keyed("k", "key", text()).unwrap();
    let _reader = hub.subscribe("read").open().unwrap();
    let before = (hub.topics(), hub.stats());
    (0..6).for_each(|which| refused(&hub, which));
    let full = SubscribeError::TooManyTopics { max: 3 };
    assert_eq!(hub.subscribe(["idle", "new"]).open().unwrap_err(), full);
    assert_eq!(hub.subscribe(["new.1", "new.2"]).open().unwrap_err(), full);
    assert!(matches!(
        hub.publish_keyed("k", "other", text()),
        Err(PublishError::TooManyKeys { .. })
    ));
    assert!(matches!(hub.publish_many("new", []), Ok(None)));
    assert_eq!((hub.topics(), hub.stats()), before);
    hub.create_topic("new").unwrap();
    assert_eq!(names(&hub), ["k", "new", "read"]);
    let error = hub.create_topic("another").unwrap_err();
    assert_eq!(error, CreateTopicError::TooManyTopics { max: 3 });
    assert!(matches!(hub.create_topic("a.*"), Err(CreateTopicError::Topic(_))));
    hub.close();
    assert_eq!(hub.create_topic("k"), Err(CreateTopicError::Closed));
}

#[test]
fn a_subscription_to_everything_does_not_fill_the_hub() {
    let hub = Hub::builder().max_topics(10).build();
    let mut all = hub.subscribe(">").identity("anna").open().unwrap();
    let mut slow = hub.subscribe("n.*").open().unwrap();
    for index in 1..=1_000 {
        hub.publish(&format!("n.{index}"), text()).unwrap();
        assert_eq!(ready(&mut all), [(index, index)]);
        drop(hub.subscribe(format!("opened.{index}")).open().unwrap());
    }
    // The topic that was opened last has no messages, so it is the first to make room.
    assert_eq!(hub.stats().evicted, 991);
    let mut expect = vec![(0, 991)];
    expect.extend((992..=1_000).map(|number| (number, number)));
    assert_eq!(ready(&mut slow), expect);
    assert_eq!(hub.stats().delivered, 1_000 + 9);
    // A new topic with an old name is read from its first message.
    hub.publish("n.1", text()).unwrap();
    assert_eq!((ready(&mut all), ready(&mut slow)), (vec![(1_001, 1_001)], vec![(1_001, 1_001)]));
}

/// All orders of values.
fn orders<T: Copy>(values: &[T]) -> Vec<Vec<T>> {
    if values.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let mut rest = values.to_vec();
        let first = rest.remove(first);
        orders(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (0..values.len()).flat_map(with_first).collect()
}

/// The presence of an identity depends on its subscriptions alone. In no order does it matter
/// whether the topic exists, is created, makes room for another one or is removed.
#[test]
fn a_topic_that_comes_or_goes_changes_nothing_about_who_is_present() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Change {
        Publish,
        MakeRoom,
        Remove,
        OpenPattern,
        OpenName,
        DropPattern,
        DropName,
    }
    use Change::{DropName, DropPattern, MakeRoom, OpenName, OpenPattern, Publish, Remove};

    let steps = [Publish, MakeRoom, Remove, OpenPattern, OpenName, DropPattern, DropName];
    for order in orders(&steps) {
        let hub = Hub::builder().max_topics(1).build();
        let mut watch = hub.watch_presence("a").unwrap();
        let mut told = || std::iter::from_fn(|| watch.next().now_or_never()?).collect::<Vec<_>>();
        let (mut by_pattern, mut by_name) = (None, None);
        let mut open = 0;
        assert_eq!(told(), [PresenceEvent::Present([].into())]);
        for (index, step) in order.iter().enumerate() {
            match step {
                Publish => _ = hub.publish("a", text()),
                // While somebody reads the topic by its name, it makes no room.
                MakeRoom => assert_eq!(hub.publish("b", text()).is_ok(), by_name.is_none()),
                Remove => _ = hub.remove_topic("a"),
                OpenPattern => by_pattern = hub.subscribe("*").identity("anna").open().ok(),
                OpenName => by_name = hub.subscribe("a").identity("anna").open().ok(),
                DropPattern => by_pattern = None,
                DropName => by_name = None,
            }
            let before = open;
            open = usize::from(by_pattern.is_some()) + usize::from(by_name.is_some());
            let expect = if open > 0 { [("anna".into(), open)].into() } else { [].into() };
            assert_eq!(hub.presence("a"), expect, "{index} of {order:?}");
            let changes = match (before, open) {
                (0, 1..) => vec![PresenceEvent::Joined("anna".into())],
                (1.., 0) => vec![PresenceEvent::Left("anna".into())],
                _ => vec![],
            };
            assert_eq!(told(), changes, "{index} of {order:?}");
        }
    }
}

#[test]
fn a_hub_decides_what_may_create_topics() {
    use TopicCreation::{Explicit, OnPublish, OnUse};
    for creation in [OnUse, OnPublish, Explicit] {
        let hub = Hub::builder().topic_creation(creation).keyed("k", 3).unwrap().build();
        let unknown = |topic: &str| SubscribeError::UnknownTopic { topic: topic.into(), creation };
        let subscribe = |topics: &[&str]| hub.subscribe(topics).open().map(drop);
        assert_eq!(subscribe(&["*"]), Ok(()));
        assert_eq!(subscribe(&["a"]), if creation == OnUse { Ok(()) } else { Err(unknown("a")) });
        assert_eq!(names(&hub), [""; 0]);

        for publish in [
            hub.publish("a", text()),
            hub.publish_keyed("k", "key", text()),
            hub.remove_key("k", "key", text()),
            hub.publish_many("a", [text()]).map(|last| last.expect("one")),
        ] {
            match publish {
                Ok(_) => assert_ne!(creation, Explicit),
                Err(PublishError::UnknownTopic { .. }) => assert_eq!(creation, Explicit),
                Err(error) => panic!("{error:?}"),
            }
        }
        hub.create_topic("a").unwrap();
        assert_eq!(subscribe(&["a"]), Ok(()));
        let expect = if creation == OnUse { Ok(()) } else { Err(unknown("b")) };
        assert_eq!(subscribe(&["a", "b", "*"]), expect);
        hub.publish("a", text()).unwrap();

        assert!(hub.remove_topic("a") && !hub.remove_topic("a"));
        assert_eq!(hub.topic_stats("a"), None);
        assert_eq!(hub.publish("a", text()).is_ok(), creation != Explicit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_return_to_a_topic_that_has_expired_and_that_it_may_not_create() {
    let hub = Hub::builder().topic_creation(TopicCreation::OnPublish).build();
    hub.create_topic("created").unwrap();
    for name in ["created", "published"] {
        hub.publish(name, text()).unwrap();
    }
    let returns = |name: &str| hub.subscribe(name).resume(hub.position()).open().map(drop);
    assert_eq!((returns("created"), returns("published")), (Ok(()), Ok(())));
    advance(DAY).await;
    let creation = TopicCreation::OnPublish;
    let unknown = SubscribeError::UnknownTopic { topic: "published".into(), creation };
    assert_eq!((returns("created"), returns("published")), (Ok(()), Err(unknown)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_created_stays_until_it_is_removed() {
    let hub = Hub::builder().max_topics(2).build();
    hub.create_topic("a").unwrap();
    let start = hub.position();
    drop(hub.subscribe("a").open().unwrap());
    hub.publish("a", text()).unwrap();
    advance(7 * DAY).await;
    (0..10).for_each(|index| _ = hub.publish(&format!("n.{index}"), text()).unwrap());
    assert_eq!(names(&hub), ["a", "n.9"]);

    let mut reader = hub.subscribe("a").open().unwrap();
    let mut slow = hub.subscribe("a").open().unwrap();
    hub.publish("a", text()).unwrap();
    assert_eq!(ready(&mut reader), [(12, 12)]);
    assert!(hub.remove_topic("a"));
    assert_eq!(names(&hub), ["a", "n.9"], "it is still read");
    assert_eq!((ready(&mut reader), ready(&mut slow)), (vec![], vec![(11, 12)]));
    hub.publish("a", text()).unwrap();
    assert_eq!((ready(&mut reader), ready(&mut slow)), (vec![(13, 13)], vec![(13, 13)]));
    assert!(hub.remove_topic("a"));
    drop((reader, slow));
    assert_eq!(names(&hub), ["n.9"]);
    let mut resumed = hub.subscribe("a").resume(start).open().unwrap();
    assert_eq!(ready(&mut resumed), [(0, 13)]);
}

#[test]
fn values_of_keys_make_no_room_but_go_with_their_topic() {
    let hub = Hub::builder().max_topics(1).keyed("k", 3).unwrap().build();
    let start = hub.position();
    hub.publish_keyed("k", "key", text()).unwrap();
    assert!(matches!(hub.publish("a", text()), Err(PublishError::TooManyTopics { .. })));
    hub.remove_key("k", "key", text()).unwrap();
    hub.publish("a", text()).unwrap();
    assert!(hub.remove_topic("a"));
    hub.publish_keyed("k", "key", text()).unwrap();
    let mut latest = hub.subscribe("*").policy(Policy::Latest).resume(start).open().unwrap();
    assert!(hub.remove_topic("k"));
    // The removal has a position of its own, so that those are told who have read everything.
    assert_eq!(ready(&mut latest), [(0, 5)]);
    assert_eq!(ready(&mut hub.subscribe("k").open().unwrap()), []);
}

#[test]
fn an_error_says_what_to_do_next() {
    for (creation, expect) in [
        (TopicCreation::Explicit, "create it with `Hub::create_topic` first"),
        (TopicCreation::OnPublish, "publish to it or create it with `Hub::create_topic` first"),
    ] {
        let hub = Hub::builder().topic_creation(creation).build();
        let error = hub.subscribe("rooms").open().unwrap_err().to_string();
        assert_eq!(error, format!("there is no topic `rooms`; {expect}"));
    }
}
