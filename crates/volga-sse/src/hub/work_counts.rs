//! Counts the work of publishers, for tests that compare counts instead of times.

use std::cell::Cell;

thread_local! {
    static VISITS: Cell<usize> = const { Cell::new(0) };
    static LOCKS: Cell<usize> = const { Cell::new(0) };
}

/// A publisher has visited a reader.
pub(crate) fn note_visit() {
    VISITS.set(VISITS.get() + 1);
}

/// The lock of a hub was taken.
pub(crate) fn note_lock() {
    LOCKS.set(LOCKS.get() + 1);
}

#[cfg(not(loom))]
mod tests {
    use futures_util::FutureExt;

    use super::{LOCKS, VISITS};
    use crate::codec::message::Message;
    use crate::hub::handle::Hub;
    use crate::hub::policy::Policy;
    use crate::hub::presence::unfinished::IDENTITIES_PER_STEP;
    use crate::hub::subscription::Subscription;

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

    #[test]
    fn no_call_takes_the_lock_for_all_identities_at_once() {
        const IDENTITIES: usize = 1_000;
        let hub = Hub::new();
        let open = |number: usize| {
            let subscribe = hub.subscribe([">", "room.*"]).identity(number.to_string());
            subscribe.open().expect("room")
        };
        let _readers: Vec<_> = (0..IDENTITIES).map(open).collect();
        let steps = IDENTITIES / IDENTITIES_PER_STEP;
        for _ in 0..2 {
            let (_, taken) = locks(|| publish(&hub, "room.1"));
            assert!(taken > steps, "a new topic takes {taken} steps");
            assert_eq!(hub.presence("room.1").len(), IDENTITIES);
            let (is_removed, taken) = locks(|| hub.remove_topic("room.1"));
            assert!(is_removed && taken > steps, "a removed topic takes {taken} steps");
            assert_eq!(hub.presence("room.1").len(), 0);
        }
    }
}
