//! Long-lived responses over real sockets: what happens before, during and after them, and every
//! way in which a client can disconnect. The tests in `src/http1` cover the rest, with connections
//! in memory and a paused clock.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use volga_http::limits::MAX_PIPELINED_BYTES;
use volga_http::{ConnectionInfo, DrainOutcome, Server};

use crate::disconnects::reset;
use crate::support::{
    Running, Step, TestBody, data, long_lived, read_to_close, read_until, send, within,
};

const STREAM: &str = "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A server whose first `/stream` is scripted by the test, and a receiver for the drop of that
/// stream. Every other path responds with both addresses.
struct Streaming {
    server: Running,
    tell: mpsc::UnboundedSender<Step>,
    dropped: oneshot::Receiver<Infallible>,
}

impl Streaming {
    async fn start(server: Server) -> Self {
        let (tell, body) = TestBody::told();
        let (guard, dropped) = oneshot::channel::<Infallible>();
        let body = Arc::new(Mutex::new(Some(body.holding(guard))));
        let server = Running::start(server, move |request| {
            let response = if request.uri().path() == "/stream" {
                long_lived(body.lock().expect("no panic").take().expect("one stream"))
            } else {
                let info: &ConnectionInfo = request.extensions().get().expect("an extension");
                let (peer, local) = (info.peer().expect("TCP"), info.local().expect("TCP"));
                Response::new(TestBody::full(format!("{peer} to {local}")))
            };
            async { response }
        })
        .await;
        Self { server, tell, dropped }
    }

    /// A client that has read the first event.
    async fn connect(&self) -> TcpStream {
        let mut client = self.server.connect().await;
        send(&mut client, STREAM.as_bytes()).await;
        self.tell(data("first"));
        read_until(&mut client, "5\r\nfirst\r\n").await;
        client
    }

    #[track_caller]
    fn tell(&self, step: Step) {
        self.tell.send(step).expect("the stream is there");
    }

    async fn ends(self) {
        assert!(within(self.dropped).await.is_err(), "the guard sends nothing, it is only dropped");
    }
}

async fn streaming() -> Streaming {
    Streaming::start(Server::new()).await
}

/// A server with long timeouts, so that only the test can close a connection.
fn patient() -> Server {
    let hour = Duration::from_secs(60 * 60);
    Server::new().header_read_timeout(hour).write_stall_timeout(hour).drain_deadline(hour)
}

#[tokio::test]
async fn after_a_stream_the_connection_serves_its_next_request() {
    let streaming = streaming().await;
    let mut client = streaming.connect().await;
    let address = client.local_addr().expect("an open socket");
    let expect = format!("{address} to {}", streaming.server.address);
    drop(streaming.tell);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "0\r\n\r\n");
    for _ in 0..2 {
        send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let response = read_until(&mut client, &expect).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }
    send(&mut client, NEXT.as_bytes()).await;
    assert!(read_to_close(&mut client).await.ends_with(expect.as_bytes()));
}

#[tokio::test]
async fn a_request_sent_during_a_stream_is_served_after_it_however_it_was_cut() {
    let sent = [STREAM, NEXT].concat();
    for cut in 1..sent.len() {
        let streaming = streaming().await;
        let mut client = streaming.server.connect().await;
        send(&mut client, &sent.as_bytes()[..cut]).await;
        streaming.tell(data("first"));
        if cut >= STREAM.len() {
            read_until(&mut client, "first\r\n").await;
        }
        send(&mut client, &sent.as_bytes()[cut..]).await;
        if cut < STREAM.len() {
            read_until(&mut client, "first\r\n").await;
        }
        streaming.tell(data("last"));
        drop(streaming.tell);
        let rest = read_to_close(&mut client).await;
        let rest = String::from_utf8(rest).expect("text");
        assert!(rest.starts_with("4\r\nlast\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{cut}: {rest}");
        assert!(rest.ends_with(&format!(" to {}", streaming.server.address)), "{cut}: {rest}");
    }
}

/// A server that reads the request body, and responds with a stream of one event that gives its
/// length.
async fn counting() -> Running {
    Running::start(Server::new(), |request| async move {
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        long_lived(TestBody::steps([Step::Data(format!("<{}>", body.len()).into())]))
    })
    .await
}

#[tokio::test]
async fn a_request_with_a_body_may_get_a_stream_however_the_body_arrives() {
    let server = counting().await;
    for head in [
        "content-length: 5\r\n\r\nabcde",
        "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{head}");
        for cut in [request.len() - 8, request.len() - 4, request.len() - 1, request.len()] {
            let mut client = server.connect().await;
            for _ in 0..2 {
                let (first, second) = request.as_bytes().split_at(cut);
                send(&mut client, first).await;
                send(&mut client, second).await;
                let response = read_until(&mut client, "\r\n0\r\n\r\n").await;
                assert!(response.contains("3\r\n<5>\r\n"), "{response}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it_and_then_its_stream() {
    let server = counting().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
        send(&mut client, head.as_bytes()).await;
        assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        send(&mut client, b"abc").await;
        let response = read_until(&mut client, "0\r\n\r\n").await;
        assert!(response.ends_with("3\r\n<3>\r\n0\r\n\r\n"), "{response}");
    }
}

#[tokio::test]
async fn a_stream_may_begin_before_its_request_has_ended() {
    let (tell, body) = TestBody::told();
    let body = Arc::new(Mutex::new(Some(body)));
    let (lengths, mut length) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let (body, lengths) = (body.lock().expect("no panic").take(), lengths.clone());
        tokio::spawn(async move {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            lengths.send(body.len()).expect("the test waits");
        });
        async { long_lived(body.expect("one request")) }
    })
    .await;
    let mut client = server.connect().await;
    send(&mut client, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await;
    tell.send(data("first")).expect("the stream is there");
    read_until(&mut client, "first\r\n").await;
    send(&mut client, b"def").await;
    assert_eq!(within(length.recv()).await, Some(6));
    tell.send(data("last")).expect("the stream is there");
    drop(tell);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn fin_and_rst_end_an_idle_stream() {
    for is_reset in [false, true] {
        let streaming = streaming().await;
        let client = streaming.connect().await;
        if is_reset {
            reset(client)
        } else {
            drop(client)
        }
        streaming.ends().await;
    }
}

#[tokio::test]
async fn closing_the_sending_side_counts_as_disconnecting() {
    for sent in [0, 1, 1000, MAX_PIPELINED_BYTES, 2 * MAX_PIPELINED_BYTES] {
        let streaming = Streaming::start(patient()).await;
        let mut client = streaming.connect().await;
        send(&mut client, &vec![b'x'; sent]).await;
        client.shutdown().await.expect("an open socket");
        streaming.ends().await;
    }
}

/// Sends more than the server reads, and waits until it has read as much as it does.
async fn send_too_much(streaming: &Streaming, client: &mut TcpStream) {
    for _ in 0..3 {
        send(client, &vec![b'x'; MAX_PIPELINED_BYTES]).await;
        streaming.tell(data("next"));
        read_until(client, "next\r\n").await;
    }
}

#[tokio::test]
async fn the_disconnect_of_a_client_that_sent_too_much_is_noticed() {
    for is_reset in [false, true] {
        let streaming = Streaming::start(patient()).await;
        let mut client = streaming.connect().await;
        send_too_much(&streaming, &mut client).await;
        if is_reset {
            reset(client)
        } else {
            drop(client)
        }
        streaming.ends().await;
    }
}

#[tokio::test]
async fn a_client_that_sent_too_much_gets_its_whole_stream_and_is_then_disconnected() {
    let streaming = streaming().await;
    let mut client = streaming.connect().await;
    send_too_much(&streaming, &mut client).await;
    streaming.tell(data("last"));
    drop(streaming.tell);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(read_to_close(&mut client).await, b"");
}

/// Sends so much that the kernel does not accept all of it.
fn flood(streaming: &Streaming) {
    for _ in 0..64 {
        streaming.tell(Step::Data(vec![b'x'; 1024 * 1024].into()));
    }
}

#[tokio::test]
async fn the_disconnect_of_a_stalled_client_is_noticed() {
    for is_reset in [false, true] {
        let streaming = Streaming::start(patient()).await;
        let mut client = streaming.connect().await;
        flood(&streaming);
        read_until(&mut client, "100000\r\n").await;
        if is_reset {
            reset(client);
        } else {
            client.shutdown().await.expect("an open socket");
        }
        streaming.ends().await;
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected_at_the_limit() {
    let server = patient().write_stall_timeout(Duration::from_millis(20));
    let streaming = Streaming::start(server).await;
    let _client = streaming.connect().await;
    flood(&streaming);
    streaming.ends().await;
}

#[tokio::test]
async fn a_body_that_fails_or_panics_breaks_only_its_own_connection() {
    for (step, is_sent) in [(Step::Fail, true), (Step::Panic, false)] {
        let streaming = streaming().await;
        let mut other = streaming.server.connect().await;
        let mut client = streaming.connect().await;
        if is_sent {
            streaming.tell(data("last"));
        }
        streaming.tell(step);
        let expect = if is_sent { &b"4\r\nlast\r\n"[..] } else { b"" };
        assert_eq!(read_to_close(&mut client).await, expect, "no proper end");
        send(&mut other, NEXT.as_bytes()).await;
        assert!(read_to_close(&mut other).await.starts_with(b"HTTP/1.1 200 OK\r\n"));
        streaming.server.drain.start();
        assert_eq!(streaming.server.drained().await, DrainOutcome::Complete);
    }
}

#[tokio::test]
async fn during_a_drain_a_stream_continues_to_its_end_and_then_its_connection_closes() {
    let streaming = Streaming::start(patient()).await;
    let mut client = streaming.connect().await;
    send(&mut client, NEXT.as_bytes()).await;
    streaming.server.drain.start();
    streaming.tell(data("last"));
    read_until(&mut client, "4\r\nlast\r\n").await;
    drop(streaming.tell);
    assert_eq!(read_to_close(&mut client).await, b"0\r\n\r\n");
    assert_eq!(streaming.server.drained().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn at_the_deadline_a_stream_is_aborted_and_counts_as_one_connection() {
    let streaming = Streaming::start(patient().drain_deadline(Duration::from_millis(20))).await;
    let mut client = streaming.server.connect().await;
    send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut client, &streaming.server.address.to_string()).await;
    send(&mut client, STREAM.as_bytes()).await;
    streaming.tell(data("first"));
    read_until(&mut client, "5\r\nfirst\r\n").await;
    streaming.server.drain.start();
    assert_eq!(read_to_close(&mut client).await, b"", "no proper end");
    assert_eq!(streaming.server.drained().await, DrainOutcome::Incomplete { connections: 1 });
    assert!(within(streaming.dropped).await.is_err(), "nothing lives on");
}

#[tokio::test]
async fn a_drain_closes_an_idle_connection_after_a_stream_at_once() {
    let streaming = Streaming::start(patient()).await;
    let mut client = streaming.connect().await;
    drop(streaming.tell);
    read_until(&mut client, "0\r\n\r\n").await;
    send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut client, &streaming.server.address.to_string()).await;
    streaming.server.drain.start();
    assert_eq!(read_to_close(&mut client).await, b"");
    assert_eq!(streaming.server.drained().await, DrainOutcome::Complete);
}
