//! New lives of an engine, and the tables of keyed topics.

use futures_util::FutureExt;
use volga_sse::{
    Position,
    hub::{Delivery, Incoming, KeyChange, RelayState, SnapshotEntry},
};

use super::support::{EPOCH, Script, at, builder, node, node_of, payload, positions, ready};

#[test]
fn a_new_epoch_tells_only_those_who_saw_what_did_not_last() {
    let mut node = node(0);
    let mut node_behind = super::support::node(0);
    (1..=4).for_each(|number| node.put(number));
    (1..=2).for_each(|number| node_behind.put(number));
    let mut saw = node.hub.subscribe("t.a").resume(at(0)).open().unwrap();
    let mut saw_not = node.hub.subscribe("t.b").resume(at(0)).open().unwrap();
    let mut by_pattern = node.hub.subscribe("t.*").resume(at(0)).open().unwrap();
    let mut unread = node.hub.subscribe("t.a").resume(at(2)).open().unwrap();
    assert_eq!(ready(&mut saw), [(2, 2), (4, 4)]);
    assert_eq!(ready(&mut saw_not), [(1, 1), (3, 3)]);
    assert_eq!(ready(&mut by_pattern).len(), 4);
    // The engine lost message 4, and gives its number again under another epoch.
    let next = |number| Position::new(EPOCH + 1, number);
    for node in [&mut node, &mut node_behind] {
        (3..=3).for_each(|number| node.put(number));
        node.feed.begin(EPOCH + 1, Some(at(3)));
        node.put_in(next(1), "t.a", KeyChange::None);
    }
    assert_eq!(positions(&mut saw), [(at(3), next(0)), (next(1), next(1))]);
    assert_eq!(positions(&mut by_pattern), [(at(3), next(0)), (next(1), next(1))]);
    assert_eq!(positions(&mut unread), [(next(1), next(1))], "it never saw message 4");
    assert_eq!(positions(&mut saw_not), []);
    assert_eq!(node.hub.position(), next(1));

    // On both nodes, returning clients get the same.
    for node in [&node, &node_behind] {
        let back = |id| node.hub.subscribe("t.a").resume(id).open().unwrap();
        let new = (next(1), next(1));
        assert_eq!(positions(&mut back(at(2))), [new]);
        assert_eq!(positions(&mut back(at(3))), [new]);
        assert_eq!(positions(&mut back(at(4))), [(at(3), next(0)), new]);
        assert_eq!(positions(&mut back(at(99))), [(at(3), next(0)), new]);
        assert_eq!(positions(&mut back(next(0))), [new]);
        assert_eq!(positions(&mut back(next(1))), []);
        assert_eq!(node.hub.stats().losses, 0);
    }
}

#[test]
fn a_client_that_was_not_told_yet_is_told_of_all_of_it() {
    let mut node = node(0);
    (1..=4).for_each(|number| node.put(number));
    let subscribe = |id: &str| node.hub.subscribe("t.a").resume(id).open().unwrap();
    let (mut unknown, mut back) = (subscribe("1-1"), subscribe("77-0"));
    assert_eq!(ready(&mut back), [(2, 2), (4, 4)]);
    node.feed.begin(EPOCH + 1, Some(at(3)));
    let next = |number| Position::new(EPOCH + 1, number);
    node.put_in(next(1), "t.a", KeyChange::None);
    let Some(Some(Delivery::Gap(gap))) = unknown.next().now_or_never() else { panic!() };
    assert_eq!((gap.after(), gap.through()), (None, next(0)));
    assert_eq!(positions(&mut unknown), [(next(1), next(1))]);
    node.feed.begin(EPOCH + 2, Some(at(2)));
    node.feed.take([]);
    // The engine lost the message of the second epoch, too, and this client never received it.
    assert_eq!(positions(&mut back), [(at(3), next(0))]);
}

#[test]
fn a_client_is_told_of_what_its_node_could_not_hold_after_an_epoch_began() {
    let mut node = node(0);
    (1..=4).for_each(|number| node.put(number));
    node.feed.begin(EPOCH + 1, Some(at(3)));
    let next = |number| Position::new(EPOCH + 1, number);
    let (position, key) = (next(1), KeyChange::None);
    let foreign = Incoming { position, after: None, at: None, topic: b"t.c", key, payload: b"?" };
    node.feed.take([foreign]);
    node.put_in(next(2), "t.c", KeyChange::None);
    for topics in [&["t.c"][..], &["t.c", "t.b"], &["t.*"]] {
        let mut back = node.hub.subscribe(topics).resume(at(4)).open().unwrap();
        assert_eq!(positions(&mut back), [(at(3), next(1)), (next(2), next(2))], "{topics:?}");
    }
}

#[test]
fn a_node_that_missed_the_end_of_an_epoch_tells_everybody() {
    let mut node = node(0);
    node.put(1);
    let mut quiet = node.hub.subscribe("quiet").resume(at(1)).open().unwrap();
    node.feed.begin(EPOCH + 1, Some(at(5)));
    node.feed.take([]);
    assert_eq!(positions(&mut quiet), [(at(1), at(5))]);
    // An engine that knows nothing of the epoch before.
    node.feed.begin(EPOCH + 9, None);
    node.feed.take([]);
    let empty = Position::new(EPOCH + 9, 0);
    assert_eq!(positions(&mut quiet), [(at(5), empty)]);
    // Its epoch is over, so this changes nothing.
    node.feed.begin(EPOCH + 1, Some(at(5)));
    node.put(6);
    assert_eq!(node.hub.position(), empty);

    // A node that has seen nothing of the epoch before knows where it ended.
    let script = Script::default();
    let (hub, mut feed) = builder().build_shared(script);
    feed.begin(EPOCH + 1, Some(at(5)));
    feed.set_state(RelayState::Live);
    let back = |number| hub.subscribe("t.a").resume(at(number)).open().unwrap();
    assert_eq!(positions(&mut back(4)), [(at(4), at(5))]);
    assert_eq!(positions(&mut back(5)), []);
    assert_eq!(positions(&mut back(6)), [(at(5), Position::new(EPOCH + 1, 0))]);
}

#[test]
fn a_message_of_an_epoch_that_did_not_begin_begins_it() {
    let mut node = node(0);
    node.put(1);
    let mut all = node.hub.subscribe("t.*").resume(at(1)).open().unwrap();
    let next = |number| Position::new(EPOCH + 1, number);
    node.put_in(next(1), "t.a", KeyChange::None);
    assert_eq!(positions(&mut all), [(at(1), next(0)), (next(1), next(1))]);
    // A straggler of the epoch before.
    node.put(2);
    assert_eq!(positions(&mut all), []);
}

#[test]
fn a_snapshot_has_keys_whose_last_change_the_engine_has_dropped() {
    let keyed = || builder().keyed("k", 3).unwrap();
    let mut node = node_of(keyed(), 100);
    let bytes = ["3", "7", "200"].map(payload);
    let entry = |key, index: usize, number| SnapshotEntry {
        key,
        position: at(number),
        payload: &bytes[index],
    };
    assert!(node.feed.snapshot("k", at(200), [entry("p", 0, 3), entry("q", 1, 7)]));
    let mut newcomer = node.hub.subscribe("k").open().unwrap();
    assert_eq!(ready(&mut newcomer), [(3, 3), (7, 7)]);
    node.put_in(at(101), "k", KeyChange::Remove("p"));
    node.put_in(at(102), "k", KeyChange::Set("r"));
    // A snapshot of before would bring a removed key back.
    assert!(!node.feed.snapshot("k", at(101), [entry("p", 0, 3)]));
    let mut newcomer = node.hub.subscribe("k").open().unwrap();
    assert_eq!(ready(&mut newcomer), [(7, 7), (102, 102)]);
    // A value that this node has not reached comes later; until then the old one counts.
    assert!(node.feed.snapshot("k", at(200), [entry("q", 1, 7), entry("r", 2, 200)]));
    let mut newcomer = node.hub.subscribe("k").open().unwrap();
    assert_eq!(ready(&mut newcomer), [(7, 7), (102, 102)]);
    // More keys than this node takes, and a topic without a table here.
    let four = ["a", "b", "c", "d"];
    let entries = (1..).zip(four).map(|(number, key)| entry(key, 0, number));
    assert!(node.feed.snapshot("k", at(200), entries));
    assert_eq!(node.hub.stats().unheld, 1);
    assert!(node.feed.snapshot("plain", at(200), [entry("p", 0, 3)]));
    assert!(node.hub.topic_stats("plain").is_none());
}

#[test]
fn a_keyed_topic_is_read_anew_if_its_last_values_did_not_last() {
    let mut node = node_of(builder().keyed("k", 3).unwrap(), 0);
    node.put_in(at(1), "k", KeyChange::Set("p"));
    node.put_in(at(2), "k", KeyChange::Set("q"));
    node.put_in(at(3), "k", KeyChange::Set("p"));
    let mut reader = node.hub.subscribe("k").resume(at(0)).open().unwrap();
    assert_eq!(ready(&mut reader), [(1, 1), (2, 2), (3, 3)]);
    node.feed.begin(EPOCH + 1, Some(at(2)));
    assert_eq!(node.feed.keyed_topics(), ["k".into()]);
    let bytes = ["1", "2"].map(payload);
    let entries = [("p", 1), ("q", 2)].map(|(key, number)| SnapshotEntry {
        key,
        position: at(number),
        payload: &bytes[number as usize - 1],
    });
    assert!(node.feed.snapshot("k", Position::new(EPOCH + 1, 0), entries));
    node.feed.take([]);
    let Some(Some(Delivery::Gap(gap))) = reader.next().now_or_never() else { panic!() };
    assert!(gap.has_snapshot());
    assert_eq!((gap.after(), gap.through()), (Some(at(2)), Position::new(EPOCH + 1, 0)));
    assert_eq!(ready(&mut reader), [(1, 1), (2, 2)]);
}
