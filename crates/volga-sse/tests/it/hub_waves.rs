//! Many readers and busy publishers: readers are woken in waves, so each turn of a reader delivers
//! several messages. A quiet hub wakes all readers at once.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures_util::future::join_all;
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::yield_now,
};
use volga_sse::{
    Heartbeat, Message, Sse, SseBody,
    hub::{Hub, Subscription},
};

type Body = Pin<Box<SseBody<Subscription>>>;

fn body(subscription: Subscription) -> Body {
    let sse = Sse::new(subscription).without_retry().heartbeat(Heartbeat::off());
    Box::pin(sse.into_response().into_body())
}

/// A runtime with so many workers, or of the flavour with one thread.
fn runtime(workers: Option<usize>) -> Runtime {
    match workers {
        None => Builder::new_current_thread().build(),
        Some(workers) => Builder::new_multi_thread().worker_threads(workers).build(),
    }
    .expect("a runtime")
}

/// The messages of the next frame. Empty for a frame that has only an ID.
async fn next_frame(body: &mut Body) -> Vec<usize> {
    let frame = body.frame().await.expect("the hub is open").expect("valid messages");
    let bytes = frame.into_data().expect("data").to_vec();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| data.parse().expect("a number")).collect()
}

/// How a reader got the messages.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    frames: usize,
    /// The most messages that were published after a message before it was delivered.
    longest_wait: usize,
}

/// Reads until all messages have come, each once and in order.
async fn read_all(mut body: Body, messages: usize, published: Arc<AtomicUsize>) -> Reading {
    let (mut reading, mut next) = (Reading::default(), 0);
    while next < messages {
        let numbers = next_frame(&mut body).await;
        let Some(first) = numbers.first() else { continue };
        let wait = published.load(Ordering::Relaxed).saturating_sub(first + 1);
        reading.longest_wait = reading.longest_wait.max(wait);
        reading.frames += 1;
        for number in numbers {
            assert_eq!(number, next);
            next += 1;
        }
    }
    reading
}

/// Publishes all messages, and has this many turns of the runtime after each.
async fn publish_all(hub: Hub, pauses: Vec<usize>, published: Arc<AtomicUsize>) {
    for (number, pause) in pauses.into_iter().enumerate() {
        hub.publish("t.a", Message::new().data(number.to_string())).expect("published");
        published.fetch_add(1, Ordering::Relaxed);
        for _ in 0..pause {
            yield_now().await;
        }
    }
}

/// Publishes messages to so many readers in a runtime, beside others that stall.
fn run(
    workers: Option<usize>,
    topics: &[&str],
    (readers, stalled): (usize, usize),
    pauses: Vec<usize>,
) -> Vec<Reading> {
    let hub = Hub::builder().max_messages(pauses.len().max(1)).build();
    let open = || hub.subscribe(topics).resume(hub.position()).open().expect("open");
    runtime(workers).block_on(async {
        let mut stalled: Vec<_> = (0..stalled).map(|_| body(open())).collect();
        for body in &mut stalled {
            // They sleep, are woken, and are not polled again.
            let mut cx = Context::from_waker(Waker::noop());
            assert!(http_body::Body::poll_frame(body.as_mut(), &mut cx).is_pending());
        }
        let published = Arc::<AtomicUsize>::default();
        let reading: Vec<_> = (0..readers)
            .map(|_| tokio::spawn(read_all(body(open()), pauses.len(), Arc::clone(&published))))
            .collect();
        yield_now().await;
        let publishing = tokio::spawn(publish_all(hub.clone(), pauses, published));
        let readings = join_all(reading).await;
        publishing.await.expect("no panic");
        readings.into_iter().map(|reading| reading.expect("all arrived")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_reader_gets_each_message_once_whoever_is_woken_when(
        workers in prop_oneof![Just(None), Just(Some(1)), Just(Some(2))],
        kind in 0..3_usize,
        readers in 1..300_usize,
        stalled in 0..100_usize,
        pauses in vec(0..4_usize, 0..40),
    ) {
        let topics: &[&str] = [&["t.a"][..], &["t.a", "t.b"], &["t.*"]][kind];
        run(workers, topics, (readers, stalled), pauses);
    }
}

/// In a runtime of one thread the order of tasks is fixed.
#[test]
fn a_busy_publisher_does_not_wake_everybody_for_each_message() {
    const READERS: usize = 500;
    const MESSAGES: usize = 200;
    for topics in [&["t.a"][..], &["t.*"]] {
        let readings = run(None, topics, (READERS, 20), vec![1; MESSAGES]);
        let frames: usize = readings.iter().map(|reading| reading.frames).sum();
        assert!(frames < READERS * MESSAGES / 4, "{topics:?}: {frames} frames");
        // A publisher has a turn after 61 other tasks, so this is three waves.
        let waves = 3 * READERS.div_ceil(61);
        let longest = readings.iter().map(|reading| reading.longest_wait).max();
        assert!(longest <= Some(waves), "{topics:?}: {longest:?} messages later");
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Readers that are polled by hand, and share a waker.
struct Readers {
    hub: Hub,
    bodies: Vec<Body>,
    waker: Arc<CountingWaker>,
}

impl Readers {
    fn new(count: usize) -> Self {
        let hub = Hub::new();
        let open = || body(hub.subscribe("t").resume(hub.position()).open().expect("open"));
        let bodies = (0..count).map(|_| open()).collect();
        Self { hub, bodies, waker: Arc::default() }
    }

    /// Polls all of them until they sleep.
    fn sleep(&mut self) {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut cx = Context::from_waker(&waker);
        for body in &mut self.bodies {
            while http_body::Body::poll_frame(body.as_mut(), &mut cx).is_ready() {}
        }
    }

    fn publish(&self) {
        self.hub.publish("t", Message::new().data("x")).expect("published");
    }

    fn woken(&self) -> usize {
        self.waker.0.load(Ordering::Relaxed)
    }
}

/// Runs a future as the only task of a runtime, which is returned.
fn run_task<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> (Runtime, T) {
    let runtime = runtime(None);
    let result = runtime.block_on(async { tokio::spawn(future).await.expect("no panic") });
    (runtime, result)
}

/// Waits until the runtime has no task but this one.
async fn end_of_waves() {
    while Handle::current().metrics().num_alive_tasks() > 1 {
        yield_now().await;
    }
}

#[test]
fn a_quiet_hub_wakes_all_readers_before_publish_returns() {
    for count in [1, 63, 64, 65, 500] {
        let mut readers = Readers::new(count);
        let (_runtime, readers) = run_task(async move {
            for round in 1..=3 {
                readers.sleep();
                readers.publish();
                assert_eq!(readers.woken(), round * count);
                // Once they sleep again and nothing happens, the hub is quiet, and no task of it is
                // left.
                readers.sleep();
                end_of_waves().await;
            }
            readers
        });
        assert_eq!(readers.woken(), 3 * count);
    }
}

#[test]
fn after_a_busy_time_one_more_message_goes_in_a_wave_and_then_the_hub_is_quiet() {
    for is_cut in [false, true] {
        let mut readers = Readers::new(500);
        let (publishing, readers) = run_task(async move {
            readers.sleep();
            readers.publish();
            readers.sleep();
            readers.publish();
            end_of_waves().await;
            assert_eq!(readers.woken(), 1_000, "the second message had a wave of its own");
            readers.sleep();
            readers.publish();
            assert_eq!(readers.woken(), 1_000, "the publisher may publish more in this turn");
            if !is_cut {
                end_of_waves().await;
                assert_eq!(readers.woken(), 1_500);
                readers.sleep();
                readers.publish();
                assert_eq!(readers.woken(), 2_000, "all at once");
            }
            readers
        });
        drop(publishing);
        assert_eq!(readers.woken(), if is_cut { 1_500 } else { 2_000 });
    }
}

/// How many readers were woken, after each turn of the runtime in which some were.
async fn steps_of_waves(waker: Arc<CountingWaker>) -> Vec<usize> {
    let woken = || waker.0.load(Ordering::Relaxed);
    let (mut steps, mut before) = (Vec::new(), woken());
    while Handle::current().metrics().num_alive_tasks() > 1 {
        yield_now().await;
        let woken = woken();
        if woken > before {
            steps.push(woken - before);
        }
        before = woken;
    }
    steps
}

#[test]
fn a_wave_with_many_messages_wakes_more_readers_at_once() {
    const IN_STEPS: &[usize] = &[64, 64, 64, 64, 64, 64, 64, 52];
    for (messages, expect) in [(1, IN_STEPS), (15, IN_STEPS), (16, &[500]), (1_000, &[500])] {
        let mut readers = Readers::new(500);
        run_task(async move {
            readers.sleep();
            readers.publish();
            readers.sleep();
            (0..messages).for_each(|_| readers.publish());
            assert_eq!(
                steps_of_waves(readers.waker.clone()).await,
                expect,
                "{messages} in the next wave"
            );
            readers.sleep();
            (0..messages).for_each(|_| readers.publish());
            assert_eq!(
                steps_of_waves(readers.waker.clone()).await,
                expect,
                "{messages} after a busy time"
            );
        });
    }
    let mut readers = Readers::new(2_000);
    run_task(async move {
        readers.sleep();
        readers.publish();
        readers.sleep();
        (0..1_000).for_each(|_| readers.publish());
        assert_eq!(
            steps_of_waves(readers.waker.clone()).await,
            [1_024, 976],
            "a publisher has turns as well"
        );
    });
}

#[test]
fn outside_a_task_every_publish_wakes_all_readers() {
    for is_entered in [false, true] {
        let runtime = runtime(None);
        // Nobody drives this runtime.
        let _entered = is_entered.then(|| runtime.enter());
        let mut readers = Readers::new(500);
        for round in 1..=3 {
            readers.sleep();
            readers.publish();
            assert_eq!(readers.woken(), round * 500);
        }
    }
}

#[test]
fn a_runtime_that_ends_during_a_wave_leaves_no_reader_asleep() {
    for turns in [0, 1, 2, 5] {
        let mut readers = Readers::new(500);
        let (publishing, readers) = run_task(async move {
            readers.sleep();
            readers.publish();
            assert_eq!(readers.woken(), 500);
            readers.sleep();
            readers.publish();
            assert_eq!(readers.woken(), 500, "they wait for the next wave");
            for _ in 0..turns {
                yield_now().await;
            }
            readers
        });
        drop(publishing);
        assert_eq!(readers.woken(), 1_000, "{turns} turns");
    }
}
