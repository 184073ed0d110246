//! When a client disconnects, the server drops what runs for it, at once and even if that is idle.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use volga_http::Server;

use crate::support::{GET, Running, TestBody, get, read_until, send, within};

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
