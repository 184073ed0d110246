//! Readers of many topics that are behind by a burst, compared with a reader of one topic that is
//! behind by as many messages.

use std::{sync::Arc, task::Waker, time::Duration};

use volga_sse::{
    Position,
    hub::{Deliveries, Hub, Policy},
};

use super::{
    Task, cpu,
    many::{drain, hundred, name},
    message,
};

/// A hub remembers the order of its last 131,072 messages.
const BURSTS: [(usize, usize); 6] = [
    (65, 65),
    (1_000, 1_000),
    (10_000, 10_000),
    (100_000, 100_000),
    (200_000, 10_000),
    (200_000, 100_000),
];

pub(crate) fn run() {
    returns();
    println!(
        "publishing to one of 10,000 topics for a reader of `>`, after a million messages: {:.1?}",
        publish_with_long_list()
    );
    println!("a reader of many topics is behind by a burst; the time for a message");
    for (messages, topics) in BURSTS {
        for keys in [0, 1] {
            println!(
                "  {messages} messages in {topics} topics{}",
                if keys > 0 { " with keys" } else { "" }
            );
            for (name, filters) in [
                ("`>`", vec![">".to_owned()]),
                ("100 patterns", hundred()),
                ("100 topics", named()),
            ] {
                let topics = if name == "100 topics" { topics.min(100) } else { topics };
                let [one, live, resumed] = Burst { messages, topics, keys }.read_by(&filters);
                let ratio = |time: Duration| time.as_secs_f64() / one.as_secs_f64();
                println!(
                    "    {name:13} one topic {one:>7.1?}   live {live:>7.1?} {:.2} x   resumed {resumed:>7.1?} {:.2} x",
                    ratio(live),
                    ratio(resumed)
                );
            }
        }
    }
}

/// A client that returns to 100 topics or patterns after a short burst.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Return {
    /// Others read its topics and patterns.
    Plain,
    /// Nobody has read its patterns meanwhile.
    Alone,
    /// Another client has opened a new pattern meanwhile.
    BesideNewPattern,
    /// It may not see what was before.
    WithOldest,
    /// Its topics are keyed.
    Latest,
}

impl Return {
    /// Returns the times for a message: of a reader of one topic that is behind by as many
    /// messages, and of the client.
    fn read(self, filters: &[String], messages: usize, topics: usize) -> [Duration; 2] {
        // With a key for each message, no message replaces another one.
        let (keys, policy) = match self {
            Self::Latest => (messages, Policy::Latest),
            _ => (0, Policy::Gap),
        };
        let burst = Burst { messages, topics, keys };
        let hub = burst.hub();
        let open = |filters: &[String]| {
            let subscribe = hub.subscribe(filters).policy(policy);
            subscribe.open().expect("open").deliveries()
        };
        let names: Vec<_> = (0..topics).map(name).collect();
        let waker = Waker::from(Arc::new(Task));
        let only = ["one".to_owned()];
        let mut one = open(&only);
        let mut others = vec![open(&["x".to_owned(), "y".to_owned()])];
        others.extend((self != Self::Alone).then(|| open(filters)));
        burst.publish(&hub, &names);
        let mut least = [Duration::MAX; 2];
        for round in 0..(20_000 / messages).max(20) {
            others.iter_mut().for_each(|other| _ = drain(other, &waker));
            burst.publish(&hub, &only);
            drain(&mut one, &waker);
            burst.publish(&hub, &only);
            let mut time = |index: usize, reader: &mut Deliveries| {
                let start = cpu();
                assert_eq!(drain(reader, &waker), messages);
                least[index] = least[index].min((cpu() - start) / messages as u32);
            };
            time(0, &mut one);
            let before = burst.publish(&hub, &names);
            let _other = (self == Self::BesideNewPattern)
                .then(|| hub.subscribe(format!("new{round}.*")).open().expect("open"));
            let subscribe = hub.subscribe(filters).policy(policy).resume(before);
            let subscribe = match self {
                Self::WithOldest => subscribe.oldest(before),
                _ => subscribe,
            };
            time(1, &mut subscribe.open().expect("open").deliveries());
        }
        least
    }
}

fn returns() {
    println!("a client returns to 100 topics or patterns after a short burst");
    let fifty = |filter: fn(usize) -> String| (0..50).map(filter).collect::<Vec<_>>();
    let patterns = fifty(|group| format!("group{group}.*"));
    let two_for_each = [&patterns[..], &fifty(|group| format!("group{group}.>"))].concat();
    let half_names = [&hundred()[50..], &fifty(name)].concat();
    for (text, filters, topics, kind) in [
        ("100 topics", named(), 100, Return::Plain),
        ("100 patterns", hundred(), 1_000, Return::Plain),
        ("100 patterns, two for each topic", two_for_each, 50, Return::Plain),
        ("50 patterns and 50 topics", half_names, 100, Return::Plain),
        ("100 patterns that nobody else reads", hundred(), 1_000, Return::Alone),
        ("100 patterns beside a new one", hundred(), 1_000, Return::BesideNewPattern),
        ("100 patterns, with an oldest position", hundred(), 1_000, Return::WithOldest),
        ("100 patterns of keyed topics, with `Policy::Latest`", hundred(), 1_000, Return::Latest),
    ] {
        println!("  {text}");
        for messages in [65, 100, 200, 1_000] {
            // The machine may change its speed during a measurement, so the median counts.
            let read = |_| kind.read(&filters, messages, topics.min(messages));
            let mut tries: Vec<_> = (0..5).map(read).collect();
            let ratio = |[one, all]: &[Duration; 2]| all.as_secs_f64() / one.as_secs_f64();
            tries.sort_by(|left, right| ratio(left).total_cmp(&ratio(right)));
            let [one, all] = tries[2];
            println!(
                "    {messages:>5} messages: one topic {one:>7.1?}   all {all:>7.1?} {:.2} x",
                ratio(&tries[2])
            );
        }
    }
}

/// Publishes so many messages that the hub's list of the last messages is as long as it gets, and
/// returns the median time to publish one more. A reader of `>` keeps up.
fn publish_with_long_list() -> Duration {
    const TOPICS: usize = 10_000;
    const LISTED: usize = 1_100_000;
    const TIMES: usize = 1_000;
    let hub = Hub::builder().max_topics(TOPICS).build();
    let names: Vec<_> = (0..TOPICS).map(name).collect();
    let mut reader = hub.subscribe(">").open().expect("open").deliveries();
    let waker = Waker::from(Arc::new(Task));
    let mut names = names.iter().cycle();
    let mut publish = || {
        let start = cpu();
        for name in names.by_ref().take(TIMES) {
            hub.publish(name, message()).expect("published");
        }
        let time = cpu() - start;
        drain(&mut reader, &waker);
        time / TIMES as u32
    };
    (0..LISTED / TIMES).for_each(|_| _ = publish());
    let mut times: Vec<_> = (0..201).map(|_| publish()).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn named() -> Vec<String> {
    (0..100).map(name).collect()
}

struct Burst {
    messages: usize,
    topics: usize,
    /// Zero if the topics are not keyed.
    keys: usize,
}

impl Burst {
    fn hub(&self) -> Hub {
        // With topics of that many messages, none of them drops any.
        let builder = Hub::builder()
            .max_topics(self.topics.max(100) + 10)
            .max_messages(self.messages + 10)
            .max_bytes(1 << 30);
        match self.keys {
            0 => builder.build(),
            keys => builder.keyed(">", keys).expect("valid").build(),
        }
    }

    fn read_by(&self, filters: &[String]) -> [Duration; 3] {
        let hub = self.hub();
        let names: Vec<_> = (0..self.topics).map(name).collect();
        let waker = Waker::from(Arc::new(Task));
        let mut one = hub.subscribe("one").open().expect("open").deliveries();
        let mut all = hub.subscribe(filters).open().expect("open").deliveries();
        self.publish(&hub, &names);
        let rounds = (300_000 / self.messages).clamp(3, 200);
        let mut least = [Duration::MAX; 3];
        for _ in 0..rounds {
            let only = ["one".to_owned()];
            self.publish(&hub, &only);
            drain(&mut one, &waker);
            drain(&mut all, &waker);
            self.publish(&hub, &only);
            let mut time = |index: usize, reader: &mut Deliveries| {
                let start = cpu();
                assert_eq!(drain(reader, &waker), self.messages);
                least[index] = least[index].min((cpu() - start) / self.messages as u32);
            };
            time(0, &mut one);
            drain(&mut all, &waker);
            let before = self.publish(&hub, &names);
            time(1, &mut all);
            let mut resumed =
                hub.subscribe(filters).resume(before).open().expect("open").deliveries();
            time(2, &mut resumed);
        }
        least
    }

    /// Returns the position before the burst.
    fn publish(&self, hub: &Hub, names: &[String]) -> Position {
        let before = hub.position();
        for (number, topic) in names.iter().cycle().take(self.messages).enumerate() {
            let result = match self.keys {
                0 => hub.publish(topic, message()),
                keys => {
                    let key = format!("key{}", number % keys);
                    hub.publish_keyed(topic, &key, message())
                }
            };
            result.expect("published");
        }
        before
    }
}
