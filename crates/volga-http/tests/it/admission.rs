//! Limits on open connections, in total and for each address.

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

/// A server whose responses are streams that begin with `hello` and never end.
async fn streaming(server: Server) -> Running {
    Running::start(server, |_| async { long_lived(TestBody::endless("hello")) }).await
}

/// Opens a connection and starts a stream on it.
async fn open_stream(server: &Running) -> TcpStream {
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    read_until(&mut client, "hello\r\n").await;
    client
}

/// Both protocols behave alike, because a refused connection is closed before it shows its
/// protocol.
async fn check_refused(server: &Running) {
    for request in [GET, PREFACE] {
        let mut client = server.connect().await;
        // The server may close the connection before this is sent.
        let _ = client.write_all(request).await;
        assert_eq!(read_to_close(&mut client).await, b"");
    }
}

/// Waits until the server has noticed what happened at its sockets.
async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_and_open_ones_stay() {
    let counts = ConnectionCounts::default();
    let server = streaming(Server::new().max_connections(2).counts(counts.clone())).await;
    let first = open_stream(&server).await;
    let _last = open_stream(&server).await;
    check_refused(&server).await;
    assert_eq!((counts.open(), counts.accepted()), (2, 2));
    assert_eq!((counts.refused_by_total(), counts.refused_by_address()), (2, 0));

    drop(first);
    until(|| counts.open() == 1).await;
    open_stream(&server).await;
}

#[tokio::test]
async fn the_limit_of_an_address_holds_on_each_protocol_and_does_not_affect_another() {
    let counts = ConnectionCounts::default();
    let server = Server::new().max_connections_per_address(2).counts(counts.clone());
    let server = streaming(server).await;
    let first = open_stream(&server).await;
    let mut second = server.connect().await;
    send(&mut second, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    RawFrame::read_kind(&mut second, RawFrame::SETTINGS).await;
    check_refused(&server).await;
    assert_eq!((counts.refused_by_total(), counts.refused_by_address()), (0, 2));

    // If all of 127.0.0.0/8 belongs to this machine, 127.0.0.2 is a second client.
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
async fn a_connection_that_has_ended_does_not_count() {
    let counts = ConnectionCounts::default();
    let server = Server::new().max_connections_per_address(1).counts(counts.clone());
    let server = Running::start(server, |_| async { Response::new(TestBody::full("hello")) }).await;
    for round in 1..=3 {
        let mut client = server.connect().await;
        send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let response = read_to_close(&mut client).await;
        assert!(response.ends_with(b"hello"), "round {round}");
        until(|| counts.open() == 0).await;
    }
    assert_eq!(counts.refused_by_address(), 0);
}
