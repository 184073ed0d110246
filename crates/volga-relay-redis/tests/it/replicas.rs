//! A primary and a replica.

use std::time::Duration;

use volga_relay_redis::RedisHub;
use volga_sse::Position;

use crate::node::{hub, next_gap, next_text, receive_through, send, until, until_ready};
use crate::oracle::{Ledger, gaps};
use crate::proxy::{Link, Proxy};
use crate::redis_server::{RedisServer, is_missing, try_command};

const FAST: &[&str] = &["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

/// A replica that reaches its primary through a proxy.
async fn replica_of(primary: &RedisServer) -> (RedisServer, Proxy) {
    let proxy = Proxy::start(primary.port).await;
    let replica = RedisServer::start(FAST);
    let _: String = replica.command(&["REPLICAOF", "127.0.0.1", &proxy.port.to_string()]);
    until("the replica follows", || {
        let info: String = replica.command(&["INFO", "replication"]);
        info.contains("master_link_status:up")
    })
    .await;
    (replica, proxy)
}

// The proxy needs a thread of its own, because the test waits for commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_that_lost_messages_only_those_who_saw_them_get_a_gap() {
    if is_missing() {
        return;
    }
    let mut primary = RedisServer::start(FAST);
    let (replica, link) = replica_of(&primary).await;
    let settings = || {
        let settings = RedisHub::new(primary.url()).other_server(replica.url()).replicas(1);
        settings.replica_wait(Duration::from_millis(200)).build(hub()).expect("valid")
    };
    let nodes = [settings(), settings()];
    for node in &nodes {
        until_ready(node).await;
    }
    let mut ledger = Ledger::default();
    let start = send(&nodes[0], "t.a", "start").await.position;
    let resume = |node: usize, after: Position| {
        nodes[node].subscribe("t.>").resume(after.to_string()).open().expect("open")
    };
    let mut kept = start;
    for number in 0..5 {
        let text = format!("on both {number}");
        // The replica acknowledges once a second at least, so this may take several attempts.
        let receipt = send(&nodes[number % 2], "t.a", &text).await;
        kept = receipt.position;
        ledger.note(kept, &text);
    }
    until("the replica has everything", || {
        let replicas: i64 = primary.command(&["XLEN", "{volga}:log"]);
        let other: i64 = replica.command(&["XLEN", "{volga}:log"]);
        replicas == other
    })
    .await;
    // This client has not seen what is lost below.
    let mut other = resume(1, start);
    let mut received_by_other = receive_through(&mut other, kept).await;
    drop(other);
    let mut witness = resume(0, start);

    link.set(Link::Cut);
    let mut last_lost = kept;
    for number in 0..3 {
        let text = format!("on one {number}");
        let receipt = send(&nodes[0], "t.a", &text).await;
        assert_eq!(receipt.machines, 1, "the replica is cut off");
        last_lost = receipt.position;
        ledger.note(last_lost, &text);
        ledger.lost.insert(last_lost);
    }
    let mut received = receive_through(&mut witness, last_lost).await;
    primary.kill();
    let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]);
    let after = send(&nodes[1], "t.a", "after").await.position;
    ledger.note(after, "after");
    assert_eq!(next_gap(&mut witness).await, (Some(kept), Position::new(after.epoch(), 0)));
    received.push(crate::oracle::Received::Gap {
        after: Some(kept),
        through: Position::new(after.epoch(), 0),
    });
    received.extend(receive_through(&mut witness, after).await);
    ledger.check(start, &received);
    assert_eq!(gaps(&received), 1);

    for node in 0..2 {
        let mut other = resume(node, kept);
        received_by_other.extend(receive_through(&mut other, after).await);
        assert_eq!(gaps(&received_by_other), 0);
        ledger.check(start, &received_by_other);
        received_by_other.pop();
    }
    let id = format!("{}-*", start.epoch());
    let stale = try_command(&mut replica.connection(), &["XADD", "{volga}:log", &id, "t", "t"]);
    assert!(stale.expect_err("refused").to_string().contains("equal or smaller"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_on_two_machines_survives_the_loss_of_one() {
    if is_missing() {
        return;
    }
    let mut primary = RedisServer::start(FAST);
    let (replica, _link) = replica_of(&primary).await;
    let settings = || RedisHub::new(primary.url()).other_server(replica.url());
    let one = settings().build(hub()).expect("valid");
    let start = send(&one, "t", "on one machine, as far as the node knows").await;
    assert_eq!(start.machines, 1);
    let settings = settings().replicas(1).replica_wait(crate::redis_server::PATIENCE);
    let hub = settings.build(hub()).expect("valid");
    until_ready(&hub).await;
    let mut client = hub.subscribe("t").resume(start.position.to_string()).open().expect("open");
    let both = send(&hub, "t", "on both").await;
    assert_eq!(both.machines, 2);
    primary.kill();
    crate::node::until_lost(&hub).await;
    let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]);
    until_ready(&hub).await;
    assert_eq!(next_text(&mut client).await, ("on both".to_owned(), both.position));
    let after = crate::node::node(&replica);
    let mut client = after.subscribe("t").resume(start.position.to_string()).open().expect("open");
    assert_eq!(next_text(&mut client).await, ("on both".to_owned(), both.position));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_from_a_replica_and_notices_that_it_is_cut_off() {
    if is_missing() {
        return;
    }
    let primary = RedisServer::start(FAST);
    let (replica, link) = replica_of(&primary).await;
    let settings = RedisHub::new(primary.url()).read_from(replica.url());
    let hub = settings.build(hub()).expect("valid");
    until_ready(&hub).await;
    let mut client = hub.subscribe("t").open().expect("open");
    send(&hub, "t", "one").await;
    assert_eq!(next_text(&mut client).await.0, "one");
    link.set(Link::Cut);
    send(&hub, "t", "two").await;
    crate::node::until_lost(&hub).await;
    link.set(Link::Open);
    until_ready(&hub).await;
    assert_eq!(next_text(&mut client).await.0, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_planned_failover_nodes_leave_the_old_primary() {
    if is_missing() {
        return;
    }
    let primary = RedisServer::start(FAST);
    let (replica, _link) = replica_of(&primary).await;
    let settings = RedisHub::new(primary.url()).other_server(replica.url());
    let hub = settings.build(hub()).expect("valid");
    until_ready(&hub).await;
    let one = send(&hub, "t.a", "one").await.position;
    let mut client = hub.subscribe("t.>").resume(one.to_string()).open().expect("open");
    until("the replica has the message", || {
        let entries: i64 = replica.command(&["XLEN", "{volga}:log"]);
        entries == 2
    })
    .await;
    let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]);
    let port = replica.port.to_string();
    let _: String = primary.command(&["REPLICAOF", "127.0.0.1", &port]);
    let two = send(&hub, "t.a", "two").await.position;
    assert!(two.epoch() > one.epoch());
    let received = receive_through(&mut client, two).await;
    assert_eq!((received.len(), gaps(&received)), (1, 0), "{received:?} {one:?} {two:?}");
}

#[tokio::test]
async fn a_replica_is_not_taken_for_the_primary() {
    if is_missing() {
        return;
    }
    let primary = RedisServer::start(FAST);
    let (replica, _link) = replica_of(&primary).await;
    let errors = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&errors);
    let settings = RedisHub::new(replica.url());
    let hub = settings.on_connection_error(move |error| {
        log.lock().expect("no panic").push(error.to_string());
    });
    let hub = hub.build(hub_settings()).expect("valid");
    until("an error", || !errors.lock().expect("no panic").is_empty()).await;
    let text = errors.lock().expect("no panic")[0].clone();
    assert!(text.contains("is a replica"), "{text}");
    assert!(!hub.is_ready());
}

fn hub_settings() -> volga_sse::hub::HubBuilder {
    hub()
}

/// How a primary is replaced.
#[derive(Clone, Copy, Debug)]
enum Failover {
    /// It becomes a replica of the new one.
    Planned,
    /// It is killed. It comes back as a primary, without its log, and later becomes a replica.
    Killed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_follow_the_primary_from_one_to_another_of_three_servers() {
    if is_missing() {
        return;
    }
    let mut servers: Vec<_> = (0..3).map(|_| RedisServer::start(FAST)).collect();
    let follow = |server: &RedisServer, primary: &RedisServer| {
        let port = primary.port.to_string();
        let _: String = server.command(&["REPLICAOF", "127.0.0.1", &port]);
    };
    follow(&servers[1], &servers[0]);
    follow(&servers[2], &servers[0]);
    let urls: Vec<_> = servers.iter().map(RedisServer::url).collect();
    // The order of the servers does not matter, so the nodes have different ones.
    let nodes = [[0, 1, 2], [2, 1, 0], [1, 0, 2]].map(|[first, second, third]| {
        let settings = RedisHub::new(&*urls[first]).other_server(&*urls[second]);
        settings.other_server(&*urls[third]).build(hub()).expect("valid settings")
    });
    for node in &nodes {
        until_ready(node).await;
    }
    let start = send(&nodes[0], "t.a", "start").await.position;
    let mut clients = nodes
        .each_ref()
        .map(|node| node.subscribe("t.>").resume(start.to_string()).open().expect("open"));
    let mut primary = 0;
    let mut epoch = start.epoch();
    // Each server is the primary several times, and is replaced in both ways.
    let steps = [1, 2, 2, 1, 1, 1, 2, 2, 2, 1];
    for (round, step) in steps.into_iter().enumerate() {
        let failover = if round % 3 == 1 { Failover::Killed } else { Failover::Planned };
        let next = (primary + step) % 3;
        let third = 3 - primary - next;
        for replica in [next, third] {
            until("the replica has everything", || {
                let log = ["XINFO", "STREAM", "{volga}:log"];
                let own = try_command(&mut servers[replica].connection(), &log);
                own.is_ok() && own == try_command(&mut servers[primary].connection(), &log)
            })
            .await;
        }
        if matches!(failover, Failover::Killed) {
            servers[primary].kill();
        }
        let _: String = servers[next].command(&["REPLICAOF", "NO", "ONE"]);
        follow(&servers[third], &servers[next]);
        match failover {
            Failover::Planned => follow(&servers[primary], &servers[next]),
            Failover::Killed => servers[primary].start_again(),
        }
        for (number, node) in nodes.iter().enumerate() {
            let text = format!("{round} from {number}");
            let position = send(node, "t.a", &text).await.position;
            assert!(position.epoch() > epoch, "{failover:?} in round {round}");
            for client in &mut clients {
                // This panics at a gap.
                assert_eq!(next_text(client).await, (text.clone(), position));
            }
        }
        epoch = nodes[0].position().epoch();
        follow(&servers[primary], &servers[next]);
        primary = next;
    }
}
