//! Waking many readers: in a runtime a task does it, a few at a time, and a publish that comes
//! meanwhile only appends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures_util::StreamExt;
use tokio::{runtime::Builder, sync::mpsc, task::yield_now};
use volga_sse::{
    Message,
    hub::{Deliveries, Delivery, Hub},
};

const READERS: usize = 300;
const FILTERS: [&[&str]; 3] = [&["a"], &["a", "b"], &["*"]];

fn open(hub: &Hub, topics: &[&str]) -> Deliveries {
    hub.subscribe(topics).resume(hub.position()).open().expect("open").deliveries()
}

fn number(delivery: Option<Delivery>) -> u64 {
    match delivery {
        Some(Delivery::Message(message)) => message.position().expect("a position").number(),
        other => panic!("{other:?}"),
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Readers that are polled by hand, and their wakers.
fn by_hand(hub: &Hub, topics: &[&str]) -> Vec<(Arc<Counted>, Deliveries)> {
    (0..READERS)
        .map(|_| {
            let (counted, mut reader) = (Arc::new(Counted::default()), open(hub, topics));
            let waker = Waker::from(Arc::clone(&counted));
            assert!(reader.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
            (counted, reader)
        })
        .collect()
}

fn woken(readers: &[(Arc<Counted>, Deliveries)]) -> usize {
    readers.iter().map(|(counted, _)| counted.0.load(Ordering::SeqCst)).sum()
}

fn publish(hub: &Hub) {
    hub.publish("a", Message::new().data("x")).expect("published");
}

#[test]
fn without_a_runtime_a_publish_wakes_all_readers() {
    for topics in FILTERS {
        let hub = Hub::new();
        let readers = by_hand(&hub, topics);
        publish(&hub);
        assert_eq!(woken(&readers), READERS);
        // They have not read, so they are not woken again.
        publish(&hub);
        assert_eq!(woken(&readers), READERS);
    }
}

#[test]
fn a_runtime_that_is_entered_but_does_not_run_is_not_relied_on() {
    let hub = Hub::new();
    let readers = by_hand(&hub, &["a"]);
    let runtime = Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    publish(&hub);
    assert_eq!(woken(&readers), READERS);
}

#[test]
fn a_publish_during_a_wave_wakes_nobody_twice_and_the_next_wave_wakes_all() {
    for topics in FILTERS {
        let hub = Hub::new();
        let mut readers = by_hand(&hub, topics);
        let runtime = Builder::new_current_thread().build().unwrap();
        let publisher = hub.clone();
        runtime.block_on(async {
            tokio::spawn(async move { (0..5).for_each(|_| publish(&publisher)) }).await.unwrap();
            let first = woken(&readers);
            assert!(first < READERS, "{first} at once");
            while woken(&readers) < READERS {
                yield_now().await;
            }
            // One of them reads and sleeps again, and gets what is published later.
            let (counted, reader) = &mut readers[7];
            let waker = Waker::from(Arc::clone(counted));
            let mut cx = Context::from_waker(&waker);
            for expect in 1..=5 {
                let next = reader.poll_next_unpin(&mut cx);
                assert!(matches!(next, Poll::Ready(next) if number(next.clone()) == expect));
            }
            assert!(reader.poll_next_unpin(&mut cx).is_pending());
            let publisher = hub.clone();
            tokio::spawn(async move { publish(&publisher) }).await.unwrap();
            while woken(&readers) < READERS + 1 {
                yield_now().await;
            }
        });
    }
}

#[test]
fn when_the_runtime_of_a_wave_ends_the_rest_is_woken() {
    let hub = Hub::new();
    let readers = by_hand(&hub, &["a"]);
    let runtime = Builder::new_current_thread().build().unwrap();
    let publisher = hub.clone();
    runtime.block_on(async {
        tokio::spawn(async move { publish(&publisher) }).await.unwrap();
    });
    assert!(woken(&readers) < READERS);
    drop(runtime);
    assert_eq!(woken(&readers), READERS);
}

#[test]
fn a_runtime_that_stops_in_a_wave_does_not_stop_the_topic() {
    let hub = Hub::new();
    let readers = by_hand(&hub, &["a"]);
    let runtime = Builder::new_current_thread().build().unwrap();
    let publisher = hub.clone();
    runtime.block_on(async {
        tokio::spawn(async move { publish(&publisher) }).await.unwrap();
    });
    assert!(woken(&readers) < READERS);
    (0..300).for_each(|_| publish(&hub));
    assert_eq!(woken(&readers), READERS);
    drop(runtime);
}

#[test]
fn readers_in_tasks_get_every_message_in_order() {
    const MESSAGES: u64 = 200;
    for workers in [None, Some(1), Some(2)] {
        let runtime = match workers {
            None => Builder::new_current_thread().build().unwrap(),
            Some(workers) => Builder::new_multi_thread().worker_threads(workers).build().unwrap(),
        };
        let hub = Hub::new();
        runtime.block_on(async {
            let (done, mut all_done) = mpsc::unbounded_channel();
            for reader in 0..READERS {
                let mut reader = open(&hub, FILTERS[reader % 3]);
                let done = done.clone();
                tokio::spawn(async move {
                    for expect in 1..=2 * MESSAGES {
                        assert_eq!(number(reader.next().await), expect);
                    }
                    done.send(()).unwrap();
                });
            }
            // One publisher is a task of the runtime, and another one is a thread.
            let (in_task, in_thread) = (hub.clone(), hub.clone());
            tokio::spawn(async move {
                for _ in 0..MESSAGES {
                    publish(&in_task);
                    yield_now().await;
                }
            });
            let thread = thread::spawn(move || (0..MESSAGES).for_each(|_| publish(&in_thread)));
            for _ in 0..READERS {
                all_done.recv().await.unwrap();
            }
            thread.join().unwrap();
        });
    }
}
