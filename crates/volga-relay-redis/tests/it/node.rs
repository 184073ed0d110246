//! Nodes and clients of a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use volga_relay_redis::RedisHub;
use volga_sse::hub::{Delivery, Hub, HubBuilder, Receipt, RelayState, Subscription};
use volga_sse::{Message, Position};

use crate::oracle::Received;
use crate::redis_server::{PATIENCE, RedisServer};

/// A node with the default settings.
pub(crate) fn node(server: &RedisServer) -> Hub {
    RedisHub::new(server.url()).build(hub()).expect("valid settings")
}

/// Topics that begin with `k.` are keyed.
pub(crate) fn hub() -> HubBuilder {
    Hub::builder().keyed("k.*", 100).expect("a pattern")
}

/// Waits until something is true.
pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_true() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn until_ready(hub: &Hub) {
    until("the node is ready", || hub.is_ready()).await;
}

pub(crate) async fn until_lost(hub: &Hub) {
    until("the engine is lost", || hub.relay_state() == RelayState::Lost).await;
}

/// Sends a message once, which the engine must accept in the end.
pub(crate) async fn send(hub: &Hub, topic: &str, text: &str) -> Receipt {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let retry_key = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let since = Instant::now();
    loop {
        let message = hub.send(topic, Message::new().data(text));
        match message.retry_key(retry_key.as_str()).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(since.elapsed() < PATIENCE, "{error:?}"),
        }
    }
}

/// The next delivery.
pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    next.expect("a delivery in time").expect("the hub is open")
}

/// The text of the next message with data, and its position.
pub(crate) async fn next_text(subscription: &mut Subscription) -> (String, Position) {
    loop {
        match next(subscription).await {
            Delivery::Message(message) => {
                let wire = std::str::from_utf8(message.as_bytes()).expect("text").to_owned();
                if let Some(data) = wire.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return (data.to_owned(), message.position().expect("a position"));
                }
            }
            Delivery::Gap(gap) => panic!("{gap:?}"),
        }
    }
}

/// The next texts, up to one.
pub(crate) async fn texts_through(subscription: &mut Subscription, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        texts.push(next_text(subscription).await.0);
    }
    texts
}

/// The next gap, without anything before it.
pub(crate) async fn next_gap(subscription: &mut Subscription) -> (Option<Position>, Position) {
    loop {
        match next(subscription).await {
            Delivery::Gap(gap) => return (gap.after(), gap.through()),
            Delivery::Message(message) => {
                let wire = std::str::from_utf8(message.as_bytes()).expect("text");
                assert!(!wire.contains("data: "), "{wire}");
            }
        }
    }
}

/// Everything up to a position.
pub(crate) async fn receive_through(
    subscription: &mut Subscription,
    last: Position,
) -> Vec<Received> {
    let mut received = Vec::new();
    loop {
        received.extend(as_received(next(subscription).await));
        if let Some(Received::Message { position, .. }) = received.last()
            && *position >= last
        {
            return received;
        }
    }
}

/// `None` for the message that gives a new client an ID and nothing else.
pub(crate) fn as_received(delivery: Delivery) -> Option<Received> {
    match delivery {
        Delivery::Gap(gap) => Some(Received::Gap { after: gap.after(), through: gap.through() }),
        Delivery::Message(message) => {
            let wire = std::str::from_utf8(message.as_bytes()).expect("text").to_owned();
            let text = wire.lines().find_map(|line| line.strip_prefix("data: "))?.to_owned();
            Some(Received::Message { position: message.position().expect("a position"), text })
        }
    }
}
