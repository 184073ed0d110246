//! Serves one connection: detects its protocol, and runs the driver of that protocol.
//!
//! To add a protocol that runs on a byte stream:
//!
//! 1. Add it to `Protocol` in `preface.rs`: its first bytes, and its ALPN name.
//! 2. Write its driver in a folder beside `http1/` and `http2/`. `http2::serve` is the example: it
//!    takes the byte stream, calls the [`ConnectionService`] for each request, and watches
//!    [`ClientTimeouts`] to end when the server drains.
//! 3. Call the driver in [`ConnectionContext::serve`].
//!
//! `exchange/` has what the protocols share, such as the request body. `tests/it/protocols.rs`
//! shows that one port serves every protocol. A protocol that has no byte stream, such as HTTP/3
//! over UDP, needs a server of its own instead: `protocol.rs` has the parts that it needs.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio::time::{sleep, timeout};

use crate::connection::handshake::Handshake;
use crate::connection::info::ConnectionInfo;
use crate::connection::preface::{self, Protocol};
use crate::connection::settings::ConnectionSettings;
use crate::connection::task_tracker::TaskToken;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::drain::handle::Drain;
use crate::exchange::service::{ConnectionService, HttpService};
use crate::http1::{Http1, NextStage};
use crate::http2;
use crate::io::rewind::Rewind;
use crate::io::socket::Socket;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::limits::{DETECT_READ, FIRST_BYTES_GRACE};

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct ConnectionContext {
    settings: ConnectionSettings,
    pub(crate) http1: Arc<Http1>,
    timeouts: ClientTimeouts,
    token: TaskToken,
}

impl ConnectionContext {
    pub(crate) fn new(settings: ConnectionSettings, drain: Drain, token: TaskToken) -> Self {
        let timeouts = ClientTimeouts::new(&settings, drain);
        let http1 = Http1::new(settings, timeouts.clone());
        Self { settings, http1, timeouts, token }
    }

    /// Runs the handshake of a connection within its time limit. `None` if it failed.
    pub(crate) async fn handshake(
        &self,
        handshake: Handshake,
        socket: Socket,
        info: ConnectionInfo,
    ) -> Option<(Socket, ConnectionInfo)> {
        let handshaking = handshake.run(socket, info, self.settings.max_unsent_bytes);
        tokio::select! {
            completed = timeout(self.settings.handshake_timeout, handshaking) => completed.ok()?.ok(),
            () = self.drain_grace() => None,
        }
    }

    /// Serves one connection, whose protocol may be known already, until it ends or its
    /// [`NextStage`] begins.
    ///
    /// Errors end here: the client or its network has caused them, and the client can no longer be
    /// told.
    pub(crate) async fn serve<I, S>(
        &self,
        mut io: I,
        protocol: Option<Protocol>,
        service: ConnectionService<S>,
    ) -> NextStage<I, S::ResponseBody>
    where
        I: Transport,
        S: HttpService,
    {
        let mut received = BytesMut::new();
        let detect = async {
            match protocol {
                Some(protocol) => Ok(protocol),
                None => detect(&mut io, &mut received).await,
            }
        };
        let detected = tokio::select! {
            // In this order, so that a request that has arrived already is served.
            biased;
            detected = timeout(self.settings.header_read_timeout, detect) => detected,
            () = self.drain_grace() => {
                io.close();
                return NextStage::Closed;
            }
        };
        let Ok(Ok(protocol)) = detected else {
            io.close();
            return NextStage::Closed;
        };
        let received = received.freeze();
        match protocol {
            Protocol::Http1 => self.http1.serve(io, received, service).await,
            Protocol::Http2 => {
                let token = self.token.clone();
                let io = Rewind::new(received, io);
                // In a box, because otherwise the task of every HTTP/1 connection would be as large
                // as the larger of the two drivers.
                Box::pin(http2::serve(io, service, self.settings, &self.timeouts, token)).await;
                NextStage::Closed
            }
        }
    }

    /// Gives a connection the system's limit of unsent bytes again, after its long-lived response.
    pub(crate) fn lift_unsent_limit(&self, io: &impl Transport) {
        if self.settings.max_unsent_bytes.is_some() {
            io.limit_unsent(None);
        }
    }

    /// Waits until the drain closes a connection on which nothing has arrived.
    async fn drain_grace(&self) {
        self.timeouts.drain().started().await;
        sleep(FIRST_BYTES_GRACE.min(2 * self.timeouts.grace())).await;
    }
}

/// Reads until the protocol is known. The bytes that were read are in `received`.
async fn detect<I: AsyncRead + Unpin>(io: &mut I, received: &mut BytesMut) -> io::Result<Protocol> {
    loop {
        let known = received.len();
        let read = poll_fn(|cx| {
            poll_read::<DETECT_READ, _, _>(io, DETECT_READ, cx, |bytes| {
                received.extend_from_slice(bytes);
            })
        });
        read.await?;
        if received.len() == known {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(protocol) = preface::detect(received) {
            return Ok(protocol);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tower_service::Service;

    use super::*;
    use crate::connection::info::ConnectionInfo;
    use crate::connection::task_tracker::task_tracker;
    use crate::exchange::request_body::RequestBody;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const PUT: &[u8] = b"PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    #[derive(Clone)]
    struct Ok200;

    impl Service<Request<RequestBody>> for Ok200 {
        type Response = Response<Empty<Bytes>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            ready(Ok(Response::default()))
        }
    }

    /// A served connection whose transport holds `size` bytes.
    fn connect(size: usize) -> DuplexStream {
        connect_until(Drain::new(), size)
    }

    fn connect_until(drain: Drain, size: usize) -> DuplexStream {
        let (client, server) = duplex(size);
        let (token, _gone) = task_tracker();
        let shared = ConnectionContext::new(ConnectionSettings::DEFAULT, drain, token);
        let address = ([127, 0, 0, 1], 1).into();
        let service =
            ConnectionService { service: Ok200, info: Some(ConnectionInfo::tcp(address, address)) };
        tokio::spawn(async move { shared.serve(server, None, service).await });
        client
    }

    /// The first bytes that the server sends. Every split of the client's first bytes must give the
    /// same.
    async fn first_response<const N: usize>(sent: &'static [u8], size: usize) -> [u8; N] {
        let (mut read, mut write) = tokio::io::split(connect(size));
        let writing = tokio::spawn(async move {
            // The server may have closed already.
            let _ = write.write_all(sent).await;
            write
        });
        let mut response = [0; N];
        read.read_exact(&mut response).await.expect("the server responds");
        writing.abort();
        response
    }

    #[tokio::test(start_paused = true)]
    async fn the_preface_is_detected_whatever_the_reads_are() {
        let sent: &[u8] = [PREFACE, EMPTY_SETTINGS].concat().leak();
        for size in 1..=sent.len() {
            let frame: [u8; 9] = first_response(sent, size).await;
            assert_eq!(frame[3], 4, "reads of {size}: a SETTINGS frame comes first");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http1_request_that_starts_like_the_preface_is_served_whatever_the_reads_are() {
        for size in 1..=PUT.len() {
            let response: [u8; 12] = first_response(PUT, size).await;
            assert_eq!(&response, b"HTTP/1.1 200", "reads of {size}");
        }
    }

    /// The clock is paused: it advances to the next timeout as soon as all tasks wait.
    async fn until_closed(sent: &[u8]) -> Vec<u8> {
        let mut client = connect(64 * 1024);
        client.write_all(sent).await.expect("the server reads");
        let mut rest = Vec::new();
        let day = Duration::from_secs(24 * 60 * 60);
        let _ = timeout(day, client.read_to_end(&mut rest)).await.expect("the server closes");
        rest
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_or_half_a_preface_is_disconnected() {
        for end in 0..PREFACE.len() {
            assert_eq!(until_closed(&PREFACE[..end]).await, b"", "{end} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_half_a_head_is_disconnected() {
        for end in 1..PUT.len() {
            assert_eq!(until_closed(&PUT[..end]).await, b"", "{end} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_is_disconnected() {
        let response = until_closed(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(response.starts_with(b"HTTP/1.1 200 "));
    }

    /// A client that connected in the last moment is served, in however many pieces its request
    /// arrives.
    #[tokio::test(start_paused = true)]
    async fn a_first_request_that_arrives_during_the_drain_is_served() {
        for size in [1, 64 * 1024] {
            let drain = Drain::new();
            let mut client = connect_until(drain.clone(), size);
            drain.start();
            sleep(FIRST_BYTES_GRACE / 2).await;
            let (mut read, mut write) = tokio::io::split(&mut client);
            let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
            let mut response = Vec::new();
            let (sent, received) =
                tokio::join!(write.write_all(request), read.read_to_end(&mut response));
            sent.and(received.map(drop)).expect("the server responds and closes");
            let response = String::from_utf8(response).expect("text");
            assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_does_not_delay_the_drain() {
        let drain = Drain::new();
        let mut client = connect_until(drain.clone(), 1);
        drain.start();
        let start = tokio::time::Instant::now();
        assert_eq!(client.read(&mut [0; 1]).await.expect("a proper end"), 0);
        assert_eq!(start.elapsed(), FIRST_BYTES_GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_client_that_ignores_pings_is_disconnected() {
        for sent in [PREFACE, &[PREFACE, EMPTY_SETTINGS].concat()] {
            let response = until_closed(sent).await;
            assert_eq!(response.get(3), Some(&4), "a SETTINGS frame came first");
        }
    }
}
