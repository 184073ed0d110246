//! Compares subscriptions of several topics with a plain list of what was published, while topics
//! come and go and readers stall for longer than the hub remembers. In this build, the hub
//! remembers few messages, and a backlog has few.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::codec::message::Message;
use crate::hub::handle::Hub;
use crate::hub::policy::Policy;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::pattern::TopicFilter;

const MAX_TOPICS: usize = 60;
const FILTERS: [&[&str]; 7] = [
    &[">"],
    &["a.*"],
    &["a.*", "*.3"],
    &["a.1", "a.2", "b.>"],
    &["a.1", "a.2", "a.3", "a.4", "b.1"],
    &["a.1", "b.2"],
    &[">", "a.1", "c.*"],
];

#[derive(Clone, Debug)]
enum Step {
    /// This number of messages, to topics from this one on.
    Publish(usize, usize),
    Remove(usize),
    /// The reader reads this many deliveries.
    Read(usize, usize),
    /// The reader leaves. If it was the last one of a pattern, the pattern goes.
    Leave(usize),
    /// The reader leaves if it has not left, and returns with its last event ID.
    Return(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let topic = 0..100_usize;
    prop_oneof![
        4 => (1..5_usize, topic.clone()).prop_map(|(count, topic)| Step::Publish(count, topic)),
        2 => (1..400_usize, topic.clone()).prop_map(|(count, topic)| Step::Publish(count, topic)),
        2 => topic.prop_map(Step::Remove),
        6 => (0..14_usize, prop_oneof![0..5_usize, Just(usize::MAX)])
            .prop_map(|(reader, most)| Step::Read(reader, most)),
        2 => (0..14_usize).prop_map(Step::Leave),
        3 => (0..14_usize).prop_map(Step::Return),
    ]
}

fn name(topic: usize) -> String {
    // The first topics get the most messages, so that their logs overflow.
    let topic = topic % 100;
    format!("{}.{}", ["a", "b", "c"][topic % 3], topic / 3)
}

struct Reader {
    filters: &'static [&'static str],
    policy: Policy,
    /// `None` after it has left.
    subscription: Option<Subscription>,
    /// Everything up to here was received or reported.
    passed: u64,
    reported: u64,
    has_ended: bool,
}

impl Reader {
    fn open(hub: &Hub, filters: &'static [&'static str], policy: Policy) -> Self {
        let subscription = hub.subscribe(filters).policy(policy).open().expect("open");
        let passed = hub.position().number();
        let subscription = Some(subscription);
        Self { filters, policy, subscription, passed, reported: 0, has_ended: false }
    }

    fn reads(&self, name: &str) -> bool {
        let parse = |text: &&str| TopicFilter::parse(*text, 50).expect("valid");
        self.filters.iter().map(parse).any(|filter| filter.matches(name))
    }

    fn leave(&mut self) -> Option<Subscription> {
        let subscription = self.subscription.take()?;
        // A gap beyond this position will be reported again.
        self.passed = subscription.position().number();
        self.reported = self.reported.min(self.passed);
        Some(subscription)
    }

    fn come_back(&mut self, hub: &Hub) {
        // The old subscription goes after the new one has come, so its patterns stay.
        let _old = self.leave();
        let subscribe = hub.subscribe(self.filters).policy(self.policy);
        let after = hub.state().position(self.passed);
        self.subscription = Some(subscribe.resume(after).open().expect("open"));
        self.has_ended = false;
    }

    /// Reads at most this number of deliveries. Every message in between was reported as missing.
    fn read(&mut self, most: usize, sent: &BTreeMap<u64, String>) -> Result<(), TestCaseError> {
        for _ in 0..most {
            let Some(subscription) = &mut self.subscription else { return Ok(()) };
            let mut cx = Context::from_waker(Waker::noop());
            let through = match subscription.poll_delivery(&mut cx) {
                Poll::Ready(Some(Delivery::Message(message))) => {
                    let number = message.position().expect("a position").number();
                    let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
                    if !text.starts_with("data: ") {
                        // The first ID of a new client.
                        prop_assert!(number >= self.passed);
                        number
                    } else {
                        prop_assert!(number > self.passed, "{} after {}", number, self.passed);
                        let topic = &sent[&number];
                        let start = format!("data: {number} {topic}\n");
                        prop_assert!(text.starts_with(&start), "{text}");
                        prop_assert!(self.reads(topic), "{:?} and {topic}", self.filters);
                        self.check_missing(number - 1, sent)?;
                        number
                    }
                }
                Poll::Ready(Some(Delivery::Gap(gap))) => {
                    let after = gap.after().expect("its ID is known").number();
                    let through = gap.through().number();
                    prop_assert!(after < through && after >= self.reported, "{gap:?}");
                    prop_assert!(after <= self.passed.max(self.reported), "{gap:?}");
                    self.reported = through;
                    continue;
                }
                Poll::Ready(None) => {
                    prop_assert!(self.policy != Policy::Gap);
                    self.has_ended = true;
                    return Ok(());
                }
                Poll::Pending => {
                    let last = sent.last_key_value().map_or(0, |(number, _)| *number);
                    self.check_missing(last, sent)?;
                    self.passed = self.passed.max(last);
                    return Ok(());
                }
            };
            self.passed = through;
        }
        Ok(())
    }

    fn check_missing(
        &self,
        through: u64,
        sent: &BTreeMap<u64, String>,
    ) -> Result<(), TestCaseError> {
        for (number, topic) in sent.range(self.passed + 1..(through + 1).max(self.passed + 1)) {
            prop_assert!(
                !self.reads(topic) || *number <= self.reported,
                "{:?} misses {number} of {topic}",
                self.filters
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn readers_of_several_topics_get_every_message_in_order_or_a_gap(steps in vec(step(), 1..80)) {
        let hub = Hub::builder()
            .max_topics(MAX_TOPICS)
            .max_messages(20)
            .max_remembered_topics(8)
            .build();
        let mut sent = BTreeMap::new();
        let mut readers: Vec<_> = [Policy::Gap, Policy::close()]
            .into_iter()
            .flat_map(|policy| FILTERS.map(|filters| (filters, policy)))
            .map(|(filters, policy)| Reader::open(&hub, filters, policy))
            .collect();
        let last = |hub: &Hub| hub.position().number();
        for step in steps {
            match step {
                Step::Publish(count, topic) => for index in 0..count {
                    let name = name(topic + if count > 200 { index } else { index % 5 });
                    let number = last(&hub) + 1;
                    let message = Message::new().data(format!("{number} {name}"));
                    hub.publish(&name, message).expect("published");
                    sent.insert(number, name);
                },
                Step::Remove(topic) => _ = hub.remove_topic(&name(topic)),
                Step::Read(reader, most) => {
                    let reader = &mut readers[reader];
                    if !reader.has_ended {
                        reader.read(most, &sent)?;
                    }
                }
                Step::Leave(reader) => drop(readers[reader].leave()),
                Step::Return(reader) => readers[reader].come_back(&hub),
            }
            hub.state().check_recent();
        }
        for reader in &mut readers {
            if reader.subscription.is_none() {
                reader.come_back(&hub);
            }
            if !reader.has_ended {
                reader.read(usize::MAX, &sent)?;
            }
        }
    }
}
