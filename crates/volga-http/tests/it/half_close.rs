//! A client that closes its sending side and still reads (`shutdown(SHUT_WR)`, `nc -N`), with and
//! without the setting that lets the response continue.

use std::convert::Infallible;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use volga_http::{HalfCloseCallback, RequestBody, Server};

use crate::disconnects::reset;
use crate::support::{
    Running, TestBody, data, long_lived, read_to_close, read_until, send, within,
};

/// How many bytes the server reads first from a connection, and how many at once after that.
const FIRST_READ: usize = 1024;
const READ: usize = 8 * 1024;
/// More than the buffers of both sockets hold.
const LARGE: usize = 16 << 20;

/// A kind of response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Whole, at once.
    Full,
    /// Whole, at once, and larger than the sockets' buffers.
    Large,
    /// Whole, once the gate is open.
    Late,
    /// A piece at once, and another once the gate is open.
    Streamed,
    /// The same, marked as long-lived.
    Stream,
    /// The same, whose first piece is larger than the sockets' buffers.
    LargeStream,
    /// A piece at once, marked as long-lived. It ends with a farewell if the client half-closes.
    Events,
    /// The same, without the mark.
    PlainEvents,
    /// The body of the request.
    Echo,
    /// The same, read by another task.
    EchoElsewhere,
    /// The body of the request, piece by piece.
    EchoPieces,
}

impl Kind {
    const OF_GET: [Self; 8] = [
        Self::Full,
        Self::Large,
        Self::Late,
        Self::Streamed,
        Self::Stream,
        Self::LargeStream,
        Self::Events,
        Self::PlainEvents,
    ];
    const OF_POST: [Self; 3] = [Self::Echo, Self::EchoElsewhere, Self::EchoPieces];

    fn of(path: &str) -> Self {
        let mut all = Self::OF_GET.into_iter().chain(Self::OF_POST);
        all.find(|kind| path == format!("/{kind:?}")).expect("a kind")
    }

    fn request(self) -> String {
        format!("GET /{self:?} HTTP/1.1\r\nhost: a\r\n\r\n")
    }

    fn upload(self, length: usize) -> String {
        format!("POST /{self:?} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
    }
}

/// A body that ends with this text once the gate is open.
fn gated(first: impl Into<Bytes>, gate: Arc<Semaphore>) -> TestBody {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        gate.acquire().await.expect("an open gate").forget();
        let _ = sender.send(Bytes::from_static(b"last"));
    });
    TestBody::ending_after(first, receiver)
}

fn ending_at_half_close() -> (TestBody, HalfCloseCallback) {
    let (farewell, receiver) = oneshot::channel();
    let farewell = Arc::new(Mutex::new(Some(farewell)));
    // Without the call, the body must not end.
    let held = Arc::clone(&farewell);
    let on_half_close = HalfCloseCallback::new(move || {
        let farewell = farewell.lock().expect("no panic").take();
        let _ = farewell.expect("called once").send(Bytes::from_static(b"farewell"));
    });
    (TestBody::ending_after("first", receiver).holding(held), on_half_close)
}

async fn respond(request: Request<RequestBody>, gate: Arc<Semaphore>) -> Response<TestBody> {
    let kind = Kind::of(request.uri().path());
    let response = |text: Result<Bytes, String>| match text {
        Ok(text) => Response::new(TestBody::full(text)),
        Err(error) => {
            let mut response = Response::new(TestBody::full(error));
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            response
        }
    };
    let collected = async |body: RequestBody| {
        body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string())
    };
    match kind {
        Kind::Full => Response::new(TestBody::full("hello")),
        Kind::Large => Response::new(TestBody::full(vec![b'x'; LARGE])),
        Kind::Late => {
            gate.acquire().await.expect("an open gate").forget();
            Response::new(TestBody::full("late"))
        }
        Kind::Streamed => Response::new(gated("first", gate)),
        Kind::Stream => long_lived(gated("first", gate)),
        Kind::LargeStream => long_lived(gated(vec![b'x'; LARGE], gate)),
        Kind::Events | Kind::PlainEvents => {
            let (body, on_half_close) = ending_at_half_close();
            let mut response =
                if kind == Kind::Events { long_lived(body) } else { Response::new(body) };
            response.extensions_mut().insert(on_half_close);
            response
        }
        Kind::Echo => response(collected(request.into_body()).await),
        Kind::EchoElsewhere => {
            let body = request.into_body();
            let collecting = tokio::spawn(async move {
                body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string())
            });
            response(collecting.await.expect("no panic"))
        }
        Kind::EchoPieces => Response::new(TestBody::of_request(request.into_body())),
    }
}

async fn server(is_allowed: bool) -> (Running, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server = Server::new().http1_half_close(is_allowed);
    let server = Running::start(server, move |request| respond(request, Arc::clone(&held))).await;
    (server, gate)
}

/// Gives the server time to act. No result depends on it: it only makes other orders likely.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// The responses on the wire: status, content, and whether it is whole.
fn responses(mut wire: &[u8]) -> Vec<(u16, Vec<u8>, bool)> {
    let mut all = Vec::new();
    while !wire.is_empty() {
        let text = String::from_utf8_lossy(&wire[..wire.len().min(1000)]).into_owned();
        let head = text.find("\r\n\r\n").unwrap_or_else(|| panic!("a cut head: {text}"));
        let status = text["HTTP/1.1 ".len()..][..3].parse().expect("a status");
        let length = text[..head].split("\r\n").find_map(|line| {
            line.strip_prefix("content-length: ").map(|length| length.parse().expect("a length"))
        });
        wire = &wire[head + 4..];
        let mut body = Vec::new();
        let is_whole = match length {
            Some(length) => {
                let taken = wire.len().min(length);
                body.extend_from_slice(&wire[..taken]);
                wire = &wire[taken..];
                taken == length
            }
            None => loop {
                let Some(end) = wire.windows(2).position(|two| two == b"\r\n") else { break false };
                let size = std::str::from_utf8(&wire[..end]).expect("a size");
                let size = usize::from_str_radix(size, 16).expect("a size");
                wire = &wire[end + 2..];
                let taken = wire.len().min(size);
                body.extend_from_slice(&wire[..taken]);
                if wire.len() < size + 2 {
                    wire = &[];
                    break false;
                }
                wire = &wire[size + 2..];
                if size == 0 {
                    break true;
                }
            },
        };
        all.push((status, body, is_whole));
    }
    all
}

/// The part of this response that the client gets for GET.
fn expected(kind: Kind, is_allowed: bool) -> Option<(u16, Vec<u8>, bool)> {
    let large = || vec![b'x'; LARGE];
    let (ready, rest): (Vec<u8>, Option<&[u8]>) = match kind {
        Kind::Full => (b"hello".into(), None),
        Kind::Large => (large(), None),
        Kind::Late if is_allowed => (b"late".into(), None),
        Kind::Late => return None,
        Kind::Streamed | Kind::Stream => (b"first".into(), Some(b"last")),
        Kind::LargeStream => (large(), Some(b"last")),
        Kind::Events | Kind::PlainEvents => (b"first".into(), Some(b"farewell")),
        Kind::Echo | Kind::EchoElsewhere | Kind::EchoPieces => unreachable!("POST"),
    };
    Some(match rest {
        Some(rest) if is_allowed => (200, [&ready, rest].concat(), true),
        Some(_) => (200, ready, false),
        None => (200, ready, true),
    })
}

#[track_caller]
fn check(got: &[(u16, Vec<u8>, bool)], expect: &[(u16, Vec<u8>, bool)], what: &str) {
    let short = |all: &[(u16, Vec<u8>, bool)]| {
        let text = |body: &[u8]| String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        all.iter()
            .map(|(status, body, whole)| (*status, body.len(), text(body), *whole))
            .collect::<Vec<_>>()
    };
    assert!(got == expect, "{what}: {:?} instead of {:?}", short(got), short(expect));
}

/// When the client closes its sending side.
#[derive(Clone, Copy, Debug)]
enum Moment {
    WithRequest,
    AfterRequest,
    /// After half of the head of another request.
    MidwayThroughNext,
}

#[tokio::test]
async fn what_is_ready_is_always_sent_and_the_rest_if_the_setting_allows_it() {
    for is_allowed in [false, true] {
        for kind in Kind::OF_GET {
            for moment in [Moment::WithRequest, Moment::AfterRequest, Moment::MidwayThroughNext] {
                // The order of the events may differ from time to time.
                for _ in 0..if matches!(kind, Kind::Large | Kind::LargeStream) { 1 } else { 5 } {
                    let what = format!("{kind:?}, {moment:?}, allowed: {is_allowed}");
                    let (server, gate) = server(is_allowed).await;
                    let mut client = server.connect().await;
                    let mut request = kind.request();
                    if matches!(moment, Moment::MidwayThroughNext) {
                        request.push_str("GET /Full HTTP");
                    }
                    send(&mut client, request.as_bytes()).await;
                    if matches!(moment, Moment::AfterRequest) {
                        settle().await;
                    }
                    client.shutdown().await.expect("an open socket");
                    settle().await;
                    if is_allowed {
                        gate.add_permits(1);
                    }
                    let wire = read_to_close(&mut client).await;
                    let expect: Vec<_> = expected(kind, is_allowed).into_iter().collect();
                    check(&responses(&wire), &expect, &what);
                }
            }
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_served_up_to_one_that_is_not_ready() {
    for is_allowed in [false, true] {
        for second in Kind::OF_GET {
            let what = format!("Full, {second:?}, Full, allowed: {is_allowed}");
            let (server, gate) = server(is_allowed).await;
            let mut client = server.connect().await;
            let requests = [Kind::Full, second, Kind::Full].map(Kind::request).concat();
            send(&mut client, requests.as_bytes()).await;
            client.shutdown().await.expect("an open socket");
            settle().await;
            if is_allowed {
                gate.add_permits(1);
            }
            let wire = read_to_close(&mut client).await;
            let full = expected(Kind::Full, is_allowed).expect("a response");
            let mut expect = vec![full.clone()];
            expect.extend(expected(second, is_allowed));
            let got = responses(&wire);
            // By default it depends on the time that the client takes to read a large response
            // whether the server responds to the last request.
            let is_last = match second {
                Kind::Full => false,
                Kind::Large if !is_allowed => got.len() == expect.len(),
                _ => !is_allowed,
            };
            if !is_last {
                expect.push(full);
            }
            check(&got, &expect, &what);
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_complete_is_echoed_and_a_cut_one_is_an_error() {
    // The second has to be read ahead, and the third does not fit into the buffers.
    for length in [10, 60_000, LARGE] {
        for sent in [length, length - 1, length / 2, 0] {
            for kind in Kind::OF_POST {
                for is_allowed in [false, true] {
                    let what = format!("{kind:?}, {sent} of {length}, allowed: {is_allowed}");
                    let (server, _gate) = server(is_allowed).await;
                    let client = server.connect().await;
                    let (mut read, mut write) = client.into_split();
                    let sending = async move {
                        let head = kind.upload(length);
                        let body = vec![b'x'; sent];
                        let _ = write.write_all(&[head.as_bytes(), &body].concat()).await;
                        let _ = write.shutdown().await;
                        write
                    };
                    let mut wire = Vec::new();
                    let (_write, _) =
                        within(async { tokio::join!(sending, read.read_to_end(&mut wire)) }).await;
                    let got = responses(&wire);
                    if sent == length && (is_allowed || kind != Kind::EchoPieces) {
                        check(&got, &[(200, vec![b'x'; sent], true)], &what);
                    } else if sent < length && is_allowed && kind != Kind::EchoPieces {
                        assert!(got.len() == 1 && got[0].0 == 400 && got[0].2, "{what}");
                    } else if is_allowed {
                        // The pieces that came are sent, and then the response is cut.
                        check(&got, &[(200, vec![b'x'; sent], false)], &what);
                    }
                }
            }
        }
    }
}

/// A client that sends everything before it reads anything.
#[tokio::test]
async fn a_one_shot_upload_is_echoed_to_a_client_that_reads_late() {
    const LENGTH: usize = 3 << 20;
    for kind in Kind::OF_POST {
        let (server, _gate) = server(true).await;
        let mut client = server.connect().await;
        let head = kind.upload(LENGTH);
        let all = [head.as_bytes(), &vec![b'x'; LENGTH]].concat();
        send(&mut client, &all).await;
        client.shutdown().await.expect("an open socket");
        settle().await;
        let wire = read_to_close(&mut client).await;
        check(&responses(&wire), &[(200, vec![b'x'; LENGTH], true)], &format!("{kind:?}"));
    }
}

/// The handler does not read the body, which fills the buffers, and responds late.
#[tokio::test]
async fn the_response_to_an_unread_upload_reaches_a_half_closed_client() {
    for length in [10, 60_000, 1 << 20] {
        let (server, gate) = server(true).await;
        let mut client = server.connect().await;
        let all = [Kind::Late.upload(length).as_bytes(), &vec![b'x'; length]].concat();
        let _ = tokio::time::timeout(Duration::from_millis(200), client.write_all(&all)).await;
        client.shutdown().await.expect("an open socket");
        settle().await;
        gate.add_permits(1);
        let wire = read_to_close(&mut client).await;
        check(&responses(&wire), &[(200, b"late".into(), true)], &format!("{length} bytes"));
    }
}

/// A server that allows half-closed connections and whose handler never responds, and a receiver
/// for its drop.
async fn silent() -> (Running, oneshot::Receiver<()>, oneshot::Receiver<Infallible>) {
    let (start, started) = oneshot::channel();
    let (guard, dropped) = oneshot::channel::<Infallible>();
    let once = Arc::new(Mutex::new(Some((start, guard))));
    let server = Running::start(Server::new().http1_half_close(true), move |_| {
        let (start, guard) = once.lock().expect("no panic").take().expect("one request");
        async move {
            let _guard = guard;
            start.send(()).expect("the test waits");
            std::future::pending().await
        }
    })
    .await;
    (server, started, dropped)
}

#[tokio::test]
async fn a_reset_after_the_half_close_drops_the_handler() {
    let (server, started, mut dropped) = silent().await;
    let mut client = server.connect().await;
    send(&mut client, Kind::Full.request().as_bytes()).await;
    client.shutdown().await.expect("an open socket");
    within(started).await.expect("the handler runs");
    settle().await;
    assert_eq!(dropped.try_recv(), Err(oneshot::error::TryRecvError::Empty), "it continues");
    reset(client);
    assert!(within(dropped).await.is_err(), "the guard sends nothing, it is only dropped");
}

#[tokio::test]
async fn a_client_that_closed_altogether_is_noticed_by_writing() {
    for is_long in [true, false] {
        let (tell, body) = TestBody::told();
        let body = Arc::new(Mutex::new(Some(body)));
        let server = Running::start(Server::new().http1_half_close(true), move |_| {
            let body = body.lock().expect("no panic").take().expect("one request");
            async move { if is_long { long_lived(body) } else { Response::new(body) } }
        })
        .await;
        let mut client: TcpStream = server.connect().await;
        send(&mut client, Kind::Full.request().as_bytes()).await;
        tell.send(data("first")).expect("the body is there");
        read_until(&mut client, "first\r\n").await;
        drop(client);
        settle().await;
        // The client's machine answers a write with a reset.
        tell.send(data("second")).expect("a closed client may still read");
        within(tell.closed()).await;
    }
}

/// The setting applies to HTTP/1 only: on HTTP/2 the end of the input is a disconnect.
#[tokio::test]
async fn the_end_of_input_is_a_disconnect_on_http2() {
    let (server, started, dropped) = silent().await;
    let mut client = server.connect().await;
    let request = crate::support::raw_get(1);
    let settings = crate::support::EMPTY_SETTINGS;
    send(&mut client, &[crate::support::PREFACE, settings, &request].concat()).await;
    within(started).await.expect("the handler runs");
    client.shutdown().await.expect("an open socket");
    assert!(within(dropped).await.is_err(), "the guard sends nothing, it is only dropped");
}

#[tokio::test]
async fn a_whole_upload_is_echoed_however_its_reads_end() {
    // After a read that fills its buffer, the server reads on at once and finds the end, before
    // the other task has run.
    let reads = (0..4).map(|reads| FIRST_READ + reads * READ);
    for total in reads.flat_map(|total| [total - 1, total, total + 1]) {
        let all = Kind::OF_POST.into_iter().flat_map(|kind| [(kind, false), (kind, true)]);
        for (kind, is_allowed) in all {
            let what = format!("{kind:?}, {total} bytes, allowed: {is_allowed}");
            let (server, _gate) = server(is_allowed).await;
            let mut client = server.connect().await;
            let is_whole = |length: &usize| kind.upload(*length).len() + length == total;
            let length = (0..total).find(is_whole).expect("a length");
            let request = [kind.upload(length).into_bytes(), vec![b'x'; length]].concat();
            // All of it and the end are in the socket before the server reads.
            assert_eq!(client.try_write(&request).expect("room"), total, "{what}");
            SockRef::from(&client).shutdown(Shutdown::Write).expect("an open socket");
            let wire = read_to_close(&mut client).await;
            check(&responses(&wire), &[(200, vec![b'x'; length], true)], &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_upload_is_echoed_although_another_thread_reads_it() {
    const REQUESTS: usize = 10;
    for length in (0..9).map(|power| (READ << power) + power).chain([1]) {
        for kind in [Kind::Echo, Kind::EchoElsewhere] {
            for is_allowed in [false, true] {
                let (server, _gate) = server(is_allowed).await;
                let mut echoed = 0;
                for _ in 0..REQUESTS {
                    let mut client = server.connect().await;
                    let request = [kind.upload(length).into_bytes(), vec![b'x'; length]].concat();
                    send(&mut client, &request).await;
                    client.shutdown().await.expect("an open socket");
                    let got = responses(&read_to_close(&mut client).await);
                    echoed += usize::from(got == [(200, vec![b'x'; length], true)]);
                }
                // A busy machine may let a thread wait for longer than the grace.
                let least = if is_allowed { REQUESTS } else { REQUESTS - 2 };
                let what = format!("{kind:?}, {length} bytes, allowed: {is_allowed}");
                assert!(echoed >= least, "{what}: {echoed} of {REQUESTS}");
            }
        }
    }
}
