//! A name that many different patterns match. In this build, few patterns are listed, and a search
//! of the tree has short pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::advance;

use crate::codec::message::Message;
use crate::hub::handle::Hub;
use crate::hub::policy::Policy;
use crate::hub::presence::event::PresenceEvent;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::pattern::is_match;
use crate::hub::work_counts::{held_work, work};

/// A name of so many segments, and every pattern that matches it.
fn name_and_patterns(segments: usize) -> (String, Vec<String>) {
    let own: Vec<String> = (0..segments).map(|n| format!("s{n}")).collect();
    let mut patterns = Vec::new();
    for len in 0..=segments {
        for stars in 0..1_u32 << len {
            let segment = |n: usize| if stars >> n & 1 == 1 { "*" } else { &*own[n] };
            let mut pattern: Vec<&str> = (0..len).map(segment).collect();
            if len < segments {
                pattern.push(">");
            } else if stars == 0 {
                continue;
            }
            patterns.push(pattern.join("."));
        }
    }
    (own.join("."), patterns)
}

fn publish(hub: &Hub, name: &str) {
    hub.publish(name, Message::new().data("x")).expect("published");
}

fn read_all(reader: &mut Subscription) -> usize {
    std::iter::from_fn(|| reader.next().now_or_never().flatten()).count()
}

#[test]
fn a_publish_beside_stalled_readers_of_any_number_of_patterns_looks_at_few_places() {
    for segments in [1, 2, 3, 5, 8, 11] {
        let (name, patterns) = name_and_patterns(segments);
        assert!(patterns.iter().all(|pattern| is_match(pattern, &name)));
        let hub = Hub::new();
        let open = |pattern: &String| {
            let mut reader = hub.subscribe(pattern).without_first_id().open().expect("room");
            assert_eq!(read_all(&mut reader), 0);
            reader
        };
        let mut readers: Vec<_> = patterns.iter().map(open).collect();
        // All of them are woken once, and then stall.
        (0..2).for_each(|_| publish(&hub, &name));
        for topic in [&*name, "s0", "s0.s1", "new.topic"] {
            publish(&hub, topic);
            let ((), places) = work(|| publish(&hub, topic));
            assert!(places <= 10, "{segments} segments, {topic}: {places} pieces of work");
        }
        // One of them reads on. Only the way to it is looked at.
        let all = readers.len();
        for index in [0, all / 2, all - 1] {
            read_all(&mut readers[index]);
            let ((), places) = work(|| publish(&hub, &name));
            assert!(places <= 10 + 2 * segments, "{segments} segments: {places} pieces of work");
            assert_eq!(read_all(&mut readers[index]), 1, "{}", patterns[index]);
        }
        // A pattern that comes or goes, a new topic and a removed one cost a publisher few places.
        let other = hub.subscribe("s0.other.>").open().expect("room");
        for topic in [&*name, "s0.s1.new", "s0.other.new"] {
            let ((), places) = held_work(|| publish(&hub, topic));
            assert!(places <= 30, "{segments} segments, {topic}: {places} under the lock");
        }
        let ((), places) = held_work(|| drop(other));
        assert!(places <= 30, "{segments} segments, a pattern that goes: {places} under the lock");
        let ((), places) = held_work(|| drop(readers.pop()));
        assert!(places <= 30, "{segments} segments, a reader that goes: {places} under the lock");
        let (is_removed, places) = held_work(|| hub.remove_topic(&name));
        assert!(is_removed && places <= 30, "{segments} segments: {places} under the lock");
    }
}

#[test]
fn a_publish_beside_sleeping_readers_of_other_names_looks_at_their_shapes_and_not_at_the_readers() {
    const SHAPES: [&str; 7] =
        ["*.OWN", "a.*.OWN.>", "a.b.*.*.OWN", "*.b.c.*.OWN.*", "a.OWN.*", "OWN.>", "*.*.*.d.OWN"];
    let name = "a.b.c.d.e.f";
    for shapes in 0..=SHAPES.len() {
        let hub = Hub::new();
        let open = |n: usize| {
            let pattern = SHAPES[n % shapes].replace("OWN", &format!("own{n}"));
            let mut reader = hub.subscribe(pattern).without_first_id().open().expect("room");
            assert_eq!(read_all(&mut reader), 0);
            reader
        };
        let mut readers: Vec<_> = (0..1_000 * shapes.min(1)).map(open).collect();
        (0..2).for_each(|_| publish(&hub, name));
        let ((), places) = work(|| publish(&hub, name));
        let most = 10 + 6 * shapes;
        assert!(places <= most, "{shapes} shapes: {places} pieces of work");
        assert!(readers.iter_mut().all(|reader| read_all(reader) == 0));
    }
}

#[test]
fn a_removed_topic_is_a_gap_for_those_whose_patterns_match_it() {
    let (name, patterns) = name_and_patterns(4);
    let hub = Hub::builder().max_messages(1_000).build();
    let open = |pattern: &String| hub.subscribe(pattern).without_first_id().open().expect("room");
    let mut readers: Vec<_> = patterns.iter().map(open).collect();
    let mut others = ["*.other.*.*", "other.>", "*.*.*"].map(|own| open(&own.to_owned()));
    // They are further behind than the hub remembers, so they look at all of their topics.
    for topic in [&*name, "another.name"] {
        (0..600).for_each(|_| publish(&hub, topic));
    }
    assert!(hub.remove_topic(&name));
    for (reader, pattern) in readers.iter_mut().zip(&patterns) {
        let first = reader.next().now_or_never().flatten();
        assert!(matches!(first, Some(Delivery::Gap(_))), "{pattern}: {first:?}");
    }
    for reader in &mut others {
        assert!(reader.next().now_or_never().is_none());
    }
}

/// Each pattern has an identity of its own, or all of them have the same.
#[tokio::test(start_paused = true)]
async fn who_is_present_by_any_number_of_patterns_is_found_in_small_steps() {
    const GRACE: Duration = Duration::from_secs(1);
    let cases = [1, 3, 5, 8, 11].map(|segments| [(segments, false), (segments, true)]);
    for (segments, is_one) in cases.into_iter().flatten() {
        let (name, patterns) = name_and_patterns(segments);
        let check = |call: &mut dyn FnMut()| {
            let ((), places) = held_work(call);
            assert!(places <= 100, "{segments} segments, one: {is_one}: {places} under the lock");
        };
        let hub = Hub::builder().presence_grace(GRACE).build();
        let open = |pattern: &str, identity: String| {
            hub.subscribe(pattern).identity(identity).open().expect("room")
        };
        let identity = |n: usize| if is_one { "all".to_owned() } else { n.to_string() };
        let mut readers = Vec::new();
        check(&mut || {
            readers.extend(patterns.iter().enumerate().map(|(n, own)| open(own, identity(n))));
        });
        let all = if is_one { 1 } else { readers.len() };
        let subscriptions = if is_one { readers.len() } else { 1 };
        check(&mut || {
            let present = hub.presence(&name);
            assert_eq!(present.len(), all);
            assert!(present.values().all(|count| *count == subscriptions));
        });
        let mut watch = None;
        check(&mut || watch = hub.watch_presence(&name).ok());
        let mut watch = watch.expect("a name");
        let mut next = || {
            // The first look may find that somebody is gone, and that wakes the watch.
            let mut event = None;
            for _ in 0..2 {
                check(&mut || event = event.take().or_else(|| watch.next().now_or_never()?));
            }
            event
        };
        assert!(matches!(next(), Some(PresenceEvent::Present(list)) if list.len() == all));

        // Anna comes by name and pattern, goes on with the pattern, and leaves.
        let anna = || "anna".to_owned();
        let mut by_name = Some(open(&name, anna()));
        let mut by_pattern = None;
        assert_eq!(next(), Some(PresenceEvent::Joined("anna".into())));
        check(&mut || by_pattern = Some(open(&patterns[0], anna())));
        check(&mut || drop(by_name.take()));
        assert_eq!(next(), None);
        check(&mut || drop(by_pattern.take()));
        assert_eq!(next(), None);
        advance(GRACE).await;
        assert_eq!(next(), Some(PresenceEvent::Left("anna".into())));

        // A sign-out and the end of the grace concern many names and patterns at once.
        check(&mut || _ = hub.close_identity(&identity(0)));
        assert_eq!(next(), Some(PresenceEvent::Left(identity(0).into())));
        check(&mut || readers.clear());
        advance(GRACE).await;
        let mut left = 1;
        while let Some(PresenceEvent::Left(_)) = next() {
            left += 1;
        }
        check(&mut || assert!(hub.presence(&name).is_empty()));
        check(&mut || hub.drop_expired());
        assert_eq!(hub.state().lock().presence.entries(), 0);
        assert!(left == all || all > 200, "{left} of {all} left");
    }
}

#[derive(Default)]
struct CountsWakes(AtomicUsize);

impl Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Reader {
    patterns: Vec<String>,
    policy: Policy,
    subscription: Subscription,
    wakes: Arc<CountsWakes>,
    /// `None` while it is awake. Otherwise how often it had been woken when it went to sleep.
    asleep_since: Option<usize>,
    /// The last number that it has received or that a gap covers.
    passed: u64,
}

impl Reader {
    fn open(hub: &Hub, patterns: Vec<String>, policy: Policy) -> Self {
        let subscription =
            hub.subscribe(&patterns).policy(policy).without_first_id().open().expect("room");
        let passed = hub.position().number();
        let wakes = Arc::default();
        Self { patterns, policy, subscription, wakes, asleep_since: None, passed }
    }

    fn reads(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| is_match(pattern, name))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }

    /// Reads everything. What is missing was lost, and a gap has said so.
    fn read(&mut self, sent: &BTreeMap<u64, String>) -> Result<(), TestCaseError> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Context::from_waker(&waker);
        let mut reported = self.passed;
        loop {
            let received = match self.subscription.poll_delivery(&mut cx) {
                Poll::Ready(Some(Delivery::Message(message))) => {
                    let number = message.position().expect("a position").number();
                    prop_assert!(number > self.passed);
                    prop_assert!(self.reads(&sent[&number]), "{:?}", self.patterns);
                    Some(number)
                }
                Poll::Ready(Some(Delivery::Gap(gap))) => {
                    reported = gap.through().number();
                    continue;
                }
                Poll::Ready(None) => {
                    prop_assert!(self.policy != Policy::Gap);
                    return Ok(());
                }
                Poll::Pending => None,
            };
            let last = sent.last_key_value().map_or(0, |(number, _)| *number);
            let end = received.unwrap_or(last + 1).max(self.passed + 1);
            for (number, name) in sent.range(self.passed + 1..end) {
                let is_missing = self.reads(name) && *number > reported;
                prop_assert!(!is_missing, "{:?} misses {} of {}", self.patterns, number, name);
            }
            self.passed = received.unwrap_or(last);
            if received.is_none() {
                self.asleep_since = Some(self.wakes());
                return Ok(());
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open(Vec<prop::sample::Index>, bool),
    Leave(prop::sample::Index),
    Read(prop::sample::Index),
    ReadAll,
    /// So many messages.
    Publish(prop::sample::Index, usize),
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (vec(index(), 1..3), any::<bool>()).prop_map(|(own, closes)| Step::Open(own, closes)),
        1 => index().prop_map(Step::Leave),
        4 => index().prop_map(Step::Read),
        1 => Just(Step::ReadAll),
        4 => (index(), 1..12_usize).prop_map(|(name, count)| Step::Publish(name, count)),
        1 => index().prop_map(Step::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn readers_of_many_patterns_are_woken_and_get_every_message_or_a_gap(
        steps in vec(step(), 1..120),
    ) {
        let (name, patterns) = name_and_patterns(4);
        let names = [&*name, "s0.s1", "s0.s1.s2", "s0.other.s2.s3", "s0.s1.s2.other"];
        let hub = Hub::builder().max_messages(10).max_topics(4).max_remembered_topics(2).build();
        let mut sent = BTreeMap::new();
        let mut readers: Vec<Reader> = Vec::new();
        for step in steps {
            match step {
                Step::Open(own, closes) => {
                    let own = own.iter().map(|own| patterns[own.index(patterns.len())].clone());
                    let policy = if closes { Policy::close() } else { Policy::Gap };
                    readers.push(Reader::open(&hub, own.collect(), policy));
                }
                Step::Leave(reader) if !readers.is_empty() => {
                    readers.swap_remove(reader.index(readers.len()));
                }
                Step::Read(reader) if !readers.is_empty() => {
                    let len = readers.len();
                    readers[reader.index(len)].read(&sent)?;
                }
                Step::ReadAll => {
                    for reader in &mut readers {
                        reader.read(&sent)?;
                    }
                }
                Step::Publish(name, count) => {
                    let name = names[name.index(names.len())];
                    for _ in 0..count {
                        publish(&hub, name);
                        sent.insert(hub.position().number(), name.to_owned());
                    }
                    for reader in readers.iter_mut().filter(|reader| reader.reads(name)) {
                        if let Some(before) = reader.asleep_since.take() {
                            let woken = reader.wakes() > before;
                            prop_assert!(woken, "{:?} sleeps on", reader.patterns);
                        }
                    }
                }
                Step::Remove(name) => _ = hub.remove_topic(names[name.index(names.len())]),
                Step::Leave(_) | Step::Read(_) => {}
            }
        }
        for reader in &mut readers {
            reader.read(&sent)?;
        }
    }
}
