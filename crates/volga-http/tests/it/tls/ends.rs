//! Proper ends have a `close_notify`, and ends in the middle of a response have none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use volga_http::{DrainOutcome, RequestBody, Server};

use super::support::{Client, TlsServer, facts, pair};
use crate::support::{
    GET, Step, TestBody, connect_h2_on, data, get, long_lived, read_until, send, within,
};

/// Reads to the end, which must be a `close_notify`.
async fn read_to_proper_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    within(stream.read_to_end(&mut read)).await.expect("a close_notify before the end");
    String::from_utf8_lossy(&read).into_owned()
}

/// Each request with the proper end of its connection, and a part of what comes before.
#[tokio::test]
async fn every_proper_end_of_http1_has_a_close_notify() {
    let pair = pair(&["localhost"]);
    let server = Server::new().header_read_timeout(Duration::from_millis(300));
    let server = TlsServer::start(server, pair.tls(), respond).await;
    let client = Client::trusting(&[&pair]).alpn(&["http/1.1"]);
    for (sent, expect) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "HTTP/1.1 200 "),
        ("GET /stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "5\r\nevent\r\n0\r\n\r\n"),
        // The end of the connection is the end of the body.
        ("GET /stream HTTP/1.0\r\n\r\n", "\r\n\r\nevent"),
        ("GET / HTTP/1.0\r\n\r\n", "whole"),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nbody", "HTTP/1.1 200 "),
        // The client is idle, before its first request and after it.
        ("", ""),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "whole"),
        ("GET / HT", ""),
    ] {
        let mut stream = client.connect(server.address).await.expect("TLS");
        send(&mut stream, sent.as_bytes()).await;
        let read = read_to_proper_end(&mut stream).await;
        assert!(read.contains(expect), "{sent:?}: {read:?}");
    }
}

async fn respond(request: Request<RequestBody>) -> Response<TestBody> {
    match request.uri().path() {
        "/stream" => long_lived(TestBody::steps([data("event")])),
        "/fails" => long_lived(TestBody::steps([data("event"), Step::Fail])),
        "/panics" => long_lived(TestBody::steps([data("event"), Step::Panic])),
        "/short" => Response::new(TestBody::steps([data("event"), Step::Fail])),
        _ => Response::new(TestBody::full("whole")),
    }
}

/// Without the `close_notify` a client of HTTP/1.0 knows that something is missing, which it could
/// not know on plain TCP.
#[tokio::test]
async fn an_end_in_the_middle_of_a_response_has_no_close_notify() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::start(Server::new(), pair.tls(), respond).await;
    let client = Client::trusting(&[&pair]);
    for path in ["/fails", "/panics", "/short"] {
        for head in ["HTTP/1.0\r\n\r\n", "HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut stream = client.connect(server.address).await.expect("TLS");
            send(&mut stream, format!("GET {path} {head}").as_bytes()).await;
            let mut read = Vec::new();
            let end = within(stream.read_to_end(&mut read)).await;
            let kind = end.expect_err("it looks complete").kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{path} {head:?}");
        }
    }
}

#[tokio::test]
async fn a_drain_ends_idle_connections_with_a_close_notify_on_both_protocols() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::start(Server::new(), pair.tls(), facts).await;
    let client = Client::trusting(&[&pair]);
    let mut silent = client.connect(server.address).await.expect("TLS");
    let mut idle = client.connect(server.address).await.expect("TLS");
    send(&mut idle, GET).await;
    read_until(&mut idle, "!").await;
    let h2 = client.clone().alpn(&["h2"]).connect(server.address).await.expect("TLS");
    let (mut http2, driver) = connect_h2_on(h2).await;
    let (response, _) = http2.send_request(get(), true).expect("it is open");
    drop(within(response).await.expect("a response"));

    server.drain.start();
    assert_eq!(read_to_proper_end(&mut idle).await, "");
    assert_eq!(read_to_proper_end(&mut silent).await, "");
    // An end without a `close_notify` would be an error of the connection.
    within(driver).await.expect("no panic").expect("a proper end");
    assert_eq!(
        within(server.task).await.expect("no panic").expect("it ran"),
        DrainOutcome::Complete
    );
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// It closes its socket without a word.
    Fin,
    /// It resets the connection.
    Reset,
    /// It says `close_notify`, and waits for that of the server.
    CloseNotify,
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_whether_it_waits_for_a_response_or_a_stream() {
    let pair = pair(&["localhost"]);
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let handler = move |request: Request<RequestBody>| {
        let guard = Guard(Arc::clone(&count));
        let begun = begun.clone();
        async move {
            begun.send(()).expect("the test waits");
            if request.uri().path() == "/stream" {
                return long_lived(TestBody::endless("event").holding(guard));
            }
            std::future::pending::<()>().await;
            drop(guard);
            unreachable!("it never responds")
        }
    };
    let server = TlsServer::start(Server::new(), pair.tls(), handler).await;
    let client = Client::trusting(&[&pair]).alpn(&["http/1.1"]);
    let mut expect = 0;
    for path in ["/stream", "/never"] {
        // A pipelined request behind, so that there are unread bytes.
        for behind in [0, 1, 100_000] {
            for leaving in [Leaving::Fin, Leaving::Reset, Leaving::CloseNotify] {
                let mut stream = client.connect(server.address).await.expect("TLS");
                let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
                send(&mut stream, request.as_bytes()).await;
                within(has_begun.recv()).await.expect("a request");
                if path == "/stream" {
                    read_until(&mut stream, "event\r\n").await;
                }
                send(&mut stream, &vec![b'x'; behind]).await;
                // Beyond the limit of what is read ahead, a `close_notify` stays unread.
                if behind > 32 * 1024 && matches!(leaving, Leaving::CloseNotify) {
                    continue;
                }
                match leaving {
                    Leaving::Fin => drop(stream.into_inner().0),
                    Leaving::Reset => {
                        let socket = stream.into_inner().0;
                        socket2::SockRef::from(&socket)
                            .set_linger(Some(Duration::ZERO))
                            .expect("an option");
                    }
                    Leaving::CloseNotify => {
                        stream.get_mut().1.send_close_notify();
                        within(stream.flush()).await.expect("an open connection");
                        // It is open on the level of TCP until the server has closed it.
                        let _ = within(stream.read_to_end(&mut Vec::new())).await;
                    }
                }
                expect += 1;
                within(async {
                    while dropped.load(Ordering::Relaxed) < expect {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        }
    }
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The bytes that a client sends during a stream are its next requests, however many records they
/// come in.
#[tokio::test]
async fn requests_that_were_sent_during_a_stream_are_served_after_it() {
    let pair = pair(&["localhost"]);
    let (end, ended) = tokio::sync::oneshot::channel::<Bytes>();
    let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
    let handler = move |request: Request<RequestBody>| {
        let ended = ended.lock().expect("no panic").take();
        async move {
            match ended {
                Some(ended) if request.uri().path() == "/stream" => {
                    long_lived(TestBody::ending_with("event", ended))
                }
                _ => Response::new(TestBody::full("next")),
            }
        }
    };
    let server = TlsServer::start(Server::new(), pair.tls(), handler).await;
    let mut stream = Client::trusting(&[&pair]).connect(server.address).await.expect("TLS");
    send(&mut stream, b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut stream, "event\r\n").await;
    for byte in b"GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" {
        send(&mut stream, &[*byte]).await;
        stream.flush().await.expect("an open connection");
    }
    end.send(Bytes::from_static(b"last")).expect("the stream is open");
    let rest = read_to_proper_end(&mut stream).await;
    assert!(rest.contains("last") && rest.ends_with("next"), "{rest}");
}
