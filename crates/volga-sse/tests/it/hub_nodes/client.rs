//! A client that moves between nodes, and what it must have received in the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::FutureExt;
use volga_sse::{
    Position,
    hub::{Delivery, Hub, Subscription, SubscriptionEnd},
};

use super::engine::{Entry, Log};

/// The messages and gaps that a client has received, in order.
#[derive(Debug)]
enum Received {
    /// A message with an ID.
    Message(Position),
    Gap {
        after: Option<Position>,
        through: Position,
    },
}

pub(super) struct Client {
    filters: &'static [&'static str],
    pub(super) identity: String,
    /// The subscription, and the index of its node.
    connection: Option<(Subscription, usize)>,
    hub: Option<Hub>,
    /// As a browser remembers it.
    last_event_id: Option<String>,
    /// Where it has started. It has to get everything after that.
    first: Option<Position>,
    received: Vec<Received>,
    /// For each connection, how often the identity was closed before it, and the last message that
    /// came.
    connections: Vec<(usize, Option<Position>)>,
    /// The content of a page: the newest message of each key of each topic.
    picture: BTreeMap<(String, String), String>,
}

impl Client {
    pub(super) fn new(filters: &'static [&'static str], identity: String) -> Self {
        Self {
            filters,
            identity,
            connections: Vec::new(),
            connection: None,
            hub: None,
            last_event_id: None,
            first: None,
            received: Vec::new(),
            picture: BTreeMap::new(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn connect(&mut self, hub: &Hub, node: usize, log: &Log) {
        let subscribe = hub.subscribe(self.filters).resume(self.last_event_id.as_deref());
        let subscribe = subscribe.identity(&*self.identity);
        self.connections.push((log.closes(&self.identity).len(), None));
        self.connection = Some((subscribe.open().expect("open"), node));
        self.hub = Some(hub.clone());
        if self.last_event_id.is_none() {
            // A browser without an ID is a new client.
            self.first = None;
            self.received.clear();
            self.picture.clear();
        }
    }

    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    pub(super) fn disconnect_from(&mut self, node: usize) {
        self.connection.take_if(|(_, of)| *of == node);
    }

    pub(super) fn read(&mut self, max: usize) {
        for _ in 0..max {
            let Some((subscription, _)) = &mut self.connection else { return };
            let start = self.hub.as_ref().map(Hub::position);
            let Some(delivery) = subscription.next().now_or_never() else { return };
            let Some(delivery) = delivery else {
                // The hub is open and time stands still.
                let end = subscription.end();
                let ends = [SubscriptionEnd::IdentityClosed, SubscriptionEnd::MissedClose];
                assert!(end.is_some_and(|end| ends.contains(&end)), "{end:?}");
                return self.disconnect();
            };
            // A new client has started at this position or before.
            self.first = self.first.or(start);
            self.receive(delivery);
        }
    }

    fn receive(&mut self, delivery: Delivery) {
        let wire = delivery.clone().encode().expect("valid");
        let wire = std::str::from_utf8(wire.as_bytes()).expect("text").to_owned();
        let field = |name| wire.lines().find_map(|line| line.strip_prefix(name));
        let id = field("id: ").map(str::to_owned);
        if let Some(id) = &id {
            self.last_event_id = Some(id.clone());
        }
        match delivery {
            Delivery::Gap(gap) => {
                if gap.has_snapshot() {
                    self.picture.clear();
                }
                let (after, through) = (gap.after(), gap.through());
                self.received.push(Received::Gap { after, through });
            }
            Delivery::Message(message) => {
                let Some(data) = field("data: ") else { return };
                let mut words = data.split(' ');
                let mut word = || words.next().map(str::to_owned);
                let (topic, number) = (word().expect("a topic"), word().expect("a number"));
                if let (Some(key), Some(is_set)) = (word(), word()) {
                    match is_set == "true" {
                        true => _ = self.picture.insert((topic, key), number),
                        false => _ = self.picture.remove(&(topic, key)),
                    }
                }
                if id.is_some() {
                    let position = message.position().expect("of a hub");
                    if let Some((_, last)) = self.connections.last_mut() {
                        *last = Some(position);
                    }
                    self.received.push(Received::Message(position));
                }
            }
        }
    }

    fn reads(&self, entry: &Entry) -> bool {
        // Messages between hubs are not for clients.
        let is_topic = entry.topic.is_ascii();
        is_topic
            && self.filters.iter().any(|filter| match filter.strip_suffix('*') {
                Some(prefix) => entry.topic.starts_with(prefix),
                None => *filter == ">" || *filter == entry.topic,
            })
    }

    /// Compares with what the engine acknowledged. Everything is at rest.
    pub(super) fn check(&self, log: &Log, has_lost_everything: bool) {
        let Some(first) = self.first else {
            assert!(self.last_event_id.is_none());
            return;
        };
        // How often each message came, and where it came first.
        let mut messages: HashMap<Position, (usize, usize)> = HashMap::new();
        let mut gaps = Vec::new();
        for (index, received) in self.received.iter().enumerate() {
            match received {
                Received::Message(at) => messages.entry(*at).or_insert((0, index)).0 += 1,
                Received::Gap { after, through } => gaps.push((index, (*after, *through))),
            }
        }
        let lasting: HashSet<_> = log.entries.iter().map(|entry| entry.position).collect();
        for entry in
            log.acknowledged.iter().filter(|entry| entry.position > first && self.reads(entry))
        {
            let at = entry.position;
            let covers = |(after, through): &(Option<Position>, Position)| {
                after.is_none_or(|after| after < at) && at <= *through
            };
            let (times, seen) = messages.get(&at).copied().unwrap_or_default();
            let is_reported = gaps.iter().any(|(_, gap)| covers(gap));
            let lasts = lasting.contains(&at) || log.emptied.contains(&at);
            // A newer value replaces an older one in a snapshot, and a client that is new gets
            // values again.
            let is_keyed = entry.key.is_some();
            assert!(times <= 1 || is_keyed, "{at} came {times} times: {entry:?} {self:?}");
            if entry.is_foreign {
                assert_eq!(times, 0);
            }
            if lasts {
                assert!(times > 0 || is_reported, "{at} is missing: {entry:?} {self:?}");
            } else if times > 0 && at.epoch() >= log.first_epoch() {
                let is_taken_back = gaps.iter().any(|(index, gap)| *index > seen && covers(gap));
                assert!(is_taken_back, "{at} did not last: {entry:?} {self:?}");
            }
        }
        for (index, close) in log.closes(&self.identity).into_iter().enumerate() {
            let came_after = |(closes, last): &&(usize, Option<Position>)| {
                *closes <= index && last.is_some_and(|last| last > close)
            };
            let wrong = self.connections.iter().find(came_after);
            assert!(!lasting.contains(&close) || wrong.is_none(), "{close} {wrong:?} {self:?}");
        }
        let has_null = gaps.iter().any(|(_, (after, _))| after.is_none());
        assert!(has_lost_everything || !has_null, "{self:?}");
        let mut expect = BTreeMap::new();
        for (topic, table) in log.tables() {
            for (key, entry) in table {
                if self.reads(&entry) && !entry.is_foreign {
                    let text = String::from_utf8_lossy(&entry.payload[1..]).into_owned();
                    let number = text.split(' ').nth(2).expect("a number").to_owned();
                    expect.insert((topic.clone(), key), number);
                }
            }
        }
        assert_eq!(self.picture, expect, "{self:?}");
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("filters", &self.filters)
            .field("first", &self.first)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
