//! How many connections may be open, in all and from one address.

use http::Response;
use tokio::io::AsyncWriteExt;
#[cfg(target_os = "linux")]
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use volga_http::{ConnectionCounts, Server};

use crate::support::{
    EMPTY_SETTINGS, GET, PREFACE, RawFrame, Running, TestBody, long_lived, read_to_close,
    read_until, send, within,
};

/// A server that streams without end, and says `hello` first.
async fn streaming(server: Server) -> Running {
    Running::start(server, |_| async { long_lived(TestBody::endless("hello")) }).await
}

/// A stream that runs.
async fn open_stream(server: &Running) -> TcpStream {
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "hello\r\n").await;
    client
}

/// Both protocols fare alike: what is refused is closed before it says which one it speaks.
async fn check_refused(server: &Running) {
    for request in [GET, PREFACE] {
        let mut client = server.connect().await;
        // It may be closed before this is sent.
        let _ = client.write_all(request).await;
        assert_eq!(read_to_close(&mut client).await, b"");
    }
}

/// Lets the server see what happened at its sockets.
async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_connection_more_than_the_limit_is_closed_and_none_that_is_open() {
    let counts = ConnectionCounts::default();
    let server = streaming(Server::new().max_connections(2).counts(counts.clone())).await;
    let first = open_stream(&server).await;
    let _last = open_stream(&server).await;
    check_refused(&server).await;
    assert_eq!((counts.open(), counts.accepted()), (2, 2));
    assert_eq!((counts.refused_in_all(), counts.refused_by_address()), (2, 0));

    drop(first);
    until(|| counts.open() == 1).await;
    open_stream(&server).await;
}

#[tokio::test]
async fn an_address_has_its_connections_on_each_protocol_and_another_its_own() {
    let counts = ConnectionCounts::default();
    let server = Server::new().max_connections_per_address(2).counts(counts.clone());
    let server = streaming(server).await;
    let first = open_stream(&server).await;
    let mut second = server.connect().await;
    send(&mut second, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    RawFrame::read_kind(&mut second, RawFrame::SETTINGS).await;
    check_refused(&server).await;
    assert_eq!((counts.refused_in_all(), counts.refused_by_address()), (0, 2));

    // Where the whole of 127.0.0.0/8 is this machine's, it is a second client.
    #[cfg(target_os = "linux")]
    {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 2], 0).into()).expect("a loopback address");
        let mut other = socket.connect(server.address).await.expect("the server listens");
        send(&mut other, GET).await;
        read_until(&mut other, "hello\r\n").await;
    }

    drop((first, second));
    until(|| counts.open() == 0).await;
    open_stream(&server).await;
}

#[tokio::test]
async fn a_connection_that_ended_has_given_back_its_place() {
    let counts = ConnectionCounts::default();
    let server = Server::new().max_connections_per_address(1).counts(counts.clone());
    let server = Running::start(server, |_| async { Response::new(TestBody::full("hello")) }).await;
    for round in 1..=3 {
        let mut client = server.connect().await;
        send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let answer = read_to_close(&mut client).await;
        assert!(answer.ends_with(b"hello"), "round {round}");
        until(|| counts.open() == 0).await;
    }
    assert_eq!(counts.refused_by_address(), 0);
}
