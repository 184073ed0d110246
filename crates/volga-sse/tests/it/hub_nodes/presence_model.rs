//! Presence on several nodes while clients move between them and nodes die, under generated steps.
//! `VOLGA_SEED` and `VOLGA_RUNS` work as for the other model.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::{Instant, advance};
use volga_sse::hub::{
    ANNOUNCE_INTERVAL, DEFAULT_SHARED_PRESENCE_GRACE, Hub, PresenceEvent, PresenceWatch,
    Subscription, SubscriptionEnd,
};

use super::engine::{Engine, Node};
use super::{NODES, builder};
use crate::seeded::{Random, Seed};

const RUNS: u64 = 60;
const STEPS: usize = 120;
const CLIENTS: usize = 6;
const IDENTITIES: [&str; 4] = ["anna", "ben", "carl", "dora"];
/// The topic `o.1` comes and goes on each node.
const TOPICS: [&str; 3] = ["a", "b", "o.1"];
const FILTERS: [&[&str]; 8] = [
    &["a"],
    &["a", "b"],
    &["o.*"],
    &["o.1", "o.*"],
    &[">"],
    &["*", "a"],
    &["*.1", "b", ">"],
    &["o.1"],
];

struct Client {
    identity: &'static str,
    filters: &'static [&'static str],
    connection: Option<(Subscription, usize)>,
}

impl Client {
    fn reads(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| match *filter {
            ">" => true,
            "*" => topic != "o.1",
            "o.*" | "*.1" => topic == "o.1",
            name => name == topic,
        })
    }
}

/// A watch, and the identities that are present by what it has told.
struct Watch(PresenceWatch, BTreeSet<String>);

impl Watch {
    fn begin(node: &Node, topic: &str) -> Self {
        Self(node.hub.watch_presence(topic).expect("a watch"), BTreeSet::new())
    }

    /// The next event, which must change the picture.
    fn next(&mut self) -> Option<PresenceEvent> {
        let Self(watch, picture) = self;
        let event = watch.next().now_or_never()?.expect("an open hub");
        let is_new = match &event {
            PresenceEvent::Present(present) => {
                *picture = present.keys().map(|one| one.to_string()).collect();
                true
            }
            PresenceEvent::Joined(identity) => picture.insert(identity.to_string()),
            PresenceEvent::Left(identity) => picture.remove(&**identity),
            other => panic!("{other:?}"),
        };
        assert!(is_new, "{event:?} is told once");
        Some(event)
    }
}

struct Run {
    engine: Engine,
    nodes: Vec<Node>,
    watches: Vec<Vec<Watch>>,
    clients: Vec<Client>,
    random: Random,
    /// The engine loses messages.
    has_faults: bool,
    /// Streams that a sign-out has ended and that are still there.
    closed: Vec<Subscription>,
    restarts: [Instant; NODES],
    /// Since when an identity is absent from a topic.
    absent_since: BTreeMap<(&'static str, &'static str), Instant>,
}

#[tokio::test(start_paused = true)]
async fn every_node_knows_who_is_present_and_a_client_that_moves_does_not_leave() {
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
        Run::new(seed).run().await;
    }
}

fn long_ago() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
}

/// Starts a node and watches its topics.
fn start(engine: &Engine) -> (Node, Vec<Watch>) {
    let node = Node::start(engine, builder());
    node.hub.create_topic("o.1").expect("a topic");
    let watches = TOPICS.iter().map(|topic| Watch::begin(&node, topic)).collect();
    (node, watches)
}

impl Run {
    fn new(seed: u64) -> Self {
        let engine = Engine::new();
        let (nodes, watches) = (0..NODES).map(|_| start(&engine)).unzip();
        let mut random = Random(seed);
        let clients = (0..CLIENTS).map(|_| Client {
            identity: random.pick(&IDENTITIES),
            filters: random.pick(&FILTERS),
            connection: None,
        });
        let clients = clients.collect();
        let pairs = TOPICS.iter().flat_map(|topic| IDENTITIES.iter().map(|one| (*topic, *one)));
        let absent_since = pairs.map(|pair| (pair, long_ago())).collect();
        let has_faults = seed % 2 == 1;
        Self {
            engine,
            nodes,
            watches,
            clients,
            random,
            has_faults,
            closed: Vec::new(),
            restarts: [long_ago(); NODES],
            absent_since,
        }
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
            if self.random.below(15) == 0 {
                self.sign_out().await;
            }
            if self.random.below(3) > 0 {
                self.pass_time().await;
            }
        }
        // A node whose engine has lost a sign-out still has the streams.
        self.closed.clear();
        // The identities of a node that has died are gone within 10 seconds. A message that the
        // engine has lost is noticed and told again before that.
        let rest = if self.has_faults { 20 } else { 10 };
        let end = Instant::now() + Duration::from_secs(rest);
        while Instant::now() < end {
            self.pass_time().await;
        }
        let expect = TOPICS.map(|topic| self.present(topic, |_| true));
        for (node, watches) in self.nodes.iter().zip(&mut self.watches) {
            for ((topic, expect), watch) in TOPICS.iter().zip(&expect).zip(watches) {
                let found: BTreeSet<_> =
                    node.hub.presence(topic).keys().map(|one| one.to_string()).collect();
                assert_eq!(&found, expect, "topic {topic}");
                while watch.next().is_some() {}
                assert_eq!(&watch.1, expect, "a watch of {topic}");
            }
        }
    }

    fn step(&mut self) {
        let random = &mut self.random;
        let (node, client) = (random.below(NODES), random.below(CLIENTS));
        match random.below(100) {
            0..50 => {
                // The client may come to its new node before the old one knows that it has gone.
                let old = self.clients[client].connection.take();
                if random.below(2) == 0 {
                    drop(old);
                    self.connect(client, node);
                } else {
                    self.connect(client, node);
                }
            }
            50..80 => self.clients[client].connection = None,
            80..85 => {
                for client in &mut self.clients {
                    client.connection.take_if(|(_, of)| *of == node);
                }
                (self.nodes[node], self.watches[node]) = start(&self.engine);
                self.restarts[node] = Instant::now();
            }
            85..90 if self.has_faults => {
                let lost = random.below(5);
                self.engine.log().fail_over(lost);
            }
            90..93 if self.has_faults => self.engine.log().restart_empty(),
            93..96 => {
                let count = random.below(20);
                self.engine.log().trim(count);
            }
            96 => _ = self.nodes[node].hub.remove_topic("o.1"),
            97 => self.nodes[node].hub.create_topic("o.1").expect("a topic"),
            _ => {
                let index = self.random.below(TOPICS.len());
                self.watches[node][index] = Watch::begin(&self.nodes[node], TOPICS[index]);
            }
        }
    }

    /// An identity signs out, and is gone everywhere as soon as the nodes have told each other. The
    /// nodes may have its streams for longer.
    async fn sign_out(&mut self) {
        let who = self.random.pick(&IDENTITIES);
        let node = self.random.below(NODES);
        if !self.nodes[node].hub.is_ready() {
            return;
        }
        let sent = self.nodes[node].hub.send_close_identity(who).now_or_never();
        assert!(self.has_faults || sent.is_some_and(|sent| sent.is_ok()));
        for client in self.clients.iter_mut().filter(|client| client.identity == who) {
            self.closed.extend(client.connection.take().map(|(subscription, _)| subscription));
        }
        let pairs = self.absent_since.iter_mut().filter(|((_, of), _)| *of == who);
        pairs.for_each(|(_, since)| *since = long_ago());
        for _ in 0..3 {
            self.pass_time().await;
        }
        // The identities of a node that has died stay until its lease ends.
        let last_restart = self.restarts.into_iter().max().expect("a node");
        if !self.has_faults && last_restart.elapsed() > Duration::from_secs(10) {
            for (node, topic) in self.nodes.iter().flat_map(|node| TOPICS.map(|of| (node, of))) {
                assert!(!node.hub.presence(topic).contains_key(who), "{who} is gone from {topic}");
            }
        }
        if self.random.below(2) == 0 {
            self.closed.clear();
        }
    }

    fn connect(&mut self, client: usize, node: usize) {
        let Client { identity, filters, connection } = &mut self.clients[client];
        let hub: &Hub = &self.nodes[node].hub;
        let subscription = hub.subscribe(*filters).identity(*identity).open().expect("open");
        *connection = Some((subscription, node));
    }

    /// Who is present on a node for which the condition is true.
    fn present(&self, topic: &str, is_meant: impl Fn(&Node) -> bool) -> BTreeSet<String> {
        let here = self.clients.iter().filter(|one| {
            let node = one.connection.as_ref().map(|(_, node)| &self.nodes[*node]);
            node.is_some_and(&is_meant) && one.reads(topic)
        });
        here.map(|client| client.identity.to_owned()).collect()
    }

    fn note_absence(&mut self) {
        let now = Instant::now();
        for topic in TOPICS {
            let present = self.present(topic, |node| node.hub.is_ready());
            for identity in IDENTITIES.iter().filter(|one| present.contains(**one)) {
                self.absent_since.insert((topic, identity), now);
            }
        }
    }

    /// Every node announces, reads what there is, and lets its watches tell what has changed.
    async fn pass_time(&mut self) {
        advance(ANNOUNCE_INTERVAL).await;
        // A client that returns at the moment at which it is gone has left.
        let mut absent_since = self.absent_since.clone();
        // Nobody is told of an identity that comes and goes between two announcements, and a node
        // that starts announces nothing.
        self.note_absence();
        self.nodes.iter_mut().for_each(Node::announce);
        for node in &mut self.nodes {
            node.read(usize::MAX, &mut self.random);
        }
        // A client that came to a node before the node had read an earlier sign-out has to return,
        // and so has one whose node may have missed a sign-out.
        for client in &mut self.clients {
            let has_ended = |(one, _): &mut (Subscription, usize)| one.end().is_some();
            let Some((ended, _)) = client.connection.take_if(has_ended) else { continue };
            if ended.end() == Some(SubscriptionEnd::IdentityClosed) {
                self.closed.push(ended);
            }
            for since in [&mut self.absent_since, &mut absent_since] {
                let pairs = since.iter_mut().filter(|((_, of), _)| *of == client.identity);
                pairs.for_each(|(_, since)| *since = long_ago());
            }
        }
        // An announcement is read up to two intervals after the change.
        let least = DEFAULT_SHARED_PRESENCE_GRACE - 2 * ANNOUNCE_INTERVAL;
        let of_node = |(node, watches)| std::iter::zip(TOPICS, watches).map(move |of| (node, of));
        for (node, (topic, watch)) in self.watches.iter_mut().enumerate().flat_map(of_node) {
            while let Some(event) = watch.next() {
                let PresenceEvent::Left(identity) = event else { continue };
                // A node that starts reads of joins and sign-outs that were long ago.
                if self.has_faults || self.restarts[node].elapsed() <= 2 * ANNOUNCE_INTERVAL {
                    continue;
                }
                let pair =
                    absent_since.iter().find(|((of, who), _)| *of == topic && **who == *identity);
                let (_, since) = pair.expect("a known identity");
                assert!(since.elapsed() >= least, "{identity} left {topic} too early");
            }
        }
    }
}
