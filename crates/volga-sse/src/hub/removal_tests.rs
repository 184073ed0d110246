//! A reader that has read everything misses nothing when topics are removed, whatever removes them
//! and however long the reader sleeps afterwards.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::advance;

use crate::codec::message::Message;
use crate::hub::handle::Hub;
use crate::hub::policy::Policy;
use crate::hub::settings::DEFAULT_MAX_AGE;
use crate::hub::state::recent_messages::RECENT_MESSAGES;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::subscriber::SubscriptionEnd;

const MAX_TOPICS: usize = 8;

/// All of them read `b.1`. No topic of [`sleep_through`] belongs to them.
const READERS: [&[&str]; 6] =
    [&["b.1"], &["b.1", "d"], &["b.*"], &["b.*", "d"], &["*.1", "b.>"], &["b.1", "b.*", "b.>"]];

#[derive(Clone, Copy, Debug)]
enum Cause {
    Call,
    Age,
    Room,
}

/// The events between two reads of a reader.
#[derive(Clone, Copy, Debug)]
enum Sleep {
    Short,
    /// The hub forgets which messages it has published last.
    ManyMessages,
    /// The hub forgets which topics it has removed.
    ManyTopics,
    /// Topics come and go and come again.
    SameTopics,
}

fn hub(policy: Policy, is_keyed: bool) -> Hub {
    let builder = Hub::builder().max_topics(MAX_TOPICS).max_remembered_topics(2).policy(policy);
    // A keyed topic that the readers do not read changes nothing for them.
    let builder = builder.keyed("x.*", 9).expect("a pattern");
    let keyed = if is_keyed { "b.1" } else { "x" };
    builder.keyed(keyed, 9).expect("a name").build()
}

fn publish(hub: &Hub, topic: &str) -> u64 {
    let message = Message::new().data("x");
    hub.publish(topic, message).expect("published").number()
}

fn publish_value(hub: &Hub) -> u64 {
    let value = Message::new().data("value");
    hub.publish_keyed("b.1", "key", value).expect("published").number()
}

async fn remove(hub: &Hub, cause: Cause) {
    match cause {
        Cause::Call => assert!(hub.remove_topic("b.1")),
        Cause::Age => {
            advance(2 * DEFAULT_MAX_AGE).await;
            hub.drop_expired();
        }
        Cause::Room => (0..MAX_TOPICS).for_each(|n| _ = publish(hub, &format!("room.x{n}"))),
    }
}

fn sleep_through(hub: &Hub, sleep: Sleep) {
    match sleep {
        Sleep::Short => {}
        Sleep::ManyMessages => {
            (0..2 * RECENT_MESSAGES).for_each(|_| _ = publish(hub, "c.x"));
        }
        Sleep::ManyTopics => {
            (0..20 * MAX_TOPICS).for_each(|n| _ = publish(hub, &format!("c.x{n}")));
            (0..2 * RECENT_MESSAGES).for_each(|_| _ = publish(hub, "c.x"));
        }
        Sleep::SameTopics => {
            for n in 0..2 * RECENT_MESSAGES {
                let topic = format!("c.x{}", n % 2);
                publish(hub, &topic);
                assert!(hub.remove_topic(&topic));
            }
        }
    }
}

fn next(reader: &mut Subscription) -> Option<Delivery> {
    reader.next().now_or_never()?
}

/// The number of the next message.
#[track_caller]
fn next_number(reader: &mut Subscription) -> u64 {
    match next(reader) {
        Some(Delivery::Message(message)) => message.position().expect("a position").number(),
        other => panic!("{other:?}, {:?}", reader.end()),
    }
}

const SLEEPS: [Sleep; 4] =
    [Sleep::Short, Sleep::ManyMessages, Sleep::ManyTopics, Sleep::SameTopics];

/// Each policy, reader, cause of a removal, and sleep.
fn cases() -> impl Iterator<Item = (Policy, &'static [&'static str], Cause, Sleep)> {
    let policies = [Policy::Gap, Policy::close()];
    let causes = [Cause::Call, Cause::Age, Cause::Room];
    policies.into_iter().flat_map(move |policy| {
        READERS.into_iter().flat_map(move |filters| {
            causes.into_iter().flat_map(move |cause| {
                SLEEPS.into_iter().map(move |sleep| (policy, filters, cause, sleep))
            })
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_read_everything_is_not_too_slow_and_has_no_gap() {
    for (policy, filters, cause, sleep) in cases() {
        let case = format!("{policy:?} {filters:?} {cause:?} {sleep:?}");
        let hub = hub(policy, false);
        let mut reader = hub.subscribe(filters).without_first_id().open().unwrap();
        let first = publish(&hub, "b.1");
        assert_eq!(next_number(&mut reader), first);
        assert_eq!(next(&mut reader), None);
        remove(&hub, cause).await;
        sleep_through(&hub, sleep);
        assert_eq!(reader.end(), None, "{case}");
        assert_eq!(next(&mut reader), None, "{case}");
        for topic in ["b.1", "b.1", "c.x", "b.1"] {
            sleep_through(&hub, sleep);
            let number = publish(&hub, topic);
            if topic == "b.1" {
                assert_eq!(next_number(&mut reader), number, "{case}");
            }
        }
        assert_eq!((next(&mut reader), reader.end()), (None, None), "{case}");
    }
}

/// The removal takes a position, and the gap tells a page that the values are gone.
#[tokio::test(start_paused = true)]
async fn a_reader_of_values_is_told_of_their_removal_and_goes_on() {
    for policy in [Policy::Gap, Policy::close(), Policy::Latest] {
        for filters in READERS {
            if policy == Policy::Latest && filters.contains(&"d") {
                continue;
            }
            for sleep in SLEEPS {
                let case = format!("{policy:?} {filters:?} {sleep:?}");
                let hub = hub(policy, true);
                let mut reader = hub.subscribe(filters).without_first_id().open().unwrap();
                let first = publish_value(&hub);
                assert_eq!(next_number(&mut reader), first);
                assert_eq!(next(&mut reader), None);
                for _ in 0..2 {
                    assert!(hub.remove_topic("b.1"));
                    let removed = hub.position();
                    sleep_through(&hub, sleep);
                    assert_eq!(reader.end(), None, "{case}");
                    let Some(Delivery::Gap(gap)) = next(&mut reader) else {
                        panic!("{case}: {:?}", reader.end());
                    };
                    assert!(gap.has_snapshot(), "{case}");
                    assert!(gap.through() >= removed, "{case}");
                    assert_eq!((next(&mut reader), reader.end()), (None, None), "{case}");
                    let number = publish_value(&hub);
                    assert_eq!(next_number(&mut reader), number, "{case}");
                    assert_eq!((next(&mut reader), reader.end()), (None, None), "{case}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_not_read_a_removed_message_is_told_or_ends() {
    for (policy, filters, cause, sleep) in cases() {
        let case = format!("{policy:?} {filters:?} {cause:?} {sleep:?}");
        let hub = hub(policy, false);
        let mut reader = hub.subscribe(filters).without_first_id().open().unwrap();
        assert_eq!(next(&mut reader), None);
        let first = publish(&hub, "b.1");
        remove(&hub, cause).await;
        if hub.topic_stats("b.1").is_some_and(|stats| stats.messages > 0) {
            // A reader by name keeps it.
            assert_eq!(next_number(&mut reader), first, "{case}");
            continue;
        }
        sleep_through(&hub, sleep);
        publish(&hub, "b.1");
        let is_closed = policy != Policy::Gap;
        let end = is_closed.then_some(SubscriptionEnd::TooSlow);
        assert_eq!(reader.end(), end, "{case}");
        if !is_closed {
            let Some(Delivery::Gap(gap)) = next(&mut reader) else { panic!("{case}") };
            assert!(gap.through().number() >= first, "{case}");
            assert!(!gap.has_snapshot(), "{case}");
        }
    }
}

/// The topic is removed before the client returns. The hub may forget that before the client reads.
#[tokio::test(start_paused = true)]
async fn a_client_that_returns_late_is_told_of_a_removed_message_whenever_it_reads() {
    for (_, filters, cause, sleep) in cases().filter(|(policy, ..)| *policy == Policy::Gap) {
        for first_sleep in [Sleep::Short, Sleep::ManyTopics] {
            let case = format!("{filters:?} {cause:?} {first_sleep:?} {sleep:?}");
            let hub = hub(Policy::Gap, false);
            let start = publish(&hub, "c.x");
            let id = hub.position();
            let first = publish(&hub, "b.1");
            remove(&hub, cause).await;
            sleep_through(&hub, first_sleep);
            let mut reader = hub.subscribe(filters).resume(id).open().expect("room");
            sleep_through(&hub, sleep);
            let Some(Delivery::Gap(gap)) = next(&mut reader) else {
                panic!("{case}: no gap after {start}");
            };
            assert!(gap.through().number() >= first, "{case}");
            assert_eq!((next(&mut reader), reader.end()), (None, None), "{case}");
        }
    }
}

/// A client that resumes is told only of topics that its patterns match.
#[tokio::test(start_paused = true)]
async fn a_gap_has_a_snapshot_only_if_a_keyed_topic_may_match() {
    let minute = Duration::from_secs(60);
    for (filters, has_snapshot) in [
        (&["b.*"][..], false),
        (&["b.>", "c"], false),
        (&["*"], false),
        (&["*.1"], true),
        (&[">"], true),
        (&["b.*", "x.7"], true),
        (&["*.*"], true),
    ] {
        for is_known in [true, false] {
            let hub = Hub::builder().max_messages(2).keyed("x.*", 9).expect("a pattern").build();
            let start = publish(&hub, "b.1");
            let id = hub.position().to_string();
            for key in ["1", "2", "3", "4"] {
                hub.publish_keyed("x.1", key, Message::new().data("x")).expect("published");
            }
            (0..5).for_each(|_| _ = publish(&hub, "b.1"));
            (0..5).for_each(|_| _ = publish(&hub, "x.7"));
            advance(minute).await;
            let id = if is_known { id.as_str() } else { "unknown" };
            let mut reader = hub.subscribe(filters).resume(id).open().expect("room");
            let Some(first) = next(&mut reader) else {
                assert_eq!(filters, ["*"], "it matches nothing");
                continue;
            };
            let Delivery::Gap(gap) = first else {
                panic!("{filters:?} after {start}: {first:?}");
            };
            assert_eq!(gap.has_snapshot(), has_snapshot, "{filters:?} {is_known}");
        }
    }
}
