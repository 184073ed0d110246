//! Checks the hub under every order in which threads can use its locks and atomics, up to a bound
//! on forced switches between threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p volga-sse --features hub --release --lib loom`

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{sync::Notify, thread};

use crate::codec::message::Message;
use crate::hub::handle::Hub;
use crate::hub::subscription::arguments::Topics;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::subscription::{ReadyDelivery, Subscription};
use crate::hub::topic::waves;

/// How often a schedule may switch away from a thread that could continue, unless
/// `LOOM_MAX_PREEMPTIONS` says otherwise. Bugs of this kind need one or two switches. Three take
/// minutes.
const MAX_PREEMPTIONS: usize = 2;

/// A task that sleeps until its waker is woken. If nobody wakes it, loom reports a deadlock.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls as a runtime does.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let task = Arc::new(Task(Notify::new()));
    let waker = Waker::from(Arc::clone(&task));
    loop {
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ready) => return ready,
            Poll::Pending => task.0.wait(),
        }
    }
}

/// The next delivery.
pub(super) fn next(subscription: &mut Subscription) -> Option<Delivery> {
    wait(|cx| subscription.poll_delivery(cx))
}

/// Opens the subscription of a client that resumes, so its first delivery is a message.
fn open(hub: &Hub, topics: impl Topics) -> Subscription {
    hub.subscribe(topics).resume(hub.position()).open().expect("open")
}

fn number(delivery: Option<Delivery>) -> u64 {
    match delivery {
        Some(Delivery::Message(message)) => message.position().expect("a position").number(),
        other => panic!("{other:?}"),
    }
}

fn publish(hub: &Hub, topic: &str) {
    hub.publish(topic, Message::new()).expect("published");
}

pub(super) fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(MAX_PREEMPTIONS);
    builder.check(check);
}

#[test]
fn a_sleeping_subscriber_of_one_topic_misses_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut subscription = open(&hub, "a");
        let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a")));
        assert_eq!(number(next(&mut subscription)), 1);
        assert_eq!(number(next(&mut subscription)), 2);
        publisher.join().expect("no panic");
    });
}

/// Reads one frame as a body does, and returns the number of its messages.
fn next_frame(subscription: &mut Subscription) -> usize {
    match wait(|cx| subscription.poll_ready(cx)) {
        Some(ReadyDelivery::Joined(frame)) => frame.messages,
        // The message came while the subscription was going to sleep.
        Some(ReadyDelivery::Single(Delivery::Message(_))) => 1,
        Some(ReadyDelivery::Single(Delivery::Gap(gap))) => panic!("{gap:?}"),
        None => panic!("it ended"),
    }
}

#[test]
fn sleeping_subscribers_that_share_frames_miss_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut subscriptions = [open(&hub, "a"), open(&hub, "a")];
        let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a")));
        for subscription in &mut subscriptions {
            let mut messages = 0;
            while messages < 2 {
                messages += next_frame(subscription);
            }
        }
        publisher.join().expect("no panic");
    });
}

#[test]
fn two_publishers_wake_a_subscriber_of_one_topic_for_both() {
    model(|| {
        let hub = Hub::new();
        let mut subscription = open(&hub, "a");
        let publishers = [hub.clone(), hub].map(|hub| thread::spawn(move || publish(&hub, "a")));
        assert_eq!(number(next(&mut subscription)), 1);
        assert_eq!(number(next(&mut subscription)), 2);
        publishers.into_iter().for_each(|publisher| publisher.join().expect("no panic"));
    });
}

#[test]
fn messages_of_two_topics_arrive_in_the_order_of_their_positions() {
    model(|| {
        let hub = Hub::new();
        let mut subscription = open(&hub, ["a", "b"]);
        let publishers = [(hub.clone(), "a"), (hub, "b")]
            .map(|(hub, topic)| thread::spawn(move || publish(&hub, topic)));
        assert_eq!(number(next(&mut subscription)), 1);
        assert_eq!(number(next(&mut subscription)), 2);
        publishers.into_iter().for_each(|publisher| publisher.join().expect("no panic"));
    });
}

#[test]
fn a_topic_that_begins_while_its_pattern_is_read_is_not_missed() {
    model(|| {
        let hub = Hub::new();
        let mut subscription = open(&hub, "*");
        let publisher = thread::spawn(move || {
            publish(&hub, "a");
            publish(&hub, "b");
        });
        assert_eq!(number(next(&mut subscription)), 1);
        assert_eq!(number(next(&mut subscription)), 2);
        publisher.join().expect("no panic");
    });
}

#[test]
fn a_subscriber_by_one_of_many_patterns_misses_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut subscription = open(&hub, "a.*");
        // A set lists one pattern in this model. So the publisher looks for sleepers in the tree.
        let _other = open(&hub, "*.b");
        let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a.b")));
        assert_eq!(number(next(&mut subscription)), 1);
        assert_eq!(number(next(&mut subscription)), 2);
        publisher.join().expect("no panic");
    });
}

#[test]
fn two_subscribers_by_one_of_many_patterns_miss_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut one = open(&hub, "a.*");
        let mut another = open(&hub, "a.*");
        let _other = open(&hub, "*.b");
        // Both count as sleepers of their pattern. The publisher takes them, and they sleep again
        // at the same time.
        publish(&hub, "a.b");
        let sleeper = thread::spawn(move || {
            while one.poll_delivery(&mut Context::from_waker(Waker::noop())).is_ready() {}
            one
        });
        let publisher = thread::spawn(move || publish(&hub, "a.b"));
        assert_eq!(number(next(&mut another)), 1);
        assert_eq!(number(next(&mut another)), 2);
        publisher.join().expect("no panic");
        drop(sleeper.join().expect("no panic"));
    });
}

#[test]
fn a_subscriber_that_leaves_hides_no_other_from_a_publisher() {
    model(|| {
        let hub = Hub::new();
        let mut leaves = open(&hub, "a");
        let mut stays = open(&hub, "a");
        // The publisher wakes this one, and so releases the lock before it comes to the other.
        assert!(leaves.poll_delivery(&mut Context::from_waker(Waker::noop())).is_pending());
        let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a")));
        let leaving = thread::spawn(move || drop(leaves));
        assert_eq!(number(next(&mut stays)), 1);
        assert_eq!(number(next(&mut stays)), 2);
        publisher.join().expect("no panic");
        leaving.join().expect("no panic");
    });
}

#[test]
fn a_subscriber_that_a_publisher_sets_aside_misses_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut busy = open(&hub, "a");
        let mut sleeper = open(&hub, "a");
        let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a")));
        assert_eq!(number(next(&mut busy)), 1);
        // If the other subscriber sleeps now, the next publish visits both, and may find this one
        // awake.
        while sleeper.poll_delivery(&mut Context::from_waker(Waker::noop())).is_ready() {}
        assert_eq!(number(next(&mut busy)), 2);
        publisher.join().expect("no panic");
    });
}

#[test]
fn a_subscriber_that_joins_while_others_sleep_misses_no_message() {
    model(|| {
        let hub = Hub::new();
        let mut sleeper = open(&hub, "a");
        assert!(sleeper.poll_delivery(&mut Context::from_waker(Waker::noop())).is_pending());
        let publisher = thread::spawn({
            let hub = hub.clone();
            move || (0..2).for_each(|_| publish(&hub, "a"))
        });
        let mut joins = open(&hub, "a");
        while joins.position().number() < 2 {
            number(next(&mut joins));
        }
        publisher.join().expect("no panic");
    });
}

#[test]
fn a_message_that_waits_for_the_next_wave_is_not_missed() {
    // The waves end by themselves, or with the runtime that runs them.
    for turns in [0, 1, 2, usize::MAX] {
        model(move || {
            waves::end_after(turns);
            let hub = Hub::new();
            let mut subscription = open(&hub, "a");
            let publisher = thread::spawn(move || (0..2).for_each(|_| publish(&hub, "a")));
            assert_eq!(number(next(&mut subscription)), 1);
            assert_eq!(number(next(&mut subscription)), 2);
            publisher.join().expect("no panic");
        });
    }
}

#[test]
fn a_close_reaches_sleeping_subscribers_after_all_earlier_messages() {
    for topics in [&["a"][..], &["*"]] {
        model(move || {
            let hub = Hub::new();
            let mut subscription = open(&hub, topics);
            let publisher = thread::spawn(move || {
                publish(&hub, "a");
                hub.close();
            });
            assert_eq!(number(next(&mut subscription)), 1);
            assert_eq!(next(&mut subscription), None);
            publisher.join().expect("no panic");
        });
    }
}
