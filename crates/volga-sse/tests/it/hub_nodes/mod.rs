//! Several nodes as one hub, with an engine in memory that has faults. Clients move between the
//! nodes, and an oracle says what each of them must have received.
//!
//! A failure prints its seed. `VOLGA_SEED=7 cargo test -p volga-sse --features hub hub_nodes`
//! repeats one run, and `VOLGA_RUNS=20000` does more runs than usual.

mod client;
mod control;
mod engine;
mod epochs;
mod lost;
mod presence;
mod presence_model;
mod relay_event;
mod seam;
mod send;
pub(crate) mod support;
mod waiting;

use std::future::IntoFuture;

use client::Client;
use engine::{Engine, Node};
use futures_util::FutureExt;
use volga_sse::{
    Message,
    hub::{Hub, HubBuilder, SendError},
};

use crate::seeded::{Random, Seed};

const RUNS: u64 = 400;
const STEPS: usize = 120;
const NODES: usize = 3;
const CLIENTS: usize = 5;
const MAX_REORDERED: usize = 16;
const MAX_MESSAGES: usize = 12;
const TOPICS: [&str; 6] = ["a", "b", "o.1", "o.2", "k.1", "k.2"];
const FILTERS: [&[&str]; 8] =
    [&["a"], &["b"], &["a", "b"], &["o.*"], &[">"], &["k.1"], &["k.*"], &["o.1", "k.2", "a"]];
const KEYS: [&str; 3] = ["p", "q", "r"];

fn builder() -> HubBuilder {
    let keyed = Hub::builder().keyed("k.*", KEYS.len()).expect("a pattern");
    keyed.max_messages(MAX_MESSAGES).max_reordered(MAX_REORDERED)
}

struct Run {
    engine: Engine,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    random: Random,
    /// The number of the last message, which is its text.
    sent: u64,
    has_lost_everything: bool,
}

// The paused clock never advances, because nothing waits for the time.
#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_received_once_or_a_gap_covers_it() {
    let seeds = match std::env::var("VOLGA_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("a number");
            seed..seed + 1
        }
        Err(_) => {
            0..std::env::var("VOLGA_RUNS").map_or(RUNS, |runs| runs.parse().expect("a number"))
        }
    };
    for seed in seeds {
        let _seed = Seed(seed);
        Run::new(seed).run();
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let engine = Engine::new();
        let nodes = (0..NODES).map(|_| Node::start(&engine, builder())).collect();
        let mut random = Random(seed);
        let clients = (0..CLIENTS)
            .map(|client| Client::new(random.pick(&FILTERS), format!("client {client}")))
            .collect();
        Self { engine, nodes, clients, random, sent: 0, has_lost_everything: false }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        // Everybody gets what is left.
        for _ in 0..2 {
            for node in &mut self.nodes {
                node.read(usize::MAX, &mut self.random);
            }
            for client in &mut self.clients {
                if !client.is_connected() {
                    client.connect(&self.nodes[0].hub, 0, &self.engine.log());
                }
                client.read(usize::MAX);
            }
        }
        for client in &self.clients {
            client.check(&self.engine.log(), self.has_lost_everything);
        }
    }

    fn step(&mut self) {
        let random = &mut self.random;
        let node = random.below(NODES);
        let client = random.below(CLIENTS);
        match random.below(100) {
            0..40 => (0..=random.below(4)).for_each(|_| self.send()),
            40..60 => {
                let max = 1 + random.below(12);
                self.nodes[node].read(max, random);
            }
            60..75 => {
                let max = 1 + random.below(8);
                self.clients[client].read(max);
            }
            75..85 => {
                self.clients[client].disconnect();
                self.clients[client].connect(&self.nodes[node].hub, node, &self.engine.log());
            }
            85..87 => self.clients[client].disconnect(),
            87 => self.close_identity(client, node),
            88..91 => {
                // The connections of a node that dies break. What was on its way is lost.
                self.clients.iter_mut().for_each(|client| client.disconnect_from(node));
                self.nodes[node] = Node::start(&self.engine, builder());
            }
            91..94 => {
                let count = random.below(20);
                self.engine.log().trim(count);
            }
            94..97 => {
                let lost = random.below(5);
                self.engine.log().fail_over(lost);
            }
            97 if random.below(4) == 0 => {
                self.engine.log().restart_empty();
                self.has_lost_everything = true;
            }
            97..99 => {
                let topic = random.pick(&TOPICS);
                let key = topic.starts_with('k').then(|| (random.pick(&KEYS).to_owned(), true));
                self.sent += 1;
                self.engine.log().append(topic, key, b"\x7fanother version".to_vec(), true);
            }
            _ => {
                let appends = random.below(2) == 0;
                self.engine.log().add_fault(appends);
            }
        }
    }

    /// Closes the identity of a client through a node, until it is acknowledged.
    fn close_identity(&mut self, client: usize, node: usize) {
        let identity = &self.clients[client].identity;
        let close = || self.nodes[node].hub.send_close_identity(identity).now_or_never();
        while close().expect("the engine answers at once").is_err() {}
    }

    /// Sends a message through a node until it is acknowledged.
    fn send(&mut self) {
        let random = &mut self.random;
        let hub = &self.nodes[random.below(NODES)].hub;
        let topic = random.pick(&TOPICS);
        self.sent += 1;
        let (key, is_set) = (random.pick(&KEYS), random.below(3) > 0);
        let text = match topic.starts_with('k') {
            true => format!("{topic} {} {key} {is_set}", self.sent),
            false => format!("{topic} {}", self.sent),
        };
        let before = self.engine.log().acknowledged.len();
        loop {
            let message = hub.send(topic, Message::new().data(&text)).retry_key(text.as_str());
            let message = match (topic.starts_with('k'), is_set) {
                (false, _) => message,
                (true, true) => message.key(key),
                (true, false) => message.remove_key(key),
            };
            match message.into_future().now_or_never().expect("the engine answers at once") {
                Ok(receipt) => {
                    assert_eq!(receipt.machines, 2);
                    break;
                }
                Err(SendError::Unknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(self.engine.log().acknowledged.len(), before + 1, "sent once");
    }
}
