//! Bodies through windows of every kind, in memory. The client is `h2`, which tracks the windows,
//! and ends a connection that sends more than it has granted.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body::Body;
use http_body::Frame;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower_service::Service;

use super::tests::{STALL, connect_to, get};
use super::*;
use crate::exchange::long_lived_response::LongLivedResponse;

/// The byte of a stream at this position.
fn byte(stream: usize, at: usize) -> u8 {
    (stream * 101 + at * 7 + at / 251) as u8
}

/// A body of a number of bytes, in pieces of many sizes, some of which are not ready at once.
struct Pattern {
    stream: usize,
    length: usize,
    at: usize,
    polls: usize,
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.at == self.length {
            return Poll::Ready(None);
        }
        self.polls += 1;
        if self.polls.is_multiple_of(3) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = [1, 300, 20_000, 0, 70, 5_000, 16_384][self.polls % 7];
        let end = self.length.min(self.at + size);
        let piece: Vec<u8> = (self.at..end).map(|at| byte(self.stream, at)).collect();
        self.at = end;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

/// Responds to `/STREAM/LENGTH`. A stream with an odd number is long-lived.
#[derive(Clone)]
struct Patterns;

impl Service<Request<RequestBody>> for Patterns {
    type Response = Response<Pattern>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let mut numbers = request.uri().path()[1..].split('/').map(|part| part.parse());
        let mut next = || numbers.next().expect("two parts").expect("a number");
        let (stream, length) = (next(), next());
        let mut response = Response::new(Pattern { stream, length, at: 0, polls: 0 });
        if stream % 2 == 1 {
            response.extensions_mut().insert(LongLivedResponse);
        }
        std::future::ready(Ok(response))
    }
}

/// How a client grants, and what it requests.
#[derive(Clone, Debug)]
struct FlowClient {
    /// How many bytes the transport holds.
    network: usize,
    stream_window: u32,
    connection_window: u32,
    /// The initial windows that the client sets, one after the other, while the bodies are sent.
    /// They grow, because `h2` as a client grants nothing more when its window is smaller than what
    /// it has granted.
    later: Vec<u32>,
    lengths: Vec<usize>,
}

fn client() -> impl Strategy<Value = FlowClient> {
    const WIDEST: u32 = (1 << 31) - 1;
    let window = || prop_oneof![100..1_000u32, 1_000..100_000u32, Just(1 << 20), Just(WIDEST)];
    let connection = prop_oneof![Just(65_535u32), 65_536..200_000u32, Just(1 << 24), Just(WIDEST)];
    let length = prop_oneof![0..1_000usize, 1_000..50_000usize, 50_000..150_000usize];
    (
        prop_oneof![1..50usize, 50..5_000usize, Just(1 << 16), Just(1 << 20)],
        window(),
        connection,
        prop::collection::vec(window(), 0..4),
        prop::collection::vec(length, 1..8),
    )
        .prop_map(|(network, stream_window, connection_window, mut later, lengths)| {
            later.retain(|&window| window > stream_window);
            later.sort_unstable();
            FlowClient { network, stream_window, connection_window, later, lengths }
        })
}

/// Requests all bodies at once, and expects every byte of each.
async fn check(client: FlowClient) {
    let (near, serving) = connect_to(Patterns, client.network);
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(client.stream_window)
        .initial_connection_window_size(client.connection_window)
        // Many small frames that were not read yet are no attack here.
        .data_frame_budget(usize::MAX);
    let handshake = builder.handshake::<_, Bytes>(near);
    let (mut requests, mut connection) = handshake.await.expect("a handshake");
    let (settings, mut set) = mpsc::unbounded_channel();
    let driver = tokio::spawn(async move {
        loop {
            tokio::select! {
                ended = &mut connection => return ended,
                // This fails while the settings before it are not acknowledged.
                Some(window) = set.recv() => drop(connection.set_initial_window_size(window)),
            }
        }
    });
    let later = Arc::new((AtomicUsize::new(0), client.later));
    let mut readers = JoinSet::new();
    for (stream, length) in client.lengths.into_iter().enumerate() {
        let request = get(&format!("/{stream}/{length}"));
        let (response, _) = requests.send_request(request, true).expect("an open connection");
        let (settings, later) = (settings.clone(), Arc::clone(&later));
        readers.spawn(async move {
            let mut body = response.await.expect("a response").into_body();
            let (mut read, mut told) = (0, 0);
            while let Some(data) = body.data().await {
                let data = data.expect("no reset");
                for &got in &data {
                    assert_eq!(got, byte(stream, read), "byte {read} of stream {stream}");
                    read += 1;
                }
                body.flow_control().release_capacity(data.len()).expect("it was received");
                if read - told > length / 3 {
                    told = read;
                    let next = later.0.fetch_add(1, Ordering::Relaxed);
                    later.1.get(next).map(|&window| settings.send(window));
                }
            }
            assert_eq!(read, length, "all of stream {stream}");
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.expect("every byte arrived");
    }
    drop((requests, settings));
    driver.await.expect("no panic").expect("a proper end");
    serving.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_body_gets_the_grants_from_before_it_began() {
    // This is more than `h2` was told of, and less than what makes this client grant more.
    let window = 1 << 20;
    let client = FlowClient {
        network: 1 << 16,
        stream_window: window,
        connection_window: window,
        later: vec![],
        lengths: vec![500_000, 10],
    };
    timeout(STALL / 2, check(client)).await.expect("no task waits forever");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn every_body_arrives_whatever_the_windows_are(client in client()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        // The clock advances when all tasks wait, as they would if an open window were overlooked.
        runtime.block_on(async {
            timeout(STALL / 2, check(client)).await.expect("no task waits forever");
        });
    }
}
