//! Tests a connection with all its stages.

use std::task::Poll;

use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::testing::{
    AsyncFnService, BodyStep, FnService, STALL, ScriptedBody, connection_service, data, http1,
    long_lived, read_all, serve_all,
};
use super::*;
use crate::exchange::request_body::RequestBody;
use crate::limits::{DEFAULT_HEADER_READ_TIMEOUT as HEAD_TIME, REQUESTS_PER_TURN};

const STREAM: &str = "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Responds to `/stream` with a long-lived response, and to everything else with an ordinary
/// one.
fn respond(request: &Request<RequestBody>) -> Response<ScriptedBody> {
    if request.uri().path() == "/stream" {
        long_lived(ScriptedBody::ready([data("event"), data("event")]))
    } else {
        Response::new(ScriptedBody::ready([data("other")]))
    }
}

/// A served connection whose transport holds `size` bytes, and the number of responses that
/// became streams.
fn connect(size: usize) -> (DuplexStream, tokio::task::JoinHandle<usize>) {
    let (client, server) = duplex(size);
    (client, tokio::spawn(serve_all(http1(&Drain::new()), server, respond)))
}

/// The bodies of the responses on the wire, without their chunk framing.
fn bodies(wire: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    for response in wire.split("HTTP/1.1 200 OK\r\n").skip(1) {
        let (_, chunks) = response.split_once("\r\n\r\n").expect("a whole head");
        let lines: Vec<_> = chunks.split("\r\n").collect();
        let Some((["0", "", ""], chunks)) = lines.split_last_chunk().map(|(a, b)| (*b, a)) else {
            panic!("no proper end: {chunks:?}")
        };
        bodies.push(chunks.chunks(2).map(|chunk| chunk[1]).collect());
    }
    bodies
}

/// Every new connection is a task of this size, and most of it is moved from where it is made
/// to where it runs.
#[test]
fn the_future_of_a_connection_is_smaller_than_a_kilobyte() {
    let (_client, server) = duplex(1);
    let http1 = http1(&Drain::new());
    let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
    assert!(size_of_val(&serving) <= 640, "{} bytes", size_of_val(&serving));
}

#[tokio::test]
async fn bytes_that_were_read_move_from_stage_to_stage_with_the_transport() {
    let (mut client, server) = duplex(1024);
    let drain = Drain::new();
    let http1 = http1(&drain);
    let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
    client.write_all(&[STREAM.as_bytes(), b"GET /ne"].concat()).await.expect("room");
    let NextStage::Stream(stream) = serving.await else { panic!("the response is a stream") };
    client.write_all(b"xt").await.expect("room");
    let next = Box::into_pin(stream).await;
    let NextStage::Requests(mut io, received) = next else { panic!("the connection stays open") };
    assert_eq!(received, "GET /next");
    client.write_all(b"!").await.expect("room");
    assert_eq!(io.read_u8().await.expect("the same transport"), b'!');
    drop(io);
    assert_eq!(bodies(&read_all(&mut client).await), ["eventevent"]);
}

#[tokio::test]
async fn a_turn_serves_many_pipelined_requests_but_not_all_of_too_many() {
    let sent = 3 * REQUESTS_PER_TURN;
    let (mut client, server) = duplex(64 * 1024);
    let request = "GET /other HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request.repeat(sent).as_bytes()).await.expect("room");
    let http1 = http1(&Drain::new());
    let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
    let mut serving = pin!(tokio::task::unconstrained(serving));
    let turn = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
    assert!(turn.is_pending());
    let mut wire = vec![0; 64 * 1024];
    let len = client.read(&mut wire).await.expect("responses");
    let responses = String::from_utf8_lossy(&wire[..len]).matches("HTTP/1.1 200 OK").count();
    assert!(REQUESTS_PER_TURN <= responses && responses < sent, "{responses} responses");
}

#[tokio::test]
async fn the_sockets_of_others_are_polled_after_each_turn() {
    const REQUEST: &[u8] = b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut client, server) = duplex(1 << 20);
    let http1 = http1(&Drain::new());
    let service = connection_service(FnService(respond));
    tokio::spawn(async move { drop(http1.serve(server, Bytes::new(), service).await) });
    let (near, mut far) = tokio::net::UnixStream::pair().expect("a pair of sockets");
    let bystander = tokio::spawn(async move { far.read_u8().await.expect("a byte comes") });
    // Both tasks wait for their transports from now on.
    tokio::task::yield_now().await;
    client.write_all(&REQUEST.repeat(20 * REQUESTS_PER_TURN)).await.expect("room");
    near.try_write(b"x").expect("room");
    bystander.await.expect("no panic");
    let mut wire = vec![0; 1 << 20];
    let len = client.read(&mut wire).await.expect("responses");
    let responses = String::from_utf8_lossy(&wire[..len]).matches("HTTP/1.1 200 OK").count();
    assert!(responses <= 2 * REQUESTS_PER_TURN, "{responses} responses");
}

#[tokio::test]
async fn responses_come_in_the_order_of_the_requests_however_these_are_cut() {
    let sent = [STREAM, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n", STREAM, STREAM, NEXT].concat();
    for cut in 0..sent.len() {
        let (mut client, serving) = connect(64 * 1024);
        let (first, second) = sent.split_at(cut);
        client.write_all(first.as_bytes()).await.expect("room");
        for _ in 0..cut % 7 {
            tokio::task::yield_now().await;
        }
        client.write_all(second.as_bytes()).await.expect("room");
        let expect = ["eventevent", "other", "eventevent", "eventevent", "other"];
        assert_eq!(bodies(&read_all(&mut client).await), expect, "cut at {cut}");
        assert_eq!(serving.await.expect("no panic"), 3, "cut at {cut}");
    }
}

#[tokio::test]
async fn every_size_of_read_and_write_gives_the_same_responses() {
    let sent = [STREAM, NEXT].concat();
    for size in 1..=sent.len() + 1 {
        let (client, serving) = connect(size);
        let (mut read, mut write) = tokio::io::split(client);
        let sent = sent.clone();
        let sending = tokio::spawn(async move {
            let _ = write.write_all(sent.as_bytes()).await;
            write
        });
        let mut all = String::new();
        read.read_to_string(&mut all).await.expect("text");
        assert_eq!(bodies(&all), ["eventevent", "other"], "size {size}");
        assert_eq!(serving.await.expect("no panic"), 1, "size {size}");
        sending.await.expect("no panic");
    }
}

/// Whether the response to this request became a stream, and everything that was sent.
async fn sent_for(request: &str, respond: fn() -> Response<ScriptedBody>) -> (bool, String) {
    let (mut client, server) = duplex(64 * 1024);
    let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, move |_| respond()));
    client.write_all(request.as_bytes()).await.expect("room");
    let sent = read_all(&mut client).await;
    (serving.await.expect("no panic") == 1, sent)
}

/// The clock is paused, because the server waits for a client that owes the rest of a body.
#[tokio::test(start_paused = true)]
async fn a_long_lived_response_with_a_body_is_a_stream_once_its_request_was_read() {
    let ready = || long_lived(ScriptedBody::ready([data("event")]));
    let close = "host: a\r\nconnection: close\r\n";
    for (is_stream, request) in [
        (true, format!("GET / HTTP/1.1\r\n{close}\r\n")),
        (true, "GET / HTTP/1.0\r\n\r\n".to_owned()),
        (true, format!("POST / HTTP/1.1\r\n{close}content-length: 0\r\n\r\n")),
        // The part of an unread body that has arrived is dropped.
        (true, format!("POST / HTTP/1.1\r\n{close}content-length: 3\r\n\r\nabc")),
        (false, format!("POST / HTTP/1.1\r\n{close}content-length: 3\r\n\r\nab")),
        (true, format!("POST / HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        (false, format!("POST / HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\n0\r\n")),
        (false, format!("HEAD / HTTP/1.1\r\n{close}\r\n")),
    ] {
        assert_eq!(sent_for(&request, ready).await.0, is_stream, "{request}");
    }
    let get = format!("GET / HTTP/1.1\r\n{close}\r\n");
    let unmarked: fn() -> Response<ScriptedBody> =
        || Response::new(ScriptedBody::ready([data("event")]));
    assert!(!sent_for(&get, unmarked).await.0);
}

#[tokio::test]
async fn announced_trailers_are_sent_to_clients_that_accept_them() {
    fn plain() -> Response<ScriptedBody> {
        announcing(Response::new(ScriptedBody::ready([data("a"), BodyStep::Trailers])))
    }
    fn marked() -> Response<ScriptedBody> {
        announcing(long_lived(ScriptedBody::ready([data("a"), BodyStep::Trailers])))
    }
    fn announcing(mut response: Response<ScriptedBody>) -> Response<ScriptedBody> {
        let name = http::HeaderValue::from_static("x-sum");
        response.headers_mut().insert(http::header::TRAILER, name);
        response
    }
    for (te, end) in [("te: trailers\r\n", "0\r\nx-sum: 1\r\n\r\n"), ("", "0\r\n\r\n")] {
        let get = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{te}\r\n");
        for (is_stream, respond) in [(false, plain as fn() -> _), (true, marked)] {
            let (streamed, sent) = sent_for(&get, respond).await;
            assert_eq!(streamed, is_stream);
            assert!(sent.ends_with(&format!("\r\n\r\n1\r\na\r\n{end}")), "{sent}");
        }
    }
}

#[tokio::test]
async fn earlier_responses_are_sent_before_the_stream() {
    const BIG: usize = 100_000;
    let (mut client, server) = duplex(1024);
    let respond = |request: &Request<RequestBody>| match request.uri().path() {
        "/stream" => respond(request),
        _ => Response::new(ScriptedBody::ready([BodyStep::Data(vec![b'x'; BIG].into())])),
    };
    let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, respond));
    let big = "GET /big HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all([big, STREAM].concat().as_bytes()).await.expect("room");
    let mut all = Vec::new();
    while !all.ends_with(b"event\r\n0\r\n\r\n") {
        client.read_buf(&mut all).await.expect("the stream continues");
    }
    let bodies = bodies(std::str::from_utf8(&all).expect("text"));
    assert_eq!((bodies[0].len(), &bodies[1][..]), (BIG, "eventevent"));
    drop(client);
    assert_eq!(serving.await.expect("no panic"), 1);
}

/// Reads the request, and responds with a stream.
async fn read_then_stream(request: Request<RequestBody>) -> Response<ScriptedBody> {
    request.into_body().collect().await.expect("a body");
    long_lived(ScriptedBody::ready([data("event")]))
}

/// `100 Continue` is the one thing that may still have to be written when a response is there.
#[tokio::test]
async fn a_100_continue_is_written_to_its_end_before_the_stream() {
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let (client, server) = duplex(16);
    let (mut read, mut write) = tokio::io::split(client);
    let http1 = http1(&Drain::new());
    let serving = async {
        let next = http1
            .serve(server, Bytes::new(), connection_service(AsyncFnService(read_then_stream)))
            .await;
        let NextStage::Stream(stream) = next else { panic!("the response is a stream") };
        drop(Box::into_pin(stream).await);
    };
    let talking = async {
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc";
        write.write_all(head.as_bytes()).await.expect("it is read");
        // The response is there, and the client has read nothing of it or before it.
        tokio::task::yield_now().await;
        let mut all = String::new();
        read.read_to_string(&mut all).await.expect("text");
        all
    };
    let ((), all) = tokio::join!(serving, talking);
    let rest = all.strip_prefix(CONTINUE).unwrap_or_else(|| panic!("{all}"));
    assert_eq!(bodies(rest), ["event"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_an_ordinary_response_is_disconnected_too() {
    let (mut client, server) = duplex(64);
    let respond =
        |_: &_| Response::new(ScriptedBody::ready([BodyStep::Data(vec![b'x'; 1000].into())]));
    client.write_all(STREAM.as_bytes()).await.expect("room");
    let serving = serve_all(http1(&Drain::new()), server, respond);
    timeout(2 * STALL, serving).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn the_time_for_the_next_head_starts_at_the_end_of_a_response() {
    for pause in [Duration::ZERO, Duration::from_millis(1), HEAD_TIME - Duration::from_millis(1)] {
        let (mut client, server) = duplex(1024);
        let respond = move |_: &Request<RequestBody>| {
            let (steps, body) = ScriptedBody::new();
            steps.send(data("first")).expect("an open channel");
            tokio::spawn(async move {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                steps.send(data("last")).expect("an open channel");
            });
            Response::new(body)
        };
        let serving = serve_all(http1(&Drain::new()), server, respond);
        let begin = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("room");
        serving.await;
        assert_eq!(begin.elapsed(), pause + HEAD_TIME);
    }
}
