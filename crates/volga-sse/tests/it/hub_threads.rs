//! A hub with several threads, and with a subscriber that never reads.

use std::{sync::Arc, thread};

use futures_util::{FutureExt, future::join_all};
use volga_sse::{
    Message,
    hub::{Delivery, Hub, Subscription},
};

const PUBLISHERS: usize = 3;
const MESSAGES: usize = 2_000;

fn message(publisher: usize, number: usize) -> Message {
    Message::new().data(format!("{publisher} {number}"))
}

/// The publisher and the number from which a message was made.
fn content(delivery: &Delivery) -> (usize, usize) {
    let Delivery::Message(message) = delivery else { panic!("{delivery:?}") };
    let text = std::str::from_utf8(message.as_bytes()).expect("valid");
    let (data, _) = text.strip_prefix("data: ").expect("valid").split_once('\n').expect("valid");
    let (publisher, number) = data.split_once(' ').expect("valid");
    (publisher.parse().expect("valid"), number.parse().expect("valid"))
}

/// Whether this is the message that gives a new client an ID and nothing else.
fn is_id_only(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Message(message) if message.as_bytes().starts_with(b"id: "))
}

/// Reads until everything of every publisher has come: each message once, in the order of positions
/// and in the order of its publisher.
async fn read_all(mut subscription: Subscription) {
    let mut next = [0; PUBLISHERS];
    let mut last = None;
    while next.iter().sum::<usize>() < PUBLISHERS * MESSAGES {
        let delivery = subscription.next().await.expect("the hub is open");
        if is_id_only(&delivery) {
            continue;
        }
        let (publisher, number) = content(&delivery);
        assert_eq!(number, next[publisher]);
        next[publisher] += 1;
        let Delivery::Message(message) = delivery else { unreachable!() };
        assert!(last < message.position());
        last = message.position();
    }
    assert!(subscription.next().now_or_never().is_none());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

#[test]
fn every_message_arrives_once_and_in_order_while_several_threads_publish_and_read() {
    let room = PUBLISHERS * MESSAGES;
    let hub = Hub::builder().max_messages(room).max_bytes(room * 100).build();
    // The other topics are created while messages are published.
    let topics = ["t.0", "t.1", "t.2"];
    thread::scope(|scope| {
        for filters in [&topics[..], &["t.*"], &[">"]] {
            let subscriptions: Vec<_> =
                (0..10).map(|_| hub.subscribe(filters).open().unwrap()).collect();
            scope.spawn(move || {
                runtime().block_on(join_all(subscriptions.into_iter().map(read_all)));
            });
        }
        for publisher in 0..PUBLISHERS {
            let hub = &hub;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let topic = topics[if number < 100 { 0 } else { publisher }];
                    hub.publish(topic, message(publisher, number)).unwrap();
                }
            });
        }
    });
}

#[test]
fn subscribers_come_and_go_while_others_are_woken() {
    let hub = Hub::builder().max_messages(MESSAGES).build();
    thread::scope(|scope| {
        let subscription = hub.subscribe("t").open().unwrap();
        let reading = scope.spawn(move || {
            runtime().block_on(async move {
                let mut subscription = subscription;
                for number in 0..MESSAGES {
                    let mut delivery = subscription.next().await.expect("the hub is open");
                    // A subscription that is polled before the first message gets an ID first.
                    if is_id_only(&delivery) {
                        delivery = subscription.next().await.expect("the hub is open");
                    }
                    assert_eq!(content(&delivery), (0, number));
                }
            });
        });
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for _ in 0..2 {
            let (hub, done) = (&hub, Arc::clone(&done));
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut others: Vec<_> =
                        (0..50).map(|_| hub.subscribe("t").open().unwrap()).collect();
                    others.iter_mut().for_each(|other| drop(other.next().now_or_never()));
                }
            });
        }
        for number in 0..MESSAGES {
            hub.publish("t", message(0, number)).unwrap();
        }
        let read = reading.join();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        read.expect("all arrived");
    });
}

#[test]
fn nothing_is_lost_between_a_snapshot_and_the_messages_that_follow() {
    const KEYS: [&str; PUBLISHERS] = ["0", "1", "2"];
    const READERS: usize = 60;
    let room = PUBLISHERS * MESSAGES;
    let hub = Hub::builder().max_messages(room).max_bytes(room * 100).keyed("k.*", 9).unwrap();
    let hub = hub.build();
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let hub = &hub;
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        let message = message(publisher, number);
                        hub.publish_keyed("k.1", KEYS[publisher], message).unwrap();
                    }
                })
            })
            .collect();
        let mut readers = Vec::new();
        // They come at all times. Some read now and then, and all of them at the end.
        for reader in 0..READERS {
            let is_time = || hub.position().number() as usize >= reader * room / READERS;
            while !is_time() && !publishers.iter().all(|publisher| publisher.is_finished()) {
                thread::yield_now();
            }
            let filter = ["k.1", "k.*"][readers.len() % 2];
            let reader = hub.subscribe(filter).without_first_id().open().unwrap();
            readers.push((reader, Vec::new()));
            let one = readers.len() * 7 % 11 % readers.len();
            let (reader, read) = &mut readers[one];
            read.extend(reader.next().now_or_never().flatten());
        }
        publishers.into_iter().for_each(|publisher| publisher.join().expect("no panic"));
        for (mut reader, mut read) in readers {
            while let Some(Some(delivery)) = reader.next().now_or_never() {
                read.push(delivery);
            }
            let mut next: [Option<usize>; PUBLISHERS] = [None; PUBLISHERS];
            for delivery in &read {
                let (publisher, number) = content(delivery);
                assert!(next[publisher].is_none_or(|next| next == number), "{number} of {next:?}");
                next[publisher] = Some(number + 1);
            }
            assert_eq!(next, [Some(MESSAGES); PUBLISHERS]);
        }
    });
}

#[test]
fn messages_that_are_published_together_stay_together() {
    const SIZES: [usize; PUBLISHERS] = [2, 3, 5];
    let room = MESSAGES * SIZES.iter().sum::<usize>();
    let hub = Hub::builder().max_messages(room).max_bytes(room * 100).build();
    let all = ["t", "*"].map(|filter| hub.subscribe(filter).without_first_id().open().unwrap());
    thread::scope(|scope| {
        for (publisher, size) in SIZES.into_iter().enumerate() {
            let hub = &hub;
            scope.spawn(move || {
                for _ in 0..MESSAGES / 10 {
                    let together = (0..size).map(|number| message(publisher, number));
                    hub.publish_many("t", together).unwrap();
                }
            });
        }
    });
    for mut subscription in all {
        let mut count = 0;
        while let Some(Some(first)) = subscription.next().now_or_never() {
            let (publisher, number) = content(&first);
            assert_eq!(number, 0);
            for number in 1..SIZES[publisher] {
                let next = subscription.next().now_or_never().flatten().expect("a message");
                assert_eq!(content(&next), (publisher, number));
            }
            count += 1;
        }
        assert_eq!(count, PUBLISHERS * (MESSAGES / 10));
    }
}

#[test]
fn a_subscriber_that_never_reads_does_not_affect_the_others() {
    const MAX: usize = 16;
    let hub = Hub::builder().max_messages(MAX).build();
    let mut never = hub.subscribe("t").open().unwrap();
    let mut others: Vec<_> = (0..2_000).map(|_| hub.subscribe("t").open().unwrap()).collect();
    let rounds = 10 * MAX;
    for number in 0..rounds {
        hub.publish("t", message(0, number)).unwrap();
        for other in &mut others {
            let delivery = other.next().now_or_never().flatten().expect("a message");
            assert_eq!(content(&delivery), (0, number));
        }
    }
    // The hub holds the log and nothing else, whether a subscriber reads or not.
    let Some(Some(Delivery::Gap(gap))) = never.next().now_or_never() else { panic!("no gap") };
    assert_eq!(gap.through().number() as usize, rounds - MAX);
    for number in rounds - MAX..rounds {
        let delivery = never.next().now_or_never().flatten().expect("a message");
        assert_eq!(content(&delivery), (0, number));
    }
}
