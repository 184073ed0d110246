//! Compares a hub with `tokio::sync::broadcast`: the cost of a delivery, to plain subscriptions and
//! through the response body, and the cost of publishing with few and with many topics.
//!
//! This is a program of its own, not a loop of the harness, because the rounds of both run in turns
//! on one thread, and the medians are compared. The program polls each subscriber by hand with a
//! waker of its own, as a task would.

mod behind;
mod held;
mod many;

use std::{
    hint::black_box,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use http_body::Body;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::broadcast;
use volga_sse::{EncodedMessage, Message, Sse, SseSource, hub::Hub};

const ROUNDS: usize = 21;
const DATA: &str = r#"{"id":1234567,"symbol":"VOLGA","price":72.5,"volume":1200,"side":"buy"}"#;

/// The CPU time of this thread. Other programs on the machine do not count.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A waker that looks like that of a task to a publisher.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// A subscriber that is polled until nothing is ready. Returns the number of bytes.
trait Subscriber {
    fn drain(&mut self, cx: &mut Context<'_>) -> usize;
}

struct Plain<S>(Pin<Box<S>>);

impl<S: Stream<Item: Bytes>> Subscriber for Plain<S> {
    fn drain(&mut self, cx: &mut Context<'_>) -> usize {
        let mut bytes = 0;
        while let Poll::Ready(Some(item)) = self.0.as_mut().poll_next(cx) {
            bytes += black_box(item).bytes();
        }
        bytes
    }
}

trait Bytes {
    fn bytes(&self) -> usize;
}

impl Bytes for EncodedMessage {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Bytes for volga_sse::hub::Delivery {
    fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Gap(_) => panic!("a gap"),
        }
    }
}

struct Response<B>(Pin<Box<B>>);

impl<B: Body<Data = bytes::Bytes>> Subscriber for Response<B> {
    fn drain(&mut self, cx: &mut Context<'_>) -> usize {
        let mut bytes = 0;
        while let Poll::Ready(Some(Ok(frame))) = self.0.as_mut().poll_frame(cx) {
            bytes += black_box(frame).into_data().map_or(0, |data| data.len());
        }
        bytes
    }
}

/// One publisher and its subscribers.
struct Side {
    name: &'static str,
    publish: Box<dyn Fn()>,
    subscribers: Vec<(Waker, Box<dyn Subscriber>)>,
    times: Vec<Duration>,
}

impl Side {
    fn new(
        name: &'static str,
        count: usize,
        publish: impl Fn() + 'static,
        subscribe: impl Fn() -> Box<dyn Subscriber>,
    ) -> Self {
        let subscribers = (0..count).map(|_| (Waker::from(Arc::new(Task)), subscribe())).collect();
        let mut side = Self { name, publish: Box::new(publish), subscribers, times: Vec::new() };
        side.round(1, 3);
        side.times.clear();
        side
    }

    fn round(&mut self, burst: usize, times: usize) {
        let start = cpu();
        let mut bytes = 0;
        for _ in 0..times {
            (0..burst).for_each(|_| (self.publish)());
            for (waker, subscriber) in &mut self.subscribers {
                bytes += subscriber.drain(&mut Context::from_waker(waker));
            }
        }
        let least = DATA.len() * burst * times * self.subscribers.len();
        assert!(bytes >= least, "{}: {bytes} of {least} bytes", self.name);
        let deliveries = burst * times * self.subscribers.len();
        self.times.push((cpu() - start) / deliveries as u32);
    }

    fn median(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times[self.times.len() / 2]
    }
}

fn message() -> Message {
    Message::new().event("trade").data(DATA)
}

fn body<S: SseSource + 'static>(source: S) -> Box<dyn Subscriber> {
    Box::new(Response(Box::pin(Sse::new(source).into_response().into_body())))
}

fn received(
    sender: &broadcast::Sender<EncodedMessage>,
) -> impl Stream<Item = EncodedMessage> + use<> {
    stream::unfold(sender.subscribe(), async |mut receiver| {
        let message = receiver.recv().await.expect("no lag");
        Some((message, receiver))
    })
    .boxed()
}

fn deliveries(count: usize, burst: usize, through_body: bool) {
    let hub = Hub::new();
    let (sender, _) = broadcast::channel(1_024);
    let subscription = {
        let hub = hub.clone();
        move || hub.subscribe("trades").open().expect("a subscription")
    };
    let receiver = {
        let sender = sender.clone();
        move || received(&sender)
    };
    let publish = {
        let hub = hub.clone();
        move || drop(hub.publish("trades", message()))
    };
    let send = move || drop(sender.send(message().encode().expect("valid")));
    let mut sides = if through_body {
        [
            Side::new("hub", count, publish, || body(subscription())),
            Side::new("broadcast", count, send, || body(receiver())),
        ]
    } else {
        [
            Side::new("hub", count, publish, || {
                Box::new(Plain(Box::pin(subscription().deliveries())))
            }),
            Side::new("broadcast", count, send, || Box::new(Plain(Box::pin(receiver())))),
        ]
    };
    let times = (100_000 / (count * burst)).max(1);
    for _ in 0..ROUNDS {
        sides.iter_mut().for_each(|side| side.round(burst, times));
    }
    let [hub, broadcast] = &mut sides;
    let (hub, broadcast) = (hub.median(), broadcast.median());
    println!(
        "  {count:>6} subscribers, {burst:>2} at once{:14} hub {hub:>7.1?}  broadcast {broadcast:>7.1?}  {:.2} x",
        if through_body { ", through body" } else { "" },
        hub.as_secs_f64() / broadcast.as_secs_f64()
    );
}

/// Publishes one message to one of many topics, for one subscriber to all of them.
fn by_pattern(topics: usize) -> Duration {
    const TIMES: usize = 1_000;
    let hub = Hub::builder().max_topics(topics).build();
    let names: Vec<_> = (0..topics).map(|topic| format!("topic.{topic}")).collect();
    names.iter().for_each(|name| _ = hub.publish(name, message()).expect("published"));
    let mut subscriber =
        Plain(Box::pin(hub.subscribe("topic.*").open().expect("open").deliveries()));
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = cpu();
            for time in 0..TIMES {
                hub.publish(&names[time * 7 % topics], message()).expect("published");
                subscriber.drain(&mut Context::from_waker(Waker::noop()));
            }
            (cpu() - start) / TIMES as u32
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn publishing(topics: usize) -> Duration {
    const TIMES: usize = 20_000;
    let hub = Hub::builder().max_topics(topics).build();
    let names: Vec<_> = (0..topics).map(|topic| format!("topic.{topic}")).collect();
    names.iter().for_each(|name| _ = hub.publish(name, message()).expect("published"));
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = cpu();
            for _ in 0..TIMES {
                hub.publish(&names[0], message()).expect("published");
            }
            (cpu() - start) / TIMES as u32
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn resuming() -> Duration {
    let hub = Hub::new();
    let first = hub.publish("trades", message()).expect("published");
    (0..1_000).for_each(|_| _ = hub.publish("trades", message()).expect("published"));
    let mut times: Vec<_> = (0..201)
        .map(|_| {
            let start = cpu();
            let subscription = hub.subscribe("trades").resume(first).open().expect("open");
            let mut subscriber = Plain(Box::pin(subscription.deliveries()));
            subscriber.drain(&mut Context::from_waker(Waker::noop()));
            cpu() - start
        })
        .collect();
    times.sort_unstable();
    times[100]
}

fn main() {
    // `cargo xtask bench --bench hub -- many` runs the rows of many topics alone. With `behind` in
    // its place, the rows of readers that are behind run alone, and with `held` the rows of what
    // may hold up a publish.
    if std::env::args().any(|arg| arg == "many") {
        return many::run();
    }
    if std::env::args().any(|arg| arg == "behind") {
        return behind::run();
    }
    if std::env::args().any(|arg| arg == "held") {
        return held::run();
    }
    // The bodies need a runtime for their timers. The program does not run inside of `block_on`,
    // where tokio would make a subscriber pause after 128 messages.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    println!("processor time per delivery, median of {ROUNDS} rounds");
    for through_body in [false, true] {
        for (count, burst) in [(2_000, 1), (10_000, 1), (500, 64), (2_000, 64)] {
            deliveries(count, burst, through_body);
        }
    }
    println!("publishing to one topic of so many, without subscribers");
    for topics in [1, 1_000, 100_000] {
        println!("  {topics:>6} topics {:>7.1?}", publishing(topics));
    }
    println!("publishing to one of so many topics, and reading it by a pattern that matches all");
    for topics in [10, 10_000] {
        println!("  {topics:>6} topics {:>7.1?}", by_pattern(topics));
    }
    println!("resuming and reading 1,000 messages: {:.1?}", resuming());
    many::run();
    behind::run();
    held::run();
}
