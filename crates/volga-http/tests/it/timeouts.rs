//! Clients that make no progress, over real sockets. The tests in `src/connection/serve.rs` try
//! every cut, and the idle time between requests, with a paused clock.

use std::time::Duration;

use http::Response;
use tokio::net::TcpListener;
use volga_http::Server;

use crate::support::{
    GET, PREFACE, Running, TestBody, connect, read_to_close, read_until, send, serving_on,
};

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_disconnected() {
    let server = Server::new().header_read_timeout(Duration::from_millis(20));
    let server = Running::start(server, |_| async { Response::new(TestBody::full("hello")) }).await;
    for sent in [&b""[..], &PREFACE[..7], b"GET / HTTP/1.1\r\nhost:"] {
        let mut client = server.connect().await;
        send(&mut client, sent).await;
        assert_eq!(read_to_close(&mut client).await, b"", "{sent:?}");
    }
}

/// The values of the options, and that connections inherit them, are tested in
/// `src/listen/tcp_keepalive.rs`.
#[tokio::test]
async fn the_kernel_is_asked_to_find_clients_that_have_disappeared() {
    let std = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    std.set_nonblocking(true).expect("a socket");
    // This is another handle of the same socket.
    let observer = std.try_clone().expect("a descriptor");
    let listener = TcpListener::from_std(std).expect("a runtime");
    let server = Server::new().dead_client_timeout(Duration::from_secs(90));
    let hello = |_| async { Response::new(TestBody::full("hello")) };
    let (_drain, serving) = serving_on(vec![listener.into()], server, hello);
    let server = tokio::spawn(serving);
    let mut client = connect(observer.local_addr().expect("a bound socket")).await;
    send(&mut client, GET).await;
    read_until(&mut client, "hello").await;
    let socket = socket2::SockRef::from(&observer);
    assert!(socket.keepalive().expect("an option"));
    #[cfg(target_os = "linux")]
    {
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(45));
        let unacknowledged = socket.tcp_user_timeout().expect("an option");
        assert_eq!(unacknowledged, Some(Duration::from_secs(90)));
    }
    server.abort();
}
