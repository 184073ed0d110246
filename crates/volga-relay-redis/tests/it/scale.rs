//! A long log, and many topics.

use redis::Connection;
use volga_relay_redis::RedisHub;
use volga_sse::Position;

use crate::node::{hub, next_text, node, receive_through, send, until, until_ready};
use crate::oracle::{Ledger, gaps};
use crate::redis_server::{RedisServer, is_missing};

/// Adds messages as a node does, many at once. Each topic gets its own text.
fn add(connection: &mut Connection, epoch: u64, topics: impl Iterator<Item = String>) {
    let topics: Vec<_> = topics.collect();
    for topics in topics.chunks(5_000) {
        let mut pipeline = redis::pipe();
        for topic in topics {
            let command = pipeline.cmd("XADD").arg("{volga}:log").arg(format!("{epoch}-*"));
            command.arg("t").arg(topic).arg("p").arg(format!("\u{1}data: of {topic}\n")).ignore();
        }
        pipeline.query::<()>(connection).expect("a reply");
    }
}

#[tokio::test]
async fn a_new_node_has_a_long_log() {
    if is_missing() {
        return;
    }
    const ENTRIES: u64 = 100_000;
    let server = RedisServer::start(&[]);
    let first = node(&server);
    let start = send(&first, "t.a", "start").await.position;
    first.close();
    let names = (0..ENTRIES).map(|number| format!("u.{}", number % 1_000));
    add(&mut server.connection(), start.epoch(), names);
    let new = node(&server);
    until_ready(&new).await;
    assert_eq!(new.position(), Position::new(start.epoch(), start.number() + ENTRIES));
    // A client that was away since the last round of all topics.
    let seen = Position::new(start.epoch(), start.number() + ENTRIES - 1_000);
    let mut client = new.subscribe("u.*").resume(seen.to_string()).open().expect("open");
    let received = receive_through(&mut client, new.position()).await;
    assert_eq!((received.len(), gaps(&received)), (1_000, 0));
}

/// The guide's page "Sizing" computes with about 300 bytes. It also says that nodes which are
/// behind read many messages at once.
#[tokio::test]
async fn redis_sends_each_node_about_300_bytes_for_a_message_of_200() {
    if is_missing() {
        return;
    }
    const MESSAGES: u64 = 5_000;
    let server = RedisServer::start(&[]);
    let first = node(&server);
    let start = send(&first, "t.a", "start").await.position;
    let nodes = [first, node(&server), node(&server)];
    for node in &nodes {
        until_ready(node).await;
    }
    let mut connection = server.connection();
    let mut number = |section: &str, name: &str| {
        let info: String = redis::cmd("INFO").arg(section).query(&mut connection).expect("text");
        let rest = info.split_once(name).expect("the number").1;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().expect("digits");
        digits.parse::<u64>().expect("a number")
    };
    let mut numbers = || {
        let bytes = number("stats", "total_net_output_bytes:");
        (bytes, number("commandstats", "cmdstat_xread:calls="))
    };
    let (bytes_before, reads_before) = numbers();
    // With a topic and a payload of about 200 bytes.
    let names = (0..MESSAGES).map(|number| format!("u.{:090}", number % 10));
    add(&mut server.connection(), start.epoch(), names);
    let last = Position::new(start.epoch(), start.number() + MESSAGES);
    until("all nodes have read them", || nodes.iter().all(|node| node.position() == last)).await;
    let (bytes, reads) = numbers();
    let bytes = (bytes - bytes_before) / MESSAGES / nodes.len() as u64;
    assert!((250..350).contains(&bytes), "{bytes} bytes");
    let reads = reads - reads_before;
    assert!(reads < MESSAGES / 10, "{reads} reads");
}

#[tokio::test]
async fn a_flood_of_topic_names_costs_the_readers_of_one_topic_nothing() {
    flood(5).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo test -p volga-relay-redis --test it million -- --ignored"]
async fn a_million_topic_names_cost_the_readers_of_one_topic_nothing() {
    flood(50).await;
}

async fn flood(rounds: u64) {
    if is_missing() {
        return;
    }
    const NAMES_PER_ROUND: u64 = 20_000;
    let server = RedisServer::start(&[]);
    let settings = hub().max_topics(1_000);
    let hub = RedisHub::new(server.url()).build(settings).expect("valid");
    until_ready(&hub).await;
    let mut ledger = Ledger::default();
    let start = send(&hub, "t.a", "start").await.position;
    let mut client = hub.subscribe("t.a").resume(start.to_string()).open().expect("open");
    let mut connection = server.connection();
    for round in 0..rounds {
        let names = (0..NAMES_PER_ROUND).map(|number| format!("n.{round}.{number}"));
        add(&mut connection, start.epoch(), names);
        let text = format!("round {round}");
        let position = send(&hub, "t.a", &text).await.position;
        ledger.note(position, &text);
        until("the node has read the round", || hub.position() >= position).await;
        let _: i64 = redis::cmd("XTRIM")
            .arg(&["{volga}:log", "MAXLEN", "0"])
            .query(&mut connection)
            .expect("a reply");
    }
    let last = *ledger.acknowledged.last_key_value().expect("a round").0;
    let received = receive_through(&mut client, last).await;
    ledger.check(start, &received);
    assert_eq!((received.len() as u64, gaps(&received)), (rounds, 0));
    assert!(hub.stats().topics <= 1_000);
    // The hub has evicted nearly all of them.
    let mut other = hub.subscribe("t.a").history(1).open().expect("open");
    assert_eq!(next_text(&mut other).await.0, format!("round {}", rounds - 1));
}
