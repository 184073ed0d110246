//! An engine loses messages that readers may have received. The hub takes this in by many steps,
//! and anything may happen between two of them: clients come and go, read, and remove topics. Each
//! client must be told if it has received a lost message, and must miss nothing else silently.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::codec::position::Position;
use crate::hub::handle::Hub;
use crate::hub::held_work_tests::{NoEngine, incoming};
use crate::hub::relay::feed::Feed;
use crate::hub::relay::state::RelayState;
use crate::hub::state::walk::TOPICS_PER_PAGE;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::work_counts::with_steps;

/// So many topics that a walk over all of them takes several steps.
const TOPICS: usize = 4 * TOPICS_PER_PAGE;
/// A pattern that matches one topic does not keep it from being removed, and tells its reader of
/// nothing else.
const FILTERS: [&[&str]; 8] = [
    &["b.1"],
    &["b.1", "c.2", "b.100"],
    &["a.*"],
    &[">"],
    &["*.2", "k"],
    &["*.0"],
    &["*.1"],
    &["*.2"],
];

#[derive(Clone, Debug)]
enum Step {
    /// A client comes. It is new, or has everything up to this part of the messages, in percent.
    Open(usize, Option<u64>),
    /// A client reads so many deliveries.
    Read(usize, usize),
    /// A client goes.
    Leave(usize),
    Remove(usize),
    /// A client subscribes to the name of a topic, which creates it if it was removed.
    Name(usize),
    /// The readers of a topic read everything. Then it is removed and comes again.
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let from = prop_oneof![Just(None), (0..=100_u64).prop_map(Some)];
    let topic = prop_oneof![0..4_usize, 0..TOPICS];
    prop_oneof![
        3 => (0..FILTERS.len(), from).prop_map(|(filters, from)| Step::Open(filters, from)),
        4 => (0..12_usize, prop_oneof![1..4_usize, Just(usize::MAX)])
            .prop_map(|(reader, most)| Step::Read(reader, most)),
        1 => (0..12_usize).prop_map(Step::Leave),
        3 => topic.clone().prop_map(Step::Remove),
        2 => topic.clone().prop_map(Step::Name),
        2 => topic.prop_map(Step::Replace),
    ]
}

fn name(topic: usize) -> String {
    match topic % 4 {
        3 => "k".to_owned(),
        _ => format!("{}.{topic}", ["a", "b", "c"][topic % 3]),
    }
}

/// The messages that were sent.
struct Sent {
    /// By position.
    topics: BTreeMap<Position, String>,
    /// The engine has lost the messages of the first epoch after this one.
    kept: Option<Position>,
}

impl Sent {
    fn is_lost(&self, at: &Position) -> bool {
        at.epoch() == 1 && self.kept.is_some_and(|kept| *at > kept)
    }
}

struct Reader {
    filters: Vec<String>,
    subscription: Subscription,
    /// Everything up to here was received or reported.
    passed: Position,
    /// The positions of the messages that it received, and that no gap has taken back.
    received: Vec<Position>,
}

impl Reader {
    fn open(hub: &Hub, filters: &[&str], from: Option<Position>) -> Self {
        let subscribe = hub.subscribe(filters).without_first_id();
        let subscribe = match from {
            Some(from) => subscribe.resume(from),
            None => subscribe,
        };
        let subscription = subscribe.open().expect("room");
        // A client that returns has received what comes before its position. Of a new client, keyed
        // topics begin with older messages.
        let passed = from.unwrap_or_else(|| subscription.position().max(hub.position()));
        let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
        Self { filters, subscription, passed, received: from.into_iter().collect() }
    }

    fn reads(&self, name: &str) -> bool {
        let parse = |text: &String| TopicFilter::parse(text.as_str(), 50).expect("valid");
        self.filters.iter().map(parse).any(|filter| filter.matches(name))
    }

    fn read(&mut self, most: usize, sent: &Sent) {
        for _ in 0..most {
            match self.subscription.next().now_or_never() {
                Some(Some(Delivery::Message(message))) => {
                    let at = message.position().expect("a position");
                    let topic = &sent.topics[&at];
                    assert!(self.reads(topic), "{:?}: {at} of {topic}", self.filters);
                    self.check_missing(at, sent);
                    self.received.push(at);
                    self.passed = self.passed.max(at);
                }
                Some(Some(Delivery::Gap(gap))) => {
                    let after = gap.after().unwrap_or(Position::new(0, 0));
                    self.received.retain(|at| *at <= after);
                    self.passed = self.passed.max(gap.through());
                }
                Some(None) => panic!("{:?}", self.subscription.end()),
                None => return,
            }
        }
    }

    /// It has received what it reads of everything before this position, apart from what the engine
    /// has lost.
    fn check_missing(&self, before: Position, sent: &Sent) {
        if self.passed >= before {
            return;
        }
        let between = sent.topics.range(self.passed..before);
        for (at, topic) in between.filter(|(at, _)| **at > self.passed && !sent.is_lost(at)) {
            assert!(!self.reads(topic), "{:?} misses {at} of {topic}", self.filters);
        }
    }
}

struct World {
    hub: Hub,
    sent: Sent,
    readers: Vec<Reader>,
    named: Vec<Subscription>,
    /// The number of the last message of the first epoch.
    last: u64,
}

impl World {
    fn act(&mut self, step: &Step) {
        match *step {
            Step::Open(filters, from) => {
                let from = from.map(|percent| Position::new(1, self.last * percent / 100));
                self.readers.push(Reader::open(&self.hub, FILTERS[filters], from));
            }
            Step::Read(reader, most) => {
                let count = self.readers.len().max(1);
                if let Some(reader) = self.readers.get_mut(reader % count) {
                    reader.read(most, &self.sent);
                }
            }
            Step::Leave(reader) if reader < self.readers.len() => {
                drop(self.readers.swap_remove(reader));
            }
            Step::Leave(_) => self.named.clear(),
            Step::Remove(topic) => _ = self.hub.remove_topic(&name(topic)),
            Step::Name(topic) => {
                let subscribe = self.hub.subscribe(name(topic)).resume(self.hub.position());
                self.named.push(subscribe.open().expect("room"));
            }
            Step::Replace(topic) => {
                let Self { readers, sent, .. } = self;
                let readers = readers.iter_mut().filter(|reader| reader.reads(&name(topic)));
                readers.for_each(|reader| reader.read(usize::MAX, sent));
                self.act(&Step::Remove(topic));
                self.act(&Step::Name(topic));
            }
        }
    }
}

/// Sends messages of an epoch, to topics from this one on.
fn send(feed: &mut Feed, sent: &mut Sent, epoch: u64, topics: impl Iterator<Item = usize>) {
    let messages: Vec<_> = (1..)
        .zip(topics)
        .map(|(number, topic)| (Position::new(epoch, number), name(topic), topic.to_string()))
        .collect();
    feed.take(messages.iter().map(|(at, topic, key)| {
        let key = if topic == "k" { KeyChange::Set(key) } else { KeyChange::None };
        incoming(*at, topic, key, b"\x01data: x\n")
    }));
    sent.topics.extend(messages.into_iter().map(|(at, topic, _)| (at, topic)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn readers_learn_of_a_loss_whatever_happens_while_it_is_taken_in(
        before in vec(step(), 0..12),
        during in vec(vec(step(), 0..3), 0..16),
        after in vec(step(), 0..6),
        first in 0..TOPICS,
        kept in 0..=100_u64,
        remembered in prop_oneof![Just(2_usize), Just(1_000)],
    ) {
        let builder = Hub::builder().max_remembered_topics(remembered);
        let (hub, mut feed) = builder.keyed("k", 1_000).unwrap().build_shared(NoEngine);
        feed.begin(1, None);
        feed.set_state(RelayState::Live);
        let mut sent = Sent { topics: BTreeMap::new(), kept: None };
        let topics = (0..2 * TOPICS).map(|topic| (first + topic) % TOPICS);
        send(&mut feed, &mut sent, 1, topics);
        let last = sent.topics.len() as u64;
        let kept = Position::new(1, last * kept / 100);
        let (readers, named) = (Vec::new(), Vec::new());
        let mut world = World { hub, sent, readers, named, last };
        before.iter().for_each(|step| world.act(step));
        world.sent.kept = Some(kept);

        let world = Rc::new(RefCell::new(world));
        let acting = Rc::clone(&world);
        let mut during = during.into_iter();
        let action = move || {
            during.next().iter().flatten().for_each(|step| acting.borrow_mut().act(step));
        };
        with_steps(action, || {
            feed.begin(2, Some(kept));
            feed.set_state(RelayState::Lost);
        });
        let mut world = world.borrow_mut();
        after.iter().for_each(|step| world.act(step));
        let World { readers, sent, hub, .. } = &mut *world;
        send(&mut feed, sent, 2, 0..TOPICS);
        for reader in readers {
            reader.read(usize::MAX, sent);
            reader.check_missing(Position::new(3, 0), sent);
            let still = reader.received.iter().find(|at| {
                // A client that resumes from a message of a topic that it does not read has not
                // received that message.
                let topic = sent.topics.get(at);
                sent.is_lost(at) && topic.is_some_and(|topic| reader.reads(topic))
            });
            prop_assert!(still.is_none(), "{:?} was not told of {still:?}", reader.filters);
        }
        hub.state().check_recent();
    }
}
