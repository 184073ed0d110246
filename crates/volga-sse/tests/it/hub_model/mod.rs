//! Random steps against a hub, and an oracle that says what every client must have received.
//!
//! A failure prints its seed. `VOLGA_SEED=7 cargo test -p volga-sse --features hub hub_model`
//! repeats one run.

mod connection;
mod oracle;
mod topics;

use std::{num::NonZeroU32, time::Duration};

use connection::{Connection, Received};
use oracle::{
    Change, Knowledge, MAX_AGE, MAX_BYTES, MAX_KEYS, MAX_MESSAGES, MAX_TOPICS, Oracle, Sent,
    is_keyed,
};
use tokio::time::advance;
use topics::Refusal;
use volga_sse::{
    Message, Position,
    hub::{
        CreateTopicError, Hub, Policy, PublishError, SubscribeError, SubscriptionEnd, TopicCreation,
    },
};

use crate::seeded::{Random, Seed};

const RUNS: u64 = 200;
const STEPS: usize = 400;
const CLIENTS: usize = 6;
const TOPICS: [&str; 9] = ["a", "b", "o.1", "o.2", "o.3.x", "o.3.y", "k.1", "k.2", "k.3"];
const FILTERS: [&str; 12] =
    ["a", "b", "o.1", "o.2", "o.*", "o.>", "o.*.x", ">", "k.1", "k.2", "k.*", "*.1"];
const KEYS: [&str; 4] = ["p", "q", "r", "s"];

struct Client {
    knowledge: Knowledge,
    connection: Option<Connected>,
    /// The last event ID, as a browser remembers it.
    last_event_id: Option<Position>,
}

struct Connected {
    connection: Connection,
    identity: usize,
    /// Everything that it receives comes after this number.
    passed: u64,
}

struct Run {
    hub: Hub,
    oracle: Oracle,
    random: Random,
    clients: Vec<Client>,
    is_closed: bool,
}

#[tokio::test(start_paused = true)]
async fn what_is_received_is_what_was_sent_or_a_gap_covers_what_is_missing() {
    let seeds = match std::env::var("VOLGA_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("a number");
            seed..seed + 1
        }
        Err(_) => 0..RUNS,
    };
    for seed in seeds {
        let _seed = Seed(seed);
        Run::new(seed).run().await;
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let creation = [
            TopicCreation::OnUse,
            TopicCreation::OnUse,
            TopicCreation::OnPublish,
            TopicCreation::Explicit,
        ][(seed % 4) as usize];
        let hub = Hub::builder()
            .topic_creation(creation)
            .max_messages(MAX_MESSAGES)
            .max_bytes(MAX_BYTES)
            .max_age(Duration::from_millis(MAX_AGE))
            .max_topics(MAX_TOPICS)
            .keyed("k.*", MAX_KEYS)
            .expect("a pattern")
            .build();
        let clients = Vec::new();
        let oracle = Oracle::new(creation);
        Self { hub, oracle, random: Random(seed), clients, is_closed: false }
    }

    async fn run(mut self) {
        for _ in 0..CLIENTS {
            let knowledge = self.stranger();
            self.clients.push(Client { knowledge, connection: None, last_event_id: None });
        }
        for _ in 0..STEPS {
            self.step().await;
            self.check_topics();
        }
        for client in 0..CLIENTS {
            self.connect(client);
        }
        self.hub.close();
        self.is_closed = true;
        for client in 0..CLIENTS {
            self.read(client, usize::MAX);
            let connection = self.clients[client].connection.as_ref();
            assert!(connection.is_none(), "it ended with the hub");
            self.left(client);
        }
        // A client that comes to a closed hub gets what it would get from an open one.
        for client in 0..CLIENTS {
            self.connect(client);
            self.read(client, usize::MAX);
            if self.clients[client].connection.is_some() {
                panic!("the hub is closed");
            }
            self.left(client);
        }
    }

    async fn step(&mut self) {
        let client = self.random.below(CLIENTS);
        match self.random.below(22) {
            0..8 => self.publish(),
            8 => (0..self.random.below(3 * MAX_MESSAGES)).for_each(|_| self.publish()),
            9..11 => self.connect(client),
            11 => self.leave(client),
            12..14 => {
                let most = self.random.below(6);
                self.read(client, most);
            }
            14..17 => self.read(client, usize::MAX),
            17 => self.replace(client),
            18 => self.close_identity(),
            19 => self.create_topic(),
            20 if self.random.below(3) == 0 => self.remove_topic(),
            _ => {
                let time = self.random.pick(&[1, 10, 1_000, 4_000, 20_000]);
                self.oracle.now += time;
                advance(Duration::from_millis(time)).await;
            }
        }
    }

    fn publish(&mut self) {
        let topic = self.random.pick(&TOPICS);
        let key = self.random.pick(&KEYS);
        let change = match self.random.below(8) {
            0..5 if is_keyed(topic) => Change::Set(key),
            5 if is_keyed(topic) => Change::Remove(key),
            _ => Change::Plain,
        };
        let number = self.oracle.last() + 1;
        let filler = self.random.pick(&[0, 10, 100]);
        let message = Message::new().data(format!("{number} {topic} {}", "x".repeat(filler)));
        let position = match change {
            Change::Plain => self.hub.publish(topic, message.clone()),
            Change::Set(key) => self.hub.publish_keyed(topic, key, message.clone()),
            Change::Remove(key) => self.hub.remove_key(topic, key, message.clone()),
        };
        let (last, now) = (self.oracle.last(), self.oracle.now);
        let expect = self.oracle.topics.publish(topic, change, last, now);
        let refusal = match position {
            Ok(position) => {
                assert_eq!(position.number(), number);
                let bytes = message.encode_at(position).expect("valid").len();
                self.oracle.sent.push(Sent { topic, change, bytes, at: self.oracle.now });
                Ok(())
            }
            Err(PublishError::TooManyTopics { max: MAX_TOPICS }) => Err(Refusal::Full),
            Err(PublishError::UnknownTopic { .. }) => Err(Refusal::Unknown),
            Err(PublishError::TooManyKeys { max: MAX_KEYS }) => Err(Refusal::Keys),
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(refusal, expect, "{topic} {change:?}");
        self.check_topics();
    }

    fn check_topics(&mut self) {
        let (last, now) = (self.oracle.last(), self.oracle.now);
        self.oracle.topics.check(&self.hub.topics(), last, now);
        assert_eq!(self.hub.stats().evicted, self.oracle.topics.evicted);
    }

    fn create_topic(&mut self) {
        let topic = self.random.pick(&TOPICS);
        let (last, now) = (self.oracle.last(), self.oracle.now);
        let expect = self.oracle.topics.create_topic(topic, last, now);
        let created = self.hub.create_topic(topic).map_err(|error| match error {
            CreateTopicError::TooManyTopics { max: MAX_TOPICS } => Refusal::Full,
            error => panic!("{error:?}"),
        });
        assert_eq!(created, expect);
    }

    fn remove_topic(&mut self) {
        let topic = self.random.pick(&TOPICS);
        if self.oracle.topics.has_values(topic) {
            // Everybody is told, by a gap that takes a number.
            let at = self.oracle.now;
            self.oracle.sent.push(Sent { topic, change: Change::Plain, bytes: 0, at });
        }
        let (last, now) = (self.oracle.last(), self.oracle.now);
        let expect = self.oracle.topics.remove_topic(topic, last, now);
        assert_eq!(self.hub.remove_topic(topic), expect);
        assert_eq!(self.hub.position().number(), last);
    }

    fn leave(&mut self, client: usize) {
        if self.clients[client].connection.take().is_some() {
            self.left(client);
        }
    }

    fn left(&mut self, client: usize) {
        let (last, now) = (self.oracle.last(), self.oracle.now);
        self.oracle.topics.leave(client, last, now);
        self.check_topics();
    }

    /// A new client.
    fn stranger(&mut self) -> Knowledge {
        let filters: Vec<_> =
            (0..=self.random.below(3)).map(|_| self.random.pick(&FILTERS)).collect();
        let half = Policy::close();
        let few = Policy::Close { max_lag: NonZeroU32::new(3) };
        let policy = match self.random.below(6) {
            0 => half,
            1 => few,
            // A pattern may also match topics that are not keyed.
            2 | 3 if filters.iter().all(|filter| filter.contains(['k', '*', '>'])) => {
                Policy::Latest
            }
            _ => Policy::Gap,
        };
        let history = self.random.pick(&[0, 0, 1, 5, 30]);
        let oldest = (self.random.below(3) == 0)
            .then(|| 1 + self.random.below(self.oracle.last() as usize + 1) as u64);
        Knowledge::new(&self.oracle, filters, policy, history, oldest, &TOPICS)
    }

    fn replace(&mut self, client: usize) {
        self.leave(client);
        let knowledge = self.stranger();
        self.clients[client] = Client { knowledge, connection: None, last_event_id: None };
    }

    /// Connects a client that is not connected: with its last event ID, as a new client without
    /// one, and sometimes with a wrong ID.
    fn connect(&mut self, client: usize) {
        let is_wrong = self.random.below(10) == 0;
        let epoch = self.hub.position().epoch();
        let wrong = Position::new(epoch, self.oracle.last() + 7).to_string();
        let wrong = self.random.pick(&["nonsense", "0-1", wrong.as_str()]).to_owned();
        let identity = self.random.below(3);
        let Client { knowledge, connection, last_event_id } = &mut self.clients[client];
        if connection.is_some() {
            return;
        }
        let subscribe = self
            .hub
            .subscribe(knowledge.filters.clone())
            .policy(knowledge.policy)
            .identity(format!("user-{identity}"));
        let subscribe = match knowledge.oldest {
            Some(oldest) => subscribe.oldest(Position::new(epoch, oldest)),
            None => subscribe,
        };
        let (opened, passed) = if is_wrong {
            (subscribe.resume(wrong).history(knowledge.history).open(), 0)
        } else if let Some(id) = *last_event_id {
            (subscribe.resume(id).open(), id.number())
        } else {
            (subscribe.history(knowledge.history).open(), 0)
        };
        let (last, now) = (self.oracle.last(), self.oracle.now);
        let expect = self.oracle.topics.subscribe(client, &knowledge.filters, last, now);
        let refusal = match &opened {
            Ok(_) => Ok(()),
            Err(SubscribeError::TooManyTopics { max: MAX_TOPICS }) => Err(Refusal::Full),
            Err(SubscribeError::UnknownTopic { .. }) => Err(Refusal::Unknown),
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(refusal, expect, "{:?}", knowledge.filters);
        let Ok(subscription) = opened else { return };
        if is_wrong {
            // It gets what a new client gets, after a gap.
            *last_event_id = None;
        }
        if last_event_id.is_none() {
            knowledge.begin(&self.oracle, &TOPICS);
            knowledge.is_gap_owed = is_wrong;
        }
        if let Some(id) = *last_event_id {
            // It lost its connection in the middle of its history. From now on, everything after
            // its last event ID is owed to it.
            knowledge.start = knowledge.start.min(id.number());
        }
        let open = self.random.pick(&[Connection::deliveries, Connection::body]);
        *connection = Some(Connected { connection: open(subscription), identity, passed });
        self.check_topics();
    }

    /// Lets a client read at most this many deliveries.
    fn read(&mut self, client: usize, most: usize) {
        let is_closed = self.is_closed;
        let Client { knowledge, connection, last_event_id } = &mut self.clients[client];
        let Some(Connected { connection: open, passed, .. }) = connection else {
            return;
        };
        for _ in 0..most {
            let next = open.next();
            let is_unknown_gap = matches!(next, Some(Received::Gap { after: None, .. }));
            assert_eq!(is_unknown_gap, std::mem::take(&mut knowledge.is_gap_owed));
            match next {
                Some(Received::Message { position, bytes }) => {
                    let number = position.number();
                    if bytes == format!("id: {position}\n\n").as_bytes() {
                        // The client was new, and now it has an ID with which it can resume.
                        assert!(last_event_id.is_none() && number >= *passed);
                        knowledge.check(&self.oracle);
                        *passed = number;
                        *last_event_id = Some(position);
                        continue;
                    }
                    assert!(number > *passed, "{number} after {passed}");
                    let sent = self.oracle.get(number);
                    let start = format!("data: {number} {} ", sent.topic);
                    assert!(bytes.starts_with(start.as_bytes()));
                    assert_eq!(bytes.len(), sent.bytes);
                    knowledge.receive(&self.oracle, number);
                    *passed = number;
                    *last_event_id = Some(position);
                }
                Some(Received::Value { bytes }) => {
                    let text = std::str::from_utf8(&bytes).expect("UTF-8");
                    let number = text["data: ".len()..].split(' ').next().expect("a number");
                    let number = number.parse().expect("a number");
                    assert!(number <= *passed, "{number} has no ID");
                    assert!(text.starts_with(&format!("data: {number} ")));
                    knowledge.repeat(&self.oracle, number);
                }
                Some(Received::Gap { after, through, is_id, has_snapshot }) => {
                    if has_snapshot {
                        knowledge.page.clear();
                        knowledge.snapshot_through = through.number();
                    }
                    knowledge.miss(&self.oracle, after.map(Position::number), through.number());
                    if is_id {
                        *passed = through.number();
                        *last_event_id = Some(through);
                    }
                }
                Some(Received::End(reason)) => {
                    match reason {
                        Some(SubscriptionEnd::HubClosed) => assert!(is_closed),
                        Some(SubscriptionEnd::TooSlow) => assert!(!is_closed),
                        Some(other) => panic!("{other:?}"),
                        None => {}
                    }
                    if is_closed {
                        knowledge.check(&self.oracle);
                    } else {
                        assert!(matches!(knowledge.policy, Policy::Close { .. }));
                    }
                    *connection = None;
                    if !is_closed {
                        self.left(client);
                    }
                    return;
                }
                None => {
                    knowledge.check(&self.oracle);
                    return;
                }
            }
        }
    }

    fn close_identity(&mut self) {
        let identity = self.random.below(3);
        let closed = self.hub.close_identity(&format!("user-{identity}"));
        let mut count = 0;
        for index in 0..CLIENTS {
            let client = &mut self.clients[index];
            if let Some(mut connected) =
                client.connection.take_if(|connected| connected.identity == identity)
            {
                count += 1;
                connected.connection.drop_frame();
                let end = connected.connection.next();
                let reason = Some(SubscriptionEnd::IdentityClosed);
                assert!(
                    matches!(end, Some(Received::End(end)) if end.is_none_or(|_| end == reason))
                );
                drop(connected);
                self.left(index);
            }
        }
        assert_eq!(closed, count);
    }
}
