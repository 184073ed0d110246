//! Tunnels after an extended CONNECT (RFC 9220). The client writes its own frames.

use std::io;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use quinn::{ReadError, ReadToEndError, RecvStream, VarInt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use volga_http::{DrainOutcome, RequestBody, Server, TunnelOffer, TunnelStream};

use super::session_support::{RawClient, RawSession, frame, read_frame, write};
use super::support::{Running, TestBody, pair, serve_with, tls, within};

/// The events that the functions of tunnels report.
type Told = mpsc::UnboundedReceiver<String>;
type Tell = mpsc::UnboundedSender<String>;

/// A server whose path names what the function of a tunnel does.
fn serve(server: Server) -> (Running, Told) {
    let (tell, told) = mpsc::unbounded_channel();
    let handler = move |request: Request<RequestBody>| {
        let response = respond(&request, &tell);
        async { response }
    };
    (serve_with(server, &tls(pair()), handler), told)
}

fn respond(request: &Request<RequestBody>, tell: &Tell) -> Response<TestBody> {
    let offer = request.extensions().get::<TunnelOffer>().filter(|offer| offer.has("echo"));
    let Some(offer) = offer else {
        let mut response = Response::new(TestBody::full("only for the protocol echo"));
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        return response;
    };
    let (path, tell) = (request.uri().path().to_owned(), tell.clone());
    let mut response = offer.accept("echo", |stream| async move {
        let dropped = Dropped(tell.clone());
        let result = run(&path, stream).await;
        std::mem::forget(dropped);
        tell.send(result.map_or_else(|error| format!("{:?}", error.kind()), |()| "ok".into()))
            .expect("the test waits");
    });
    // A service that sets it must not make the stream malformed.
    response.headers_mut().insert("content-length", http::HeaderValue::from_static("3"));
    response.map(|()| TestBody::full(""))
}

/// Tells when it is dropped.
struct Dropped(Tell);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped".to_owned());
    }
}

async fn run(path: &str, mut stream: TunnelStream) -> io::Result<()> {
    let mut space = [0; 1000];
    match path {
        "/echo" => {
            while let read @ 1.. = stream.read(&mut space).await? {
                stream.write_all(&space[..read]).await?;
            }
            stream.shutdown().await
        }
        // It ends first, and then reads.
        "/first" => {
            stream.write_all(b"bye").await?;
            stream.shutdown().await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            assert_eq!(rest, b"too late");
            Ok(())
        }
        "/drop" | "/panic" => {
            stream.write_all(b"half").await?;
            // The reset would overtake what the client has not read.
            stream.read_u8().await?;
            assert_eq!(path, "/drop", "on purpose");
            Ok(())
        }
        "/quiet" => std::future::pending().await,
        "/write" => loop {
            stream.write_all(&space).await?;
        },
        "/drain" => {
            let drain = stream.drain().clone();
            drain.started().await;
            stream.write_all(b"drained").await?;
            stream.shutdown().await
        }
        other => panic!("{other}"),
    }
}

async fn connect(server: &Running, path: &str) -> (RawClient, RawSession) {
    let client = RawClient::connect(server).await;
    let mut tunnel = client.ask_for("echo", path).await;
    assert_eq!(tunnel.status().await, "200");
    (client, tunnel)
}

/// The next `count` bytes of a tunnel.
async fn read(recv: &mut RecvStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let (kind, payload) = read_frame(recv).await;
        assert_eq!(kind, 0x00, "DATA");
        bytes.extend_from_slice(&payload);
    }
    bytes
}

async fn next(told: &mut Told) -> String {
    within(told.recv()).await.expect("the server runs")
}

#[tokio::test]
async fn bytes_pass_both_ways_whatever_the_frames() {
    let (server, mut told) = serve(Server::new());
    let (client, mut tunnel) = connect(&server, "/echo").await;
    let large: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let frames = [
        frame(0x00, b"hel"),
        frame(0x00, b""),
        // A frame without a meaning.
        frame(0x21, b"ignored"),
        frame(0x00, b"lo"),
        frame(0x00, &large),
    ];
    let sent = frames.concat();
    let mut expect = b"hello".to_vec();
    expect.extend_from_slice(&large);
    // The first bytes come one by one.
    for byte in &sent[..20] {
        write(&mut tunnel.send, &[*byte]).await;
    }
    let sending = async { write(&mut tunnel.send, &sent[20..]).await };
    let ((), received) = tokio::join!(sending, read(&mut tunnel.recv, expect.len()));
    assert!(received == expect, "other bytes");
    tunnel.send.finish().expect("it is open");
    assert_eq!(within(tunnel.recv.read_to_end(1)).await.expect("a proper end"), b"");
    assert_eq!(next(&mut told).await, "ok");
    // Other requests and tunnels of the connection are served.
    let mut other = client.ask_for("other", "/echo").await;
    assert_eq!(other.status().await, "501");
}

#[tokio::test]
async fn the_server_can_end_first_and_read_on() {
    let (server, mut told) = serve(Server::new());
    let (_client, mut tunnel) = connect(&server, "/first").await;
    assert_eq!(read(&mut tunnel.recv, 3).await, b"bye");
    assert_eq!(within(tunnel.recv.read_to_end(1)).await.expect("a proper end"), b"");
    write(&mut tunnel.send, &frame(0x00, b"too late")).await;
    tunnel.send.finish().expect("it is open");
    assert_eq!(next(&mut told).await, "ok");
}

#[tokio::test]
async fn a_tunnel_that_its_function_drops_is_broken_off_and_never_looks_complete() {
    let (server, mut told) = serve(Server::new());
    for (path, expect) in [("/drop", "ok"), ("/panic", "dropped")] {
        let (_client, mut tunnel) = connect(&server, path).await;
        assert_eq!(read(&mut tunnel.recv, 4).await, b"half");
        write(&mut tunnel.send, &frame(0x00, b"x")).await;
        let end = within(tunnel.recv.read_to_end(100)).await;
        let code = VarInt::from_u32(0x10c);
        assert_eq!(end, Err(ReadToEndError::Read(ReadError::Reset(code))), "{path}");
        assert_eq!(within(tunnel.send.stopped()).await, Ok(Some(code)), "{path}");
        assert_eq!(next(&mut told).await, expect);
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_ends_the_function() {
    let (server, mut told) = serve(Server::new());
    // A reader gets an error, and a function that does nothing is dropped.
    let (_client, mut tunnel) = connect(&server, "/echo").await;
    tunnel.send.reset(VarInt::from_u32(0x10c)).expect("it is open");
    assert_eq!(next(&mut told).await, "BrokenPipe");
    let (_client, mut tunnel) = connect(&server, "/quiet").await;
    tunnel.recv.stop(VarInt::from_u32(0x10c)).expect("it is open");
    assert_eq!(next(&mut told).await, "dropped");
    let (client, _tunnel) = connect(&server, "/quiet").await;
    client.quic.close(VarInt::from_u32(0x100), b"");
    assert_eq!(next(&mut told).await, "dropped");
    // Half a frame at the end breaks the rules for the whole connection.
    let (client, mut tunnel) = connect(&server, "/echo").await;
    write(&mut tunnel.send, &frame(0x00, b"1234")[..3]).await;
    tunnel.send.finish().expect("it is open");
    assert_eq!(client.close_code().await, 0x106);
}

#[tokio::test]
async fn a_tunnel_without_progress_ends_with_its_limits() {
    let server = Server::new().write_stall_timeout(Duration::from_millis(100));
    let (server, mut told) = serve(server);
    // The client reads nothing, so its window closes.
    let (_client, _tunnel) = connect(&server, "/write").await;
    assert_eq!(next(&mut told).await, "TimedOut");

    let server = Server::new().tunnel_idle_timeout(Duration::from_millis(100));
    let (server, mut told) = serve(server);
    let (_client, _tunnel) = connect(&server, "/echo").await;
    assert_eq!(next(&mut told).await, "TimedOut");
}

#[tokio::test]
async fn a_tunnel_learns_of_the_drain_and_its_last_bytes_arrive() {
    let (server, mut told) = serve(Server::new());
    let (_client, mut tunnel) = connect(&server, "/drain").await;
    server.drain.start();
    assert_eq!(read(&mut tunnel.recv, 7).await, b"drained");
    assert_eq!(within(tunnel.recv.read_to_end(1)).await.expect("a proper end"), b"");
    assert_eq!(next(&mut told).await, "ok");
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Complete);
}
