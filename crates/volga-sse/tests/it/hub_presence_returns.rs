//! Presence of clients that lose their connection and return, or do not return.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, advance};
use volga_sse::hub::{Delivery, Hub, PresenceEvent};

use super::hub_presence::{GRACE, told};
use super::hub_support::publish;

#[tokio::test(start_paused = true)]
async fn a_client_that_returns_within_the_grace_neither_leaves_nor_joins() {
    let (joined, left) =
        (|| PresenceEvent::Joined("anna".into()), || PresenceEvent::Left("anna".into()));
    for topics in ["room", "*"] {
        // Without a message, the topic goes with its last subscription.
        for has_messages in [false, true] {
            let hub = Hub::builder().presence_grace(GRACE).build();
            let mut watch = hub.watch_presence("room").unwrap();
            if has_messages || topics == "*" {
                publish(&hub, "room", &["x"]);
            }
            let connect = || hub.subscribe(topics).identity("anna").open().unwrap();
            let first = connect();
            assert_eq!(told(&mut watch), [PresenceEvent::Present([].into()), joined()]);
            drop(first);
            for _ in 0..3 {
                assert_eq!(told(&mut watch), []);
                assert_eq!(hub.presence("room"), [("anna".into(), 0)].into());
                advance(GRACE - Duration::from_millis(1)).await;
                let (again, more) = (connect(), connect());
                assert_eq!(told(&mut watch), []);
                advance(2 * GRACE).await;
                assert_eq!(told(&mut watch), [], "it has returned");
                assert_eq!(hub.presence("room"), [("anna".into(), 2)].into());
                drop((again, more));
            }
            // Waiting needs no other call to the hub.
            let start = tokio::time::Instant::now();
            assert_eq!(watch.next().await, Some(left()));
            assert_eq!(start.elapsed(), GRACE);
            assert!(hub.presence("room").is_empty());
            let again = connect();
            assert_eq!(told(&mut watch), [joined()]);
            drop(again);
            advance(GRACE).await;
            assert!(hub.presence("room").is_empty(), "whoever asks learns it as well");
            assert_eq!(told(&mut watch), [left()]);
        }
    }
}

/// A page may read a topic by a pattern, and the next page by its name.
#[tokio::test(start_paused = true)]
async fn a_client_that_returns_in_another_way_neither_leaves_nor_joins() {
    const WAYS: [&[&str]; 4] = [&["room.1"], &["room.*"], &["hall", ">"], &["room.1", "*.1"]];
    let hub = Hub::builder().presence_grace(GRACE).build();
    let mut watch = hub.watch_presence("room.1").unwrap();
    let connect = |way: usize| hub.subscribe(WAYS[way]).identity("anna").open().unwrap();
    let mut open = connect(0);
    let joined = PresenceEvent::Joined("anna".into());
    assert_eq!(told(&mut watch), [PresenceEvent::Present([].into()), joined]);
    // From each way to each other one.
    for way in (0..WAYS.len()).flat_map(|first| (0..WAYS.len()).flat_map(move |next| [first, next]))
    {
        drop(open);
        assert_eq!(hub.presence("room.1"), [("anna".into(), 0)].into());
        advance(GRACE - Duration::from_millis(1)).await;
        open = connect(way);
        assert_eq!(hub.presence("room.1"), [("anna".into(), 1)].into(), "{way}");
        assert_eq!(told(&mut watch), []);
        advance(2 * GRACE).await;
        assert_eq!(told(&mut watch), [], "it has returned by {way}");
    }
    drop(open);
    let start = Instant::now();
    assert_eq!(watch.next().await, Some(PresenceEvent::Left("anna".into())));
    assert_eq!(start.elapsed(), GRACE);
}

/// As the guide's page has it: the stream subscribes, then watches, and prefers its messages.
#[tokio::test]
async fn a_stream_of_messages_and_presence_begins_with_its_id_and_then_lists_its_own_user() {
    let hub = Hub::new();
    let mut last_id = None;
    for _ in 0..2 {
        let is_new = last_id.is_none();
        let subscribe = hub.subscribe("room.lounge").resume(last_id.take()).identity("anna");
        let mut said = subscribe.open().unwrap();
        let mut people = hub.watch_presence("room.lounge").unwrap();
        if is_new {
            let Some(Some(Delivery::Message(first))) = said.next().now_or_never() else {
                panic!("no ID")
            };
            let position = first.position().expect("an ID");
            assert_eq!(first.as_bytes(), format!("id: {position}\n\n").as_bytes());
            last_id = Some(position.to_string());
        }
        assert_eq!(said.next().now_or_never(), None);
        let list = people.next().now_or_never().flatten();
        assert_eq!(list, Some(PresenceEvent::Present([("anna".into(), 1)].into())));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_are_gone_are_forgotten_although_nobody_watches() {
    let hub = Hub::builder().presence_grace(GRACE).build();
    for index in 0..1_000 {
        drop(hub.subscribe("room").identity(format!("{index}")).open().unwrap());
    }
    assert_eq!(hub.presence("room").len(), 1_000);
    advance(GRACE).await;
    assert!(hub.presence("room").is_empty());
}
