//! The graceful shutdown of a server.

use std::time::Duration;

use http::{Request, Response};
use tokio::sync::mpsc;
use volga_http::{DrainOutcome, RequestBody, Server};

use super::support::{
    Client, Step, TestBody, connect_quic, endpoint, next, pair, serve, serve_with, tls, within,
};

/// The code of HTTP/3 with which the server has closed the connection.
async fn closed(connection: &quinn::Connection) -> u64 {
    match within(connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_an_error() {
    let server = serve(async |_| Response::new(TestBody::full("hello")));
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get("/").await.1, "hello");
    let silent = connect_quic(server.address, pair()).await;
    server.drain.start();
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Complete);
    assert_eq!(closed(&client.quic).await, 0x100);
    assert_eq!(closed(&silent).await, 0x100);
    assert_eq!(server.counts.open(), 0);
}

/// The client learns at once that the connection ends, and still gets all of its response.
#[tokio::test]
async fn a_stream_gets_its_farewell_and_new_requests_are_refused() {
    let (opened, mut streams) = mpsc::unbounded_channel();
    let server = serve(move |_: Request<RequestBody>| {
        let (steps, _, body) = TestBody::told();
        opened.send(steps).expect("the test runs");
        async { Response::new(body) }
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::get("https://localhost/events")).await;
    within(stream.finish()).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    let steps = within(streams.recv()).await.expect("the handler was called");
    server.drain.start();
    // GOAWAY has arrived when the client sends no further requests.
    within(async {
        loop {
            let request = Request::get("https://localhost/later").body(()).expect("a request");
            match client.requests.send_request(request).await {
                Ok(_) => tokio::task::yield_now().await,
                // The variant cannot be named.
                Err(error) => return assert_eq!(format!("{error:?}"), "RemoteClosing"),
            }
        }
    })
    .await;
    let newcomer = endpoint().connect_with(pair().client(), server.address, "localhost");
    assert!(within(newcomer.expect("valid")).await.is_err(), "no more connections are accepted");
    let farewell = bytes::Bytes::from(vec![b'.'; 300_000]);
    steps.send(Step::Data(farewell.clone())).expect("the body is there");
    drop(steps);
    let mut length = 0;
    while let Some(data) = next(&mut stream).await {
        length += data.len();
    }
    assert_eq!(length, farewell.len());
    drop(streams);
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Complete);
    assert_eq!(closed(&client.quic).await, 0x100);
}

#[tokio::test]
async fn at_the_deadline_a_response_is_aborted_and_never_looks_complete() {
    let (opened, mut streams) = mpsc::unbounded_channel();
    let server = Server::new().drain_deadline(Duration::from_millis(200));
    let server = serve_with(server, &tls(pair()), move |_: Request<RequestBody>| {
        let (steps, dropped, body) = TestBody::told();
        opened.send((steps, dropped)).expect("the test runs");
        async { Response::new(body) }
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::get("https://localhost/events")).await;
    within(stream.finish()).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    let (steps, mut dropped) = within(streams.recv()).await.expect("the handler was called");
    steps.send(Step::Data("begins".into())).expect("the body is there");
    assert_eq!(next(&mut stream).await.expect("a piece"), "begins");
    server.drain.start();
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Incomplete { connections: 1 });
    assert_eq!(within(dropped.recv()).await, None, "the body is dropped before the server ends");
    let rest = within(stream.recv_data()).await.map(|data| data.is_some());
    assert!(rest.is_err(), "the end is no proper one: {rest:?}");
    assert_eq!(closed(&client.quic).await, 0x102);
}

#[tokio::test]
async fn a_body_that_a_client_does_not_send_does_not_delay_the_drain() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let server = serve(move |request: Request<RequestBody>| {
        let called = called.clone();
        async move {
            called.send(()).expect("the test runs");
            use http_body_util::BodyExt;
            let read = request.into_body().collect().await;
            Response::new(TestBody::full(if read.is_err() { "given up" } else { "read" }))
        }
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.send_data("begins".into())).await.expect("it is sent");
    within(calls.recv()).await.expect("the handler was called");
    server.drain.start();
    within(stream.recv_response()).await.expect("a response");
    assert_eq!(next(&mut stream).await.expect("a text"), "given up");
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Complete);
}
