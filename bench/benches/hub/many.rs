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
        let filters = |_| topics.iter().map(|&topic| topic.to_owned()).collect();
        println!("  {topics:24?} {:>9.1?}", beside_stalled("room.1", filters));
    }
    println!("  {:24} {:>9.1?}", "each a pattern of its own", beside_stalled(&deep_name(0), deep));
    println!("publishing beside {READERS} sleeping readers of other names");
    for shapes in [1, 16, 1_024] {
        let time = beside_sleeping(shapes);
        println!("  patterns of {shapes:4} shapes   {time:>9.1?}");
    }
    for topics in [10_000, 100_000] {
        let hub = hub_of(topics);
        println!("{topics} topics");
        for (name, filters) in [("`>`", vec![">".to_owned()]), ("100 patterns", hundred())] {
            open_and_drop(&hub, name, &filters);
            println!("    {:>6} bytes a reader", bytes(&hub, &filters));
        }
    }
    println!("publishing beside {READERS} readers by pattern");
    let same = |_| vec!["room.*".to_owned()];
    let own = |reader| vec![format!("room.{reader}.>")];
    print_new_topic("the same", same, room);
    print_new_topic("its own, which does not match", own, room);
    print_new_topic("its own, which matches", deep, deep_name);
}

fn print_new_topic(
    kind: &str,
    filters: impl Fn(usize) -> Vec<String>,
    name: impl Fn(usize) -> String,
) {
    let [new, changed] = new_topic(filters, name);
    println!(
        "  each of {kind:30} to a new topic {new:>9.1?}, after a pattern has come {changed:>9.1?}"
    );
}

fn room(topic: usize) -> String {
    format!("room.{topic}")
}

/// How many segments of a deep name a pattern may replace. So there are more than [`READERS`]
/// patterns that match the name.
const DEPTH: usize = 14;

fn deep_name(topic: usize) -> String {
    (0..DEPTH).map(|n| format!("s{n}.")).collect::<String>() + &topic.to_string()
}

/// A pattern that no other reader has, and that matches every deep name.
fn deep(reader: usize) -> Vec<String> {
    let segment = |n| if reader >> n & 1 == 1 { "*.".to_owned() } else { format!("s{n}.") };
    vec![(0..DEPTH).map(segment).collect::<String>() + "*"]
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

fn beside_stalled(name: &str, filters: impl Fn(usize) -> Vec<String>) -> Duration {
    let hub = Hub::new();
    hub.publish("room.2", message()).expect("published");
    let _stalled = readers(&hub, &filters);
    let mut live = hub.subscribe(filters(0)).open().expect("open").deliveries();
    let waker = Waker::from(Arc::new(Task));
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = cpu();
            hub.publish(name, message()).expect("published");
            let time = cpu() - start;
            drain(&mut live, &waker);
            time
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2].saturating_sub(clock())
}

/// The patterns differ from the name in the last segment, and from each other in it and in which of
/// the others are wildcards.
fn beside_sleeping(shapes: usize) -> Duration {
    let hub = Hub::new();
    let own = |reader: usize| {
        let is_any = |n: usize| (reader % shapes) >> n & 1 == 1;
        let segment = |n| if is_any(n) { "*.".to_owned() } else { format!("s{n}.") };
        vec![(0..10).map(segment).collect::<String>() + &format!("*.own{reader}")]
    };
    let name: String = (0..11).map(|n| format!("s{n}.")).collect::<String>() + "last";
    let _sleeping = readers(&hub, own);
    let publish = || _ = hub.publish(&name, message()).expect("published");
    publish();
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = cpu();
            publish();
            cpu() - start
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2].saturating_sub(clock())
}

/// Opens and drops a reader while another thread publishes, and then only computes for as long.
/// Prints how long each took, as medians of some tries, and how long the longest publish of a try
/// took meanwhile.
///
/// The machine may take the core away from either thread, so the least of the longest publishes
/// counts. The tries without a reader show what the machine does.
fn open_and_drop(hub: &Hub, kind: &str, filters: &[String]) {
    let tries: Vec<_> = (0..TRIES)
        .map(|_| {
            longest_publish_while(hub, || {
                let start = cpu();
                let subscription = hub.subscribe(filters).open().expect("open");
                let opened = cpu();
                drop(subscription);
                (opened - start, cpu() - opened)
            })
        })
        .collect();
    let sorted = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        (times[0], times[TRIES / 2], times[TRIES - 1])
    };
    let (_, open, _) = sorted(&mut tries.iter().map(|((open, _), _)| *open).collect());
    let (_, drop, _) = sorted(&mut tries.iter().map(|((_, drop), _)| *drop).collect());
    let compute = || {
        let start = cpu();
        while cpu() - start < open + drop {}
    };
    let without = (0..TRIES).map(|_| longest_publish_while(hub, compute).1);
    println!("  a reader of {kind:13} opens in {open:>9.1?}, goes in {drop:>9.1?}");
    let with = tries.iter().map(|(_, longest)| *longest).collect();
    for (case, mut times) in [("meanwhile", with), ("without it", without.collect())] {
        let (least, median, most) = sorted(&mut times);
        println!(
            "    the longest publish {case:10} {least:>9.1?} (median {median:.1?}, at most {most:.1?})"
        );
    }
}

/// Returns the result of a call, and how long the longest publish of another thread took meanwhile.
fn longest_publish_while<T>(hub: &Hub, call: impl FnOnce() -> T) -> (T, Duration) {
    let (longest, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    let result = thread::scope(|scope| {
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
        let result = call();
        is_done.store(true, Ordering::Relaxed);
        result
    });
    (result, Duration::from_nanos(longest.into_inner()))
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

/// Returns how long a publish to a new topic takes, and one to a known topic after somebody has
/// subscribed to a new pattern.
fn new_topic(
    filters: impl Fn(usize) -> Vec<String>,
    name: impl Fn(usize) -> String,
) -> [Duration; 2] {
    let hub = Hub::builder().max_topics(TIMES + 10).build();
    let _readers = readers(&hub, filters);
    let publish = |topic| {
        let name = name(topic);
        let start = cpu();
        hub.publish(&name, message()).expect("published");
        cpu() - start
    };
    let mut new: Vec<_> = (0..TIMES).map(publish).collect();
    let mut changed: Vec<_> = (0..TIMES)
        .map(|topic| {
            let _comes = hub.subscribe(format!("another.{topic}.*")).open().expect("open");
            publish(topic)
        })
        .collect();
    [&mut new, &mut changed].map(|times| {
        times.sort_unstable();
        times[TIMES / 2]
    })
}
