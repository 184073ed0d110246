//! Drains: idle connections close, running requests finish, and those that do not finish are
//! aborted.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use volga_http::{DrainOutcome, Server};

use crate::support::{
    EMPTY_SETTINGS, GET, PREFACE, RawFrame, Running, TestBody, connect, connect_h2, get,
    read_to_close, read_until, send, serving, within,
};

/// A server with long timeouts, so that only the drain can close a connection.
fn patient() -> Server {
    let hour = Duration::from_secs(60 * 60);
    Server::new().header_read_timeout(hour).drain_deadline(hour)
}

async fn hello() -> Running {
    Running::start(patient(), |_| async { Response::new(TestBody::full("hello")) }).await
}

/// A server whose one body sends `first`, and ends after the text from the returned sender.
async fn with_running_body() -> (Running, oneshot::Sender<Bytes>) {
    let (finish, last) = oneshot::channel();
    let last = Arc::new(Mutex::new(Some(last)));
    let server = Running::start(patient(), move |_| {
        let last = last.lock().expect("no panic").take().expect("one request");
        async move { Response::new(TestBody::ending_with("first", last)) }
    })
    .await;
    (server, finish)
}

#[tokio::test]
async fn connections_without_a_request_close() {
    let server = hello().await;
    // This order makes sure that all three are accepted before the drain starts.
    let mut silent = server.connect().await;
    let mut half_a_preface = server.connect().await;
    send(&mut half_a_preface, &PREFACE[..5]).await;
    let mut idle = server.connect().await;
    send(&mut idle, GET).await;
    read_until(&mut idle, "hello").await;

    server.drain.start();
    for client in [&mut silent, &mut half_a_preface, &mut idle] {
        assert_eq!(read_to_close(client).await, b"");
    }
    assert_eq!(server.drained().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn a_running_http1_response_finishes_and_then_its_connection_closes() {
    let (server, finish) = with_running_body().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "first\r\n").await;
    server.drain.start();
    refused(&server).await;
    finish.send(Bytes::from("last")).expect("the body waits");
    assert_eq!(read_to_close(&mut client).await, b"4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(server.drained().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn a_running_http2_response_finishes_and_then_its_connection_closes() {
    let (server, finish) = with_running_body().await;
    let (mut client, driver) = server.connect_h2().await;
    let (response, _) = client.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "first");
    server.drain.start();
    refused(&server).await;
    finish.send(Bytes::from("last")).expect("the body waits");
    assert_eq!(within(body.data()).await.expect("more body").expect("data"), "last");
    assert!(within(body.data()).await.is_none(), "a proper end");
    within(driver).await.expect("no panic").expect("a proper close");
    assert_eq!(server.drained().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn http2_clients_are_told_to_go_away() {
    let server = hello().await;
    let mut client = server.connect().await;
    send(&mut client, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    RawFrame::read_kind(&mut client, RawFrame::SETTINGS).await;
    server.drain.start();
    let goaway = RawFrame::read_kind(&mut client, RawFrame::GOAWAY).await;
    assert_eq!(goaway.payload[4..8], [0; 4], "no error");
}

/// Waits until connections are refused. Before that the server may not have seen the start of the
/// drain.
async fn refused(server: &Running) {
    within(async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn new_connections_are_refused() {
    let (server, _finish) = with_running_body().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "first\r\n").await;
    server.drain.start();
    refused(&server).await;
}

#[tokio::test]
async fn the_deadline_aborts_bodies_that_do_not_end_and_no_task_is_left() {
    let held = Arc::new(());
    let in_service = Arc::clone(&held);
    let server = patient().drain_deadline(Duration::from_millis(20));
    let (address, drain, serving) = serving(server, move |_| {
        let held = Arc::clone(&in_service);
        async move { Response::new(TestBody::endless("first").holding(held)) }
    })
    .await;
    // The test itself polls the server. On its single thread nothing else runs in between, so a
    // task that the server left behind is noticed.
    let server = async { (serving.await.expect("a listener"), Arc::strong_count(&held)) };
    let clients = async {
        let mut http1 = connect(address).await;
        send(&mut http1, GET).await;
        read_until(&mut http1, "first\r\n").await;
        let (mut http2, _driver) = connect_h2(address).await;
        let (response, _) = http2.send_request(get(), true).expect("an open connection");
        let mut body = within(response).await.expect("a response").into_body();
        assert_eq!(within(body.data()).await.expect("a body").expect("data"), "first");
        drain.start();
        (http1, body)
    };
    let ((drained, held), (mut http1, mut body)) =
        within(async { tokio::join!(server, clients) }).await;
    assert_eq!(drained, DrainOutcome::Incomplete { connections: 2 });
    assert_eq!(held, 1, "the service and both bodies are gone");
    assert!(!read_to_close(&mut http1).await.ends_with(b"0\r\n\r\n"), "a cut is not a proper end");
    assert!(within(body.data()).await.expect("an error").is_err(), "a cut is not a proper end");
}

#[tokio::test]
async fn dropping_the_server_aborts_everything() {
    let (server, _finish) = with_running_body().await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "first\r\n").await;
    server.task.abort();
    assert_eq!(read_to_close(&mut client).await, b"");
    refused(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_blocks_its_thread_does_not_keep_the_server_from_ending() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let (start, mut started) = tokio::sync::mpsc::channel(1);
    let server = Running::start(patient().drain_deadline(Duration::from_millis(20)), move |_| {
        let (blocked, start) = (Arc::clone(&blocked), start.clone());
        async move {
            start.send(()).await.expect("the test waits");
            let _ = blocked.lock().expect("no panic").recv();
            Response::new(TestBody::default())
        }
    })
    .await;
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    within(started.recv()).await.expect("the handler runs");
    server.drain.start();
    assert_eq!(server.drained().await, DrainOutcome::Incomplete { connections: 1 });
    drop(release);
    let _ = client.read_u8().await;
}

/// The kernel has accepted these clients, and closing the listener would reset them.
#[tokio::test]
async fn clients_that_wait_to_be_accepted_when_the_drain_starts_are_served() {
    let hello = |_| async { Response::new(TestBody::full("hello")) };
    let (address, drain, serving) = serving(Server::new(), hello).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = connect(address).await;
        send(&mut client, GET).await;
        clients.push(client);
    }
    // No connection is accepted before the server runs.
    drain.start();
    let server = tokio::spawn(serving);
    for mut client in clients {
        let response = read_to_close(&mut client).await;
        assert!(response.ends_with(b"hello"), "{}", String::from_utf8_lossy(&response));
    }
    let drained = within(server).await.expect("no panic").expect("no failure");
    assert_eq!(drained, DrainOutcome::Complete);
}
