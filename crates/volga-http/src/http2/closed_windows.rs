//! Bodies through windows that a client opens, closes and narrows by hand, in memory. Every byte
//! arrives, no more is sent than was granted, and no part of a window stays unused. A body is
//! polled only if its first byte could be sent, and is never more than a frame ahead of what is
//! sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http_body::Body;
use http_body::{Frame, SizeHint};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;
use tower_service::Service;

use super::abuse::{CANCEL, GOAWAY, PREFACE, frame, streams};
use super::bursts::head;
use super::direct::received_frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::tests::{STALL, connect_to};
use super::*;
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::limits::HELD_PER_TURN;

/// How many bytes each body has returned, by the number in its path.
type GivenBytes = Arc<Mutex<BTreeMap<u32, usize>>>;

/// A byte of a body.
fn byte(number: u32, at: usize) -> u8 {
    (number as usize * 31 + at * 7 + at / 251) as u8
}

/// A body that returns `left` pieces of this size, and then ends or fails. A body with empty pieces
/// waits forever.
struct PiecesBody {
    number: u32,
    size: usize,
    left: usize,
    fails: bool,
    at: usize,
    given: GivenBytes,
    /// Whether the body has ended although it was not polled.
    has_ended: Arc<AtomicBool>,
    ends_at_a_frame: bool,
    /// How many bodies there are.
    open: Arc<AtomicUsize>,
}

/// The failure of a body.
#[derive(Debug)]
struct BodyFailure;

impl std::fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("as it was told to")
    }
}

impl Error for BodyFailure {}

impl Body for PiecesBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if self.size == 0 {
            return Poll::Pending;
        }
        if self.left == 0 {
            return Poll::Ready(self.fails.then_some(Err(BodyFailure)));
        }
        self.left -= 1;
        if self.ends_at_a_frame {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        let end = self.at + self.size;
        let piece: Vec<u8> = (self.at..end).map(|at| byte(self.number, at)).collect();
        self.at = end;
        *self.given.lock().expect("no panic").entry(self.number).or_default() = end;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            0 if self.ends_at_a_frame => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for PiecesBody {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Specifies a body that a client requests.
#[derive(Clone, Copy, Debug)]
struct BodySpec {
    is_long_lived: bool,
    size: usize,
    pieces: usize,
    fails: bool,
}

impl BodySpec {
    /// A body without an end.
    fn endless(size: usize, is_long_lived: bool) -> Self {
        Self { is_long_lived, size, pieces: usize::MAX, fails: false }
    }
}

/// Responds to `/NUMBER` with the body that is specified under this number.
#[derive(Clone, Default)]
struct BodySpecs {
    given: GivenBytes,
    asked: Arc<Mutex<BTreeMap<u32, BodySpec>>>,
    /// Ends all bodies.
    have_ended: Arc<AtomicBool>,
    /// Ends all bodies as soon as one of them gives a frame.
    end_at_a_frame: Arc<AtomicBool>,
    /// Whether responses are cut when their bodies end.
    are_cut: Arc<AtomicBool>,
    /// How many bodies there are.
    open: Arc<AtomicUsize>,
}

impl Service<Request<RequestBody>> for BodySpecs {
    type Response = Response<PiecesBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let number = request.uri().path()[1..].parse().expect("a number");
        let BodySpec { is_long_lived, size, pieces: left, fails } =
            self.asked.lock().expect("no panic")[&number];
        let given = Arc::clone(&self.given);
        let (has_ended, open) = (Arc::clone(&self.have_ended), Arc::clone(&self.open));
        open.fetch_add(1, Ordering::Relaxed);
        let ends_at_a_frame = self.end_at_a_frame.load(Ordering::Relaxed);
        let body = PiecesBody {
            number,
            size,
            left,
            fails,
            at: 0,
            given,
            has_ended,
            ends_at_a_frame,
            open,
        };
        let mut response = Response::new(body);
        if self.are_cut.load(Ordering::Relaxed) {
            response.extensions_mut().insert(CutAtEnd);
        }
        if is_long_lived {
            response.extensions_mut().insert(LongLivedResponse);
        }
        std::future::ready(Ok(response))
    }
}

/// A client that writes its frames by hand, and tracks what it has granted.
struct WindowClient {
    io: DuplexStream,
    specs: BodySpecs,
    unread: Vec<u8>,
    /// How much each open stream may still send, and the connection.
    rooms: BTreeMap<u32, i64>,
    connection: i64,
    initial: i64,
    received: BTreeMap<u32, usize>,
}

impl WindowClient {
    async fn connect(initial: u32) -> Self {
        Self::connect_over(1 << 20, initial).await
    }

    /// The same over a socket that holds so many bytes.
    async fn connect_over(size: usize, initial: u32) -> Self {
        let specs = BodySpecs::default();
        let (mut io, _serving) = connect_to(specs.clone(), size);
        let setting = [&[0, 4][..], &initial.to_be_bytes()].concat();
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat();
        io.write_all(&start).await.expect("room");
        Self {
            io,
            specs,
            unread: vec![],
            rooms: BTreeMap::new(),
            connection: 65_535,
            initial: i64::from(initial),
            received: BTreeMap::new(),
        }
    }

    async fn get(&mut self, id: u32, asked: BodySpec) {
        self.rooms.insert(id, self.initial);
        self.specs.asked.lock().expect("no panic").insert(id, asked);
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, id, &head(&format!("/{id}")))).await;
    }

    async fn reset(&mut self, id: u32) {
        self.rooms.remove(&id);
        self.send(frame(RST_STREAM, 0, id, CANCEL)).await;
    }

    async fn grant(&mut self, id: u32, increment: u32) {
        if id == 0 {
            self.connection += i64::from(increment);
        } else if let Some(room) = self.rooms.get_mut(&id) {
            *room += i64::from(increment);
        }
        self.send(frame(WINDOW_UPDATE, 0, id, &increment.to_be_bytes())).await;
    }

    async fn set_initial(&mut self, initial: u32) {
        let change = i64::from(initial) - self.initial;
        self.rooms.values_mut().for_each(|room| *room += change);
        self.initial = i64::from(initial);
        let setting = [&[0, 4][..], &initial.to_be_bytes()].concat();
        self.send(frame(SETTINGS, 0, 0, &setting)).await;
    }

    async fn send(&mut self, frame: Vec<u8>) {
        self.io.write_all(&frame).await.expect("an open connection");
    }

    /// Reads everything that the server sends, until all tasks wait.
    async fn read(&mut self) {
        loop {
            let mut space = [0; 64 * 1024];
            tokio::select! {
                biased;
                read = self.io.read(&mut space) => {
                    let read = read.expect("an open connection");
                    assert!(read > 0, "an open connection");
                    self.unread.extend_from_slice(&space[..read]);
                }
                // The clock is paused, so this ends when all tasks wait.
                () = sleep(Duration::from_nanos(1)) => break,
            }
        }
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while let [a, b, c, kind, flags, i, j, k, l, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            let id = u32::from_be_bytes([*i, *j, *k, *l]);
            match *kind {
                DATA => {
                    let received = self.received.entry(id).or_default();
                    for (at, &got) in payload.iter().enumerate() {
                        assert_eq!(got, byte(id, *received + at), "stream {id}");
                    }
                    *received += length;
                    self.connection -= length as i64;
                    let room = self.rooms.get_mut(&id).expect("an open stream");
                    *room -= length as i64;
                    let is_within = *room >= 0 || length == 0;
                    assert!(is_within && self.connection >= 0, "more than was granted");
                    if flags & END_STREAM != 0 {
                        self.check_end(id, false);
                    }
                }
                RST_STREAM => self.check_end(id, true),
                GOAWAY => panic!("the connection ends: {payload:?}"),
                _ => {}
            }
            rest = after;
        }
        self.unread = rest.to_vec();
    }

    /// A stream has ended, or was reset by the server.
    fn check_end(&mut self, id: u32, is_reset: bool) {
        self.rooms.remove(&id);
        if self.specs.have_ended.load(Ordering::Relaxed) {
            return;
        }
        let asked = self.specs.asked.lock().expect("no panic")[&id];
        assert_eq!(is_reset, asked.fails, "stream {id}");
        assert_eq!(self.received.get(&id).copied().unwrap_or(0), asked.size * asked.pieces);
    }

    /// How many bytes the server has taken from each body and not sent yet.
    fn held(&self) -> BTreeMap<u32, usize> {
        let given = self.specs.given.lock().expect("no panic");
        let sent = |id| self.received.get(id).copied().unwrap_or_default();
        let open = given.iter().filter(|(id, _)| self.rooms.contains_key(id));
        open.map(|(id, given)| (*id, given - sent(id))).collect()
    }

    /// Whether a stream has room for a byte that is not sent.
    fn has_room(&self, id: u32) -> bool {
        self.connection > 0 && self.rooms[&id] > 0
    }
}

#[derive(Clone, Debug)]
enum ClientAction {
    /// Grants to the open stream with this index, or to the connection.
    Grant(Option<usize>, u32),
    /// Sets the initial window of streams.
    Initial(u32),
    Get(BodySpec),
    /// Resets the open stream with this index.
    Reset(usize),
}

fn act() -> impl Strategy<Value = ClientAction> {
    let increment = || prop_oneof![3 => 1..3u32, 2 => 1..20_000u32, 1 => 20_000..200_000u32];
    let initial = prop_oneof![Just(0u32), 1..3u32, 1..70_000u32];
    let size = prop_oneof![1..400usize, 400..FRAME_BYTES, Just(FRAME_BYTES)];
    let pieces = prop_oneof![Just(usize::MAX), 0..4usize];
    let asked = (any::<bool>(), size, pieces, prop::bool::weighted(0.2));
    let asked = asked.prop_map(|(is_long_lived, size, pieces, fails)| {
        let fails = fails && pieces < usize::MAX;
        BodySpec { is_long_lived, size, pieces, fails }
    });
    prop_oneof![
        6 => (prop::option::weighted(0.7, 0..20usize), increment())
            .prop_map(|(at, increment)| ClientAction::Grant(at, increment)),
        1 => initial.prop_map(ClientAction::Initial),
        4 => asked.prop_map(ClientAction::Get),
        1 => (0..20usize).prop_map(ClientAction::Reset),
    ]
}

async fn check(initial: u32, acts: Vec<ClientAction>) {
    let mut client = WindowClient::connect(initial).await;
    let mut ids = streams();
    let start = Instant::now();
    for act in acts {
        let open: Vec<u32> = client.rooms.keys().copied().collect();
        let at = |at: usize| open.get(at % open.len().max(1)).copied();
        match act {
            ClientAction::Grant(None, increment) => client.grant(0, increment).await,
            ClientAction::Grant(Some(nth), increment) => {
                let Some(id) = at(nth) else { continue };
                client.grant(id, increment).await;
            }
            ClientAction::Initial(initial) => client.set_initial(initial).await,
            ClientAction::Get(asked) => client.get(ids.next().expect("enough"), asked).await,
            ClientAction::Reset(nth) => {
                let Some(id) = at(nth) else { continue };
                client.reset(id).await;
            }
        }
        client.read().await;
        for (id, held) in client.held() {
            assert!(held < FRAME_BYTES, "stream {id} holds {held} bytes");
        }
        // The window is used up, or the body is over.
        for &id in client.rooms.keys() {
            assert!(!client.has_room(id), "stream {id} has room and sends nothing");
        }
    }
    assert!(start.elapsed() < STALL, "no stream was given up");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_stream_holds_a_frame_or_leaves_its_window_unused(
        initial in prop_oneof![Just(0u32), 0..70_000u32],
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(check(initial, acts));
    }
}

#[tokio::test(start_paused = true)]
async fn with_closed_windows_no_body_is_polled() {
    for kind in [true, false] {
        let mut client = WindowClient::connect(0).await;
        for id in streams().take(MAX_STREAMS as usize) {
            client.get(id, BodySpec::endless(FRAME_BYTES, kind)).await;
        }
        client.read().await;
        assert!(client.held().is_empty(), "{kind}: nothing is taken");
        // Each stream then has a window of one byte, and the connection's window is enough for some
        // of them.
        client.set_initial(1).await;
        client.read().await;
        assert_eq!(client.received.len(), MAX_STREAMS as usize, "{kind}");
        let held: usize = client.held().values().sum();
        assert!(held <= MAX_STREAMS as usize * FRAME_BYTES, "{kind}: {held} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_cut_when_its_body_ends_if_it_has_the_mark() {
    for is_long_lived in [true, false] {
        for is_cut in [true, false] {
            // Bodies that were never polled, that have sent a part of a frame, and a whole frame.
            for initial in [0, 1, 99, 100, 101, 250] {
                let mut client = WindowClient::connect(initial).await;
                client.specs.are_cut.store(is_cut, Ordering::Relaxed);
                for id in streams().take(20) {
                    client.get(id, BodySpec::endless(100, is_long_lived)).await;
                }
                client.read().await;
                assert_eq!(client.rooms.len(), 20);
                let holds_a_rest = initial % 100 > 0;
                client.specs.have_ended.store(true, Ordering::Relaxed);
                sleep(STALL / 2).await;
                client.read().await;
                // An end without data needs no window, so it comes in any case.
                let left = if is_cut || !holds_a_rest { 0 } else { 20 };
                let case = format!("{is_long_lived}, {is_cut}, {initial}");
                assert_eq!(client.rooms.len(), left, "{case}: the streams that are open");
                let open = client.specs.open.load(Ordering::Relaxed);
                assert_eq!(open, left, "{case}: the bodies that are held");
            }
        }
    }
}

/// Another thread may end a body right after it gave a frame. Only an exact size hint says that the
/// frame was the last one.
#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_cut_although_its_body_has_ended_before_the_frame_waits() {
    for (is_long_lived, is_last) in [(true, true), (true, false), (false, true), (false, false)] {
        for initial in [1, 99] {
            let mut client = WindowClient::connect(initial).await;
            client.specs.are_cut.store(true, Ordering::Relaxed);
            client.specs.end_at_a_frame.store(true, Ordering::Relaxed);
            let pieces = if is_last { 1 } else { usize::MAX };
            let asked = BodySpec { is_long_lived, size: 100, pieces, fails: false };
            client.get(1, asked).await;
            client.read().await;
            sleep(STALL / 2).await;
            client.read().await;
            let case = format!("{is_long_lived}, {is_last}, {initial}");
            assert_eq!(client.rooms.len(), usize::from(is_last), "{case}: it is open");
            if is_last {
                client.grant(1, 100).await;
                client.read().await;
                assert_eq!(client.received[&1], 100, "{case}: the last frame arrives");
                assert!(client.rooms.is_empty(), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_a_client_that_reads_no_socket_are_cut_when_their_bodies_end() {
    for is_long_lived in [true, false] {
        for is_cut in [true, false] {
            for size in [100, 1_000, 20_000] {
                // The windows are open, and the socket is full.
                let mut client = WindowClient::connect_over(size, 1 << 20).await;
                client.grant(0, 1 << 20).await;
                client.specs.are_cut.store(is_cut, Ordering::Relaxed);
                for id in streams().take(5) {
                    client.get(id, BodySpec::endless(1_000, is_long_lived)).await;
                }
                sleep(Duration::from_millis(10)).await;
                let open = || client.specs.open.load(Ordering::Relaxed);
                assert_eq!(open(), 5);
                client.specs.have_ended.store(true, Ordering::Relaxed);
                sleep(STALL / 2).await;
                let left = if is_cut { 0 } else { 5 };
                assert_eq!(open(), left, "{is_long_lived}, {is_cut}, {size}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_closed_connection_window_no_body_is_polled() {
    let mut client = WindowClient::connect(1 << 20).await;
    client.get(1, BodySpec::endless(FRAME_BYTES, true)).await;
    client.read().await;
    assert_eq!(client.connection, 0);
    for (id, kind) in streams().skip(1).take(100).zip([true, false].into_iter().cycle()) {
        client.get(id, BodySpec::endless(FRAME_BYTES, kind)).await;
    }
    client.read().await;
    assert_eq!(client.held().len(), 1, "only the first was asked");
}

#[tokio::test(start_paused = true)]
async fn waiting_bodies_reserve_no_part_of_the_connection_window() {
    for kind in [true, false] {
        let mut client = WindowClient::connect(1 << 20).await;
        for id in streams().take(100) {
            client.get(id, BodySpec::endless(0, kind)).await;
        }
        client.read().await;
        client.get(201, BodySpec::endless(FRAME_BYTES, false)).await;
        client.read().await;
        assert_eq!(client.connection, 0, "{kind}: the whole window is used");
    }
}

#[tokio::test(start_paused = true)]
async fn a_smaller_initial_window_affects_only_open_streams() {
    let get = |is_long_lived| ClientAction::Get(BodySpec::endless(FRAME_BYTES, is_long_lived));
    let grant = ClientAction::Grant;
    let acts = vec![
        get(true),
        grant(None, 16_656),
        grant(Some(0), 16_313),
        get(true),
        ClientAction::Initial(32_761),
        ClientAction::Initial(0),
        grant(None, 1),
        get(false),
        grant(Some(2), 1),
    ];
    check(0, acts).await;
}

#[tokio::test(start_paused = true)]
async fn a_window_that_was_widened_and_used_up_may_open_to_the_maximum() {
    const WIDEST: u32 = (1 << 31) - 1;
    let mut client = WindowClient::connect(65_535).await;
    client.grant(0, 3_000_000).await;
    client.get(1, BodySpec::endless(FRAME_BYTES, true)).await;
    client.read().await;
    client.grant(1, 1_000_000).await;
    client.read().await;
    assert_eq!(client.rooms[&1], 0);
    client.set_initial(WIDEST).await;
    client.get(3, BodySpec::endless(FRAME_BYTES, false)).await;
    client.read().await;
    assert_eq!(client.connection, 0, "and the connection continues");
}

#[tokio::test(start_paused = true)]
async fn windows_that_open_by_a_byte_let_others_run_after_a_few_frames() {
    const STREAMS: usize = 200;
    let mut client = WindowClient::connect(0).await;
    for id in streams().take(STREAMS) {
        client.get(id, BodySpec::endless(FRAME_BYTES, true)).await;
    }
    client.read().await;
    let given = Arc::clone(&client.specs.given);
    let taken = move || given.lock().expect("no panic").len();
    assert_eq!(taken(), 0, "no window is open");
    client.set_initial(1).await;
    let mut counts = vec![0];
    while counts.last() != Some(&STREAMS) {
        tokio::task::yield_now().await;
        counts.push(taken());
    }
    // The first turn in a row is followed by another at once.
    let most = counts.windows(2).map(|pair| pair[1] - pair[0]).max();
    let limit = 2 * (1 + HELD_PER_TURN / (FRAME_BYTES - 1));
    assert!(most <= Some(limit), "{counts:?}");
    client.read().await;
    assert!(client.rooms.keys().all(|id| client.received[id] == 1));
}
