//! How many bytes of a response the server takes for a client that reads nothing. The bytes that
//! were taken from the body are counted, so they include what the kernel holds on both ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use tokio::net::{TcpSocket, TcpStream};
use volga_http::limits::DEFAULT_MAX_UNSENT_BYTES;
use volga_http::{Listener, Server, bind};

use crate::support::{PREFACE, TestBody, data, long_lived, raw_get, read_until, send, serving_on};

const KIB: usize = 1024;

/// What a client that reads nothing may be sent beyond the limit: its receive buffer, a frame and
/// the bytes that are gathered for one write, and one buffer of the kernel.
const BEYOND: usize = 192 * KIB;

/// More than this waits in the kernel if nothing limits it.
const UNLIMITED: usize = 1024 * KIB;

/// A server for one client, and how many bytes were taken from its bodies.
struct Unread {
    server: Server,
    has_handshake: bool,
    taken: Arc<AtomicUsize>,
}

impl Unread {
    fn new(server: Server) -> Self {
        Self { server, has_handshake: false, taken: Arc::default() }
    }

    /// Runs a server that responds to `/short` with a long-lived response that ends, to `/large`
    /// with an ordinary one, and to everything else with a long-lived one. Returns a client with a
    /// small receive buffer.
    async fn connect(self) -> (TcpStream, Arc<AtomicUsize>) {
        let Self { server, has_handshake, taken } = self;
        let mut listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
        let address = listeners[0].tcp_addr().expect("a TCP socket");
        if has_handshake {
            let handshaking =
                |listener: Listener| listener.with_handshake(async |io, info| Ok((io, info)));
            listeners = listeners.into_iter().map(handshaking).collect();
        }
        let counts = Arc::clone(&taken);
        let (_drain, serving) = serving_on(listeners, server, move |request| {
            let body = TestBody::repeating(8 * KIB, Arc::clone(&counts));
            let response = match request.uri().path() {
                "/short" => long_lived(TestBody::steps([data("short")])),
                "/large" => Response::new(body),
                _ => long_lived(body),
            };
            async { response }
        });
        tokio::spawn(serving);
        let client = TcpSocket::new_v4().expect("a socket");
        client.set_recv_buffer_size(16 * KIB as u32).expect("an option");
        (client.connect(address).await.expect("it listens"), taken)
    }

    async fn get(self, path: &str) -> usize {
        let (mut client, taken) = self.connect().await;
        request(&mut client, path).await;
        settled(&taken).await
    }

    /// Asks over HTTP/2, with windows that never close.
    async fn get_http2(self) -> usize {
        let (mut client, taken) = self.connect().await;
        let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4][..], &0x7FFF_FFFF_u32.to_be_bytes()];
        let window = [&[0, 0, 4, 8, 0, 0, 0, 0, 0][..], &0x7FFF_0000_u32.to_be_bytes()];
        let sent = [PREFACE, &settings.concat(), &window.concat(), &raw_get(1)].concat();
        send(&mut client, &sent).await;
        settled(&taken).await
    }
}

async fn request(client: &mut TcpStream, path: &str) {
    send(client, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await;
}

/// Waits until something was taken and nothing more is.
async fn settled(taken: &AtomicUsize) -> usize {
    let (mut last, mut same) = (0, 0);
    while last == 0 || same < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = taken.load(Ordering::Relaxed);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test]
async fn a_long_lived_response_takes_no_more_than_the_limit_on_both_protocols() {
    for limit in [1, 4 * KIB, DEFAULT_MAX_UNSENT_BYTES, 4 * DEFAULT_MAX_UNSENT_BYTES] {
        let server = Server::new().max_unsent_bytes(limit);
        let taken = Unread::new(server.clone()).get("/").await;
        assert!(taken <= limit + BEYOND, "{taken} bytes on HTTP/1 with a limit of {limit}");
        let taken = Unread::new(server).get_http2().await;
        assert!(taken <= limit + BEYOND, "{taken} bytes on HTTP/2 with a limit of {limit}");
    }
}

#[tokio::test]
async fn there_is_a_limit_by_default_also_for_connections_that_are_counted() {
    for server in [Server::new(), Server::new().max_connections_per_address(5)] {
        let taken = Unread::new(server).get("/").await;
        assert!(taken <= DEFAULT_MAX_UNSENT_BYTES + BEYOND, "{taken} bytes");
    }
}

#[tokio::test]
async fn without_the_limit_and_in_ordinary_responses_the_system_decides() {
    let off = || Unread::new(Server::new().max_unsent_bytes(usize::MAX));
    assert!(off().get("/").await > UNLIMITED);
    assert!(off().get_http2().await > UNLIMITED);
    assert!(Unread::new(Server::new()).get("/large").await > UNLIMITED);
}

#[tokio::test]
async fn the_limit_ends_with_the_long_lived_response() {
    let (mut client, taken) = Unread::new(Server::new()).connect().await;
    request(&mut client, "/short").await;
    read_until(&mut client, "short\r\n0\r\n\r\n").await;
    request(&mut client, "/large").await;
    assert!(settled(&taken).await > UNLIMITED);
}

#[tokio::test]
async fn every_response_has_a_limit_if_the_connection_had_a_handshake() {
    let least = 128 * KIB;
    for (limit, path) in [(1, "/"), (1, "/large"), (2 * least, "/")] {
        let server = Server::new().max_unsent_bytes(limit);
        let taken = Unread { has_handshake: true, ..Unread::new(server) }.get(path).await;
        assert!(taken <= limit.max(least) + BEYOND, "{taken} bytes with a limit of {limit}");
    }
    let off = Server::new().max_unsent_bytes(usize::MAX);
    let taken = Unread { has_handshake: true, ..Unread::new(off) }.get("/").await;
    assert!(taken > UNLIMITED, "{taken} bytes");
}
