//! The event that tells clients whether their node has its engine.

use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::BodyExt;
use volga_sse::{
    Message, Sse,
    hub::{Delivery, Hub, HubBuilder, PublishError, RelayState, SubscriptionEnd},
};

use super::support::{Node, builder, node_of};

const LOST: &str = "event: node\ndata: {\"state\":\"lost\"}\n\n";
const LIVE: &str = "event: node\ndata: {\"state\":\"live\"}\n\n";

fn telling() -> HubBuilder {
    builder().relay_event("node").expect("a valid name")
}

/// The next delivery as it is sent, without the message that gives a new client an ID.
async fn next(subscription: &mut volga_sse::hub::Subscription) -> String {
    loop {
        let delivery = subscription.next().await.expect("an open subscription");
        let has_position = matches!(&delivery, Delivery::Message(message)
            if message.position().is_some());
        let message = delivery.encode().expect("valid");
        let text = String::from_utf8(message.as_bytes().to_vec()).expect("text");
        assert_eq!(has_position, !text.contains("event: node"), "{text}");
        if !text.starts_with("id: ") {
            return text;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_is_told_of_each_change_on_every_kind_of_subscription() {
    let Node { hub, mut feed, .. } = node_of(telling(), 0);
    for topics in [vec!["t.a"], vec!["t.a", "t.b"], vec!["t.*"], vec!["u.>"]] {
        let mut subscription = hub.subscribe(topics).open().expect("open");
        let (told, mut events) = tokio::sync::mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            loop {
                told.send(next(&mut subscription).await).expect("the test listens");
            }
        });
        for (state, expect) in [(RelayState::Lost, LOST), (RelayState::Live, LIVE)].repeat(2) {
            // The reader sleeps, because the other task of this thread waits for it.
            tokio::task::yield_now().await;
            feed.set_state(state);
            let event = tokio::time::timeout(Duration::from_secs(60), events.recv()).await;
            assert_eq!(event.expect("the reader is woken").as_deref(), Some(expect));
        }
        reader.abort();
    }
}

#[test]
fn a_client_that_comes_while_the_engine_is_lost_is_told_at_once() {
    let Node { hub, mut feed, .. } = node_of(telling(), 0);
    let mut early = hub.subscribe("t.a").open().expect("open");
    assert!(next(&mut early).now_or_never().is_none(), "a node with its engine says nothing");
    feed.set_state(RelayState::Lost);
    let mut late = hub.subscribe("t.a").open().expect("open");
    for subscription in [&mut early, &mut late] {
        assert_eq!(next(subscription).now_or_never().as_deref(), Some(LOST));
        assert!(next(subscription).now_or_never().is_none(), "once");
    }
}

#[test]
fn only_the_last_of_several_changes_is_told() {
    let Node { hub, mut feed, .. } = node_of(telling(), 0);
    let mut subscription = hub.subscribe("t.a").open().expect("open");
    feed.set_state(RelayState::Lost);
    feed.set_state(RelayState::Live);
    assert!(next(&mut subscription).now_or_never().is_none());
    feed.set_state(RelayState::Lost);
    feed.set_state(RelayState::Live);
    feed.set_state(RelayState::Lost);
    assert_eq!(next(&mut subscription).now_or_never().as_deref(), Some(LOST));
}

#[test]
fn messages_and_the_first_id_come_beside_the_event() {
    let mut node = node_of(telling(), 0);
    let mut subscription = node.hub.subscribe("t.a").open().expect("open");
    node.feed.set_state(RelayState::Lost);
    assert_eq!(next(&mut subscription).now_or_never().as_deref(), Some(LOST));
    // The client has no ID yet, and the event has none.
    let first = subscription.next().now_or_never().flatten().expect("an ID");
    let Delivery::Message(first) = first else { panic!("{first:?}") };
    assert!(first.as_bytes().starts_with(b"id: "));
    node.put(1);
    node.put(2);
    let text = next(&mut subscription).now_or_never().expect("a message");
    assert!(text.starts_with("data: 2\n"), "{text}");
}

#[test]
fn the_name_is_reserved_and_a_foreign_event_of_this_name_is_not_held() {
    for (builder, is_reserved) in [(telling(), true), (builder(), false)] {
        let mut node = node_of(builder, 0);
        let mut subscription = node.hub.subscribe("t.a").without_first_id().open().expect("open");
        node.take_foreign(1, b"t.a", b"\x01event: node\ndata: {\"state\":\"lost\"}\n");
        assert_eq!(node.hub.stats().unheld, u64::from(is_reserved));
        let delivery = subscription.next().now_or_never().flatten().expect("a delivery");
        assert_eq!(matches!(delivery, Delivery::Gap(_)), is_reserved, "{delivery:?}");
        let sent = node.hub.send("t.a", Message::new().event("node").data("x"));
        let sent = sent.into_future().now_or_never();
        let refused = matches!(
            sent,
            Some(Err(volga_sse::hub::SendError::Refused(PublishError::ReservedEvent {
                name: "node"
            })))
        );
        assert_eq!(refused, is_reserved);
    }
    assert!(Hub::builder().relay_event("two\nlines").is_err());
}

#[tokio::test]
async fn without_the_setting_nothing_is_told_and_a_hub_of_one_node_has_nothing_to_tell() {
    let Node { hub, mut feed, .. } = node_of(builder(), 0);
    let mut subscription = hub.subscribe("t.a").open().expect("open");
    feed.set_state(RelayState::Lost);
    assert!(next(&mut subscription).now_or_never().is_none());
    let hub = telling().build();
    let mut subscription = hub.subscribe("t.a").without_first_id().open().expect("open");
    assert!(next(&mut subscription).now_or_never().is_none());
}

#[tokio::test]
async fn an_event_stream_has_the_event_and_ends_as_before() {
    let Node { hub, mut feed, .. } = node_of(telling(), 0);
    let subscription = hub.subscribe("t.a").open().expect("open");
    let stream = tokio::spawn(Sse::new(subscription).into_response().into_body().collect());
    tokio::task::yield_now().await;
    feed.set_state(RelayState::Lost);
    tokio::task::yield_now().await;
    hub.close();
    let sent = stream.await.expect("no panic").expect("no error").to_bytes();
    let sent = String::from_utf8_lossy(&sent);
    assert_eq!(sent.matches(LOST).count(), 1, "{sent}");
    // A subscription to a closed hub is not told any more.
    let mut late = hub.subscribe("t.a").open().expect("open");
    while let Some(delivery) = late.next().await {
        let message = delivery.encode().expect("valid");
        assert!(!String::from_utf8_lossy(message.as_bytes()).contains("event: node"));
    }
    assert_eq!(late.end(), Some(SubscriptionEnd::HubClosed));
}
