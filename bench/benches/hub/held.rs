//! How long the longest publish takes while another thread does something that has much to do.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use volga_sse::hub::Hub;

use super::message;

const TRIES: usize = 7;
/// How long messages are held that expire.
const AGE: Duration = Duration::from_millis(1_500);

pub(crate) fn run() {
    println!("the longest publish to another topic while (least and most of {TRIES} tries)");
    for messages in [1_000, 1_000_000] {
        println!("  a log of {messages} messages expires: {}", expiry(messages));
    }
    println!("  a client opens and leaves 100 names, for which 100 topics make room: {}", names());
    for patterns in [10, 10_000] {
        println!(
            "  a pattern comes and goes beside {patterns} that match the topic: {}",
            many(patterns)
        );
        println!(
            "  those who are present by {patterns} patterns are listed: {}",
            present(patterns)
        );
    }
}

/// Publishes while another thread runs an action. Returns the longest publish.
fn longest(hub: &Hub, topic: &str, action: impl FnOnce()) -> Duration {
    let (longest, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let start = Instant::now();
                hub.publish(topic, message()).expect("published");
                longest.fetch_max(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        });
        thread::sleep(Duration::from_millis(20));
        longest.store(0, Ordering::Relaxed);
        action();
        is_done.store(true, Ordering::Relaxed);
    });
    Duration::from_nanos(longest.into_inner())
}

/// The machine may take the core away from either thread in any try, so the least one counts.
fn least_and_most(mut one: impl FnMut() -> Duration) -> String {
    let mut times: Vec<_> = (0..TRIES).map(|_| one()).collect();
    times.sort_unstable();
    format!("{:.1?} to {:.1?}", times[0], times[TRIES - 1])
}

fn expiry(messages: usize) -> String {
    least_and_most(|| {
        let builder = Hub::builder().max_messages(messages).max_bytes(usize::MAX);
        let hub = builder.max_age(AGE).build();
        (0..messages).for_each(|_| _ = hub.publish("long", message()).expect("published"));
        longest(&hub, "other", || thread::sleep(AGE * 2))
    })
}

fn names() -> String {
    let hub = Hub::builder().max_topics(10_000).build();
    (0..10_000).for_each(|topic| _ = hub.publish(&format!("t{topic}"), message()).expect("room"));
    let mut first = 0;
    least_and_most(|| {
        first += 100;
        let names: Vec<_> = (first..first + 100).map(|name| format!("new.{name}")).collect();
        longest(&hub, "t9999", || drop(hub.subscribe(names).open().expect("room")))
    })
}

/// A pattern that matches the name `a.a.….a` of 14 segments, which is that of the number 0.
fn deep(number: usize) -> String {
    let segment = |bit: usize| if number >> bit & 1 == 1 { "*" } else { "a" };
    (0..14).map(segment).collect::<Vec<_>>().join(".")
}

fn many(patterns: usize) -> String {
    let hub = Hub::new();
    let _readers: Vec<_> =
        (1..=patterns).map(|number| hub.subscribe(deep(number)).open().expect("room")).collect();
    least_and_most(|| {
        longest(&hub, &deep(0), || {
            drop(hub.subscribe("another.*").open().expect("room"));
            thread::sleep(Duration::from_millis(20));
        })
    })
}

fn present(patterns: usize) -> String {
    let hub = Hub::new();
    let open = |number: usize| {
        hub.subscribe(deep(number)).identity(number.to_string()).open().expect("room")
    };
    let _readers: Vec<_> = (1..=patterns).map(open).collect();
    least_and_most(|| {
        longest(&hub, "other", || {
            let watch = hub.watch_presence(&deep(0)).expect("a name");
            assert_eq!(hub.presence(&deep(0)).len(), patterns);
            drop(watch);
        })
    })
}
