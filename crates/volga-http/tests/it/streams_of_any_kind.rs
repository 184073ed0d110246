//! Connections that are not sockets, and connections with a handshake, are served like any other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use volga_http::{
    AcceptStreams, ByteStream, ConnectionCounts, ConnectionInfo, DrainOutcome, Listener, Server,
    TlsInfo, bind,
};

use crate::support::{GET, TestBody, connect, get, read_until, send, serving_on, within};

/// Connections in memory.
struct Pipes(mpsc::UnboundedReceiver<(DuplexStream, ConnectionInfo)>);

impl AcceptStreams for Pipes {
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn ByteStream>, ConnectionInfo)>> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some((pipe, info))) => Poll::Ready(Ok((Box::new(pipe), info))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

fn peer() -> SocketAddr {
    ([192, 0, 2, 7], 50_000).into()
}

/// Responds with the client's address, the scheme and the HTTP version.
async fn respond(request: http::Request<volga_http::RequestBody>) -> Response<TestBody> {
    let info: &ConnectionInfo = request.extensions().get().expect("an extension");
    let text = format!("{:?} {} {:?}!", info.peer(), info.scheme(), request.version());
    Response::new(TestBody::full(text))
}

#[tokio::test]
async fn connections_in_memory_are_served_on_both_protocols_and_drained() {
    let (pipes, listener) = mpsc::unbounded_channel();
    let open = || {
        let (client, server) = duplex(1024);
        pipes.send((server, ConnectionInfo::new().with_peer(peer()))).expect("it listens");
        client
    };
    let listeners = vec![Listener::custom("pipes", Pipes(listener))];
    let (drain, serving) = serving_on(listeners, Server::new(), respond);
    let serving = tokio::spawn(serving);

    let mut http1 = open();
    send(&mut http1, GET).await;
    let response = read_until(&mut http1, "!").await;
    assert!(response.ends_with("Some(192.0.2.7:50000) http HTTP/1.1!"), "{response}");

    let (mut http2, driver) = h2::client::handshake(open()).await.expect("a handshake");
    let driver = tokio::spawn(driver);
    let (response, _) = http2.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    let data = within(body.data()).await.expect("a body").expect("data");
    assert_eq!(data, "Some(192.0.2.7:50000) http HTTP/2.0!");

    drop((http2, body));
    drain.start();
    let drained = within(serving).await.expect("no panic").expect("a listener");
    assert_eq!(drained, DrainOutcome::Complete);
    within(driver).await.expect("no panic").expect("a proper end");
}

/// A listener with a handshake, in which the client names its protocol with a byte.
async fn handshaking(
    server: Server,
) -> (SocketAddr, impl Future<Output = io::Result<DrainOutcome>>) {
    let listeners: Vec<Listener> = bind(([127, 0, 0, 1], 0))
        .await
        .expect("a free port")
        .into_iter()
        .map(|listener| {
            listener.with_handshake(|mut stream, info| async move {
                let alpn = match stream.read_u8().await? {
                    1 => "http/1.1",
                    2 => "h2",
                    b'p' => panic!("as it was told to"),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                };
                stream.write_all(b"shaken").await?;
                let mut tls = TlsInfo::default();
                tls.alpn = Some(Bytes::from_static(alpn.as_bytes()));
                Ok((stream, info.with_tls(tls)))
            })
        })
        .collect();
    let address = listeners[0].tcp_addr().expect("TCP");
    let (drain, serving) = serving_on(listeners, server, respond);
    (address, async move {
        let drained = serving.await;
        drop(drain);
        drained
    })
}

#[tokio::test]
async fn requests_carry_the_info_of_the_handshake_and_alpn_decides_the_protocol() {
    let (address, serving) = handshaking(Server::new()).await;
    let _serving = tokio::spawn(serving);

    let mut http1 = connect(address).await;
    http1.write_all(&[1]).await.expect("an open connection");
    read_until(&mut http1, "shaken").await;
    send(&mut http1, GET).await;
    let response = read_until(&mut http1, "!").await;
    assert!(response.ends_with(" https HTTP/1.1!"), "{response}");

    let mut http2 = connect(address).await;
    http2.write_all(&[2]).await.expect("an open connection");
    read_until(&mut http2, "shaken").await;
    let (mut http2, driver) = h2::client::handshake(http2).await.expect("a handshake");
    tokio::spawn(driver);
    let (response, _) = http2.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    let data = within(body.data()).await.expect("a body").expect("data");
    assert!(data.ends_with(b" https HTTP/2.0!"), "{data:?}");

    // The protocol was agreed on, so it is not detected from the first bytes.
    let mut wrong = connect(address).await;
    wrong.write_all(&[2]).await.expect("an open connection");
    send(&mut wrong, GET).await;
    let mut rest = Vec::new();
    let _ = within(wrong.read_to_end(&mut rest)).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 200"), "{rest:?}");
}

#[tokio::test]
async fn handshakes_that_fail_panic_or_stall_affect_no_other_connection() {
    let counts = ConnectionCounts::default();
    let server = Server::new().handshake_timeout(Duration::from_secs(3600)).counts(counts.clone());
    let (address, serving) = handshaking(server).await;
    let _serving = tokio::spawn(serving);
    let mut stalled = Vec::new();
    for _ in 0..100 {
        stalled.push(connect(address).await);
    }
    for byte in [0, b'p', 255] {
        let mut client = connect(address).await;
        client.write_all(&[byte]).await.expect("an open connection");
        let mut rest = Vec::new();
        let _ = within(client.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"", "{byte}");
    }
    let mut client = connect(address).await;
    client.write_all(&[1]).await.expect("an open connection");
    read_until(&mut client, "shaken").await;
    send(&mut client, GET).await;
    read_until(&mut client, "!").await;
    // A connection in its handshake counts like any other.
    assert_eq!(counts.open(), stalled.len() + 1);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended_whatever_the_client_sends() {
    let server = Server::new().handshake_timeout(Duration::from_millis(50));
    let (address, serving) = handshaking(server).await;
    let _serving = tokio::spawn(serving);
    let mut client = connect(address).await;
    let mut rest = Vec::new();
    let _ = within(client.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_handshake_does_not_delay_the_drain() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let guard = Arc::clone(&dropped);
    let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
    let address = listeners[0].tcp_addr().expect("TCP");
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let listeners = listeners
        .into_iter()
        .map(|listener| {
            let (guard, begun) = (Arc::clone(&guard), begun.clone());
            listener.with_handshake(move |stream, info| {
                let guard = Guard(Arc::clone(&guard));
                begun.send(()).expect("the test waits");
                async move {
                    std::future::pending::<()>().await;
                    drop(guard);
                    Ok((stream, info))
                }
            })
        })
        .collect();
    let hour = Duration::from_secs(3600);
    let server = Server::new().handshake_timeout(hour).drain_deadline(hour);
    let (drain, serving) = serving_on(listeners, server, respond);
    let serving = tokio::spawn(serving);
    let _client = connect(address).await;
    within(has_begun.recv()).await.expect("a handshake");
    drain.start();
    let drained = within(serving).await.expect("no panic").expect("a listener");
    assert_eq!(drained, DrainOutcome::Complete);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}
