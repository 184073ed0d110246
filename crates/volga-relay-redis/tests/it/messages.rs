//! Messages, keys and retry keys on several nodes.

use std::collections::BTreeMap;

use volga_sse::Message;
use volga_sse::hub::{Hub, SendError, SubscriptionEnd};

use crate::node::{hub, next_text, node, send, texts_through, until, until_ready};
use crate::redis_server::{RedisServer, is_missing};

#[tokio::test]
async fn all_nodes_deliver_in_one_order_and_a_client_resumes_on_another() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let nodes = [node(&server), node(&server)];
    let mut clients = Vec::new();
    for node in &nodes {
        until_ready(node).await;
        clients.push(node.subscribe("t.>").open().expect("open"));
    }
    let mut sends = Vec::new();
    for sender in 0..8 {
        let node = nodes[sender % 2].clone();
        sends.push(tokio::spawn(async move {
            for number in 0..50 {
                let receipt = send(&node, "t.a", &format!("{sender} {number}")).await;
                assert_eq!(receipt.machines, 1);
            }
        }));
    }
    for sent in sends {
        sent.await.expect("no panic");
    }
    send(&nodes[0], "t.b", "end").await;
    let one = texts_through(&mut clients[0], "end").await;
    let other = texts_through(&mut clients[1], "end").await;
    assert_eq!(one.len(), 401);
    assert_eq!(one, other);
    for sender in 0..8 {
        let own: Vec<_> =
            one.iter().filter(|text| text.starts_with(&format!("{sender} "))).collect();
        assert!(own.iter().enumerate().all(|(number, text)| text.ends_with(&format!(" {number}"))));
    }

    let mut client = nodes[0].subscribe("t.a").open().expect("open");
    send(&nodes[1], "t.a", "seen").await;
    let (_, seen) = next_text(&mut client).await;
    drop(client);
    send(&nodes[1], "t.a", "missed").await;
    let resume = nodes[1].subscribe("t.a").resume(seen.to_string());
    let mut client = resume.open().expect("open");
    assert_eq!(next_text(&mut client).await.0, "missed");
}

#[tokio::test]
async fn a_node_that_starts_has_what_the_engine_has_before_it_is_ready() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let first = node(&server);
    let receipt = send(&first, "t", "one").await;
    send(&first, "t", "two").await;
    let second = node(&server);
    // The client waits until the node has read the log.
    let resume = second.subscribe("t").resume(receipt.position.to_string());
    assert_eq!(next_text(&mut resume.open().expect("open")).await.0, "two");
}

#[tokio::test]
async fn a_retry_key_publishes_once_on_any_node() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let nodes = [node(&server), node(&server)];
    let once = |node: &Hub, text: &str, key: &str| {
        node.send("t", Message::new().data(text)).retry_key(key)
    };
    let first = once(&nodes[0], "one", "order 7").await.expect("a receipt");
    let again = once(&nodes[1], "one", "order 7").await.expect("a receipt");
    assert_eq!(first, again);
    let other = once(&nodes[1], "two", "order 8").await.expect("a receipt");
    assert_eq!(other.position.number(), first.position.number() + 1);
    let expiry: i64 = server.command(&["PTTL", "{volga}:retry:order 7"]);
    assert!((1..=120_000).contains(&expiry), "{expiry}");
}

#[tokio::test]
async fn a_node_that_starts_has_the_keys_that_the_log_has_dropped() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let first = node(&server);
    let mut expect = BTreeMap::new();
    for number in 0..60 {
        let (topic, key) = (["k.a", "k.b"][number % 2], format!("key {}", number % 7));
        let text = format!("{topic} {key} {number}");
        let message = first.send(topic, Message::new().data(&text));
        if number % 5 == 4 {
            message.remove_key(&key).await.expect("a receipt");
            expect.remove(&(topic, key));
        } else {
            message.key(&key).await.expect("a receipt");
            expect.insert((topic, key), text);
        }
    }
    let _: i64 = server.command(&["XTRIM", "{volga}:log", "MAXLEN", "0"]);
    let second = node(&server);
    until_ready(&second).await;
    let mut client = second.subscribe("k.*").open().expect("open");
    let mut texts = Vec::new();
    for _ in 0..expect.len() {
        texts.push(next_text(&mut client).await.0);
    }
    texts.sort();
    let mut expect: Vec<_> = expect.into_values().collect();
    expect.sort();
    assert_eq!(texts, expect);
    // A topic whose last key was removed is not among the keyed topics any more.
    for key in 0..7 {
        let message = first.send("k.b", Message::new().data("-"));
        message.remove_key(&format!("key {key}")).await.expect("a receipt");
    }
    let keyed: Vec<String> = server.command(&["SMEMBERS", "{volga}:keyed"]);
    assert_eq!(keyed, ["k.a"]);
}

#[tokio::test]
async fn an_entry_of_another_program_disturbs_no_subscriber() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let hub = node(&server);
    until_ready(&hub).await;
    let mut client = hub.subscribe("t").open().expect("open");
    let receipt = send(&hub, "t", "one").await;
    assert_eq!(next_text(&mut client).await.0, "one");
    let own_epoch = format!("{}-*", receipt.position.epoch());
    let _: String = server.command(&["XADD", "{volga}:log", &own_epoch, "hello", "world"]);
    send(&hub, "t", "two").await;
    assert_eq!(next_text(&mut client).await.0, "two");
    // The ID of this entry is later than all of ours, so a new epoch begins.
    let _: String = server.command(&["XADD", "{volga}:log", "9000000000000-7", "t", "t"]);
    send(&hub, "t", "three").await;
    assert_eq!(next_text(&mut client).await.0, "three");
    until("the entry was counted", || hub.stats().unheld == 1).await;
}

#[tokio::test]
async fn a_closed_hub_leaves_redis() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let closed = node(&server);
    until_ready(&closed).await;
    // A clone that is kept does not keep the connections.
    closed.clone().close();
    until("no node is connected", || {
        let clients: String = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
        clients.lines().count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_closed_hub_still_signs_an_identity_out_on_the_other_nodes() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let [closed, other] = [node(&server), node(&server)];
    until_ready(&closed).await;
    until_ready(&other).await;
    let mut own = closed.subscribe("t").identity("anna").open().expect("open");
    closed.close();
    let has_left = || {
        let clients: String = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
        // The other node has two connections, and this command one.
        clients.lines().count() == 3
    };
    for _ in 0..2 {
        until("the node is not connected", has_left).await;
        let anna = other.subscribe("t").identity("anna").open().expect("open");
        let sent = closed.send_close_identity("anna").await;
        assert!(sent.is_ok(), "{sent:?}");
        assert_eq!(own.end(), Some(SubscriptionEnd::IdentityClosed));
        own = closed.subscribe("t").identity("anna").open().expect("open");
        until("she was signed out", || anna.end() == Some(SubscriptionEnd::IdentityClosed)).await;
    }
    until("the node is not connected", has_left).await;
}

#[tokio::test]
async fn hubs_of_other_names_do_not_meet() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let named = |name| {
        let settings = volga_relay_redis::RedisHub::new(server.url()).name(name);
        settings.build(hub()).expect("valid")
    };
    let (one, other) = (named("one"), named("other"));
    until_ready(&other).await;
    let mut client = other.subscribe("t").open().expect("open");
    send(&one, "t", "for one").await;
    send(&other, "t", "for the other").await;
    assert_eq!(next_text(&mut client).await.0, "for the other");
}

#[tokio::test]
async fn a_message_that_the_hub_refuses_is_not_sent() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let hub = node(&server);
    let refused = hub.send("a topic", Message::new().data("x")).await;
    assert!(matches!(refused, Err(SendError::Refused(_))), "{refused:?}");
}
