//! Readers of many topics that are behind by a burst, compared with a reader of one topic that is
//! behind by as many messages.

use std::{sync::Arc, task::Waker, time::Duration};

use volga_sse::{
    Position,
    hub::{Deliveries, Hub},
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
    println!(
        "publishing to one of 10,000 topics for a reader of `>`, after a million messages: {:.1?}",
        publish_with_long_list()
    );
    println!("a reader of many topics is behind by a burst; the time for a message");
    for (messages, topics) in BURSTS {
        for is_keyed in [false, true] {
            println!(
                "  {messages} messages in {topics} topics{}",
                if is_keyed { " with keys" } else { "" }
            );
            for (name, filters) in [
                ("`>`", vec![">".to_owned()]),
                ("100 patterns", hundred()),
                ("100 topics", named()),
            ] {
                let topics = if name == "100 topics" { topics.min(100) } else { topics };
                let [one, live, resumed] = Burst { messages, topics, is_keyed }.read_by(&filters);
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
    is_keyed: bool,
}

impl Burst {
    fn read_by(&self, filters: &[String]) -> [Duration; 3] {
        // With topics of that many messages, none of them drops any.
        let builder = Hub::builder()
            .max_topics(self.topics.max(100) + 10)
            .max_messages(self.messages + 10)
            .max_bytes(1 << 30);
        let hub = match self.is_keyed {
            true => builder.keyed(">", 10).expect("valid").build(),
            false => builder.build(),
        };
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
        for topic in names.iter().cycle().take(self.messages) {
            let result = match self.is_keyed {
                true => hub.publish_keyed(topic, "key", message()),
                false => hub.publish(topic, message()),
            };
            result.expect("published");
        }
        before
    }
}
