//! Tests of clients that send a request body slowly or never, over both protocols, in memory and
//! with a paused clock.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use crate::connection::info::ConnectionInfo;
use crate::connection::serve::ConnectionContext;
use crate::connection::settings::ConnectionSettings;
use crate::connection::task_tracker::task_tracker;
use crate::drain::handle::Drain;
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::request_body::RequestBody;
use crate::exchange::request_body_error::RequestBodyError;
use crate::exchange::service::ConnectionService;
use crate::http1::NextStage;
use crate::limits::{CONNECTION_WINDOW, FRAME_BYTES};

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = PaceLimits::DEFAULT.timeout;
/// Longer than any test here takes.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a handler reads its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReadOrder {
    /// To its end, and then it responds.
    BeforeResponse,
    /// To its end, but it does something else for a minute before each piece.
    SlowRead,
    /// In another task, while it responds.
    Concurrent,
    /// To its end, and it ignores an error.
    IgnoreErrors,
}

/// How reading a body ended, and when.
#[derive(Debug)]
struct Outcome {
    path: String,
    body: Result<usize, RequestBodyError>,
    time: Duration,
}

#[derive(Clone)]
struct Reader {
    order: ReadOrder,
    outcomes: mpsc::UnboundedSender<Outcome>,
    read_signal: Arc<ReadSignal>,
}

/// Whether a handler waits for its body, and a signal for when it begins to wait.
#[derive(Default)]
struct ReadSignal {
    is_now: AtomicBool,
    begins: Notify,
}

impl ReadSignal {
    fn is_now(&self) -> bool {
        self.is_now.load(Ordering::Relaxed)
    }
}

impl Reader {
    /// Reads a body, and returns the status that fits.
    async fn read(self, request: Request<RequestBody>) -> u16 {
        let start = Instant::now();
        let path = request.uri().path().to_owned();
        if path == "/hold" {
            sleep(100 * SECOND).await;
        }
        let mut incoming = request.into_body();
        let mut body = Ok(0);
        loop {
            if self.order == ReadOrder::SlowRead {
                sleep(60 * SECOND).await;
            }
            self.read_signal.is_now.store(true, Ordering::Relaxed);
            self.read_signal.begins.notify_one();
            let frame = incoming.frame().await;
            self.read_signal.is_now.store(false, Ordering::Relaxed);
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    body = body.map(|sum| sum + frame.data_ref().map_or(0, Bytes::len))
                }
                Some(Err(error)) => {
                    body = Err(error);
                    assert!(incoming.frame().await.is_none(), "it is told once");
                    break;
                }
            }
        }
        let status = if body.is_ok() || self.order == ReadOrder::IgnoreErrors { 200 } else { 408 };
        self.outcomes.send(Outcome { path, body, time: start.elapsed() }).expect("the test waits");
        status
    }
}

impl Service<Request<RequestBody>> for Reader {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let reading = self.clone().read(request);
        let is_concurrent = self.order == ReadOrder::Concurrent;
        Box::pin(async move {
            let status = if is_concurrent {
                tokio::spawn(reading);
                200
            } else {
                reading.await
            };
            let mut response = Response::new(Full::new(Bytes::from_static(b"content")));
            *response.status_mut() = status.try_into().expect("a status");
            Ok(response)
        })
    }
}

/// The client of a served connection.
struct UploadClient {
    io: DuplexStream,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    read_signal: Arc<ReadSignal>,
    serving: JoinHandle<()>,
}

/// Serves a connection through all its stages, over a transport that holds `size` bytes.
fn connect(limits: PaceLimits, order: ReadOrder, size: usize) -> UploadClient {
    let (io, server) = duplex(size);
    let (tell, outcomes) = mpsc::unbounded_channel();
    let address = ([127, 0, 0, 1], 1).into();
    let read_signal = Arc::default();
    let service = Reader { order, outcomes: tell, read_signal: Arc::clone(&read_signal) };
    let service = ConnectionService { service, info: Some(ConnectionInfo::tcp(address, address)) };
    let serving = tokio::spawn(async move {
        let (token, _gone) = task_tracker();
        let settings = ConnectionSettings { body_limits: limits, ..ConnectionSettings::DEFAULT };
        let context = Arc::new(ConnectionContext::new(settings, Drain::new(), token));
        let mut next = context.serve(server, None, service.clone()).await;
        loop {
            next = match next {
                NextStage::Closed | NextStage::Serve(..) | NextStage::Tunnel(_) => return,
                NextStage::Stream(_) => panic!("no response is long-lived"),
                NextStage::Requests(io, received) => {
                    context.http1.serve(io, received, service.clone()).await
                }
                NextStage::Linger(io) => return context.http1.linger(io).await,
                NextStage::SendRest(io, unsent) => {
                    return context.http1.send_rest(io, *unsent).await;
                }
            };
        }
    });
    UploadClient { io, outcomes, read_signal, serving }
}

impl UploadClient {
    async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
    }

    /// Sends a piece per second, for as long as the server reads.
    async fn trickle(&mut self, pieces: &[Vec<u8>]) {
        for piece in pieces {
            if self.io.write_all(piece).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
    }

    async fn outcome(&mut self) -> Outcome {
        timeout(DAY, self.outcomes.recv()).await.expect("it ends").expect("the server runs")
    }

    /// Waits. On HTTP/2 it sends a PING first, because the server closes a silent connection.
    async fn wait(&mut self, seconds: u32, head: &[u8]) {
        if head.starts_with(PREFACE) {
            self.send(&frame(PING, 0, 0, &[0; 8])).await;
        }
        sleep(seconds * SECOND).await;
    }

    /// Reads what the server sends, until it closes the connection or resets a stream.
    async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let reading = async {
            loop {
                let reset = [&[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1][..], NO_ERROR].concat();
                if all.ends_with(&reset) || self.io.read_buf(&mut all).await.expect("memory") == 0 {
                    break;
                }
            }
        };
        let ended = timeout(DAY, reading).await;
        assert!(ended.is_ok(), "no end after {all:?}");
        all
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const NO_ERROR: &[u8] = &[0; 4];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A DATA frame with this content and padding.
fn padded(stream: u32, flags: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let payload = [&[padding], content, &vec![0; padding.into()]].concat();
    frame(DATA, flags | PADDED, stream, &payload)
}

/// The head of a POST. Its path is not in the static table of HPACK.
fn post2(stream: u32, path: &str) -> Vec<u8> {
    // `:method: POST`, `:scheme: http`, the names of `:path` and `:authority` with their values.
    let path = [&[0x04, path.len() as u8], path.as_bytes()].concat();
    let block = [&[0x83, 0x86], &path[..], &[0x01, 1, b'a']].concat();
    frame(HEADERS, END_HEADERS, stream, &block)
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const TRAILER: &[u8] = &[0x00, 1, b'x', 1, b'y'];

/// A request: its head, the first part of its body, and the pieces that follow.
#[derive(Debug)]
struct Wire {
    name: &'static str,
    head: Vec<u8>,
    first: Vec<u8>,
    rest: Vec<Vec<u8>>,
    content: usize,
}

/// Requests in all framings. Their bodies have a first part of `first` bytes and then `content`
/// more, in chunks and frames that are `grain` times as large as usual.
fn wires(first: usize, content: usize, grain: usize) -> Vec<Wire> {
    let body = vec![b'x'; content];
    let start = vec![b'x'; first];
    let http1 =
        |fields: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n").into_bytes();
    let http2 = || [PREFACE, &post2(1, "/")].concat();
    let bytes = |wire: Vec<u8>| wire.chunks(1).map(<[u8]>::to_vec).collect();
    let chunks = |size: usize, extension: &str| {
        let chunk = |part: &[u8]| {
            let line = format!("{:x}{extension}\r\n", part.len());
            [line.as_bytes(), part, b"\r\n"].concat()
        };
        body.chunks(size * grain).flat_map(chunk).collect::<Vec<u8>>()
    };
    let content = first + content;
    let length = format!("content-length: {content}");
    let expect = format!("expect: 100-continue\r\n{length}");
    let chunked = "transfer-encoding: chunked";
    let frames = |size: usize, make: &dyn Fn(&[u8]) -> Vec<u8>| -> Vec<Vec<u8>> {
        let mut frames: Vec<_> = body.chunks(size * grain).map(make).collect();
        frames.push(frame(DATA, END_STREAM, 1, &[]));
        frames
    };
    let plain = |part: &[u8]| frame(DATA, 0, 1, part);
    let with_empty =
        |part: &[u8]| [padded(1, 0, &[], 0), plain(part), padded(1, 0, &[], 9)].concat();
    let mut trailing = frames(7, &plain);
    trailing.pop();
    trailing.push(frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILER));
    let wire = |name, head: Vec<u8>, rest| {
        let first = if head.starts_with(PREFACE) {
            start.chunks(FRAME_BYTES).flat_map(|part| frame(DATA, 0, 1, part)).collect()
        } else if head.ends_with(b"chunked\r\n\r\n") && first > 0 {
            [format!("{first:x}\r\n").as_bytes(), &start, b"\r\n"].concat()
        } else {
            start.clone()
        };
        Wire { name, head, first, rest, content }
    };
    vec![
        wire("a length", http1(&length), bytes(body.clone())),
        wire("100-continue", http1(&expect), bytes(body.clone())),
        wire("chunks", http1(chunked), bytes([&chunks(7, "")[..], b"0\r\n\r\n"].concat())),
        wire(
            "chunks of a byte",
            http1(chunked),
            bytes([&chunks(1, "")[..], b"0\r\n\r\n"].concat()),
        ),
        wire(
            "extensions and trailers",
            http1(chunked),
            bytes([&chunks(9, ";ext=1")[..], b"0;last\r\nx-sum: 1\r\nx-more: 2\r\n\r\n"].concat()),
        ),
        wire("frames", http2(), frames(7, &plain)),
        wire("frames of a byte", http2(), frames(1, &plain)),
        wire("padded frames", http2(), frames(3, &|part| padded(1, 0, part, 200))),
        wire("empty frames between", http2(), frames(5, &with_empty)),
        wire("bytes of frames", http2(), bytes(frames(4, &plain).concat())),
        wire("trailers", http2(), bytes(trailing.concat())),
    ]
}

/// Checks what a client reads after its body was given up.
#[track_caller]
fn assert_refused(response: &[u8], status: u16, case: &str) {
    let text = String::from_utf8_lossy(response);
    let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
    if text.starts_with("HTTP/1.1 ") {
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {text}");
        assert!(text.contains("connection: close\r\n"), "{case}: {text}");
        assert!(text.ends_with("content"), "{case}: {text}");
    } else {
        let end = frame(DATA, END_STREAM, 1, &[]);
        let reset = frame(RST_STREAM, 0, 1, NO_ERROR);
        assert!(text.contains("content"), "{case}: {text:?}");
        assert!(response.ends_with(&reset), "{case}: {response:?} {end:?}");
    }
}

#[track_caller]
fn assert_timed_out(outcome: &Outcome, after: std::ops::RangeInclusive<Duration>, case: &str) {
    let error = outcome.body.as_ref().expect_err(case);
    assert!(matches!(error, RequestBodyError::TimedOut(_)), "{case}: {error:?}");
    assert!(after.contains(&outcome.time), "{case}: {outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_body_wherever_it_begins() {
    for (order, status) in [(ReadOrder::BeforeResponse, 408), (ReadOrder::IgnoreErrors, 200)] {
        for wire in wires(0, 20, 1) {
            for sent in 0..wire.rest.len() {
                let case = format!("{}: {sent} pieces, read {order:?}", wire.name);
                let mut client = connect(PaceLimits::DEFAULT, order, 64 * 1024);
                client.send(&[&wire.head[..], &wire.rest[..sent].concat()].concat()).await;
                let outcome = client.outcome().await;
                assert_timed_out(&outcome, TIMEOUT..=TIMEOUT, &case);
                assert_refused(&client.read_to_end().await, status, &case);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_ends_a_body_whatever_trickles() {
    for wire in wires(0, 400, 1) {
        let mut client = connect(PaceLimits::DEFAULT, ReadOrder::BeforeResponse, 64 * 1024);
        client.send(&wire.head).await;
        client.trickle(&wire.rest[..50]).await;
        // The pieces have at most 7 bytes, which are worth 30 ms of each second.
        let outcome = client.outcome().await;
        assert_timed_out(&outcome, TIMEOUT..=TIMEOUT + SECOND, wire.name);
        assert_refused(&client.read_to_end().await, 408, wire.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fast_beginning_does_not_pay_for_a_trickle() {
    for wire in wires(60_000, 400, 1) {
        let mut client = connect(PaceLimits::DEFAULT, ReadOrder::BeforeResponse, 256 * 1024);
        client.send(&wire.head).await;
        sleep(SECOND / 10).await;
        client.send(&wire.first).await;
        client.trickle(&wire.rest[..50]).await;
        assert_timed_out(&client.outcome().await, TIMEOUT..=TIMEOUT + SECOND, wire.name);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_uploads_that_make_progress_continue() {
    const CONTENT: usize = 12_000;
    // 250 bytes a second.
    let all = CONTENT as u32 * SECOND / 250;
    for parts in [480, 48, 7, 2] {
        for wire in wires(0, CONTENT, 50) {
            let mut client = connect(PaceLimits::DEFAULT, ReadOrder::BeforeResponse, 64 * 1024);
            client.send(&wire.head).await;
            let parts = wire.rest.chunks(wire.rest.len().div_ceil(parts));
            let pause = all / parts.len() as u32;
            for part in parts {
                sleep(pause).await;
                client.send(&part.concat()).await;
            }
            let outcome = client.outcome().await;
            let length = outcome.body.unwrap_or_else(|error| panic!("{}: {error:?}", wire.name));
            assert_eq!(length, wire.content, "{}", wire.name);
            assert!(outcome.time > TIMEOUT, "{}: {:?}", wire.name, outcome.time);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_any_byte_is_progress_and_framing_is_not() {
    let limits = PaceLimits { min_rate: 0, ..PaceLimits::DEFAULT };
    for wire in wires(0, 400, 5) {
        let mut client = connect(limits, ReadOrder::BeforeResponse, 64 * 1024);
        client.send(&wire.head).await;
        for part in wire.rest.chunks(wire.rest.len().div_ceil(4)) {
            sleep(TIMEOUT - SECOND).await;
            client.send(&part.concat()).await;
        }
        let outcome = client.outcome().await;
        assert_eq!(outcome.body.expect(wire.name), wire.content, "{}", wire.name);
    }
    for nothing in [padded(1, 0, &[], 0), padded(1, 0, &[], 255)] {
        let mut client = connect(limits, ReadOrder::BeforeResponse, 64 * 1024);
        client.send(&[PREFACE, &post2(1, "/")].concat()).await;
        for _ in 0..5 {
            client.send(&nothing).await;
            sleep(10 * SECOND).await;
        }
        assert_timed_out(&client.outcome().await, TIMEOUT..=TIMEOUT, "padding");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_blamed_for_a_handler_that_reads_slowly() {
    for wire in wires(0, 60, 1) {
        for is_prompt in [false, true] {
            if is_prompt && wire.head.starts_with(PREFACE) && wire.rest[0].len() == 1 {
                // A PING cannot be sent in the middle of a frame.
                continue;
            }
            let mut client = connect(PaceLimits::DEFAULT, ReadOrder::SlowRead, 64 * 1024);
            client.send(&wire.head).await;
            for piece in &wire.rest {
                // Either the whole body waits for the handler, or each piece arrives shortly after
                // the handler asks for it.
                while is_prompt && !client.read_signal.is_now() {
                    assert!(client.outcomes.is_empty(), "{}: it ended too soon", wire.name);
                    if timeout(8 * SECOND, client.read_signal.begins.notified()).await.is_err() {
                        client.wait(0, &wire.head).await;
                    }
                }
                if is_prompt {
                    sleep(SECOND / 100).await;
                }
                client.send(piece).await;
            }
            let outcome = loop {
                client.wait(20, &wire.head).await;
                match client.outcomes.try_recv() {
                    Ok(outcome) => break outcome,
                    Err(error) => assert_eq!(error, TryRecvError::Empty, "{}", wire.name),
                }
            };
            let length = outcome.body.unwrap_or_else(|error| panic!("{}: {error:?}", wire.name));
            assert_eq!(length, wire.content, "{}", wire.name);
            assert!(outcome.time > 2 * TIMEOUT, "{}: {:?}", wire.name, outcome.time);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_that_is_read_beside_the_response_ends_the_connection_too() {
    for wire in wires(0, 20, 1) {
        let mut client = connect(PaceLimits::DEFAULT, ReadOrder::Concurrent, 64 * 1024);
        client.send(&[&wire.head[..], &wire.rest[..1].concat()].concat()).await;
        assert_timed_out(&client.outcome().await, TIMEOUT..=TIMEOUT, wire.name);
        let response = client.read_to_end().await;
        assert!(response.windows(7).any(|part| part == b"content"), "{}", wire.name);
        if wire.head.starts_with(b"POST") {
            // The server waits for a client that still sends.
            timeout(DAY, client.serving).await.expect("it is closed").expect("no panic");
        }
    }
}

/// All requests of an HTTP/2 connection share a window, and a request whose handler does not read
/// can fill it.
#[tokio::test(start_paused = true)]
async fn a_client_whose_window_is_closed_is_not_too_slow() {
    let window = CONNECTION_WINDOW as usize;
    for (held, is_late) in [(window, false), (window - 1, true)] {
        let mut client = connect(PaceLimits::DEFAULT, ReadOrder::BeforeResponse, 4 * window);
        client.send(&[PREFACE, &post2(1, "/hold")].concat()).await;
        // The server's settings and its window come first.
        sleep(SECOND).await;
        client.send(&frame(SETTINGS, ACK, 0, &[])).await;
        let content = vec![0; held];
        for part in content.chunks(FRAME_BYTES) {
            client.send(&frame(DATA, 0, 1, part)).await;
        }
        client.send(&post2(3, "/other")).await;
        for _ in 0..11 {
            client.wait(10, PREFACE).await;
        }
        client.send(&frame(DATA, END_STREAM, 1, &[])).await;
        if !is_late {
            client.send(&frame(DATA, END_STREAM, 3, b"other")).await;
        }
        let mut outcomes = [client.outcome().await, client.outcome().await];
        outcomes.sort_by(|a, b| a.path.cmp(&b.path));
        let [hold, other] = outcomes;
        assert_eq!(hold.body.expect("it was read in the end"), held);
        if is_late {
            assert_timed_out(&other, TIMEOUT..=TIMEOUT, "a byte may be sent");
        } else {
            assert_eq!(other.body.expect("it could not be sent sooner"), 5);
        }
    }
}
