//! New lives of the engine.

use std::collections::BTreeSet;

use volga_sse::Position;
use volga_sse::hub::RelayState;

use crate::node::{next_gap, next_text, node, send, until, until_lost, until_ready};
use crate::redis_server::{RedisServer, command, is_missing, try_command};

#[tokio::test]
async fn nodes_that_start_at_once_begin_one_epoch() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let nodes: Vec<_> = (0..8).map(|_| node(&server)).collect();
    let mut epochs = BTreeSet::new();
    for node in &nodes {
        until_ready(node).await;
        epochs.insert(send(node, "t", "x").await.position.epoch());
    }
    assert_eq!(epochs.len(), 1);
    let entries: u64 = server.command(&["XLEN", "{volga}:log"]);
    assert_eq!(entries, 9, "the start of the epoch, and a message of each node");
}

#[tokio::test]
async fn an_engine_that_comes_back_with_everything_is_not_noticed() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let hub = node(&server);
    until_ready(&hub).await;
    let mut client = hub.subscribe("t").open().expect("open");
    let one = send(&hub, "t", "one").await.position;
    for _ in 0..2 {
        server.kill();
        until_lost(&hub).await;
        server.start_again();
        until_ready(&hub).await;
    }
    let two = send(&hub, "t", "two").await.position;
    assert!(two.epoch() > one.epoch());
    assert_eq!(two.number(), 1);
    assert_eq!(next_text(&mut client).await, ("one".to_owned(), one));
    assert_eq!(next_text(&mut client).await, ("two".to_owned(), two));
    // On a node that has seen nothing of the first epoch as well.
    let other = node(&server);
    let mut client = other.subscribe("t").resume(one.to_string()).open().expect("open");
    assert_eq!(next_text(&mut client).await, ("two".to_owned(), two));
}

#[tokio::test]
async fn an_engine_that_comes_back_empty_is_one_gap() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start(&[]);
    let hub = node(&server);
    until_ready(&hub).await;
    let mut client = hub.subscribe("t").open().expect("open");
    let one = send(&hub, "t", "one").await.position;
    assert_eq!(next_text(&mut client).await.1, one);
    server.kill();
    until_lost(&hub).await;
    server.start_again();
    let two = send(&hub, "t", "two").await.position;
    let (_, through) = next_gap(&mut client).await;
    assert_eq!(through, Position::new(two.epoch(), 0));
    assert_eq!(next_text(&mut client).await, ("two".to_owned(), two));
}

#[tokio::test]
async fn a_log_that_an_operator_deletes_is_one_gap() {
    if is_missing() {
        return;
    }
    for delete in [&["DEL", "{volga}:log"][..], &["FLUSHALL"]] {
        let server = RedisServer::start(&[]);
        let nodes = [node(&server), node(&server)];
        let mut clients = Vec::new();
        for node in &nodes {
            until_ready(node).await;
            clients.push(node.subscribe("t").open().expect("open"));
        }
        let one = send(&nodes[0], "t", "one").await.position;
        for client in &mut clients {
            assert_eq!(next_text(client).await.1, one);
        }
        let mut connection = server.connection();
        let _: redis::Value = command(&mut connection, delete);
        let two = send(&nodes[0], "t", "two").await.position;
        assert!(two.epoch() > one.epoch());
        for client in &mut clients {
            let (_, through) = next_gap(client).await;
            assert_eq!(through, Position::new(two.epoch(), 0));
            assert_eq!(next_text(client).await, ("two".to_owned(), two));
        }
    }
}

#[tokio::test]
async fn what_was_trimmed_before_a_node_has_read_it_is_a_gap_with_both_ends() {
    if is_missing() {
        return;
    }
    for keeps in ["0", "1", "3"] {
        let server = RedisServer::start(&[]);
        let hub = node(&server);
        until_ready(&hub).await;
        let first = send(&hub, "t", "first").await.position;
        let mut client = hub.subscribe("t").resume(first.to_string()).open().expect("open");
        // All at once, so that the node reads nothing in between.
        let mut connection = server.connection();
        let mut all = redis::pipe();
        all.atomic();
        for number in 1..=10 {
            let id = format!("{}-*", first.epoch());
            let add = all.cmd("XADD").arg("{volga}:log").arg(id);
            add.arg("t").arg("t").arg("p").arg(format!("\u{1}data: {number}\n")).ignore();
        }
        all.cmd("XTRIM").arg("{volga}:log").arg("MAXLEN").arg(keeps).ignore();
        let _: () = all.query(&mut connection).expect("a reply");
        let kept: u64 = keeps.parse().expect("a number");
        let last_missing = Position::new(first.epoch(), first.number() + 10 - kept);
        assert_eq!(next_gap(&mut client).await, (Some(first), last_missing));
        for number in 11 - kept..=10 {
            assert_eq!(next_text(&mut client).await.0, number.to_string());
        }
        assert_eq!(hub.relay_state(), RelayState::Live);
    }
}

#[tokio::test]
async fn redis_refuses_a_publisher_of_an_old_epoch() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let hub = node(&server);
    let old = send(&hub, "t", "one").await.position;
    server.kill();
    server.start_again();
    until("another epoch has begun", || {
        let epochs: Vec<String> = server.command(&["LRANGE", "{volga}:epochs", "0", "-1"]);
        epochs.len() == 2 && epochs[1].ends_with(&format!(" {}-{}", old.epoch(), old.number()))
    })
    .await;
    let id = format!("{}-*", old.epoch());
    let stale = try_command(&mut server.connection(), &["XADD", "{volga}:log", &id, "t", "t"]);
    assert!(stale.expect_err("refused").to_string().contains("equal or smaller"));
    // A node whose epoch ended begins the next one, or finds it, and appends there.
    let next = send(&hub, "t", "two").await.position;
    assert!(next.epoch() > old.epoch());
}
