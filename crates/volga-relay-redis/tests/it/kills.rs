//! Redis and nodes that are killed under load.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use volga_sse::hub::{Hub, SendError};
use volga_sse::{Message, Position};

use crate::client::Client;
use crate::node::{node, send, until_lost, until_ready};
use crate::node_process::NodeProcess;
use crate::oracle::Ledger;
use crate::redis_server::{PATIENCE, RedisServer, is_missing};

/// Sends messages with these numbers, each until it is acknowledged, and notes them.
async fn publish(nodes: &[Hub], numbers: Range<u64>, ledger: Arc<Mutex<Ledger>>) {
    for number in numbers {
        let text = number.to_string();
        for attempt in 0.. {
            assert!(attempt < 1_000, "not acknowledged: {text}");
            let node = &nodes[(number as usize + attempt) % nodes.len()];
            let message = node.send("t.a", Message::new().data(&text));
            match message.retry_key(format!("message {text}")).await {
                Ok(receipt) => {
                    ledger.lock().expect("no panic").note(receipt.position, &text);
                    break;
                }
                Err(SendError::Refused(error)) => panic!("{error:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_under_load_and_has_written_everything() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes = [node(&server), node(&server)];
    for node in &nodes {
        until_ready(node).await;
    }
    let start = send(&nodes[0], "t.a", "start").await.position;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let publishing = (0..4u64).map(|publisher| {
        let (nodes, ledger) = (nodes.clone(), Arc::clone(&ledger));
        let numbers = publisher * 1_000..publisher * 1_000 + 300;
        tokio::spawn(async move { publish(&nodes, numbers, ledger).await })
    });
    let publishing: Vec<_> = publishing.collect();
    let mut clients: Vec<_> =
        (0..10).map(|index| Client::of_hubs(&nodes, index % 2, start)).collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.kill();
        until_lost(&nodes[0]).await;
        server.start_again();
        until_ready(&nodes[0]).await;
        clients.iter_mut().for_each(Client::move_on);
    }
    for publisher in publishing {
        publisher.await.expect("no panic");
    }
    let ledger = ledger.lock().expect("no panic").clone();
    let last = *ledger.acknowledged.last_key_value().expect("messages").0;
    for client in clients {
        let received = client.finish(last).await;
        ledger.check(start, &received);
        assert_eq!(crate::oracle::gaps(&received), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_under_load_and_comes_back_empty() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start(&[]);
    let nodes = [node(&server), node(&server)];
    for node in &nodes {
        until_ready(node).await;
    }
    let start = send(&nodes[0], "t.a", "start").await.position;
    let before = Arc::new(Mutex::new(Ledger::default()));
    publish(&nodes, 0..200, Arc::clone(&before)).await;
    let clients: Vec<_> = (0..10).map(|index| Client::of_hubs(&nodes, index % 2, start)).collect();
    server.kill();
    for node in &nodes {
        until_lost(node).await;
    }
    server.start_again();
    publish(&nodes, 200..300, Arc::clone(&before)).await;
    let ledger = before.lock().expect("no panic").clone();
    let last = *ledger.acknowledged.last_key_value().expect("messages").0;
    for client in clients {
        let received = client.finish(last).await;
        ledger.check(start, &received);
        assert_eq!(crate::oracle::gaps(&received), 1);
    }
}

/// Sends messages to nodes that die, through whichever lives, until a future is ready.
async fn publish_through(
    nodes: Arc<Mutex<Vec<u16>>>,
    publisher: u64,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut number = 0;
    while !*stop.borrow_and_update() {
        let text = format!("{publisher} {number}");
        let since = std::time::Instant::now();
        for attempt in 0.. {
            assert!(since.elapsed() < PATIENCE, "not acknowledged: {text}");
            let port = {
                let nodes = nodes.lock().expect("no panic");
                nodes[(publisher as usize + attempt) % nodes.len()]
            };
            // The same retry key on every node, so that it is published once.
            if let Some(position) = crate::node_process::send(port, &text).await {
                ledger.note(position, &text);
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        number += 1;
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    ledger
}

/// Runs readers and publishers while `disturb` replaces nodes, then checks every reader.
async fn under_load(
    server: &RedisServer,
    node_count: usize,
    reader_count: usize,
    disturb: impl AsyncFnOnce(&mut Vec<NodeProcess>, &Arc<Mutex<Vec<u16>>>),
) {
    let mut nodes = Vec::new();
    for _ in 0..node_count {
        nodes.push(NodeProcess::start(server).await);
    }
    let ports = nodes.iter().map(|node| node.port).collect();
    let ports: Arc<Mutex<Vec<u16>>> = Arc::new(Mutex::new(ports));
    let start = crate::node_process::send(nodes[0].port, "start").await.expect("a live node");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publishing: Vec<_> = (0..4)
        .map(|publisher| {
            tokio::spawn(publish_through(Arc::clone(&ports), publisher, stopped.clone()))
        })
        .collect();
    let mut clients: Vec<_> = (0..reader_count)
        .map(|index| Client::of_processes(Arc::clone(&ports), index, start))
        .collect();
    for client in &mut clients {
        client.until_reading().await;
    }
    disturb(&mut nodes, &ports).await;
    stop.send_replace(true);
    let mut ledger = Ledger::default();
    for publisher in publishing {
        for (position, text) in publisher.await.expect("no panic").acknowledged {
            ledger.note(position, &text);
        }
    }
    let last: Position = *ledger.acknowledged.last_key_value().expect("messages").0;
    for client in clients {
        let received = client.finish(last).await;
        ledger.check(start, &received);
        assert_eq!(crate::oracle::gaps(&received), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_killed_under_load_one_after_the_other() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    under_load(&server, 2, 100, async |nodes, ports| {
        for kill in 0..4 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let index = kill % 2;
            nodes[index].kill();
            let new = NodeProcess::start(&server).await;
            ports.lock().expect("no panic")[index] = new.port;
            nodes[index] = new;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_deploy_of_three_nodes_is_no_gap_for_any_reader() {
    if is_missing() {
        return;
    }
    // `cargo xtask nodes` has a thousand readers.
    let is_long = std::env::var_os("VOLGA_TEST_ENGINES").is_some();
    let readers = if is_long { 1_000 } else { 50 };
    let server = RedisServer::start(&[]);
    under_load(&server, 3, readers, async |nodes, ports| {
        for (index, node) in nodes.iter_mut().enumerate() {
            // The new node is ready before the old one ends.
            let new = NodeProcess::start(&server).await;
            ports.lock().expect("no panic")[index] = new.port;
            let mut old = std::mem::replace(node, new);
            old.kill();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_node_that_is_drained_go_on_at_another() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let nodes = [node(&server), node(&server)];
    for node in &nodes {
        until_ready(node).await;
    }
    let start = send(&nodes[0], "t.a", "start").await.position;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut clients: Vec<_> =
        (0..10).map(|index| Client::of_hubs(&nodes, index % 2, start)).collect();
    let left = vec![nodes[1].clone()];
    publish(&left, 0..50, Arc::clone(&ledger)).await;
    for client in &mut clients {
        client.until_reading().await;
    }
    let more = Arc::clone(&ledger);
    let publishing = tokio::spawn(async move { publish(&left, 50..200, more).await });
    nodes[0].close();
    publishing.await.expect("no panic");
    let ledger = ledger.lock().expect("no panic").clone();
    let last = *ledger.acknowledged.last_key_value().expect("messages").0;
    for client in clients {
        let received = client.finish(last).await;
        ledger.check(start, &received);
        assert_eq!(crate::oracle::gaps(&received), 0);
    }
}
