//! Hubs with many topics, and readers of many of them: what a publisher pays for readers that it
//! does not wake and for others that come and go, and what such a reader pays.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use volga_sse::hub::{Deliveries, Delivery, Hub};

use super::{Task, cpu, message};

const READERS: usize = 10_000;
const TIMES: usize = 2_000;
const TRIES: usize = 20;

pub(crate) fn run() {
    println!("publishing beside {READERS} readers that do not read");
    for topics in [&["room.1"][..], &["room.1", "room.2"], &["room.*"], &[">", "room.*"]] {
        println!("  {topics:24?} {:>9.1?}", beside_stalled(topics));
    }
    for topics in [10_000, 100_000] {
        let hub = hub_of(topics);
        println!("{topics} topics");
        for (name, filters) in [("`>`", vec![">".to_owned()]), ("100 patterns", hundred())] {
            let ([open, drop, longest], [least, most]) = open_and_drop(&hub, &filters);
            println!(
                "  a reader of {name:13} opens in {open:>9.1?}, goes in {drop:>9.1?}; the longest publish meanwhile: {least:.1?} (median {longest:.1?}, at most {most:.1?})"
            );
            println!("  {:41} {:>9} bytes a reader", "", bytes(&hub, &filters));
        }
    }
    for (name, filter) in [("the same", shared as fn(usize) -> String), ("its own", own)] {
        println!(
            "a new topic with {READERS} readers by pattern, each of {name}: {:.1?}",
            new_topic(filter)
        );
    }
}

fn shared(_: usize) -> String {
    "room.*".to_owned()
}

fn own(reader: usize) -> String {
    format!("room.{reader}.>")
}

pub(crate) fn hundred() -> Vec<String> {
    (0..100).map(|group| format!("group{group}.*")).collect()
}

pub(crate) fn name(topic: usize) -> String {
    format!("group{}.topic{topic}", topic % 100)
}

fn hub_of(topics: usize) -> Hub {
    let hub = Hub::builder().max_topics(topics + 10).build();
    (0..topics).for_each(|topic| _ = hub.publish(&name(topic), message()).expect("published"));
    hub
}

/// Reads everything that is ready. Returns the number of messages.
pub(crate) fn drain(subscription: &mut Deliveries, waker: &Waker) -> usize {
    let mut count = 0;
    loop {
        match subscription.poll_next_unpin(&mut Context::from_waker(waker)) {
            Poll::Ready(Some(Delivery::Message(_))) => count += 1,
            Poll::Ready(Some(Delivery::Gap(gap))) => panic!("{gap:?}"),
            Poll::Ready(None) => panic!("the hub closed"),
            Poll::Pending => return count,
        }
    }
}

fn readers(hub: &Hub, filter: impl Fn(usize) -> Vec<String>) -> Vec<(Waker, Deliveries)> {
    let open = |reader| {
        let waker = Waker::from(Arc::new(Task));
        let mut subscription = hub.subscribe(filter(reader)).open().expect("open").deliveries();
        drain(&mut subscription, &waker);
        (waker, subscription)
    };
    (0..READERS).map(open).collect()
}

/// The time that reading the clock takes, which each time between two readings includes.
fn clock() -> Duration {
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = cpu();
            cpu() - start
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2]
}

fn beside_stalled(topics: &[&str]) -> Duration {
    let hub = Hub::new();
    hub.publish("room.2", message()).expect("published");
    let _stalled = readers(&hub, |_| topics.iter().map(|&topic| topic.to_owned()).collect());
    let mut live = hub.subscribe(topics).open().expect("open").deliveries();
    let waker = Waker::from(Arc::new(Task));
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = cpu();
            hub.publish("room.1", message()).expect("published");
            let time = cpu() - start;
            drain(&mut live, &waker);
            time
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2].saturating_sub(clock())
}

/// Opens and drops a reader while another thread publishes. Returns how long each took, and how
/// long the longest publish took meanwhile, as medians of some tries. Also returns the least and
/// the greatest of the longest publishes. The least one counts: each try takes the same steps, but
/// in any of them the machine may take the core away from either thread.
fn open_and_drop(hub: &Hub, filters: &[String]) -> ([Duration; 3], [Duration; 2]) {
    let tries: Vec<_> = (0..TRIES)
        .map(|_| {
            let (longest, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
            let times = thread::scope(|scope| {
                scope.spawn(|| {
                    let mut topic = 0;
                    while !is_done.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        hub.publish(&name(topic), message()).expect("published");
                        longest.fetch_max(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                        topic = (topic + 1) % 100;
                    }
                });
                thread::sleep(Duration::from_millis(20));
                longest.store(0, Ordering::Relaxed);
                let start = cpu();
                let subscription = hub.subscribe(filters).open().expect("open");
                let opened = cpu();
                drop(subscription);
                let times = (opened - start, cpu() - opened);
                is_done.store(true, Ordering::Relaxed);
                times
            });
            [times.0, times.1, Duration::from_nanos(longest.into_inner())]
        })
        .collect();
    let sorted = |figure: usize| {
        let mut times: Vec<_> = tries.iter().map(|times| times[figure]).collect();
        times.sort_unstable();
        times
    };
    let longest = sorted(2);
    let median = |figure| sorted(figure)[TRIES / 2];
    ([median(0), median(1), median(2)], [longest[0], longest[TRIES - 1]])
}

/// The memory of a reader, as the kernel counts it.
fn bytes(hub: &Hub, filters: &[String]) -> u64 {
    const COUNT: u64 = 2_000;
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number")
            * rustix::param::page_size() as u64
    };
    let before = resident();
    let readers: Vec<_> =
        (0..COUNT).map(|_| hub.subscribe(filters).open().expect("open")).collect();
    let bytes = resident().saturating_sub(before) / COUNT;
    drop(readers);
    bytes
}

fn new_topic(filter: impl Fn(usize) -> String) -> Duration {
    let hub = Hub::builder().max_topics(TIMES + 10).build();
    let _readers = readers(&hub, |reader| vec![filter(reader)]);
    let mut times: Vec<_> = (0..TIMES)
        .map(|topic| {
            let name = format!("room.{topic}");
            let start = cpu();
            hub.publish(&name, message()).expect("published");
            cpu() - start
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2]
}
