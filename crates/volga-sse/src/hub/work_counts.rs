//! Counts the work of publishers, readers and presence, for tests that compare counts instead of
//! times. Also lets a test do something between two steps of a call.

use std::cell::{Cell, RefCell};

thread_local! {
    static VISITS: Cell<usize> = const { Cell::new(0) };
    static LOCKS: Cell<usize> = const { Cell::new(0) };
    static TOLD: Cell<usize> = const { Cell::new(0) };
    static IS_HELD: Cell<bool> = const { Cell::new(false) };
    static HELD_WORK: Cell<usize> = const { Cell::new(0) };
    static MOST_HELD_WORK: Cell<usize> = const { Cell::new(0) };
    static WORK: Cell<usize> = const { Cell::new(0) };
    static ENDED_UNDER_LOCK: Cell<usize> = const { Cell::new(0) };
    static OVERLAPS: Cell<usize> = const { Cell::new(0) };
    static LOOKS: Cell<usize> = const { Cell::new(0) };
    static SLEEPS: Cell<usize> = const { Cell::new(0) };
    static BETWEEN_STEPS: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

/// A publisher has visited a reader.
pub(crate) fn note_visit() {
    VISITS.set(VISITS.get() + 1);
}

/// A reader has looked at a topic, because the list of the last messages did not say enough.
pub(crate) fn note_look() {
    LOOKS.set(LOOKS.get() + 1);
}

/// A reader has told one of its wait lists that it sleeps.
pub(crate) fn note_sleep() {
    SLEEPS.set(SLEEPS.get() + 1);
}

/// The lock of a hub was taken.
pub(crate) fn note_lock() {
    LOCKS.set(LOCKS.get() + 1);
}

/// So many watched topics were looked at for a change of presence.
pub(crate) fn note_told(topics: usize) {
    TOLD.set(TOLD.get() + topics);
}

/// The names and patterns of a subscription were looked at to count the subscriptions of an
/// identity.
pub(crate) fn note_overlap() {
    OVERLAPS.set(OVERLAPS.get() + 1);
}

/// This thread now has the lock of a hub, or has it no more.
pub(crate) fn note_held(is_held: bool) {
    IS_HELD.set(is_held);
    HELD_WORK.set(0);
}

/// So many pieces of work were done that may grow with the hub or with a log: for example, so many
/// messages were freed.
pub(crate) fn note_work(pieces: usize) {
    // Messages may be freed when the counts of the thread are already gone.
    let Ok(is_held) = IS_HELD.try_with(Cell::get) else { return };
    WORK.set(WORK.get() + pieces);
    if is_held {
        HELD_WORK.set(HELD_WORK.get() + pieces);
        MOST_HELD_WORK.set(MOST_HELD_WORK.get().max(HELD_WORK.get()));
    }
}

/// Returns the result of a call, and all work that it has done.
#[cfg(not(loom))]
pub(crate) fn work<T>(call: impl FnOnce() -> T) -> (T, usize) {
    WORK.set(0);
    (call(), WORK.get())
}

/// Returns the result of a call, and the most work that it has done while it held the lock once.
#[cfg(not(loom))]
pub(crate) fn held_work<T>(call: impl FnOnce() -> T) -> (T, usize) {
    MOST_HELD_WORK.set(0);
    (call(), MOST_HELD_WORK.get())
}

/// A call is about to take the lock for one of many steps. Other threads may do anything now, and a
/// test does it here.
pub(crate) fn between_steps() {
    // The action of the test may itself make calls with steps, and is not run for those.
    let action = BETWEEN_STEPS.take();
    if let Some(mut action) = action {
        action();
        BETWEEN_STEPS.set(Some(action));
    }
}

/// Runs a call, and an action before each of its steps.
#[cfg(not(loom))]
pub(crate) fn with_steps<T>(action: impl FnMut() + 'static, call: impl FnOnce() -> T) -> T {
    BETWEEN_STEPS.set(Some(Box::new(action)));
    let result = call();
    BETWEEN_STEPS.set(None);
    result
}

/// A subscription was ended.
pub(crate) fn note_end() {
    ENDED_UNDER_LOCK.set(ENDED_UNDER_LOCK.get() + usize::from(IS_HELD.get()));
}

#[cfg(not(loom))]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::{ENDED_UNDER_LOCK, LOCKS, LOOKS, OVERLAPS, SLEEPS, TOLD, VISITS};
    use crate::codec::message::Message;
    use crate::codec::position::Position;
    use crate::hub::handle::Hub;
    use crate::hub::held_work_tests::NoEngine;
    use crate::hub::policy::Policy;
    use crate::hub::presence::present_in_topic::MAX_COUNTED;
    use crate::hub::presence::telling::TOPICS_PER_STEP;
    use crate::hub::relay::state::RelayState;
    use crate::hub::subscription::Subscription;
    use crate::hub::subscription::delivery::Delivery;
    use crate::hub::topic::subscriber::SubscriptionEnd;

    /// How many readers the visits of one publish are counted with.
    const READERS: usize = 200;

    /// Returns the result of a call, and how many readers it has visited.
    fn visits<T>(call: impl FnOnce() -> T) -> (T, usize) {
        VISITS.set(0);
        (call(), VISITS.get())
    }

    fn locks<T>(call: impl FnOnce() -> T) -> (T, usize) {
        LOCKS.set(0);
        (call(), LOCKS.get())
    }

    fn read_all(reader: &mut Subscription) {
        while let Some(Some(_)) = reader.next().now_or_never() {}
    }

    /// Reads everything, and returns how many messages there were.
    fn received(reader: &mut Subscription) -> usize {
        let next = || reader.next().now_or_never().flatten();
        std::iter::from_fn(next).filter(|next| matches!(next, Delivery::Message(_))).count()
    }

    fn publish(hub: &Hub, topic: &str) -> usize {
        let message = Message::new().data("x");
        let published = || match topic {
            "k" => hub.publish_keyed("k", "key", message).expect("published"),
            _ => hub.publish(topic, message).expect("published"),
        };
        visits(published).1
    }

    fn open(hub: &Hub, kind: usize, number: usize) -> Subscription {
        let own = format!("own.{number}.>");
        let hundred: Vec<String> = (0..98).map(|topic| format!("t{topic}")).collect();
        let subscribe = match kind {
            0 => hub.subscribe("a"),
            1 => hub.subscribe(["a", "b"]),
            2 => hub.subscribe(">"),
            3 => hub.subscribe(["*", "a", "b", "k"]),
            4 => hub.subscribe("k").policy(Policy::Latest),
            5 => hub.subscribe(["a", "k"]).policy(Policy::close()),
            6 => hub.subscribe(["a", "b.*", &own]).identity(number.to_string()),
            7 => hub.subscribe("a").resume(hub.position()),
            8 => hub.subscribe("a").resume("unknown").history(3),
            _ => hub.subscribe([&hundred[..], &["a".into(), "*".into()]].concat()),
        };
        let mut reader = subscribe.open().expect("room");
        read_all(&mut reader);
        reader
    }

    #[test]
    fn a_publish_visits_only_the_readers_that_it_wakes() {
        for kind in 0..10 {
            let hub = Hub::builder().max_messages(4).keyed("k", 9).expect("a name").build();
            for topic in ["a", "b", "k", "b.1"] {
                publish(&hub, topic);
            }
            let mut readers: Vec<_> = (0..READERS).map(|number| open(&hub, kind, number)).collect();
            let is_read = if kind == 4 { "k" } else { "a" };
            let first = publish(&hub, is_read);
            assert!(first >= READERS, "{kind}: all of them sleep, and {first} were visited");
            // From now on they stall. Each list finds that a reader is awake at most once.
            for topic in ["a", "b", "k", "b.1", "t1", "own.1.x"] {
                publish(&hub, topic);
            }
            for topic in ["a", "b", "k", "b.1", "t1", "own.1.x", "new.topic"] {
                for _ in 0..3 {
                    assert_eq!(publish(&hub, topic), 0, "{kind}: {topic} beside stalled readers");
                }
            }
            // One of them reads on. The first publish finds that the others are still awake, and
            // sets them aside. From then on, only this reader is visited.
            let one = &mut readers[READERS / 2];
            for round in 0..5 {
                read_all(one);
                if one.end().is_some() {
                    break;
                }
                let visited = publish(&hub, is_read);
                let is_right = round == 0 || (1..=2).contains(&visited);
                assert!(is_right, "{kind}: {visited} were visited");
            }
        }
    }

    #[test]
    fn a_resumed_reader_of_many_topics_looks_at_none_of_them_and_tells_no_list_that_it_sleeps() {
        const MESSAGES: usize = 200;
        let name = |n: usize| format!("group{}.topic{}", n % 100, n % 150);
        let each = |filter: fn(usize) -> String| (0..100).map(filter).collect::<Vec<_>>();
        let patterns = each(|n| format!("group{n}.*"));
        for filters in [
            vec![">".to_owned()],
            vec!["*.*".to_owned()],
            patterns.clone(),
            [&patterns[..50], &each(|n| format!("group{n}.>"))].concat(),
            [&patterns[..50], &each(|n| format!("group{n}.topic{n}"))].concat(),
            each(|n| format!("*.topic{}", n % 150)),
        ] {
            for is_keyed in [false, true] {
                let builder = Hub::builder().max_topics_per_subscription(200);
                let hub = match is_keyed {
                    true => builder.keyed(">", 9).expect("a pattern").build(),
                    false => builder.build(),
                };
                let mut live = hub.subscribe(&filters).open().expect("room");
                (0..150).for_each(|topic| _ = publish(&hub, &name(topic)));
                read_all(&mut live);
                let before = hub.position();
                (0..MESSAGES).for_each(|topic| _ = publish(&hub, &name(topic)));
                let expect = received(&mut live);
                assert!(expect >= MESSAGES / 2, "{expect}");
                // A pattern that comes or goes meanwhile does not matter.
                let other = hub.subscribe("other.*").open().expect("room");
                let subscribe = hub.subscribe(&filters).resume(before);
                let mut resumed = subscribe.oldest(before).open().expect("room");
                drop(other);
                LOOKS.set(0);
                SLEEPS.set(0);
                assert_eq!(received(&mut resumed), expect, "{filters:?}");
                assert_eq!((LOOKS.get(), SLEEPS.get()), (0, 0), "{filters:?}");
                // It sleeps in the lists all the same.
                drop(live);
                assert!(publish(&hub, &name(7)) >= 1);
                assert_eq!(received(&mut resumed), 1);
            }
        }
    }

    #[test]
    fn no_call_takes_the_lock_for_all_topics_at_once() {
        const TOPICS: usize = 2_000;
        let hub = Hub::builder().max_topics(2 * TOPICS).build();
        for topic in 0..TOPICS {
            publish(&hub, &format!("t{}.{topic}", topic % 100));
        }
        let hundred: Vec<String> = (0..100).map(|n| format!("t{n}.>")).collect();
        // A step handles at most this many topics.
        let steps = TOPICS / 128;
        for filters in [vec![">".to_owned()], hundred] {
            for identity in [None, Some("anna")] {
                for id in ["", "unknown"] {
                    let subscribe = hub.subscribe(&filters).resume(id).history(5);
                    let subscribe = match identity {
                        Some(identity) => subscribe.identity(identity),
                        None => subscribe,
                    };
                    let (opened, taken) = locks(|| subscribe.open());
                    let mut reader = opened.expect("room");
                    assert!(taken > steps, "opening takes {taken} steps");
                    read_all(&mut reader);
                    let ((), taken) = locks(|| drop(reader));
                    assert!(taken > steps, "leaving takes {taken} steps");
                }
            }
        }
    }

    /// How many watched topics a call has looked at.
    fn told<T>(call: impl FnOnce() -> T) -> (T, usize) {
        TOLD.set(0);
        (call(), TOLD.get())
    }

    #[test]
    fn an_identity_that_reads_by_pattern_costs_its_patterns_and_not_the_topics() {
        const IDENTITIES: usize = 300;
        const WATCHED: usize = 10;
        for topics in [20, 2_000] {
            let hub = Hub::builder().max_topics(2 * topics).build();
            for topic in 0..topics {
                publish(&hub, &format!("room.{topic}"));
            }
            let rooms = (0..WATCHED).map(|n| hub.watch_presence(&format!("room.{n}")));
            let halls = (0..WATCHED).map(|n| hub.watch_presence(&format!("hall.{n}")));
            let watches: Vec<_> = rooms.chain(halls).collect();
            let open = |number: usize| {
                let subscribe = hub.subscribe("room.*").identity(number.to_string());
                subscribe.open().expect("room")
            };
            let mut readers = vec![open(0)];
            for number in 1..IDENTITIES {
                let ((reader, looked_at), taken) = locks(|| told(|| open(number)));
                assert_eq!(looked_at, WATCHED, "only watched topics that the pattern may match");
                assert!(taken <= 4, "opening takes {taken} locks beside {topics} topics");
                readers.push(reader);
            }
            let entries = || hub.state().lock().presence.entries();
            assert_eq!(entries(), 2 * IDENTITIES, "each is there by pattern, and by identity");
            assert_eq!(hub.presence(&format!("room.{}", topics - 1)).len(), IDENTITIES);

            // A topic that comes or goes does nothing for the identities.
            let ((_, looked_at), taken) = locks(|| told(|| publish(&hub, "room.new")));
            assert_eq!(looked_at, 0);
            assert!(taken <= 2, "a new topic takes {taken} locks");
            let ((is_removed, looked_at), taken) = locks(|| told(|| hub.remove_topic("room.new")));
            assert_eq!((is_removed, looked_at), (true, 0));
            assert!(taken <= 2, "a removed topic takes {taken} locks");
            assert_eq!(entries(), 2 * IDENTITIES);

            let last = readers.split_off(1);
            for reader in last {
                let ((), looked_at) = told(|| drop(reader));
                assert_eq!(looked_at, WATCHED);
            }
            assert_eq!(entries(), 2);
            drop((readers, watches));
            assert_eq!(entries(), 0);
        }
    }

    #[test]
    fn no_call_takes_the_lock_for_all_watched_topics_at_once() {
        const WATCHED: usize = 1_000;
        let hub = Hub::new();
        let watch = |n: usize| hub.watch_presence(&format!("room.{n}")).expect("a name");
        let mut watches: Vec<_> = (0..WATCHED).map(watch).collect();
        let ben = hub.subscribe(["room.*", "room.1"]).identity("ben").open().expect("room");
        let steps = WATCHED / TOPICS_PER_STEP;
        for _ in 0..2 {
            let open = || hub.subscribe(["*.*", "room.>"]).identity("anna").open().expect("room");
            let (anna, taken) = locks(open);
            assert!(taken > 2 * steps, "a join takes {taken} steps");
            let (closed, taken) = locks(|| hub.close_identity("anna"));
            assert!(closed == 1 && taken > 2 * steps, "a sign-out takes {taken} steps");
            drop(anna);
            let anna = open();
            let ((), taken) = locks(|| drop(anna));
            assert!(taken > 2 * steps, "a leave takes {taken} steps");
        }
        for watch in &mut watches {
            let mut events = Vec::new();
            while let Some(Some(event)) = watch.next().now_or_never() {
                events.push(event);
            }
            assert_eq!(events.len(), 1 + 1 + 2 * 4, "the list, Ben, and Anna twice in each round");
        }
        drop(ben);
        assert_eq!(hub.state().lock().presence.entries(), 0);
    }

    #[test]
    fn no_statistics_list_or_close_takes_the_lock_for_all_topics_at_once() {
        const TOPICS: usize = 2_000;
        const WATCHED: usize = 1_000;
        let hub = Hub::builder().max_topics(2 * TOPICS).build();
        for topic in 0..TOPICS {
            publish(&hub, &format!("t{topic}"));
        }
        let mut readers: Vec<_> =
            (0..TOPICS).map(|n| hub.subscribe(format!("t{n}")).open().expect("room")).collect();
        let pattern = |n: usize| hub.subscribe(format!("*.{n}")).open().expect("room");
        readers.extend((0..TOPICS).map(pattern));
        let watch = |n: usize| hub.watch_presence(&format!("t{n}")).expect("a name");
        let mut watches: Vec<_> = (0..WATCHED).map(watch).collect();
        let steps = TOPICS / 128;
        let (stats, taken) = locks(|| hub.stats());
        assert!(taken > steps && stats.topics == TOPICS, "the statistics take {taken} steps");
        let (topics, taken) = locks(|| hub.topics());
        assert!(taken > steps && topics.len() == TOPICS, "the list takes {taken} steps");
        ENDED_UNDER_LOCK.set(0);
        let ((), taken) = locks(|| hub.close());
        let steps = steps + WATCHED / TOPICS_PER_STEP;
        assert!(taken > steps, "closing takes {taken} steps");
        assert_eq!(ENDED_UNDER_LOCK.get(), 0);
        for reader in &mut readers {
            read_all(reader);
            assert_eq!(reader.end(), Some(SubscriptionEnd::HubClosed));
        }
        for watch in &mut watches {
            assert!(watch.next().now_or_never().flatten().is_some(), "the list of before");
            assert_eq!(watch.next().now_or_never(), Some(None));
        }
    }

    /// All of them have different names and patterns.
    #[test]
    fn the_subscriptions_of_one_identity_are_counted_a_few_at_a_time() {
        const TABS: usize = 5 * MAX_COUNTED;
        let hub = Hub::new();
        let open = |n: usize| {
            let filters = ["room.1".to_owned(), "room.*".to_owned(), format!("own.{n}")];
            hub.subscribe(&filters[..]).identity("anna").open().expect("room")
        };
        let tabs: Vec<_> = (0..TABS).map(open).collect();
        let ben = hub.subscribe("room.>").identity("ben").open().expect("room");
        let count = || {
            OVERLAPS.set(0);
            let (present, taken) = locks(|| hub.presence("room.1"));
            assert_eq!(present, [("anna".into(), TABS), ("ben".into(), 1)].into());
            let counted = OVERLAPS.get();
            assert!(counted <= taken * MAX_COUNTED, "{counted} of them in {taken} locks");
            assert!(counted >= TABS);
        };
        count();
        let mut watch = hub.watch_presence("room.1").expect("a name");
        assert!(watch.next().now_or_never().flatten().is_some());
        count();
        drop((tabs, ben, watch));
        assert_eq!(hub.state().lock().presence.entries(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_ends_subscriptions_or_wakes_topics_under_the_lock() {
        const READERS: usize = 2_000;
        let open = |hub: &Hub| -> Vec<_> {
            let open = |n: usize| {
                let identity = if n.is_multiple_of(2) { "anna".to_owned() } else { n.to_string() };
                let subscribe = hub.subscribe(format!("t{n}")).identity(identity);
                subscribe.open().expect("room")
            };
            (0..READERS).map(open).collect()
        };
        let ends = |readers: &[Subscription], end| {
            readers.iter().filter(|reader| reader.end() == Some(end)).count()
        };
        let hub = Hub::new();
        let readers = open(&hub);
        ENDED_UNDER_LOCK.set(0);
        assert_eq!(hub.close_identity("anna"), READERS / 2);
        assert_eq!(ENDED_UNDER_LOCK.get(), 0);
        assert_eq!(ends(&readers, SubscriptionEnd::IdentityClosed), READERS / 2);
        assert_eq!(hub.close_identity("anna"), 0, "they have ended");
        let again = hub.subscribe("t0").identity("anna").open().expect("room");
        assert_eq!(hub.presence("t0").len(), 1);
        drop(readers);
        assert_eq!(hub.presence("t0").len(), 1, "one that came later stays");
        assert_eq!(hub.close_identity("anna"), 1);
        drop(again);

        let (hub, mut feed) = Hub::builder().build_shared(NoEngine);
        feed.begin(1, None);
        feed.set_state(RelayState::Live);
        let mut readers = open(&hub);
        readers.iter_mut().for_each(read_all);
        ENDED_UNDER_LOCK.set(0);
        feed.lost(Position::new(1, 50), None);
        let ((), taken) = locks(|| feed.take([]));
        assert_eq!(ENDED_UNDER_LOCK.get(), 0);
        assert!(taken > 2 * (READERS / 2) / 128, "a loss takes {taken} steps");
        assert_eq!(ends(&readers, SubscriptionEnd::MissedClose), READERS);
    }

    /// The identities are gone at the same moment, and nobody polls a watch.
    #[tokio::test(start_paused = true)]
    async fn a_publish_holds_the_lock_for_few_topics_when_identities_are_gone() {
        const WATCHED: usize = 500;
        const IDENTITIES: usize = 40;
        let grace = Duration::from_secs(1);
        let hub = Hub::builder().presence_grace(grace).build();
        let watch = |n: usize| hub.watch_presence(&format!("room.{n}")).expect("a name");
        let mut watches: Vec<_> = (0..WATCHED).map(watch).collect();
        let open = |n: usize| hub.subscribe(">").identity(n.to_string()).open().expect("room");
        drop((0..IDENTITIES).map(open).collect::<Vec<_>>());
        advance(grace).await;
        let mut all = 0;
        while hub.state().lock().presence.entries() > 0 || hub.state().lock().presence.has_untold()
        {
            let ((_, looked_at), taken) = locks(|| told(|| publish(&hub, "hall")));
            assert!(looked_at <= taken * TOPICS_PER_STEP, "{looked_at} topics in {taken} locks");
            all += looked_at;
        }
        assert_eq!(all, WATCHED * IDENTITIES);
        for watch in &mut watches {
            let events = std::iter::from_fn(|| watch.next().now_or_never().flatten()).count();
            assert_eq!(events, 1 + 2 * IDENTITIES, "the list, and each identity twice");
        }
    }
}
