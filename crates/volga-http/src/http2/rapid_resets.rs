//! Requests that are reset before their responses begin, in memory. Whatever the order of the
//! frames, an attacker's connection ends before it costs much, and a well-behaved client's
//! connection never does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Empty;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;
use tower_service::Service;

use super::abuse::{CANCEL, GET, GOAWAY, PING, PREFACE, PRIORITY, frame, streams};
use super::bursts::head;
use super::direct::received_frames::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PADDED, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::tests::connect_to;
use super::*;
use crate::limits::{
    LOOK_AHEAD_BYTES, MAX_UNANSWERED_RESETS, RESET_WITHOUT_HANDLER, RESPONSES_PER_RESET,
    UNANSWERED_RESETS_PER_SECOND,
};

/// How many handlers were called, and how many of them exist.
#[derive(Debug, Default)]
struct HandlerCalls {
    all: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// A handler that never responds, or responds at once.
struct Handler {
    calls: Arc<HandlerCalls>,
    responds: bool,
}

impl Future for Handler {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.responds { Poll::Ready(Ok(Response::new(Empty::new()))) } else { Poll::Pending }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.calls.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls a [`Handler`] for each request. Those with a body get no response.
#[derive(Clone)]
struct Handlers {
    calls: Arc<HandlerCalls>,
    respond: bool,
}

impl Service<Request<RequestBody>> for Handlers {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Handler;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody>) -> Handler {
        self.calls.all.fetch_add(1, Ordering::Relaxed);
        let running = self.calls.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.calls.most.fetch_max(running, Ordering::Relaxed);
        Handler { calls: Arc::clone(&self.calls), responds: self.respond }
    }
}

/// In which order a block of requests and their resets is sent.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// All requests, and then all resets.
    Block,
    /// All requests and then all resets, with the newest request first.
    Backwards,
    /// Each reset comes this many requests after its own request.
    Lag(usize),
}

/// Why a stream is reset.
#[derive(Clone, Copy, Debug)]
enum ResetCause {
    ByClient,
    /// The server resets it, because the client widens the window beyond its maximum.
    TooWide,
    /// The server resets it, because the request has no method.
    Malformed,
}

/// The frames that are sent between those of the attack.
#[derive(Clone, Copy, Debug)]
enum ExtraFrames {
    Nothing,
    Ping,
    Settings,
    Priority,
    Window,
}

#[derive(Clone, Debug)]
struct Attack {
    block: usize,
    order: Order,
    how: ResetCause,
    between: ExtraFrames,
    is_padded: bool,
    is_split: bool,
    /// How many bytes the client writes at a time, and how long it then waits.
    write: usize,
    pause: Option<Duration>,
}

fn attack() -> impl Strategy<Value = Attack> {
    let block = prop_oneof![1..30usize, Just(100), 200..250usize, Just(900)];
    let order =
        prop_oneof![Just(Order::Block), Just(Order::Backwards), (0..40usize).prop_map(Order::Lag)];
    let how = prop_oneof![3 => Just(ResetCause::ByClient), 1 => Just(ResetCause::TooWide), 1 => Just(ResetCause::Malformed)];
    let between = prop_oneof![
        4 => Just(ExtraFrames::Nothing),
        1 => Just(ExtraFrames::Ping),
        1 => Just(ExtraFrames::Settings),
        1 => Just(ExtraFrames::Priority),
        1 => Just(ExtraFrames::Window),
    ];
    let write = prop_oneof![1..40usize, 40..2_000usize, Just(1 << 20)];
    let pause = prop::option::of((0..3u64).prop_map(Duration::from_millis));
    (block, order, how, between, any::<bool>(), any::<bool>(), write, pause).prop_map(
        |(block, order, how, between, is_padded, is_split, write, pause)| Attack {
            block,
            order,
            how,
            between,
            is_padded,
            is_split,
            write,
            // With more pauses the attack would take longer than the budget allows for.
            pause: pause.filter(|_| write >= 40),
        },
    )
}

impl Attack {
    /// The frames of this many requests, in their order.
    fn frames(&self, count: usize) -> Vec<u8> {
        let mut ids = streams().take(count);
        let mut sent = Vec::new();
        loop {
            let block: Vec<u32> = ids.by_ref().take(self.block).collect();
            if block.is_empty() {
                return sent;
            }
            let mut open = VecDeque::new();
            for &id in &block {
                self.request(id, &mut sent);
                open.push_back(id);
                if let Order::Lag(lag) = self.order
                    && open.len() > lag
                {
                    open.pop_front().into_iter().for_each(|id| self.reset(id, &mut sent));
                }
            }
            while let Some(id) = match self.order {
                Order::Backwards => open.pop_back(),
                Order::Block | Order::Lag(_) => open.pop_front(),
            } {
                self.reset(id, &mut sent);
            }
        }
    }

    fn request(&self, id: u32, sent: &mut Vec<u8>) {
        match self.between {
            ExtraFrames::Nothing => {}
            ExtraFrames::Ping => sent.extend(frame(PING, 0, 0, &[0; 8])),
            ExtraFrames::Settings => sent.extend(frame(SETTINGS, 0, 0, &[])),
            ExtraFrames::Priority => sent.extend(frame(PRIORITY, 0, id, &[0, 0, 0, 0, 7])),
            ExtraFrames::Window => sent.extend(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        }
        // A stream that the server is to reset must still be open for the client.
        let end = if matches!(self.how, ResetCause::ByClient) { END_STREAM } else { 0 };
        let head = if matches!(self.how, ResetCause::Malformed) { &GET[1..] } else { GET };
        let (start, rest) = if self.is_split { head.split_at(3) } else { (head, &[][..]) };
        let flags = end | if self.is_split { 0 } else { END_HEADERS };
        if self.is_padded {
            let padded = [&[9][..], start, &[0; 9]].concat();
            sent.extend(frame(HEADERS, flags | PADDED, id, &padded));
        } else {
            sent.extend(frame(HEADERS, flags, id, start));
        }
        if self.is_split {
            sent.extend(frame(CONTINUATION, END_HEADERS, id, rest));
        }
    }

    fn reset(&self, id: u32, sent: &mut Vec<u8>) {
        sent.extend(match self.how {
            ResetCause::ByClient => frame(RST_STREAM, 0, id, CANCEL),
            ResetCause::TooWide => frame(WINDOW_UPDATE, 0, id, &[0x7f, 0xff, 0xff, 0xff]),
            ResetCause::Malformed => vec![],
        });
    }
}

/// The reason of the GOAWAY frame among what a server has sent, if there is one.
pub(super) fn goaway(mut sent: &[u8]) -> Option<Reason> {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = sent {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if *kind == GOAWAY
            && let [_, _, _, _, code @ ..] = payload
        {
            return Some(u32::from_be_bytes(*code.first_chunk()?).into());
        }
        sent = rest;
    }
    None
}

/// Sends these frames. Returns the reason with which the server ended the connection, and what its
/// handlers did until then.
async fn run(
    frames: &[u8],
    write: usize,
    pause: Option<Duration>,
    respond: bool,
) -> (Option<Reason>, Arc<HandlerCalls>) {
    let calls = Arc::<HandlerCalls>::default();
    let handlers = Handlers { calls: Arc::clone(&calls), respond };
    let (client, serving) = connect_to(handlers, 64 * 1024);
    let (mut read, mut writer) = tokio::io::split(client);
    let sending = async move {
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        writer.write_all(&start).await.expect("room");
        for part in frames.chunks(write) {
            if writer.write_all(part).await.is_err() {
                break;
            }
            match pause {
                Some(time) => sleep(time).await,
                None => yield_now().await,
            }
        }
        // The client waits for the server to close.
        writer
    };
    let reading = async {
        let mut all = Vec::new();
        let _ = read.read_to_end(&mut all).await;
        all
    };
    let (_writer, sent) = tokio::join!(sending, reading);
    serving.await.expect("no panic");
    (goaway(&sent), calls)
}

/// Runs a future with a paused clock.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_flood_of_abandoned_requests_ends_the_connection_whatever_the_order(attack in attack()) {
        let frames = attack.frames(5_000);
        let start = std::time::Instant::now();
        let (reason, calls) = block_on(run(&frames, attack.write, attack.pause, false));
        prop_assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM), "after {:?}", start.elapsed());
        // In total the pauses take at most a second or two of the paused clock.
        let paused = attack.pause.unwrap_or_default() * (frames.len() / attack.write) as u32;
        let time = paused.as_secs_f64() * f64::from(UNANSWERED_RESETS_PER_SECOND);
        // Handlers that run when the budget is used up were called as well.
        let most = MAX_UNANSWERED_RESETS + MAX_STREAMS as usize + time as usize + 1;
        let all = calls.all.load(Ordering::Relaxed);
        prop_assert!(all <= most, "{} calls, {} are allowed", all, most);
        prop_assert!(calls.most.load(Ordering::Relaxed) <= MAX_REQUEST_TASKS);
        prop_assert_eq!(calls.running.load(Ordering::Relaxed), 0, "handlers are dropped");
    }
}

/// Opens a connection to handlers that do or do not respond, and sends its first frames.
async fn connected(respond: bool) -> (tokio::io::DuplexStream, Arc<HandlerCalls>, JoinHandle<()>) {
    let calls = Arc::<HandlerCalls>::default();
    let (mut client, serving) =
        connect_to(Handlers { calls: Arc::clone(&calls), respond }, 1 << 20);
    let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    client.write_all(&start).await.expect("room");
    (client, calls, serving)
}

fn request(id: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, id, GET)
}

fn reset(id: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, CANCEL)
}

/// Sends these frames, and waits until the server is idle.
async fn send(client: &mut tokio::io::DuplexStream, frames: impl Iterator<Item = Vec<u8>>) {
    let frames: Vec<u8> = frames.flatten().collect();
    client.write_all(&frames).await.expect("an open connection");
    // The clock is paused, so this ends when all tasks wait.
    sleep(Duration::from_nanos(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_may_abandon_all_its_requests_once() {
    let (mut client, calls, serving) = connected(false).await;
    let mut ids = streams();
    for _ in 0..3 {
        let all: Vec<u32> = ids.by_ref().take(MAX_STREAMS as usize).collect();
        send(&mut client, all.iter().map(|&id| request(id))).await;
        assert_eq!(calls.running.load(Ordering::Relaxed), all.len());
        send(&mut client, all.iter().map(|&id| reset(id))).await;
        assert_eq!(calls.running.load(Ordering::Relaxed), 0);
        assert!(!serving.is_finished());
        // As if all of them had timed out.
        let time = MAX_UNANSWERED_RESETS as f64 / f64::from(UNANSWERED_RESETS_PER_SECOND);
        sleep(Duration::from_secs_f64(time)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_reset_before_their_handlers_are_called_count_several_times() {
    let each = MAX_UNANSWERED_RESETS / RESET_WITHOUT_HANDLER;
    for block in [each, each + 1, 2 * each, 4 * each] {
        for pauses in [true, false] {
            let (mut client, calls, serving) = connected(false).await;
            let mut ids = streams();
            for _ in 0..2 {
                let block: Vec<u32> = ids.by_ref().take(block).collect();
                let requests = block.iter().map(|&id| request(id));
                let resets = block.iter().map(|&id| reset(id));
                if pauses {
                    send(&mut client, requests).await;
                    send(&mut client, resets).await;
                } else {
                    send(&mut client, requests.chain(resets)).await;
                }
            }
            // A connection that is closed waits this long for the client to read why.
            sleep(2 * LINGER_TIME).await;
            assert_eq!(serving.is_finished(), !pauses, "{block} at once, pauses: {pauses}");
            let called = calls.all.load(Ordering::Relaxed);
            assert_eq!(called == 2 * block, pauses, "{called} of twice {block}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_resets_that_arrive_together_are_refused_before_a_handler_is_called() {
    let each = MAX_UNANSWERED_RESETS / RESET_WITHOUT_HANDLER;
    for path in [1, 40, 120].map(|length| "p".repeat(length)) {
        let request = |id| frame(HEADERS, END_STREAM | END_HEADERS, id, &head(&path));
        // As many as the server looks at together.
        let most = (LOOK_AHEAD_BYTES - PREFACE.len()) / (request(1).len() + reset(1).len());
        for block in [each + 1, 2 * each, 100, MAX_STREAMS as usize, 900] {
            let (mut client, calls, serving) = connected(false).await;
            let ids: Vec<u32> = streams().take(block.min(most)).collect();
            let requests = ids.iter().map(|&id| request(id));
            let resets = ids.iter().map(|&id| reset(id));
            let frames: Vec<u8> = requests.chain(resets).flatten().collect();
            client.write_all(&frames).await.expect("room");
            sleep(2 * LINGER_TIME).await;
            assert!(serving.is_finished(), "{block} requests for {path}");
            let called = calls.all.load(Ordering::Relaxed);
            assert_eq!(called, 0, "of {block} requests for {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn responses_allow_for_abandoned_requests_and_late_resets_cost_nothing() {
    let (mut client, _calls, serving) = connected(true).await;
    let mut ids = streams();
    // Each had its response before the reset arrived, however many there are.
    for _ in 0..20 {
        let all: Vec<u32> = ids.by_ref().take(MAX_STREAMS as usize).collect();
        send(&mut client, all.iter().map(|&id| request(id))).await;
        send(&mut client, all.iter().map(|&id| reset(id))).await;
    }
    assert!(!serving.is_finished());
    // One in `RESPONSES_PER_RESET` arrives together with its reset, and never gets a response.
    for _ in 0..2 * MAX_UNANSWERED_RESETS {
        let answered = ids.by_ref().take(RESPONSES_PER_RESET as usize).map(request);
        send(&mut client, answered).await;
        let given_up = ids.next().expect("enough");
        send(&mut client, [request(given_up), reset(given_up)].into_iter()).await;
    }
    assert!(!serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_turn_begins_a_limited_number_of_requests_and_then_other_tasks_run() {
    for count in [50, 500, 5_000] {
        let (mut client, calls, _serving) = connected(true).await;
        let frames: Vec<u8> = streams().take(count).flat_map(request).collect();
        client.write_all(&frames).await.expect("room");
        // A task that is always ready, so it runs once in each round of the runtime's tasks.
        let (mut before, mut most, mut idle) = (0, 0, 0);
        let bystander = tokio::spawn(poll_fn(move |cx| {
            let now = calls.all.load(Ordering::Relaxed);
            most = most.max(now - before);
            idle = if now == before { idle + 1 } else { 0 };
            before = now;
            if idle == 100 {
                return Poll::Ready((before, most));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        let (before, most) = bystander.await.expect("no panic");
        assert!(most <= TURN_REQUESTS + HEADS_AT_ONCE, "{most} in one turn");
        // The handlers respond at once. If waiting requests did not stop the reading, there would
        // be more open streams than are allowed, and some would be refused.
        assert_eq!(before, count);
    }
}

#[tokio::test]
async fn the_sockets_of_others_are_polled_after_each_turn() {
    for count in [500, 5_000] {
        let (mut client, calls, _serving) = connected(true).await;
        let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
        let counted = Arc::clone(&calls);
        let bystander = tokio::spawn(async move {
            far.read_u8().await.expect("a byte comes");
            counted.all.load(Ordering::Relaxed)
        });
        // Both tasks wait for their transports from now on.
        yield_now().await;
        let frames: Vec<u8> = streams().take(count).flat_map(request).collect();
        client.write_all(&frames).await.expect("room");
        near.try_write(b"x").expect("room");
        let before = bystander.await.expect("no panic");
        assert!(before <= 2 * (TURN_REQUESTS + HEADS_AT_ONCE), "{before} of {count} requests");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_noticed_although_the_handlers_respond_at_once() {
    for block in [1, 16, 20, 24, 100, 250, 900] {
        let attack = Attack {
            block,
            order: Order::Block,
            how: ResetCause::ByClient,
            between: ExtraFrames::Nothing,
            is_padded: false,
            is_split: false,
            write: 1 << 20,
            pause: None,
        };
        let (reason, calls) = run(&attack.frames(20_000), attack.write, None, true).await;
        assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM), "blocks of {block}");
        let all = calls.all.load(Ordering::Relaxed);
        assert!(all < 2_000, "blocks of {block}: {all} handlers were called");
    }
}
