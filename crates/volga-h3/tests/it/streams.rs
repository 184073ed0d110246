//! Responses that last: what the client gets while they run, and clients that leave.

use std::future::pending;
use std::time::Duration;

use h3::error::Code;
use http::{HeaderValue, Request, Response};
use tokio::sync::mpsc;
use volga_http::{LongLivedResponse, RequestBody, Server};

use super::loss::{ALL, Proxy};
use super::support::{
    Client, ClientStream, Running, Step, TestBody, next, pair, serve, serve_with, tls, within,
};

type Opened = (mpsc::UnboundedSender<Step>, mpsc::UnboundedReceiver<()>);

/// A server whose responses are event streams. The receiver has their ends on the server's side.
fn event_streams(server: Server) -> (Running, mpsc::UnboundedReceiver<Opened>) {
    let (opened, receiver) = mpsc::unbounded_channel();
    let server = serve_with(server, &tls(pair()), move |_: Request<RequestBody>| {
        let (steps, dropped, body) = TestBody::told();
        opened.send((steps, dropped)).expect("the test runs");
        let mut response = Response::new(body);
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert("content-type", kind);
        response.extensions_mut().insert(LongLivedResponse);
        async { response }
    });
    (server, receiver)
}

/// Opens an event stream, and receives its first message.
async fn open(
    client: &mut Client,
    opened: &mut mpsc::UnboundedReceiver<Opened>,
) -> (ClientStream, Opened) {
    let mut stream = client.send(Request::get("https://localhost/events")).await;
    within(stream.finish()).await.expect("it is sent");
    let response = within(stream.recv_response()).await.expect("a response");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let ends = within(opened.recv()).await.expect("the handler was called");
    ends.0.send(Step::Data("data: first\n\n".into())).expect("the body is there");
    assert_eq!(next(&mut stream).await.expect("a message"), "data: first\n\n");
    (stream, ends)
}

#[tokio::test]
async fn each_message_arrives_when_it_is_there_and_the_end_is_proper() {
    let (server, mut opened) = event_streams(Server::new());
    let mut client = Client::connect(server.address).await;
    let (mut stream, (steps, _dropped)) = open(&mut client, &mut opened).await;
    for number in 0..20 {
        let text = format!("data: {number}\n\n");
        steps.send(Step::Data(text.clone().into())).expect("the body is there");
        assert_eq!(next(&mut stream).await.expect("a message"), text);
    }
    drop(steps);
    assert_eq!(next(&mut stream).await, None);
}

/// Nothing is sent when the client leaves, so only STOP_SENDING tells the server.
#[tokio::test]
async fn a_client_that_stops_a_quiet_stream_is_noticed_and_its_other_streams_continue() {
    let (server, mut opened) = event_streams(Server::new());
    let mut client = Client::connect(server.address).await;
    let (left, (_steps, mut dropped)) = open(&mut client, &mut opened).await;
    let (mut stays, (steps, _)) = open(&mut client, &mut opened).await;
    // This stops the stream.
    drop(left);
    assert_eq!(within(dropped.recv()).await, None, "the body is dropped");
    steps.send(Step::Data("data: still here\n\n".into())).expect("the body is there");
    assert_eq!(next(&mut stays).await.expect("a message"), "data: still here\n\n");
}

#[tokio::test]
async fn a_client_that_closes_its_connection_is_noticed() {
    let (server, mut opened) = event_streams(Server::new());
    let mut client = Client::connect(server.address).await;
    let (_stream, (_steps, mut dropped)) = open(&mut client, &mut opened).await;
    assert_eq!(server.counts.open(), 1);
    client.quic.close(0x100_u32.into(), b"");
    assert_eq!(within(dropped.recv()).await, None, "the body is dropped");
    within(async {
        while server.counts.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_gives_up() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let server = serve(move |_: Request<RequestBody>| {
        // Its receiver is closed when the future is dropped.
        let (held, dropped) = mpsc::unbounded_channel::<()>();
        called.send(dropped).expect("the test runs");
        async move {
            let _held = held;
            pending().await
        }
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::get("https://localhost/")).await;
    let mut dropped = within(calls.recv()).await.expect("the handler was called");
    stream.stop_sending(Code::H3_REQUEST_CANCELLED);
    assert_eq!(within(dropped.recv()).await, None, "the handler is dropped");
}

/// A client that vanishes without a word: it acknowledges nothing any more.
#[tokio::test]
async fn a_client_that_vanishes_is_noticed() {
    let server = Server::new().dead_client_timeout(Duration::from_secs(1));
    let (server, mut opened) = event_streams(server);
    let proxy = Proxy::start(server.address, 0);
    let mut client = Client::connect(proxy.address).await;
    let (_stream, (_steps, mut dropped)) = open(&mut client, &mut opened).await;
    proxy.lose(ALL);
    assert_eq!(within(dropped.recv()).await, None, "the body is dropped");
}

/// A quiet stream must survive the time after which silence ends a connection.
#[tokio::test]
async fn a_quiet_stream_outlives_the_time_limit_for_silence() {
    let server = Server::new().dead_client_timeout(Duration::from_secs(2));
    let (server, mut opened) = event_streams(server);
    let mut client = Client::connect(server.address).await;
    let (mut stream, (steps, _dropped)) = open(&mut client, &mut opened).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    steps.send(Step::Data("data: later\n\n".into())).expect("the body is there");
    assert_eq!(next(&mut stream).await.expect("a message"), "data: later\n\n");
}

/// A body is asked for more only when the client can take it.
#[tokio::test]
async fn a_client_that_reads_nothing_stops_the_body() {
    let (server, mut opened) = event_streams(Server::new());
    let mut client = Client::connect(server.address).await;
    let (mut stream, (steps, _dropped)) = open(&mut client, &mut opened).await;
    // The client's windows are about 1.25 MB, and the server's is 1 MiB.
    let piece = bytes::Bytes::from(vec![b'.'; 64 * 1024]);
    for _ in 0..64 {
        steps.send(Step::Data(piece.clone())).expect("the body is there");
    }
    let (_, (other_steps, _)) = open(&mut Client::connect(server.address).await, &mut opened).await;
    drop(other_steps);
    drop(steps);
    // Then it reads, and everything arrives.
    let mut length = 0;
    while let Some(data) = next(&mut stream).await {
        length += data.len();
    }
    assert_eq!(length, 64 * piece.len());
}
