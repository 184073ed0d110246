//! Who is present in a topic, and what a watch tells of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::{Instant, advance};
use volga_sse::hub::{
    DEFAULT_MAX_PRESENCE_EVENTS, Hub, PresenceEvent, PresenceWatch, Subscription, SubscriptionEnd,
};

use super::hub_nodes::support::node_of;
use super::hub_support::{Wakes, publish};
use super::seeded::{Random, Seed};

#[test]
fn an_identity_is_present_once_however_many_subscriptions_it_has() {
    let hub = Hub::new();
    let mut watch = hub.watch_presence("a").unwrap();
    let mut event = || watch.next().now_or_never().map(|event| event.expect("open"));
    let first = hub.subscribe("a").identity("anna").open().unwrap();
    let second = hub.subscribe(["*", "a"]).identity("anna").open().unwrap();
    let nobody = hub.subscribe("a").open().unwrap();
    assert_eq!(hub.presence("a"), [("anna".into(), 2)].into());
    assert_eq!(event(), Some(PresenceEvent::Present([].into())));
    assert_eq!(event(), Some(PresenceEvent::Joined("anna".into())));
    drop((first, nobody));
    assert_eq!(event(), None);
    drop(second);
    assert_eq!(event(), Some(PresenceEvent::Left("anna".into())));
    assert_eq!(hub.presence("a"), [].into());
}

/// Presence depends on the names and patterns that an identity reads, and on nothing else.
#[test]
fn a_pattern_is_present_in_every_name_that_it_matches_whether_the_topic_exists_or_not() {
    let hub = Hub::new();
    let mut watch = hub.watch_presence("room.1").unwrap();
    let subscription = hub.subscribe("room.*").identity("anna").open().unwrap();
    for name in ["room.1", "room.new"] {
        assert_eq!(hub.presence(name), [("anna".into(), 1)].into(), "{name}");
    }
    for name in ["room", "room.1.x", "hall.1", "room.*", "*.1", ">", "room.", "room. "] {
        assert_eq!(hub.presence(name), [].into(), "{name}");
    }
    let anna = || "anna".into();
    assert_eq!(
        told(&mut watch),
        [PresenceEvent::Present([].into()), PresenceEvent::Joined(anna())]
    );
    publish(&hub, "room.1", &["x"]);
    assert!(hub.remove_topic("room.1"));
    assert_eq!(told(&mut watch), [], "a topic that comes or goes changes nothing");
    assert_eq!(hub.presence("room.1").len(), 1);
    drop(subscription);
    assert_eq!(told(&mut watch), [PresenceEvent::Left(anna())]);
    assert_eq!(hub.presence("room.1"), [].into());
}

#[test]
fn a_watch_ends_when_the_hub_closes_after_the_changes_before() {
    for joins in [0, 1, DEFAULT_MAX_PRESENCE_EVENTS, DEFAULT_MAX_PRESENCE_EVENTS + 5] {
        let hub = Hub::new();
        let mut watch = hub.watch_presence("a").unwrap();
        let join = |n: usize| hub.subscribe("a").identity(n.to_string()).open().unwrap();
        let people: Vec<_> = (0..joins).map(join).collect();
        let woken = Arc::new(Wakes(AtomicUsize::new(0)));
        let mut parked = hub.watch_presence("b").unwrap();
        assert!(parked.next().now_or_never().is_some());
        {
            let waker = Waker::from(Arc::clone(&woken));
            let mut next = pin!(parked.next());
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        hub.close();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(parked.next().now_or_never(), Some(None));
        drop(people);
        let mut present = 0;
        while let Some(event) = watch.next().now_or_never().expect("an event or the end") {
            match event {
                PresenceEvent::Present(people) => present = people.len(),
                PresenceEvent::Joined(_) => present += 1,
                other => panic!("{other:?}"),
            }
        }
        // More changes than the log holds are listed when they are taken: everybody has left by
        // then.
        let has_overflowed = joins > DEFAULT_MAX_PRESENCE_EVENTS;
        assert_eq!(present, if has_overflowed { 0 } else { joins });
        assert_eq!(watch.next().now_or_never(), Some(None));
        let mut late = hub.watch_presence("a").unwrap();
        assert!(late.next().now_or_never().expect("who is present").is_some());
        assert_eq!(late.next().now_or_never(), Some(None));
    }
}

#[test]
fn a_watch_that_is_not_polled_starts_over_instead_of_growing() {
    let hub = Hub::new();
    let mut watch = hub.watch_presence("a").unwrap();
    let all: Vec<_> = (0..DEFAULT_MAX_PRESENCE_EVENTS)
        .map(|n| hub.subscribe("a").identity(n.to_string()).open().unwrap())
        .collect();
    let more = hub.subscribe("a").identity("one more").open().unwrap();
    let events: Vec<_> = std::iter::from_fn(|| watch.next().now_or_never()?).collect();
    let [PresenceEvent::Present(present)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(present.len(), all.len() + 1);
    drop(more);
    assert_eq!(watch.next().now_or_never(), Some(Some(PresenceEvent::Left("one more".into()))));
}

pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Joins and leaves with and without a grace, by names and by patterns, on a hub of one process and
/// on one that nodes share. Then the hub closes, everybody leaves, and time passes.
#[tokio::test(start_paused = true)]
async fn every_watch_ends_with_the_picture_that_there_was_when_the_hub_closed() {
    for seed in 0..200 {
        let _seed = Seed(seed);
        let mut random = Random(seed);
        let grace = if seed % 2 == 0 { Duration::ZERO } else { GRACE };
        let builder = Hub::builder().presence_grace(grace);
        let mut node = None;
        let hub = match seed % 4 < 2 {
            true => builder.build(),
            false => node.insert(node_of(builder, 0)).hub.clone(),
        };
        let mut watches: Vec<_> = (0..8)
            .map(|n| {
                let topic = MODEL_TOPICS[n % 4];
                (topic, hub.watch_presence(topic).unwrap(), BTreeSet::new())
            })
            .collect();
        let mut open = Vec::new();
        for _ in 0..random.below(60) {
            match random.below(6) {
                0..3 => {
                    let (who, filters) =
                        (random.pick(&MODEL_IDENTITIES), random.pick(&MODEL_FILTERS));
                    open.push(hub.subscribe(filters).identity(who).open().unwrap());
                }
                3 if !open.is_empty() => drop(open.swap_remove(random.below(open.len()))),
                4 => {
                    let index = random.below(watches.len());
                    let (_, watch, picture) = &mut watches[index];
                    follow(picture, watch);
                }
                _ => advance(GRACE / 4).await,
            }
        }
        let expect = MODEL_TOPICS.map(|topic| hub.presence(topic));
        hub.close();
        open.truncate(random.below(open.len() + 1));
        advance(2 * GRACE).await;
        drop(open);
        for (topic, watch, picture) in &mut watches {
            while let Some(event) = watch.next().now_or_never().expect("an event or the end") {
                apply(picture, event);
            }
            let index = MODEL_TOPICS.iter().position(|of| of == topic).expect("one of them");
            assert!(picture.iter().eq(expect[index].keys()), "{topic}: {picture:?}");
            assert_eq!(watch.next().now_or_never(), Some(None), "it stays at its end");
        }
    }
}

/// A watch that was woken and has not looked yet is not woken again. So 5,000 joins cost 100 wakes,
/// and not 500,000, and each watch gets one list in place of 5,000 changes.
#[tokio::test(start_paused = true)]
async fn many_joins_and_leaves_wake_each_watch_once() {
    const PEOPLE: usize = 5_000;
    const WATCHES: usize = 100;
    for grace in [Duration::ZERO, GRACE] {
        for topics in ["room", "*"] {
            let hub = Hub::builder().presence_grace(grace).build();
            hub.create_topic("room").unwrap();
            let mut watches: Vec<_> =
                (0..WATCHES).map(|_| hub.watch_presence("room").unwrap()).collect();
            let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&wakes));
            // Returns the number of events that the watches get, and the present identities.
            let mut wait = || {
                let mut events = 0;
                let mut present = 0;
                for watch in &mut watches {
                    let mut cx = Context::from_waker(&waker);
                    while let Poll::Ready(event) = pin!(watch.next()).poll(&mut cx) {
                        events += 1;
                        match event.expect("open") {
                            PresenceEvent::Present(people) => present = people.len(),
                            PresenceEvent::Joined(_) => present += 1,
                            PresenceEvent::Left(_) => present -= 1,
                            other => panic!("{other:?}"),
                        }
                    }
                }
                (events, present)
            };
            let woken = || wakes.0.swap(0, Ordering::Relaxed);
            assert_eq!(wait(), (WATCHES, 0));
            let join = |n: usize| hub.subscribe(topics).identity(n.to_string()).open().unwrap();
            let people: Vec<_> = (0..PEOPLE).map(join).collect();
            assert_eq!(woken(), WATCHES);
            assert_eq!(wait(), (WATCHES, PEOPLE));
            woken();

            // Everybody loses the connection and returns.
            drop(people);
            let people: Vec<_> = (0..PEOPLE).map(join).collect();
            assert!(woken() <= WATCHES);
            let events = if grace.is_zero() { WATCHES } else { 0 };
            assert_eq!(wait().0, events, "{grace:?}");
            woken();

            // Everybody leaves for good.
            drop(people);
            advance(GRACE).await;
            assert!(hub.presence("room").is_empty());
            assert!(woken() <= WATCHES);
            assert_eq!(wait(), (WATCHES, 0));
        }
    }
}

/// A task that is woken may call the hub at once, so nobody is woken under its lock.
#[tokio::test(start_paused = true)]
async fn a_watch_may_call_the_hub_while_it_is_woken() {
    struct Caller(Hub, AtomicUsize);

    impl Wake for Caller {
        fn wake(self: Arc<Self>) {
            let Self(hub, calls) = &*self;
            let _ = hub.presence("a");
            let _ = hub.stats();
            drop(hub.subscribe("b").identity("caller").open());
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    let hub = Hub::builder().presence_grace(GRACE).build();
    let caller = Arc::new(Caller(hub.clone(), AtomicUsize::new(0)));
    let mut watch = hub.watch_presence("a").unwrap();
    let mut person = None;
    let mut wait = |expect: usize| {
        let waker = Waker::from(Arc::clone(&caller));
        let mut cx = Context::from_waker(&waker);
        while pin!(watch.next()).poll(&mut cx).is_ready() {}
        caller.1.store(expect, Ordering::Relaxed);
    };
    let calls = || caller.1.load(Ordering::Relaxed);
    let join = || hub.subscribe(["a", "x.*"]).identity("anna").open().unwrap();
    wait(0);
    person.replace(join());
    assert_eq!(calls(), 1, "a join");
    wait(0);
    hub.close_identity("anna");
    assert_eq!(calls(), 1, "a sign-out");
    wait(0);
    person.replace(join());
    assert_eq!(calls(), 1, "a return");
    wait(0);
    person.take();
    advance(GRACE).await;
    assert!(hub.presence("a").is_empty());
    assert_eq!(calls(), 1, "the end of a grace");
    wait(0);
    hub.close();
    assert_eq!(calls(), 1, "a close");
}

/// Applies all events of a watch to the set of present identities. Returns the number of joins and
/// leaves.
pub(crate) fn follow(picture: &mut BTreeSet<Arc<str>>, watch: &mut PresenceWatch) -> usize {
    let mut changes = 0;
    for event in told(watch) {
        changes += usize::from(!matches!(event, PresenceEvent::Present(_)));
        apply(picture, event);
    }
    changes
}

fn apply(picture: &mut BTreeSet<Arc<str>>, event: PresenceEvent) {
    let is_new = match event {
        PresenceEvent::Present(present) => {
            *picture = present.into_keys().collect();
            true
        }
        PresenceEvent::Joined(identity) => picture.insert(identity),
        PresenceEvent::Left(identity) => picture.remove(&identity),
        other => panic!("{other:?}"),
    };
    assert!(is_new, "each change is told once");
}

/// Everything that a watch tells now.
pub(crate) fn told(watch: &mut PresenceWatch) -> Vec<PresenceEvent> {
    std::iter::from_fn(|| watch.next().now_or_never()).map(|event| event.expect("open")).collect()
}

#[tokio::test]
async fn every_watch_has_the_right_picture_of_many_joins_and_leaves() {
    const WATCHES: usize = 40;
    const STEPS: usize = 1_500;
    let hub = Hub::new();
    let mut watches: Vec<_> = (0..WATCHES).map(|_| hub.watch_presence("room").unwrap()).collect();
    let mut pictures = vec![BTreeSet::new(); WATCHES];
    let mut subscriptions = VecDeque::new();
    for step in 0..STEPS {
        let subscription = hub.subscribe("room").identity(format!("{step}")).open().unwrap();
        subscriptions.push_back(subscription);
        if step % 3 == 0 {
            subscriptions.pop_front();
        }
        // Each watch is behind by another number of changes when it looks.
        for (index, watch) in watches.iter_mut().enumerate() {
            if step % (10 * index + 1) == 0 || step == STEPS - 1 {
                let picture = &mut pictures[index];
                follow(picture, watch);
                let expect = hub.presence("room");
                assert!(picture.iter().eq(expect.keys()), "watch {index} after {step}");
            }
        }
    }
}

/// A list is put together in steps, and identities come and go between them.
#[test]
fn a_watch_that_begins_while_identities_come_and_go_ends_with_the_right_ones() {
    for _ in 0..20 {
        let hub = Hub::new();
        let join = |n: usize| hub.subscribe("a").identity(n.to_string()).open().unwrap();
        let mut people: VecDeque<_> = (0..200).map(join).collect();
        let (mut watches, people) = std::thread::scope(|scope| {
            let changing = scope.spawn(|| {
                for n in 200..350 {
                    people.pop_front();
                    people.push_back(join(n % 300));
                }
                people
            });
            let watches: Vec<_> = (0..20).map(|_| hub.watch_presence("a").unwrap()).collect();
            (watches, changing.join().unwrap())
        });
        let expect: BTreeSet<Arc<str>> = hub.presence("a").into_keys().collect();
        assert_eq!(expect.len(), people.len());
        for watch in &mut watches {
            let mut present: BTreeSet<Arc<str>> = BTreeSet::new();
            while let Some(event) = watch.next().now_or_never() {
                match event.expect("open") {
                    PresenceEvent::Present(list) => present = list.into_keys().collect(),
                    PresenceEvent::Joined(who) => assert!(present.insert(who)),
                    PresenceEvent::Left(who) => assert!(present.remove(&who)),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(present, expect);
        }
    }
}

/// Where a subscription of the model is present.
const MODEL_TOPICS: [&str; 4] = ["room.1", "room.2", "room.3", "hall"];
const MODEL_FILTERS: [&[&str]; 5] =
    [&["room.1"], &["room.1", "hall"], &["room.*"], &["room.2", "room.*"], &["hall"]];
const MODEL_IDENTITIES: [&str; 3] = ["anna", "ben", "carl"];

fn reads(filters: &[&str], topic: &str) -> bool {
    filters.iter().any(|filter| {
        *filter == topic || filter.strip_suffix('*').is_some_and(|start| topic.starts_with(start))
    })
}

/// A sign-out before, between and after joins and disconnects: with and without a grace, by names
/// and by patterns, while the streams that it has ended are still there or not.
#[tokio::test(start_paused = true)]
async fn an_identity_that_signs_out_leaves_at_once_and_one_that_disconnects_has_its_grace() {
    for seed in 0..400 {
        let _seed = Seed(seed);
        let mut random = Random(seed);
        let grace = if seed % 2 == 0 { Duration::ZERO } else { GRACE };
        let hub = Hub::builder().presence_grace(grace).build();
        for topic in MODEL_TOPICS {
            hub.create_topic(topic).unwrap();
        }
        let mut watches = MODEL_TOPICS.map(|topic| hub.watch_presence(topic).unwrap());
        let mut pictures = MODEL_TOPICS.map(|_| BTreeSet::new());
        let mut open: Vec<(&str, &[&str], Subscription)> = Vec::new();
        let mut closed = Vec::new();
        // Until when each identity that has left a topic may return.
        let mut gone_at: BTreeMap<(&str, &str), Instant> = BTreeMap::new();
        for _ in 0..60 {
            match random.below(10) {
                0..4 => {
                    let (who, filters) =
                        (random.pick(&MODEL_IDENTITIES), random.pick(&MODEL_FILTERS));
                    let subscription = hub.subscribe(filters).identity(who).open().unwrap();
                    gone_at.retain(|(topic, of), _| *of != who || !reads(filters, topic));
                    open.push((who, filters, subscription));
                }
                4..6 if !open.is_empty() => {
                    let (who, filters, subscription) = open.swap_remove(random.below(open.len()));
                    drop(subscription);
                    for topic in MODEL_TOPICS.into_iter().filter(|topic| reads(filters, topic)) {
                        if !open.iter().any(|(of, also, _)| *of == who && reads(also, topic)) {
                            gone_at.insert((topic, who), Instant::now() + grace);
                        }
                    }
                }
                6 | 7 => {
                    let who = random.pick(&MODEL_IDENTITIES);
                    let (ended, rest): (Vec<_>, _) =
                        open.into_iter().partition(|(of, ..)| *of == who);
                    open = rest;
                    hub.close_identity(who);
                    let end = |(.., subscription): &(_, _, Subscription)| subscription.end();
                    assert!(
                        ended.iter().all(|one| end(one) == Some(SubscriptionEnd::IdentityClosed))
                    );
                    closed.extend(ended);
                    gone_at.retain(|(_, of), _| *of != who);
                }
                8 if !closed.is_empty() => drop(closed.swap_remove(random.below(closed.len()))),
                _ => advance(GRACE / 4).await,
            }
            gone_at.retain(|_, gone_at| *gone_at > Instant::now());
            for (index, topic) in MODEL_TOPICS.into_iter().enumerate() {
                let mut expect: BTreeMap<Arc<str>, usize> = BTreeMap::new();
                for (of, who) in gone_at.keys() {
                    if *of == topic {
                        expect.insert((*who).into(), 0);
                    }
                }
                for (who, ..) in open.iter().filter(|(_, filters, _)| reads(filters, topic)) {
                    *expect.entry((*who).into()).or_default() += 1;
                }
                assert_eq!(hub.presence(topic), expect, "{topic}");
                let picture = &mut pictures[index];
                let before = picture.clone();
                let changes = follow(picture, &mut watches[index]);
                assert!(picture.iter().eq(expect.keys()), "{topic}: {picture:?}");
                // Nobody is told of somebody who left and joined within one step.
                let is_least = changes == before.symmetric_difference(picture).count();
                assert!(is_least, "{topic}: {changes} changes from {before:?} to {picture:?}");
            }
        }
    }
}

/// Sign-outs run on one thread while others open and drop streams that are present in more topics
/// than one step of a sign-out leaves.
#[test]
fn a_sign_out_during_joins_and_leaves_counts_no_stream_twice() {
    const TOPICS: usize = 150;
    for _ in 0..20 {
        let hub = Hub::builder().presence_grace(Duration::from_secs(3_600)).build();
        let topic = |n: usize| format!("room.{n}");
        (0..TOPICS).for_each(|n| hub.create_topic(&topic(n)).unwrap());
        let mut watch = hub.watch_presence(&topic(TOPICS - 1)).unwrap();
        let connect = || hub.subscribe("room.*").identity("anna").open().unwrap();
        let kept: Vec<_> = std::thread::scope(|scope| {
            let connecting: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut kept = Vec::new();
                        for round in 0..12 {
                            let subscription = connect();
                            if round % 3 == 0 {
                                kept.push(subscription);
                            }
                        }
                        kept
                    })
                })
                .collect();
            scope.spawn(|| (0..12).for_each(|_| _ = hub.close_identity("anna")));
            connecting.into_iter().flat_map(|one| one.join().unwrap()).collect()
        });
        let open = kept.iter().filter(|subscription| subscription.end().is_none()).count();
        for n in 0..TOPICS {
            let present = hub.presence(&topic(n));
            assert_eq!(present.get("anna").copied().unwrap_or_default(), open);
        }
        let late = connect();
        hub.close_identity("anna");
        assert!((0..TOPICS).all(|n| hub.presence(&topic(n)).is_empty()));
        drop((kept, late));
        let again = connect();
        assert!((0..TOPICS).all(|n| hub.presence(&topic(n))["anna"] == 1));
        hub.close_identity("anna");
        drop(again);
        let mut is_present = false;
        for event in told(&mut watch) {
            match event {
                PresenceEvent::Present(present) => is_present = !present.is_empty(),
                PresenceEvent::Joined(_) => assert!(!std::mem::replace(&mut is_present, true)),
                PresenceEvent::Left(_) => assert!(std::mem::take(&mut is_present)),
                other => panic!("{other:?}"),
            }
        }
        assert!(!is_present);
    }
}
