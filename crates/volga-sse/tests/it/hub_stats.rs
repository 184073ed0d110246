//! The statistics of a hub.

use futures_util::FutureExt;
use volga_sse::{
    Message,
    hub::{Hub, Policy, Subscription},
};

fn drain(subscription: &mut Subscription) {
    while subscription.next().now_or_never().is_some() {}
}

#[test]
fn statistics_count_what_happened_and_what_is_held() {
    let hub = Hub::builder().max_messages(4).keyed("k", 10).unwrap().build();
    let bytes = |data: &str| {
        let message = Message::new().data(data).encode_at(hub.position());
        message.unwrap().len() as u64
    };
    let mut alone = hub.subscribe("a").open().unwrap();
    let mut several = hub.subscribe(["a", "b"]).open().unwrap();
    for data in ["1", "2", "3"] {
        hub.publish("a", Message::new().data(data)).unwrap();
    }
    hub.publish("b", Message::new().data("4")).unwrap();
    drain(&mut alone);
    drain(&mut several);
    for data in ["5", "6"] {
        hub.publish("a", Message::new().data(data)).unwrap();
    }
    drain(&mut several);

    let a = hub.topic_stats("a").unwrap();
    assert_eq!((a.subscribers, a.published, a.delivered), (2, 5, 3 + 5));
    assert_eq!((a.messages, a.bytes, a.keys, a.max_lag), (4, 4 * bytes("1"), 0, 2));
    let all = hub.stats();
    assert_eq!((all.topics, all.subscribers, all.published), (2, 2, 6));
    assert_eq!((all.delivered, all.messages, all.max_lag), (9, 5, 2));
    assert_eq!((all.gaps, all.skipped, all.resumed), (0, 0, 0));

    // What was delivered to subscriptions that have ended still counts.
    let left_off = alone.position();
    drop(alone);
    assert_eq!(hub.topic_stats("a").unwrap().delivered, 8);
    hub.publish_many("a", ["7", "8", "9"].map(|data| Message::new().data(data))).unwrap();
    let mut resumed = hub.subscribe("a").resume(left_off).open().unwrap();
    drain(&mut resumed);
    let all = hub.stats();
    assert_eq!((all.gaps, all.skipped, all.resumed), (1, 2, 1));
    assert_eq!(hub.topics(), ["a".into(), "b".into()]);
    assert_eq!(hub.topic_stats("c"), None);
}

#[test]
fn values_of_keys_are_held_beside_the_log() {
    let hub = Hub::builder().max_messages(1).keyed("k", 10).unwrap().build();
    let mut latest = hub.subscribe("k").policy(Policy::Latest).open().unwrap();
    let mut bytes = 0;
    for key in ["a", "b", "c"] {
        let position = hub.publish_keyed("k", key, Message::new().data(key)).unwrap();
        bytes += Message::new().data(key).encode_at(position).unwrap().len() as u64;
    }
    let stats = hub.topic_stats("k").unwrap();
    assert_eq!((stats.messages, stats.keys, stats.bytes), (1, 3, bytes));
    drain(&mut latest);
    assert_eq!(hub.stats().delivered, 3);
    assert_eq!(hub.stats().gaps, 0);
}

#[test]
fn logs_that_are_full_do_not_grow() {
    const MAX_TOPICS: usize = 5;
    const MAX_BYTES: usize = 1_000;
    for (len, topics) in [(1, 5), (50, 5), (300, 5), (50, 7)] {
        let settings = Hub::builder().max_topics(MAX_TOPICS).max_bytes(MAX_BYTES);
        let hub = settings.max_messages(10_000).build();
        let message = || Message::new().data("x".repeat(len));
        let mut largest = 0;
        for number in 0..3_000 {
            hub.publish(&format!("t.{}", number % topics), message()).unwrap();
            largest = largest.max(hub.stats().bytes);
        }
        let bound = (MAX_TOPICS * MAX_BYTES) as u64;
        assert!(largest <= bound, "{largest} bytes");
        // A message may not fit into what is left, and topics that make room leave nothing.
        assert!(largest > bound / 2 || topics > MAX_TOPICS, "{largest} bytes");
    }
}

#[test]
fn gaps_and_lag_tell_slow_clients_from_those_that_were_away() {
    const LOG: usize = 8;
    let hub = Hub::builder().max_messages(LOG).build();
    let publish = |count| {
        (0..count).for_each(|_| _ = hub.publish("a", Message::new().data("x")).unwrap());
    };
    let mut slow = hub.subscribe("a").open().unwrap();
    let away = hub.position();
    publish(3 * LOG);
    assert!(hub.stats().max_lag >= LOG, "{}", hub.stats().max_lag);
    drain(&mut slow);
    assert_eq!(hub.stats().gaps, 1);
    drop(slow);
    let mut back = hub.subscribe("a").resume(away).open().unwrap();
    drain(&mut back);
    let stats = hub.stats();
    assert_eq!((stats.gaps, stats.resumed, stats.max_lag), (2, 1, 0));
    // After a restart, no ID is known.
    let hub = Hub::new();
    let mut back = hub.subscribe("a").resume(away).open().unwrap();
    drain(&mut back);
    assert_eq!((hub.stats().gaps, hub.stats().resumed), (1, 0));
}

#[cfg(feature = "metrics")]
#[test]
fn the_numbers_reach_a_recorder_of_the_metrics_crate() {
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder,
        SharedString, Unit,
    };

    type Seen = Arc<Mutex<Vec<(String, f64)>>>;
    struct Test(Seen);
    struct Value(String, Seen);

    fn check_label(key: &Key) {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels, [("hub", "main")]);
    }

    impl CounterFn for Value {
        fn increment(&self, _: u64) {
            unreachable!("they are absolute");
        }
        fn absolute(&self, value: u64) {
            self.set(value as f64);
        }
    }

    impl GaugeFn for Value {
        fn increment(&self, _: f64) {
            unreachable!("they are set");
        }
        fn decrement(&self, _: f64) {
            unreachable!("they are set");
        }
        fn set(&self, value: f64) {
            self.1.lock().unwrap().push((self.0.clone(), value));
        }
    }

    impl Recorder for Test {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            check_label(key);
            assert!(key.name().ends_with("_total"), "{key}");
            Counter::from_arc(Arc::new(Value(key.name().to_owned(), Arc::clone(&self.0))))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            check_label(key);
            assert!(!key.name().ends_with("_total"), "{key}");
            Gauge::from_arc(Arc::new(Value(key.name().to_owned(), Arc::clone(&self.0))))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    let hub = Hub::new();
    let _subscription = hub.subscribe("a").open().unwrap();
    hub.publish("a", Message::new()).unwrap();
    let seen = Seen::default();
    metrics::with_local_recorder(&Test(Arc::clone(&seen)), || {
        hub.stats().record(&[("hub", "main")]);
    });
    let seen = seen.lock().unwrap();
    for (name, value) in [
        ("volga_hub_published_total", 1.0),
        ("volga_hub_subscribers", 1.0),
        ("volga_hub_max_lag", 1.0),
        ("volga_hub_gaps_total", 0.0),
        ("volga_hub_unheld_total", 0.0),
    ] {
        assert!(seen.contains(&(name.to_owned(), value)), "{name}: {seen:?}");
    }
    assert_eq!(seen.len(), 14);
}
