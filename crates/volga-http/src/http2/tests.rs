//! The connection in memory, with a paused clock. The clock advances to the next timeout as soon as
//! all tasks wait, so a wait shows that nothing more happens by itself.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::ready;
use std::time::Duration;

use h2::client::SendRequest;
use http_body::Body;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use super::*;
use crate::connection::info::ConnectionInfo;
use crate::connection::task_tracker::task_tracker;
use crate::drain::handle::Drain;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::limits::{
    DEFAULT_WRITE_STALL_TIMEOUT, GATHER_BYTES, PING_INTERVAL, PING_TIMEOUT, SEND_BUFFER,
};

const PIECE: usize = 16 * 1024;
/// How long a client may accept no byte.
pub(super) const STALL: Duration = DEFAULT_WRITE_STALL_TIMEOUT;

/// The settings of a connection. An environment variable makes all tests run without the direct
/// data path.
fn settings() -> ConnectionSettings {
    let http2_direct_data = std::env::var_os("VOLGA_TEST_HTTP2_VIA_H2").is_none();
    ConnectionSettings { http2_direct_data, ..ConnectionSettings::DEFAULT }
}

/// How long an idle body waits before each of its pieces.
const QUIET: Duration = Duration::from_secs(20);

/// A body that is always ready unless it is `quiet`, and counts what is taken from it. It keeps its
/// request, whose body is not read.
pub(super) struct EndlessBody {
    taken: Arc<AtomicUsize>,
    request: Request<RequestBody>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for EndlessBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            pause.set(sleep(QUIET));
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; PIECE])))))
    }

    fn is_end_stream(&self) -> bool {
        self.request.uri().path() == "/short" && self.taken.load(Ordering::Relaxed) > 0
    }
}

/// Responds with endless bodies. The response to `/long-lived` is marked as long-lived, so is the
/// one to `/quiet`, and `/short` has a single piece.
#[derive(Clone, Default)]
struct EndlessService {
    taken: Arc<AtomicUsize>,
}

impl Service<Request<RequestBody>> for EndlessService {
    type Response = Response<EndlessBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let is_quiet = request.uri().path() == "/quiet";
        let is_long_lived = is_quiet || request.uri().path() == "/long-lived";
        let pause = is_quiet.then(|| Box::pin(sleep(QUIET)));
        let mut response =
            Response::new(EndlessBody { taken: Arc::clone(&self.taken), request, pause });
        if is_long_lived {
            response.extensions_mut().insert(LongLivedResponse);
        }
        std::future::ready(Ok(response))
    }
}

/// A served connection whose transport holds `size` bytes, the count of what is taken from its
/// bodies, and the task that serves it.
pub(super) fn connect(size: usize) -> (DuplexStream, Arc<AtomicUsize>, JoinHandle<()>) {
    let service = EndlessService::default();
    let taken = Arc::clone(&service.taken);
    let (client, serving) = connect_to(service, size);
    (client, taken, serving)
}

/// A connection of this service, whose transport holds `size` bytes, and the task that serves it.
pub(super) fn connect_to<S, B>(service: S, size: usize) -> (DuplexStream, JoinHandle<()>)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (client, server) = duplex(size);
    let address = ([127, 0, 0, 1], 1).into();
    let service = ConnectionService { service, info: Some(ConnectionInfo::tcp(address, address)) };
    let serving = tokio::spawn(async move {
        let (token, _gone) = task_tracker();
        let timeouts = ClientTimeouts::new(&settings(), Drain::new());
        serve(server, service, settings(), &timeouts, token).await;
    });
    (client, serving)
}

/// A client whose windows never close, and its connection, which must be polled.
pub(super) async fn greedy<I>(io: I) -> (SendRequest<Bytes>, h2::client::Connection<I, Bytes>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    const WIDEST: u32 = (1 << 31) - 1;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WIDEST).initial_connection_window_size(WIDEST);
    builder.handshake(io).await.expect("a handshake")
}

pub(super) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a{path}")).body(()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn while_the_client_reads_nothing_a_body_is_polled_up_to_a_limit() {
    // An ordinary body may fill the buffer of its stream; one more frame is being written, and one
    // is held. A long-lived body may fill the gather buffer of its connection.
    let gathered = GATHER_BYTES + PIECE;
    for (path, bound) in [("/long-lived", gathered), ("/ordinary", SEND_BUFFER + 2 * PIECE)] {
        let (client, taken, _serving) = connect(1024);
        let (mut requests, mut connection) = greedy(client).await;
        let (response, _) = requests.send_request(get(path), true).expect("an open connection");
        tokio::select! {
            _ = &mut connection => panic!("the connection lives"),
            response = response => assert!(response.is_ok(), "a response"),
        }
        // From here on the client reads nothing.
        sleep(PING_INTERVAL / 2).await;
        let held = taken.load(Ordering::Relaxed) * PIECE;
        assert!(PIECE <= held && held <= bound, "{path}: {held} bytes");
        drop(requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_responds_to_pings_is_kept_and_one_that_does_not_is_closed() {
    let (client, _taken, serving) = connect(64 * 1024);
    let (requests, connection) = greedy(client).await;
    let driver = tokio::spawn(connection);
    sleep(10 * (PING_INTERVAL + PING_TIMEOUT)).await;
    assert!(!serving.is_finished(), "an idle connection is a proper one");

    driver.abort();
    let start = Instant::now();
    serving.await.expect("no panic");
    assert_eq!(start.elapsed(), std::time::Duration::ZERO, "the client has closed");
    drop(requests);

    let (client, _taken, serving) = connect(64 * 1024);
    let (requests, connection) = greedy(client).await;
    let start = Instant::now();
    serving.await.expect("no panic");
    assert_eq!(start.elapsed(), PING_INTERVAL + PING_TIMEOUT);
    drop((requests, connection));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_closed() {
    let (mut client, _taken, serving) = connect(1);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client.write_all(preface).await.expect("the server reads");
    serving.await.expect("no panic");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("memory does not fail");
    assert_eq!(rest.len(), 1);
}

/// The future of a connection lives as long as its streams, so the idle ones pay for it as well.
#[tokio::test]
async fn the_future_of_a_connection_has_no_room_for_a_second_connection() {
    let (_client, server) = duplex(1);
    let (token, _tasks) = task_tracker();
    let timeouts = ClientTimeouts::new(&settings(), Drain::new());
    let service = ConnectionService { service: EndlessService::default(), info: None };
    let serving = serve(server, service, settings(), &timeouts, token);
    let connection = size_of::<Http2Connection<WriteTimeout<DuplexStream>, EndlessService>>();
    let size = size_of_val(&serving);
    assert!(size < connection * 3 / 2, "{size} bytes, and {connection} for the connection");
}
