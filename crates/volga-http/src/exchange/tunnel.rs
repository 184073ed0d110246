//! Tunnels: the application uses the rest of a connection, or of one stream of HTTP/2 or HTTP/3, as
//! a byte stream.
//!
//! A protocol that begins with an upgrade, such as WebSockets, needs no change in this crate. The
//! service looks for a [`TunnelOffer`] in the request's extensions, checks the protocol's own
//! fields, and returns the response of [`TunnelOffer::accept`]. The guide's page on HTTP/1 and
//! HTTP/2 has a handler that does it, and `tests/it/tunnels.rs` tests it on both protocols.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::drain::handle::Drain;
use crate::io::byte_stream::ByteStream;

/// A client's offer to switch to another protocol. Such a request has it as an extension.
///
/// There are two ways to offer, and a service need not tell them apart: the field `upgrade` on
/// HTTP/1.1 (RFC 9110, section 7.8), and extended CONNECT on HTTP/2 (RFC 8441) and HTTP/3 (RFC
/// 9220). On HTTP/1.1 only a request without a body can offer.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use volga_http::{RequestBody, TunnelOffer};
///
/// async fn echo(request: Request<RequestBody>) -> Response<Full<Bytes>> {
///     match request.extensions().get::<TunnelOffer>().filter(|offer| offer.has("echo")) {
///         Some(offer) => offer
///             .accept("echo", |mut stream| async move {
///                 let mut space = [0; 1024];
///                 while let Ok(read @ 1..) = stream.read(&mut space).await {
///                     if stream.write_all(&space[..read]).await.is_err() {
///                         break;
///                     }
///                 }
///             })
///             .map(|()| Full::default()),
///         None => Response::builder()
///             .status(426)
///             .header("upgrade", "echo")
///             .body("this is for the protocol echo".into())
///             .expect("valid fields"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TunnelOffer {
    protocols: HeaderValue,
    is_upgrade: bool,
}

impl TunnelOffer {
    /// The offer of an `upgrade` field on HTTP/1.1.
    pub(crate) fn upgrade(protocols: HeaderValue) -> Self {
        Self { protocols, is_upgrade: true }
    }

    /// The offer of an extended CONNECT with this protocol (RFC 8441, RFC 9220). A server of
    /// another protocol than HTTP/1 and HTTP/2 adds it to the extensions of the request.
    pub fn connect(protocol: HeaderValue) -> Self {
        Self { protocols: protocol, is_upgrade: false }
    }

    /// The names of the protocols that the client offers, in the order of its preference.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        let list = self.protocols.to_str().unwrap_or_default();
        list.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// Whether the client offers this protocol. Case is ignored.
    pub fn has(&self, protocol: &str) -> bool {
        self.protocols().any(|offered| offered.eq_ignore_ascii_case(protocol))
    }

    /// Creates the response that accepts the offer, with the status and the fields that the client
    /// expects. After the response, the server calls `run` with the tunnel's byte stream.
    ///
    /// # Panics
    ///
    /// Panics if `protocol` is not a valid header value.
    pub fn accept<F, Fut>(&self, protocol: &str, run: F) -> Response<()>
    where
        F: FnOnce(TunnelStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut response = Response::new(());
        if self.is_upgrade {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let protocol = HeaderValue::try_from(protocol).expect("the name of a protocol");
            response.headers_mut().insert(UPGRADE, protocol);
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response.extensions_mut().insert(Tunnel::new(run));
        response
    }
}

/// The function that the server runs after a response. It is an extension of the response that
/// accepts a [`TunnelOffer`].
///
/// The response must have the status 101 on HTTP/1.1, and 200 or another 2xx status on HTTP/2 and
/// HTTP/3; [`TunnelOffer::accept`] creates such a response. On a response to any other request the
/// extension has no effect. A status of 101 without an offer is the service's mistake, and the
/// client gets 500.
#[derive(Clone)]
pub struct Tunnel(Arc<Mutex<Option<TunnelFn>>>);

/// The function of an application that runs in a tunnel.
pub type TunnelFn = Box<dyn FnOnce(TunnelStream) -> TunnelFuture + Send>;
/// The future that a [`TunnelFn`] returns. The tunnel lasts until it is ready.
pub type TunnelFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Tunnel {
    /// Creates a tunnel that lasts until `run` returns.
    pub fn new<F, Fut>(run: F) -> Self
    where
        F: FnOnce(TunnelStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run: TunnelFn = Box::new(move |stream| Box::pin(run(stream)));
        Self(Arc::new(Mutex::new(Some(run))))
    }

    /// Takes the function. It can be taken once, however many clones there are.
    pub(crate) fn take(&self) -> Option<TunnelFn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the function to run in a tunnel, if the response to an extended CONNECT accepts it.
///
/// The tunnel begins after the response's head. Its stream has no length, so the head must not have
/// `content-length`.
pub fn accepted_tunnel<B>(response: &Response<B>) -> Option<TunnelFn> {
    let tunnel = response.extensions().get::<Tunnel>()?;
    response.status().is_success().then(|| tunnel.take())?
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

/// The byte stream of a tunnel.
///
/// Bytes that the client sent ahead are read first. Reading ends when the client has closed its
/// side. [`shutdown`](tokio::io::AsyncWriteExt::shutdown) closes the server's side, and dropping
/// the stream closes both.
///
/// Two limits end a tunnel with an error of the kind [`TimedOut`](io::ErrorKind::TimedOut). A write
/// fails when the client accepts no byte for
/// [`write_stall_timeout`](crate::Server::write_stall_timeout). A read fails when no byte goes
/// through the tunnel in either direction for
/// [`tunnel_idle_timeout`](crate::Server::tunnel_idle_timeout), unless the application has removed
/// that limit with [`without_idle_timeout`](Self::without_idle_timeout).
///
/// When the server drains, the tunnel continues until the drain's deadline: watch
/// [`drain`](Self::drain) to end it before that.
pub struct TunnelStream {
    stream: Box<dyn ByteStream>,
    drain: Drain,
    idle: Option<Box<IdleLimit>>,
}

/// How long no byte may go through a tunnel.
struct IdleLimit {
    timeout: Duration,
    last_active: Instant,
    /// `Some` after the first read that had to wait. It is not moved when bytes go through, because
    /// most reads wait for less than the timeout.
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleLimit {
    /// Waits until no byte has gone through for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.last_active + self.timeout;
            let timeout = self.timeout;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            // Bytes have gone through since the timer was set.
            timer.as_mut().reset(due);
        }
    }
}

impl TunnelStream {
    pub(crate) fn new(stream: impl ByteStream, drain: Drain, timeout: Duration) -> Self {
        let idle = IdleLimit { timeout, last_active: Instant::now(), timer: None };
        Self { stream: Box::new(stream), drain, idle: Some(Box::new(idle)) }
    }

    /// Removes the limit on the time without a byte, for a protocol that has such a limit itself,
    /// as WebSockets have. A client that has disappeared is then noticed only by the next write.
    #[must_use]
    pub fn without_idle_timeout(mut self) -> Self {
        self.idle = None;
        self
    }

    /// The drain of the server. Watch it to end the tunnel properly.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    fn record_activity<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Some(idle) = &mut self.idle
            && polled.is_ready()
        {
            idle.last_active = Instant::now();
        }
        polled
    }
}

impl fmt::Debug for TunnelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelStream").finish_non_exhaustive()
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            return self.record_activity(read);
        }
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        idle.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record_activity(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record_activity(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[test]
    fn an_offer_has_the_protocols_of_its_list_in_any_case() {
        let offer = TunnelOffer::upgrade(HeaderValue::from_static(" h2c, WebSocket ,,x/1"));
        assert_eq!(offer.protocols().collect::<Vec<_>>(), ["h2c", "WebSocket", "x/1"]);
        assert!(offer.has("websocket") && !offer.has("x") && !offer.has(""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_is_idle_when_nothing_goes_in_either_direction() {
        let (mut client, server) = duplex(64);
        let mut tunnel = TunnelStream::new(server, Drain::new(), IDLE);
        let start = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(IDLE * 3 / 4).await;
            client.write_all(b"x").await.expect("room");
            assert_eq!(tunnel.read_u8().await.expect("not idle"), b'x');
        }
        let (mut read, mut write) = tokio::io::split(tunnel);
        let reading = tokio::spawn(async move { (read.read_u8().await, Instant::now()) });
        tokio::time::sleep(IDLE / 2).await;
        write.write_all(b"y").await.expect("room");
        let written = start.elapsed();
        let (read, at) = reading.await.expect("no panic");
        assert_eq!(read.expect_err("it is idle").kind(), io::ErrorKind::TimedOut);
        assert_eq!(at - start, written + IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_limit_a_tunnel_waits_for_as_long_as_its_protocol_wants() {
        let (mut client, server) = duplex(64);
        let mut tunnel = TunnelStream::new(server, Drain::new(), IDLE).without_idle_timeout();
        let reading = tokio::spawn(async move { tunnel.read_u8().await });
        tokio::time::sleep(100 * IDLE).await;
        client.write_all(b"x").await.expect("room");
        assert_eq!(reading.await.expect("no panic").expect("not idle"), b'x');
    }
}
