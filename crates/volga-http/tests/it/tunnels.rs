//! Tunnels on both protocols: an echo of bytes, bytes that were read ahead, limits, and the end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use volga_http::{DrainOutcome, RequestBody, Server, Tunnel, TunnelOffer, TunnelStream};

use crate::support::{Running, TestBody, read_to_close, read_until, send, within};

const UPGRADE: &str =
    "GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other, echo\r\n\r\n";

/// Writes back what it reads, and closes when the client does.
async fn echo(mut stream: TunnelStream) {
    let mut space = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut space).await {
        if stream.write_all(&space[..read]).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Accepts offers for `echo`.
async fn accept(request: Request<RequestBody>) -> Response<TestBody> {
    match request.extensions().get::<TunnelOffer>().filter(|offer| offer.has("echo")) {
        Some(offer) => offer.accept("echo", echo).map(|()| TestBody::default()),
        None => Response::new(TestBody::full("no tunnel!")),
    }
}

/// The client's end of a tunnel, on either protocol.
enum Client {
    Http1(TcpStream),
    Http2 { send: SendStream<Bytes>, recv: RecvStream, received: Bytes },
}

impl Client {
    async fn http1(server: &Running) -> Self {
        let mut client = server.connect().await;
        send(&mut client, UPGRADE.as_bytes()).await;
        let head = read_until(&mut client, "\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n"),
            "{head}"
        );
        Self::Http1(client)
    }

    async fn http2(requests: &mut h2::client::SendRequest<Bytes>) -> Self {
        let (response, send) = connect(requests, Some("echo")).await;
        let response = within(response).await.expect("a response");
        assert_eq!(response.status(), 200);
        assert!(response.headers().get("content-length").is_none());
        Self::Http2 { send, recv: response.into_body(), received: Bytes::new() }
    }
}

/// Sends an extended CONNECT, after the server has announced that it accepts it.
async fn connect(
    requests: &mut h2::client::SendRequest<Bytes>,
    protocol: Option<&'static str>,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let mut request = Request::connect("http://a/echo").body(()).expect("a request");
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    requests.send_request(request, false).expect("an open connection")
}

impl AsyncRead for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(client) => Pin::new(client).poll_read(cx, buf),
            Self::Http2 { recv, received, .. } => {
                while received.is_empty() {
                    match ready!(recv.poll_data(cx)) {
                        Some(data) => *received = data.map_err(io::Error::other)?,
                        None => return Poll::Ready(Ok(())),
                    }
                    recv.flow_control().release_capacity(received.len()).expect("received");
                }
                let part = received.len().min(buf.remaining());
                buf.put_slice(&received[..part]);
                received.advance(part);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Http1(client) => Pin::new(client).poll_write(cx, buf),
            Self::Http2 { send, .. } => {
                send.reserve_capacity(buf.len());
                let mut room = send.capacity();
                while room == 0 {
                    match ready!(send.poll_capacity(cx)) {
                        Some(now) => room = now.map_err(io::Error::other)?,
                        None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                    }
                }
                let part = room.min(buf.len());
                let data = Bytes::copy_from_slice(&buf[..part]);
                send.send_data(data, false).map_err(io::Error::other)?;
                Poll::Ready(Ok(part))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(client) => Pin::new(client).poll_shutdown(cx),
            Self::Http2 { send, .. } => {
                Poll::Ready(send.send_data(Bytes::new(), true).map_err(io::Error::other))
            }
        }
    }
}

/// This many bytes, each of which depends on its position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Sends this many bytes in pieces of this size, and expects them back, and then the end.
async fn check_echo(client: Client, length: usize, piece: usize) {
    let sent = pattern(length);
    let (mut read, mut write) = tokio::io::split(client);
    let sending = async {
        for piece in sent.chunks(piece) {
            write.write_all(piece).await.expect("an open tunnel");
        }
        write.shutdown().await.expect("an open tunnel");
    };
    let mut back = Vec::new();
    let reading = async { read.read_to_end(&mut back).await.expect("an open tunnel") };
    within(async { tokio::join!(sending, reading) }).await;
    assert!(back == sent, "{length} bytes in pieces of {piece}");
}

#[tokio::test]
async fn a_tunnel_echoes_every_byte_on_both_protocols() {
    let server = Running::start(Server::new(), accept).await;
    let mut builder = h2::client::Builder::new();
    // This client would treat many small frames that it has not read yet as an attack.
    let handshake = builder.data_frame_budget(usize::MAX).handshake(server.connect().await);
    let (mut http2, connection) = within(handshake).await.expect("a handshake");
    tokio::spawn(connection);
    for (length, piece) in [(0, 1), (1, 1), (300, 1), (100_000, 999), (3_000_000, 1 << 16)] {
        check_echo(Client::http1(&server).await, length, piece).await;
        check_echo(Client::http2(&mut http2).await, length, piece).await;
    }
}

#[tokio::test]
async fn bytes_sent_with_the_request_are_read_from_the_tunnel() {
    let server = Running::start(Server::new(), accept).await;
    let sent = format!("{UPGRADE}ahead!");
    for cut in (1..sent.len()).step_by(3) {
        let mut client = server.connect().await;
        send(&mut client, &sent.as_bytes()[..cut]).await;
        tokio::task::yield_now().await;
        send(&mut client, &sent.as_bytes()[cut..]).await;
        let response = read_until(&mut client, "ahead!").await;
        assert!(response.ends_with("\r\n\r\nahead!"), "{response}");
    }
}

#[tokio::test]
async fn only_a_request_that_may_offer_a_tunnel_has_an_offer() {
    let server = Running::start(Server::new(), accept).await;
    for request in [
        // The `connection` field does not name the upgrade.
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echoes\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\
         content-length: 2\r\n\r\nab",
    ] {
        let mut client = server.connect().await;
        send(&mut client, request.as_bytes()).await;
        let response = read_until(&mut client, "no tunnel!").await;
        assert!(response.contains(" 200 OK\r\n"), "{request}: {response}");
    }
    let (mut http2, _driver) = server.connect_h2().await;
    let (response, _send) = connect(&mut http2, Some("another")).await;
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "no tunnel!");
}

#[tokio::test]
async fn a_tunnel_needs_an_offer_and_any_other_1xx_status_becomes_500() {
    let server = Running::start(Server::new(), |request: Request<RequestBody>| async move {
        let mut response = Response::new(TestBody::full("ordinary!"));
        let status = request.uri().path().trim_start_matches('/').parse().expect("a status");
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response.extensions_mut().insert(Tunnel::new(echo));
        response
    })
    .await;
    let (mut http2, _driver) = server.connect_h2().await;
    for (status, expect) in [(101, "500"), (100, "500"), (103, "500"), (200, "200")] {
        let mut client = server.connect().await;
        let close = "connection: close\r\n\r\n";
        let request = format!("GET /{status} HTTP/1.1\r\nhost: a\r\n{close}");
        send(&mut client, request.as_bytes()).await;
        let response = String::from_utf8(read_to_close(&mut client).await).expect("text");
        assert!(response.starts_with(&format!("HTTP/1.1 {expect} ")), "{response}");

        let request = Request::get(format!("http://a/{status}")).body(()).expect("a request");
        let (response, _) = http2.send_request(request, true).expect("an open connection");
        match within(response).await {
            Ok(response) => assert_eq!(response.status().as_str(), expect),
            Err(error) => assert!(status < 200 && error.is_reset(), "{status}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_ordinary_connect_gets_501() {
    let server = Running::start(Server::new(), accept).await;
    let (mut http2, _driver) = server.connect_h2().await;
    let request = Request::connect("a:80").body(()).expect("a request");
    let (response, _) = http2.send_request(request, true).expect("an open connection");
    assert_eq!(within(response).await.expect("a response").status(), 501);
}

/// Reports what ended its tunnel.
fn telling(
    tell: mpsc::UnboundedSender<String>,
) -> impl Fn(Request<RequestBody>) -> std::future::Ready<Response<TestBody>> + Clone + Send + 'static
{
    move |request| {
        let offer: &TunnelOffer = request.extensions().get().expect("an offer");
        let tell = DropReport(tell.clone());
        let response = offer.accept("echo", |mut stream| async move {
            let drain = stream.drain().clone();
            let mut space = [0; 64];
            let end = loop {
                tokio::select! {
                    read = stream.read(&mut space) => match read {
                        Ok(0) => break "closed".to_owned(),
                        Ok(_) => {}
                        Err(error) => break format!("{:?}", error.kind()),
                    },
                    () = drain.started() => {
                        stream.write_all(b"bye!").await.expect("an open tunnel");
                        stream.shutdown().await.expect("an open tunnel");
                        break "drained".to_owned();
                    }
                }
            };
            let _ = tell.0.send(end);
        });
        std::future::ready(response.map(|()| TestBody::default()))
    }
}

/// Reports that a tunnel was dropped, in addition to its end.
struct DropReport(mpsc::UnboundedSender<String>);

impl Drop for DropReport {
    fn drop(&mut self) {
        let _ = self.0.send("gone".to_owned());
    }
}

#[tokio::test]
async fn a_tunnel_notices_that_its_client_closes_or_disappears() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), telling(tell)).await;
    let mut told = async |expect: &[&str]| {
        for expect in expect {
            assert_eq!(within(told.recv()).await.as_deref(), Some(*expect));
        }
    };
    let mut client = Client::http1(&server).await;
    client.shutdown().await.expect("an open tunnel");
    told(&["closed", "gone"]).await;
    drop(Client::http1(&server).await);
    told(&["closed", "gone"]).await;

    let (mut http2, driver) = server.connect_h2().await;
    let mut client = Client::http2(&mut http2).await;
    client.shutdown().await.expect("an open tunnel");
    told(&["closed", "gone"]).await;
    let Client::Http2 { mut send, .. } = Client::http2(&mut http2).await else { unreachable!() };
    send.send_reset(h2::Reason::CANCEL);
    told(&["BrokenPipe", "gone"]).await;
    // The whole connection disappears, and the task of the tunnel with it.
    let _client = Client::http2(&mut http2).await;
    driver.abort();
    told(&["gone"]).await;
}

#[tokio::test]
async fn a_drain_lets_tunnels_end_and_aborts_them_at_its_deadline() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), telling(tell)).await;
    let mut http1 = Client::http1(&server).await;
    let (mut requests, _driver) = server.connect_h2().await;
    let mut http2 = Client::http2(&mut requests).await;
    server.drain.start();
    for client in [&mut http1, &mut http2] {
        let mut rest = String::new();
        within(client.read_to_string(&mut rest)).await.expect("a proper end");
        assert_eq!(rest, "bye!");
        for expect in ["drained", "gone"] {
            assert_eq!(within(told.recv()).await.as_deref(), Some(expect));
        }
    }
    drop((http1, http2, requests));
    assert_eq!(server.drained().await, DrainOutcome::Complete);

    let deadline = Server::new().drain_deadline(Duration::from_millis(50));
    let server = Running::start(deadline, accept).await;
    let _http1 = Client::http1(&server).await;
    let (mut requests, _driver) = server.connect_h2().await;
    let _http2 = Client::http2(&mut requests).await;
    server.drain.start();
    assert_eq!(server.drained().await, DrainOutcome::Incomplete { connections: 2 });
}

#[tokio::test]
async fn an_idle_tunnel_ends_and_so_does_one_that_the_client_does_not_read() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let idle = Server::new().tunnel_idle_timeout(Duration::from_millis(50));
    let server = Running::start(idle, telling(tell)).await;
    let (mut requests, _driver) = server.connect_h2().await;
    let _clients = (Client::http1(&server).await, Client::http2(&mut requests).await);
    let mut ends = vec![];
    for _ in 0..4 {
        ends.push(within(told.recv()).await.expect("the service lives"));
    }
    ends.sort_unstable();
    assert_eq!(ends, ["TimedOut", "TimedOut", "gone", "gone"]);

    let (tell, mut told) = mpsc::unbounded_channel();
    let stalled = Server::new().write_stall_timeout(Duration::from_millis(50));
    let server = Running::start(stalled, move |request: Request<RequestBody>| {
        let offer: &TunnelOffer = request.extensions().get().expect("an offer");
        let tell = tell.clone();
        let response = offer.accept("echo", |mut stream| async move {
            let end = loop {
                if let Err(error) = stream.write_all(&[0; 4096]).await {
                    break error.kind();
                }
            };
            tell.send(end).expect("the test waits");
        });
        std::future::ready(response.map(|()| TestBody::default()))
    })
    .await;
    let (mut requests, _driver) = server.connect_h2().await;
    let _http1 = Client::http1(&server).await;
    assert_eq!(within(told.recv()).await, Some(io::ErrorKind::TimedOut));
    let _http2 = Client::http2(&mut requests).await;
    assert_eq!(within(told.recv()).await, Some(io::ErrorKind::TimedOut));
}
