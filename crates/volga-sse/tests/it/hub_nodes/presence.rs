//! Presence on several nodes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use tokio::time::advance;
use volga_sse::hub::{
    ANNOUNCE_INTERVAL, DEFAULT_PRESENCE_LEASE, DEFAULT_SHARED_PRESENCE_GRACE, HubBuilder, Incoming,
    KeyChange, MAX_SHARED_IDENTITY, PresenceEvent, PresenceWatch,
};

use super::builder;
use super::engine::{Engine, Node};
use super::support::{at, node, payload};
use crate::seeded::Random;

fn nodes<const N: usize>(engine: &Engine, builder: impl Fn() -> HubBuilder) -> [Node; N] {
    let mut nodes = std::array::from_fn(|_| Node::start(engine, builder()));
    for _ in 0..3 {
        exchange(&mut nodes);
    }
    nodes
}

/// Every node announces, and reads what there is.
fn exchange(nodes: &mut [Node]) {
    let mut random = Random(1);
    nodes.iter_mut().for_each(|node| node.read(usize::MAX, &mut random));
    nodes.iter_mut().for_each(Node::announce);
    nodes.iter_mut().for_each(|node| node.read(usize::MAX, &mut random));
}

async fn exchange_for(nodes: &mut [Node], time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        advance(ANNOUNCE_INTERVAL).await;
        exchange(nodes);
    }
}

fn told(watch: &mut PresenceWatch) -> Vec<PresenceEvent> {
    // The first look may find that somebody is gone, and wakes the watch.
    let mut next = || watch.next().now_or_never().flatten();
    std::iter::from_fn(|| next().or_else(&mut next)).collect()
}

fn who(node: &Node, topic: &str) -> BTreeMap<Arc<str>, usize> {
    node.hub.presence(topic)
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_present_on_every_node_and_leaves_everywhere() {
    let engine = Engine::new();
    let mut nodes: [Node; 3] = nodes(&engine, builder);
    let mut watch = nodes[2].hub.watch_presence("a").unwrap();
    let anna = nodes[0].hub.subscribe("a").identity("anna").open().unwrap();
    let other = nodes[0].hub.subscribe("a").identity("anna").open().unwrap();
    let also = nodes[1].hub.subscribe(["a", "b"]).identity("anna").open().unwrap();
    exchange(&mut nodes);
    assert_eq!(who(&nodes[0], "a"), [("anna".into(), 3)].into());
    assert_eq!(who(&nodes[2], "a"), [("anna".into(), 2)].into(), "each other node counts once");
    assert_eq!(who(&nodes[2], "b"), [("anna".into(), 1)].into());
    let joined = PresenceEvent::Joined("anna".into());
    assert_eq!(told(&mut watch), [PresenceEvent::Present([].into()), joined]);
    drop((anna, other));
    exchange(&mut nodes);
    assert_eq!(who(&nodes[2], "a"), [("anna".into(), 1)].into());
    drop(also);
    exchange(&mut nodes);
    assert_eq!(told(&mut watch), [], "she may come back");
    exchange_for(&mut nodes, DEFAULT_SHARED_PRESENCE_GRACE).await;
    assert_eq!(told(&mut watch), [PresenceEvent::Left("anna".into())]);
    assert!(nodes.iter().all(|node| who(node, "a").is_empty()));
}

#[tokio::test(start_paused = true)]
async fn the_identities_of_a_node_that_dies_are_gone_within_its_lease() {
    let engine = Engine::new();
    let mut nodes: [Node; 3] = nodes(&engine, builder);
    let open = |node: &Node, who: &str| node.hub.subscribe("a").identity(who).open().unwrap();
    let mut watch = nodes[0].hub.watch_presence("a").unwrap();
    let kept = (open(&nodes[2], "anna"), open(&nodes[2], "ben"));
    exchange_for(&mut nodes, Duration::from_secs(30)).await;
    assert_eq!(who(&nodes[0], "a").len(), 2, "a node that lives is listed for ever");
    told(&mut watch);
    // Nothing is heard of the last node any more. Ben comes back elsewhere.
    let (alive, _) = nodes.split_at_mut(2);
    exchange_for(alive, Duration::from_secs(4)).await;
    let ben = open(&alive[1], "ben");
    exchange_for(alive, Duration::from_secs(6)).await;
    assert_eq!(told(&mut watch), [PresenceEvent::Left("anna".into())]);
    assert!(DEFAULT_PRESENCE_LEASE < Duration::from_secs(10));
    for node in &alive[..] {
        assert_eq!(who(node, "a"), [("ben".into(), 1)].into());
    }
    drop((kept, ben));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_learns_who_is_present_although_the_log_was_trimmed() {
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, builder);
    let open = |who: usize| nodes[0].hub.subscribe("a").identity(who.to_string()).open().unwrap();
    // They do not fit into one message.
    let many: Vec<_> = (0..5_000).map(open).collect();
    exchange_for(&mut nodes, Duration::from_secs(20)).await;
    assert_eq!(who(&nodes[1], "a").len(), 5_000);
    engine.log().trim(usize::MAX);
    nodes[1] = Node::start(&engine, builder());
    exchange_for(&mut nodes, DEFAULT_PRESENCE_LEASE).await;
    assert_eq!(who(&nodes[1], "a").len(), 5_000);
    drop(many);
    exchange_for(&mut nodes, Duration::from_secs(10)).await;
    assert!(who(&nodes[1], "a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_lists_no_more_identities_of_others_than_it_may() {
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, || builder().max_shared_presence(10));
    let open =
        |node: &Node, who: usize| node.hub.subscribe("a").identity(who.to_string()).open().unwrap();
    let mut many: Vec<_> = (0..15).map(|who| open(&nodes[0], who)).collect();
    let here: Vec<_> = (100..120).map(|who| open(&nodes[1], who)).collect();
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    assert_eq!(who(&nodes[1], "a").len(), 30, "its own do not count");
    assert_eq!(nodes[1].hub.stats().unlisted, 5);
    // Once there is room, the others are listed.
    many.drain(..9);
    exchange_for(&mut nodes, Duration::from_secs(20)).await;
    assert_eq!(who(&nodes[1], "a").len(), 26);
    let long = "x".repeat(MAX_SHARED_IDENTITY + 1);
    let long = nodes[0].hub.subscribe("a").identity(&*long).open().unwrap();
    exchange_for(&mut nodes, Duration::from_secs(20)).await;
    assert_eq!((who(&nodes[0], "a").len(), who(&nodes[1], "a").len()), (17, 26));
    drop((long, here));
}

#[tokio::test(start_paused = true)]
async fn a_reader_by_pattern_is_announced_once_whatever_the_pattern_matches() {
    const TOPICS: usize = 100;
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, || builder().max_shared_presence(3));
    let topic = |n: usize| format!("room.{n}");
    for node in &nodes {
        (0..TOPICS).for_each(|n| node.hub.create_topic(&topic(n)).unwrap());
    }
    let mut watch = nodes[1].hub.watch_presence("room.7").unwrap();
    let open = |filters: &[&str]| nodes[0].hub.subscribe(filters).identity("anna").open().unwrap();
    let anna = open(&[">"]);
    let also = open(&["room.*", ">", "room.7"]);
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    for name in (0..TOPICS).map(topic).chain(["new".into()]) {
        let anna = |count| [("anna".into(), count)].into();
        assert_eq!(who(&nodes[0], &name), anna(2), "each subscription counts once");
        assert_eq!(who(&nodes[1], &name), anna(1), "each other node counts once");
    }
    assert_eq!(nodes[1].hub.stats().unlisted, 0, "a name and two patterns");
    let [first, joined] = &told(&mut watch)[..] else { panic!("two events") };
    assert_eq!(*first, PresenceEvent::Present([].into()));
    assert_eq!(*joined, PresenceEvent::Joined("anna".into()));

    // Within the grace, she comes back to a single topic.
    drop((anna, also));
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    let anna = nodes[1].hub.subscribe("room.7").identity("anna").open().unwrap();
    exchange_for(&mut nodes, 2 * DEFAULT_SHARED_PRESENCE_GRACE).await;
    assert_eq!(told(&mut watch), []);
    assert!(nodes.iter().all(|node| who(node, "room.7").len() == 1 && who(node, "new").is_empty()));
    drop(anna);
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_identities_tells_the_others_nothing() {
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, builder);
    let reader = nodes[0].hub.subscribe("a").open().unwrap();
    exchange_for(&mut nodes, Duration::from_secs(60)).await;
    assert_eq!(engine.log().entries.len(), 0);
    drop(reader);
}

#[tokio::test(start_paused = true)]
async fn a_grace_that_is_longer_than_the_lease_counts_when_a_node_dies() {
    let engine = Engine::new();
    let grace = 3 * DEFAULT_PRESENCE_LEASE;
    let mut nodes: [Node; 2] = nodes(&engine, || builder().presence_grace(grace));
    let anna = nodes[1].hub.subscribe("a").identity("anna").open().unwrap();
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    exchange_for(&mut nodes[..1], grace - DEFAULT_PRESENCE_LEASE / 2).await;
    assert_eq!(who(&nodes[0], "a").len(), 1);
    exchange_for(&mut nodes[..1], DEFAULT_PRESENCE_LEASE).await;
    assert!(who(&nodes[0], "a").is_empty());
    drop(anna);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_on_one_node_leaves_those_who_have_a_stream_on_another() {
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, builder);
    let open = |node: &Node, who: &str| node.hub.subscribe("*").identity(who).open().unwrap();
    let both = (open(&nodes[0], "anna"), open(&nodes[1], "anna"));
    let one = open(&nodes[0], "ben");
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    assert!(nodes.iter().all(|node| who(node, "a").len() == 2));
    for identity in ["anna", "ben"] {
        assert_eq!(nodes[0].hub.close_identity(identity), 1);
    }
    exchange_for(&mut nodes, Duration::from_secs(2)).await;
    for node in &nodes {
        assert_eq!(who(node, "a"), [("anna".into(), 1)].into());
    }
    drop((both, one));
}

/// It may only be the node's own way to the engine that is broken.
#[tokio::test(start_paused = true)]
async fn a_node_that_has_lost_its_engine_keeps_the_identities_of_the_others() {
    let engine = Engine::new();
    let mut nodes: [Node; 2] = nodes(&engine, builder);
    let _anna = nodes[0].hub.subscribe("a").identity("anna").open().unwrap();
    let _ben = nodes[1].hub.subscribe("a").identity("ben").open().unwrap();
    exchange(&mut nodes);
    nodes[1].lose_engine();
    let mut watch = nodes[1].hub.watch_presence("a").unwrap();
    assert!(matches!(&told(&mut watch)[..], [PresenceEvent::Present(both)] if both.len() == 2));
    exchange_for(&mut nodes[..1], 10 * DEFAULT_PRESENCE_LEASE).await;
    assert_eq!(who(&nodes[1], "a").len(), 2);
    assert_eq!(told(&mut watch), []);
    // The other node does not hear of this one any more.
    assert_eq!(who(&nodes[0], "a"), [("anna".into(), 1)].into());
}

/// Notes its name when it is woken.
struct NamedWaker(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Wake for NamedWaker {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("no panic").push(self.0);
    }
}

/// A pattern may match many watched topics, and telling all of them takes time.
#[tokio::test(start_paused = true)]
async fn readers_are_woken_before_watches_are_told_of_a_pattern() {
    let (mut far, mut near) = (node(0), node(0));
    let anna = far.hub.subscribe(">").identity("anna").open().unwrap();
    let announced = far.feed.announcements();
    assert!(!announced.is_empty());
    let mut reader = near.hub.subscribe("a").without_first_id().open().unwrap();
    let mut watch = near.hub.watch_presence("a").unwrap();
    assert_eq!(told(&mut watch), [PresenceEvent::Present([].into())]);

    let woken = Arc::default();
    let waker = |name| Waker::from(Arc::new(NamedWaker(name, Arc::clone(&woken))));
    let [of_reader, of_watch] = ["reader", "watch"].map(waker);
    let mut next = Box::pin(reader.next());
    assert!(next.poll_unpin(&mut Context::from_waker(&of_reader)).is_pending());
    assert!(watch.poll_next_unpin(&mut Context::from_waker(&of_watch)).is_pending());
    let message = payload("x");
    let announced = announced.iter().map(|append| (append.topic(), &append.payload()[..]));
    let all = announced.chain([("a", &message[..])]);
    let batch: Vec<_> = (1..)
        .zip(all)
        .map(|(number, (topic, payload))| Incoming {
            position: at(number),
            after: None,
            at: None,
            topic: topic.as_bytes(),
            key: KeyChange::None,
            payload,
        })
        .collect();
    near.feed.take(batch);
    assert_eq!(*woken.lock().unwrap(), ["reader", "watch"]);
    assert_eq!(told(&mut watch), [PresenceEvent::Joined("anna".into())]);
    drop(anna);
}
