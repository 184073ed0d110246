//! When a client disconnects, the server drops what runs for it, at once and even if that is idle.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use volga_http::Server;

use crate::support::{GET, Running, TestBody, get, long_lived, read_until, send, within};

/// A server whose first response is one piece of a body that then waits forever, and a receiver for
/// the drop of that body.
async fn endless() -> (Running, oneshot::Receiver<Infallible>) {
    let (guard, dropped) = oneshot::channel();
    let guard = Arc::new(Mutex::new(Some(guard)));
    let server = Running::start(Server::new(), move |_| {
        let guard = guard.lock().expect("no panic").take().expect("one request");
        async move { Response::new(TestBody::endless("first").holding(guard)) }
    })
    .await;
    (server, dropped)
}

/// A server whose handler never responds, a receiver for its start, and a receiver for its drop.
async fn silent() -> (Running, oneshot::Receiver<()>, oneshot::Receiver<Infallible>) {
    let (start, started) = oneshot::channel();
    let (guard, dropped) = oneshot::channel::<Infallible>();
    let once = Arc::new(Mutex::new(Some((start, guard))));
    let server = Running::start(Server::new(), move |_| {
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

#[track_caller]
fn assert_dropped(result: Result<Infallible, oneshot::error::RecvError>) {
    assert!(result.is_err(), "the guard sends nothing, it is only dropped");
}

pub(crate) fn reset(stream: TcpStream) {
    let stream = stream.into_std().expect("an open socket");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an open socket");
    drop(stream);
}

#[tokio::test]
async fn fin_drops_the_body() {
    let (server, dropped) = endless().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "first\r\n").await;
    drop(client);
    assert_dropped(within(dropped).await);
}

#[tokio::test]
async fn rst_drops_the_body() {
    let (server, dropped) = endless().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "first\r\n").await;
    reset(client);
    assert_dropped(within(dropped).await);
}

#[tokio::test]
async fn fin_drops_a_handler_that_has_not_responded() {
    let (server, started, dropped) = silent().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    within(started).await.expect("the handler runs");
    drop(client);
    assert_dropped(within(dropped).await);
}

#[tokio::test]
async fn rst_stream_drops_the_body_and_not_the_connection() {
    let (server, dropped) = endless().await;
    let (mut client, driver) = server.connect_h2().await;
    let (response, mut request) = client.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "first");
    request.send_reset(h2::Reason::CANCEL);
    assert_dropped(within(dropped).await);
    assert!(!driver.is_finished());
}

#[tokio::test]
async fn rst_stream_drops_a_handler_that_has_not_responded() {
    let (server, started, dropped) = silent().await;
    let (mut client, _driver) = server.connect_h2().await;
    let (_response, mut request) = client.send_request(get(), true).expect("an open connection");
    within(started).await.expect("the handler runs");
    request.send_reset(h2::Reason::CANCEL);
    assert_dropped(within(dropped).await);
}

#[tokio::test]
async fn an_http2_client_that_disappears_drops_its_bodies() {
    let (server, dropped) = endless().await;
    let (mut client, driver) = server.connect_h2().await;
    let (response, _) = client.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "first");
    // The task owns the socket, so aborting it closes the socket.
    driver.abort();
    assert_dropped(within(dropped).await);
}

/// What a handler does with a request body that it does not read.
#[derive(Clone, Copy, Debug)]
enum Handling {
    /// It waits forever and keeps the body.
    Keeps,
    /// It waits forever without the body.
    Drops,
    /// It responds with an event stream that is quiet, and keeps the body.
    Streams,
    /// The same without the body.
    StreamsWithoutBody,
}

impl Handling {
    const ALL: [Self; 4] = [Self::Keeps, Self::Drops, Self::Streams, Self::StreamsWithoutBody];
}

/// A server that handles its one request like this, a receiver for the handler's start, and one for
/// its end.
async fn unread(
    handling: Handling,
) -> (Running, oneshot::Receiver<()>, oneshot::Receiver<Infallible>) {
    let (start, started) = oneshot::channel();
    let (guard, dropped) = oneshot::channel::<Infallible>();
    let once = Arc::new(Mutex::new(Some((start, guard))));
    let server = Running::start(Server::new(), move |request| {
        let (start, guard) = once.lock().expect("no panic").take().expect("one request");
        async move {
            start.send(()).expect("the test waits");
            let body = request.into_body();
            let kept =
                (guard, matches!(handling, Handling::Keeps | Handling::Streams).then_some(body));
            match handling {
                Handling::Keeps | Handling::Drops => {
                    let _kept = kept;
                    std::future::pending().await
                }
                Handling::Streams | Handling::StreamsWithoutBody => {
                    long_lived(TestBody::endless("first").holding(kept))
                }
            }
        }
    })
    .await;
    (server, started, dropped)
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Close,
    Reset,
}

/// Waits until the server has had time to read what has arrived, so that it waits for the client.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test]
async fn a_disconnect_is_noticed_whatever_the_state_of_an_unread_body() {
    let large = "x".repeat(1 << 20);
    let head =
        |length: usize| format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let continues =
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let requests = [
        // Complete, in part, and nothing of it.
        head(5) + "hello",
        head(6) + "hello",
        head(5),
        continues.to_owned(),
        format!("{chunked}5\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}5\r\nhel"),
        // More than the server reads ahead, complete and in part. It is not more than the kernel
        // holds, because the end of a connection comes after everything that was sent.
        head(40_000) + &large[..40_000],
        head(2 << 20) + &large[..60_000],
        format!("{chunked}100000\r\n{}", &large[..60_000]),
        // Another request follows.
        head(5) + "hello" + "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for request in &requests {
        for handling in Handling::ALL {
            for leaving in [Leaving::Close, Leaving::Reset] {
                let (server, started, mut dropped) = unread(handling).await;
                let mut client = server.connect().await;
                // The server may not read all of it.
                let sending = tokio::time::timeout(
                    Duration::from_millis(50),
                    tokio::io::AsyncWriteExt::write_all(&mut client, request.as_bytes()),
                );
                let _ = sending.await;
                within(started).await.expect("the handler runs");
                settle().await;
                let what = format!("{:.60} {handling:?} {leaving:?}", request);
                assert!(
                    dropped
                        .try_recv()
                        .is_err_and(|error| error == oneshot::error::TryRecvError::Empty),
                    "{what}"
                );
                match leaving {
                    Leaving::Close => drop(client),
                    Leaving::Reset => reset(client),
                }
                let noticed = tokio::time::timeout(Duration::from_secs(10), dropped).await;
                assert!(noticed.is_ok(), "{what}");
            }
        }
    }
}

/// How an HTTP/2 client gives up a request.
#[derive(Clone, Copy, Debug)]
enum LeavingHttp2 {
    ResetStream,
    Close,
    Reset,
}

#[tokio::test]
async fn an_http2_disconnect_is_noticed_whatever_the_state_of_an_unread_body() {
    // The last does not fit into the windows of stream and connection.
    for (size, is_complete) in
        [(0, false), (5, true), (5, false), (300_000, true), (2 << 20, false)]
    {
        for handling in Handling::ALL {
            for leaving in [LeavingHttp2::ResetStream, LeavingHttp2::Close, LeavingHttp2::Reset] {
                let (server, started, mut dropped) = unread(handling).await;
                let socket = server.connect().await;
                let closer = socket2::SockRef::from(&socket).try_clone().expect("a descriptor");
                let (client, connection) =
                    within(h2::client::handshake(socket)).await.expect("a handshake");
                let driver = tokio::spawn(connection);
                let mut client = within(client.ready()).await.expect("an open connection");
                let post = http::Request::post("http://a/").body(()).expect("a request");
                let (_response, mut body) = client.send_request(post, false).expect("a stream");
                body.send_data(vec![b'x'; size].into(), is_complete).expect("a stream");
                within(started).await.expect("the handler runs");
                settle().await;
                let what =
                    format!("{size} bytes, complete: {is_complete}, {handling:?} {leaving:?}");
                assert!(
                    dropped
                        .try_recv()
                        .is_err_and(|error| error == oneshot::error::TryRecvError::Empty),
                    "{what}"
                );
                match leaving {
                    LeavingHttp2::ResetStream => body.send_reset(h2::Reason::CANCEL),
                    LeavingHttp2::Close => driver.abort(),
                    LeavingHttp2::Reset => {
                        closer.set_linger(Some(Duration::ZERO)).expect("an open socket");
                        driver.abort();
                    }
                }
                drop(closer);
                let noticed = tokio::time::timeout(Duration::from_secs(10), dropped).await;
                assert!(noticed.is_ok(), "{what}");
            }
        }
    }
}
