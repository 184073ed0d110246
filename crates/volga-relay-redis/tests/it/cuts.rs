//! A connection between a node and Redis that breaks, is silent or is slow.

use std::time::Duration;

use volga_relay_redis::RedisHub;
use volga_sse::Position;
use volga_sse::hub::{Delivery, Hub, RelayState};

use crate::node::{hub, next, next_text, node, receive_through, send, until_lost, until_ready};
use crate::oracle::{Ledger, gaps};
use crate::proxy::{Link, Proxy};
use crate::redis_server::{PATIENCE, RedisServer, is_missing};

/// A node whose connections pass through a proxy.
async fn distant_node(server: &RedisServer) -> (Hub, Proxy) {
    let proxy = Proxy::start(server.port).await;
    // A client may wait for as long as the test does.
    let settings = hub().max_node_wait(PATIENCE);
    let hub = RedisHub::new(proxy.url()).build(settings).expect("valid");
    until_ready(&hub).await;
    (hub, proxy)
}

async fn send_many(hub: &Hub, ledger: &mut Ledger, texts: std::ops::Range<usize>) -> Position {
    let mut last = None;
    for number in texts {
        let text = number.to_string();
        let position = send(hub, "t.a", &text).await.position;
        ledger.note(position, &text);
        last = Some(position);
    }
    last.expect("at least one message")
}

#[tokio::test]
async fn after_a_cut_a_black_hole_or_a_delay_nothing_is_lost_and_nothing_is_doubled() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let near = node(&server);
    let (far, proxy) = distant_node(&server).await;
    let mut ledger = Ledger::default();
    let start = send(&near, "t.a", "start").await.position;
    let mut client = far.subscribe("t.>").resume(start.to_string()).open().expect("open");
    let mut number = 0;
    for link in [Link::Cut, Link::BlackHole, Link::Slow(Duration::from_millis(200))] {
        send_many(&near, &mut ledger, number..number + 20).await;
        proxy.set(link);
        if !matches!(link, Link::Slow(_)) {
            until_lost(&far).await;
            assert!(!far.is_ready());
        }
        send_many(&near, &mut ledger, number + 20..number + 40).await;
        if matches!(link, Link::Slow(_)) {
            // A reply that takes 400 ms is no loss.
            send_many(&far, &mut ledger, number + 40..number + 42).await;
            assert_eq!(far.relay_state(), RelayState::Live);
        }
        proxy.set(Link::Open);
        until_ready(&far).await;
        number += 50;
    }
    let last = send_many(&near, &mut ledger, number..number + 1).await;
    let received = receive_through(&mut client, last).await;
    ledger.check(start, &received);
    assert_eq!(gaps(&received), 0);
}

#[tokio::test]
async fn what_was_trimmed_while_a_node_was_away_is_a_gap_of_exactly_that() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let near = node(&server);
    let (far, proxy) = distant_node(&server).await;
    let seen = send(&near, "t.a", "seen").await.position;
    let mut client = far.subscribe("t.>").resume(seen.to_string()).open().expect("open");
    let mut last_read = send(&near, "t.a", "read").await.position;
    assert_eq!(next_text(&mut client).await, ("read".to_owned(), last_read));
    proxy.set(Link::BlackHole);
    let mut ledger = Ledger::default();
    let last = send_many(&near, &mut ledger, 0..50).await;
    let _: i64 = server.command(&["XTRIM", "{volga}:log", "MAXLEN", "10"]);
    proxy.set(Link::Open);
    let last_missing = Position::new(last.epoch(), last.number() - 10);
    // The node may have asked for more just before the link broke. Then it still gets the answer.
    let gap = loop {
        match next(&mut client).await {
            Delivery::Gap(gap) => break gap,
            Delivery::Message(message) => last_read = message.position().unwrap_or(last_read),
        }
    };
    assert_eq!((gap.after(), gap.through()), (Some(last_read), last_missing));
    let received = receive_through(&mut client, last).await;
    assert_eq!(received.len(), 10);
    assert_eq!(far.stats().losses, 1);
}

#[tokio::test]
async fn a_client_that_is_ahead_of_its_node_waits_and_gets_nothing_twice() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let near = node(&server);
    let (far, proxy) = distant_node(&server).await;
    let mut ledger = Ledger::default();
    proxy.set(Link::BlackHole);
    // More than a hub holds back if messages come out of order.
    let many: Vec<_> = (0..3_000)
        .map(|number| {
            near.send("t.a", volga_sse::Message::new().data(number.to_string())).into_future()
        })
        .collect();
    let mut ahead = None;
    for sent in many {
        ahead = Some(sent.await.expect("a receipt").position);
    }
    let ahead = ahead.expect("many");
    let mut client = far.subscribe("t.>").resume(ahead.to_string()).open().expect("open");
    let waits = tokio::time::timeout(Duration::from_millis(50), client.next()).await;
    assert!(waits.is_err(), "the node knows nothing of the message");
    let last = send_many(&near, &mut ledger, 0..5).await;
    proxy.set(Link::Open);
    let received = receive_through(&mut client, last).await;
    ledger.check(ahead, &received);
    assert_eq!(received.len(), 5);
}

#[tokio::test]
async fn a_message_with_a_retry_key_is_published_once_through_a_connection_that_breaks() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let near = node(&server);
    let (far, proxy) = distant_node(&server).await;
    let mut ledger = Ledger::default();
    let start = send(&near, "t.a", "start").await.position;
    let mut client = near.subscribe("t.>").resume(start.to_string()).open().expect("open");
    for number in 0..10 {
        let text = number.to_string();
        let message = far.send("t.a", volga_sse::Message::new().data(&text));
        // The connection breaks at any moment of the call.
        let retry_key = format!("once {number}");
        let sent = tokio::spawn(message.retry_key(retry_key).into_future());
        tokio::time::sleep(Duration::from_micros(100 * number)).await;
        proxy.set(Link::Cut);
        tokio::time::sleep(Duration::from_millis(5)).await;
        proxy.set(Link::Open);
        let receipt = sent.await.expect("no panic").expect("sent again by the node itself");
        ledger.note(receipt.position, &text);
    }
    let last = send_many(&near, &mut ledger, 90..91).await;
    let received = receive_through(&mut client, last).await;
    ledger.check(start, &received);
    assert_eq!(received.len(), ledger.acknowledged.len());
}
