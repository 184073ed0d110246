//! What a body is asked for while its client keeps the windows shut, in memory: nothing without room
//! for a first byte, and at most a frame beyond what is sent.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use http_body::Frame;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;

use super::abuse::{PREFACE, frame, streams};
use super::bursts::head;
use super::direct::received_frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::tests::{STALL, connect_to};
use super::*;
use crate::LongLived;

/// How many bytes each body has given, by the number in its path.
type Given = Arc<Mutex<BTreeMap<u32, usize>>>;

/// Gives pieces of this size for ever; or waits for ever, if the size is zero.
struct Pieces {
    number: u32,
    size: usize,
    given: Given,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.size == 0 {
            return Poll::Pending;
        }
        let mut given = self.given.lock().expect("no panic");
        *given.entry(self.number).or_default() += self.size;
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.size].into()))))
    }
}

/// Answers `/NUMBER/SIZE/KIND`, where the kind is `l` for long-lived or `o` for ordinary.
#[derive(Clone)]
struct Answers {
    given: Given,
}

impl Service<Request<RequestBody>> for Answers {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let mut parts = request.uri().path()[1..].split('/');
        let mut next = || parts.next().expect("three parts");
        let number = next().parse().expect("a number");
        let size = next().parse().expect("a size");
        let mut response = Response::new(Pieces { number, size, given: Arc::clone(&self.given) });
        if next() == "l" {
            response.extensions_mut().insert(LongLived);
        }
        std::future::ready(Ok(response))
    }
}

/// A client that writes its frames by hand and follows what it has granted.
struct Client {
    io: DuplexStream,
    given: Given,
    unread: Vec<u8>,
    /// What each stream may still send, and the connection. A stream that was reset is not there.
    rooms: BTreeMap<u32, i64>,
    connection: i64,
    initial: i64,
    received: BTreeMap<u32, usize>,
}

impl Client {
    async fn connect(initial: u32) -> Self {
        let given = Given::default();
        let (mut io, _serving) = connect_to(Answers { given: Arc::clone(&given) }, 1 << 20);
        let setting = [&[0, 4][..], &initial.to_be_bytes()].concat();
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat();
        io.write_all(&start).await.expect("room");
        Self {
            io,
            given,
            unread: vec![],
            rooms: BTreeMap::new(),
            connection: 65_535,
            initial: i64::from(initial),
            received: BTreeMap::new(),
        }
    }

    async fn get(&mut self, id: u32, size: usize, kind: char) {
        self.rooms.insert(id, self.initial);
        let head = head(&format!("/{id}/{size}/{kind}"));
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, id, &head)).await;
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

    /// Reads all that the server sends before everybody waits.
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
                // The clock is paused, so this is over when everybody waits.
                () = sleep(Duration::from_nanos(1)) => break,
            }
        }
        let mut rest = &self.unread[..];
        while let [a, b, c, kind, flags, i, j, k, l, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((_payload, after)) = after.split_at_checked(length) else { break };
            let id = u32::from_be_bytes([*i, *j, *k, *l]);
            match *kind {
                DATA => {
                    assert_eq!(flags & END_STREAM, 0, "a body without an end");
                    self.connection -= length as i64;
                    *self.received.entry(id).or_default() += length;
                    let room = self.rooms.get_mut(&id).expect("an open stream");
                    *room -= length as i64;
                    assert!(*room >= 0 && self.connection >= 0, "more than was granted");
                }
                RST_STREAM => panic!("stream {id} is reset"),
                _ => {}
            }
            rest = after;
        }
        self.unread = rest.to_vec();
    }

    /// What the server has taken from the bodies and not sent.
    fn held(&self) -> BTreeMap<u32, usize> {
        let given = self.given.lock().expect("no panic");
        let sent = |id| self.received.get(id).copied().unwrap_or_default();
        given.iter().map(|(id, given)| (*id, given - sent(id))).collect()
    }

    /// Whether a stream has room for a byte that is not sent.
    fn has_room(&self, id: u32) -> bool {
        self.connection > 0 && self.rooms[&id] > 0
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// Grants to the stream of this place, or to the connection.
    Grant(Option<usize>, u32),
    /// Sets what streams open with.
    Initial(u32),
    /// Opens a stream, whose body has pieces of this size.
    Get(usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let increment = || prop_oneof![3 => 1..3u32, 2 => 1..20_000u32, 1 => 20_000..200_000u32];
    let initial = prop_oneof![Just(0u32), 1..3u32, 1..70_000u32];
    let size = prop_oneof![1..400usize, 400..FRAME_BYTES, Just(FRAME_BYTES)];
    prop_oneof![
        4 => (prop::option::weighted(0.7, 0..20usize), increment())
            .prop_map(|(at, increment)| Act::Grant(at, increment)),
        1 => initial.prop_map(Act::Initial),
        3 => (size, any::<bool>()).prop_map(|(size, is_long)| Act::Get(size, is_long)),
    ]
}

async fn check(initial: u32, acts: Vec<Act>) {
    let mut client = Client::connect(initial).await;
    let mut ids = streams();
    let mut open: Vec<u32> = vec![];
    let start = Instant::now();
    for act in acts {
        match act {
            Act::Grant(None, increment) => client.grant(0, increment).await,
            Act::Grant(Some(at), increment) => {
                let Some(id) = open.get(at % open.len().max(1)) else { continue };
                client.grant(*id, increment).await;
            }
            Act::Initial(initial) => client.set_initial(initial).await,
            Act::Get(size, is_long) => {
                let id = ids.next().expect("enough");
                open.push(id);
                client.get(id, size, if is_long { 'l' } else { 'o' }).await;
            }
        }
        client.read().await;
        for (id, held) in client.held() {
            assert!(held < FRAME_BYTES, "stream {id} holds {held} bytes");
        }
        // Whoever has room has used it.
        for &id in &open {
            assert!(!client.has_room(id), "stream {id} has room and sends nothing");
        }
    }
    assert!(start.elapsed() < STALL, "nobody was given up");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_stream_holds_a_frame_or_leaves_room_unused(
        initial in prop_oneof![Just(0u32), 0..70_000u32],
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(check(initial, acts));
    }
}

#[tokio::test(start_paused = true)]
async fn with_shut_windows_no_body_is_asked_for_anything() {
    for kind in ['l', 'o'] {
        let mut client = Client::connect(0).await;
        for id in streams().take(MAX_STREAMS as usize) {
            client.get(id, FRAME_BYTES, kind).await;
        }
        client.read().await;
        assert!(client.held().is_empty(), "{kind}: nothing is taken");
        // Each has room for one byte then, and the connection for some of them.
        client.set_initial(1).await;
        client.read().await;
        assert_eq!(client.received.len(), MAX_STREAMS as usize, "{kind}");
        let held: usize = client.held().values().sum();
        assert!(held <= MAX_STREAMS as usize * FRAME_BYTES, "{kind}: {held} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_shut_connection_no_body_is_asked_for_anything() {
    let mut client = Client::connect(1 << 20).await;
    client.get(1, FRAME_BYTES, 'l').await;
    client.read().await;
    assert_eq!(client.connection, 0);
    for (id, kind) in streams().skip(1).take(100).zip(['l', 'o'].into_iter().cycle()) {
        client.get(id, FRAME_BYTES, kind).await;
    }
    client.read().await;
    assert_eq!(client.held().len(), 1, "only the first was asked");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_have_nothing_keep_no_room_of_the_connection() {
    for kind in ['l', 'o'] {
        let mut client = Client::connect(1 << 20).await;
        for id in streams().take(100) {
            client.get(id, 0, kind).await;
        }
        client.read().await;
        client.get(201, FRAME_BYTES, 'o').await;
        client.read().await;
        assert_eq!(client.connection, 0, "{kind}: the whole window is used");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_made_smaller_takes_room_from_its_stream_and_from_no_other() {
    let get = |is_long| Act::Get(FRAME_BYTES, is_long);
    let grant = Act::Grant;
    let acts = vec![
        get(true),
        grant(None, 16_656),
        grant(Some(0), 16_313),
        get(true),
        Act::Initial(32_761),
        Act::Initial(0),
        grant(None, 1),
        get(false),
        grant(Some(2), 1),
    ];
    check(0, acts).await;
}
