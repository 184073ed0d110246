//! Helpers for the tests of this module: scripted bodies, and connections in memory.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tower_service::Service;

use super::{Http1, NextStage};
use crate::connection::info::ConnectionInfo;
use crate::connection::settings::ConnectionSettings;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::drain::handle::Drain;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::exchange::request_body::RequestBody;
use crate::exchange::service::ConnectionService;
use crate::io::send_queue::SendQueue;
use crate::io::transport::Transport;

pub(super) const STALL: Duration = ConnectionSettings::DEFAULT.write_stall_timeout;

pub(super) fn http1(drain: &Drain) -> Arc<Http1> {
    Http1::new(ConnectionSettings::DEFAULT, ClientTimeouts::with_defaults(drain))
}

/// What a scripted body does next.
#[derive(Debug)]
pub(super) enum BodyStep {
    Data(Bytes),
    Trailers,
    Fail,
    Panic,
}

pub(super) fn data(text: &'static str) -> BodyStep {
    BodyStep::Data(Bytes::from_static(text.as_bytes()))
}

/// A body that does what its sender says, and ends when the sender is dropped.
#[derive(Debug)]
pub(super) struct ScriptedBody(mpsc::UnboundedReceiver<BodyStep>);

impl ScriptedBody {
    pub(super) fn new() -> (mpsc::UnboundedSender<BodyStep>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }

    /// A body that takes these steps at once, and then ends.
    pub(super) fn ready(steps: impl IntoIterator<Item = BodyStep>) -> Self {
        let (sender, body) = Self::new();
        steps.into_iter().for_each(|step| sender.send(step).expect("an open channel"));
        body
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|step| {
            Some(match step? {
                BodyStep::Data(data) => Ok(Frame::data(data)),
                BodyStep::Trailers => {
                    let sum = (HeaderName::from_static("x-sum"), HeaderValue::from_static("1"));
                    Ok(Frame::trailers(HeaderMap::from_iter([sum])))
                }
                BodyStep::Fail => Err(io::Error::other("told to fail")),
                BodyStep::Panic => panic!("told to panic"),
            })
        })
    }
}

/// A scripted body that may end while it is not polled.
#[derive(Debug)]
pub(super) struct EndableBody {
    pub(super) body: ScriptedBody,
    pub(super) has_ended: Arc<AtomicBool>,
    /// Whether it says that it has given its last frame.
    pub(super) says_so: bool,
}

impl Body for EndableBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn size_hint(&self) -> SizeHint {
        match self.says_so && self.is_end_stream() {
            true => SizeHint::with_exact(0),
            false => SizeHint::default(),
        }
    }
}

/// A service from a function.
#[derive(Clone)]
pub(super) struct FnService<F>(pub(super) F);

impl<F, B> Service<Request<RequestBody>> for FnService<F>
where
    F: Fn(&Request<RequestBody>) -> Response<B>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        ready(Ok((self.0)(&request)))
    }
}

/// A service from a function that waits.
#[derive(Clone)]
pub(super) struct AsyncFnService<F>(pub(super) F);

impl<F, Fut, B> Service<Request<RequestBody>> for AsyncFnService<F>
where
    F: Fn(Request<RequestBody>) -> Fut,
    Fut: Future<Output = Response<B>> + Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let response = (self.0)(request);
        Box::pin(async move { Ok(response.await) })
    }
}

pub(super) fn connection_service<S>(service: S) -> ConnectionService<S> {
    let address = ([127, 0, 0, 1], 1).into();
    ConnectionService { service, info: Some(ConnectionInfo::tcp(address, address)) }
}

pub(super) fn long_lived<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(LongLivedResponse);
    response
}

/// Serves a connection through all its stages, and returns how many responses became streams.
pub(super) async fn serve_all<F, B>(http1: Arc<Http1>, io: impl Transport, respond: F) -> usize
where
    F: Fn(&Request<RequestBody>) -> Response<B> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let mut streams = 0;
    let mut next =
        http1.serve(io, Bytes::new(), connection_service(FnService(respond.clone()))).await;
    loop {
        next = match next {
            NextStage::Closed | NextStage::Serve(..) | NextStage::Tunnel(_) => return streams,
            NextStage::Stream(stream) => {
                streams += 1;
                Box::into_pin(stream).await
            }
            NextStage::Requests(io, received) => {
                http1.serve(io, received, connection_service(FnService(respond.clone()))).await
            }
            NextStage::SendRest(io, unsent) => {
                http1.send_rest(io, *unsent).await;
                NextStage::Closed
            }
            NextStage::Linger(io) => {
                http1.linger(io).await;
                NextStage::Closed
            }
        };
    }
}

/// Reads until the end.
pub(super) async fn read_all(client: &mut DuplexStream) -> String {
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.expect("memory does not fail");
    String::from_utf8(all).expect("text")
}

/// Reads this many bytes.
pub(super) async fn read_some(client: &mut DuplexStream, bytes: usize) -> String {
    let mut some = vec![0; bytes];
    client.read_exact(&mut some).await.expect("so much comes");
    String::from_utf8(some).expect("text")
}

/// A transport that counts its writes.
pub(super) struct CountingTransport {
    io: DuplexStream,
    writes: Arc<AtomicUsize>,
    written: usize,
    limited_after: Arc<OnceLock<usize>>,
}

impl CountingTransport {
    pub(super) fn new(io: DuplexStream) -> (Self, Arc<AtomicUsize>) {
        let writes = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&writes);
        (Self { io, writes, written: 0, limited_after: Arc::default() }, counted)
    }

    /// After how many bytes the unsent bytes were limited.
    pub(super) fn limited_after(&self) -> Arc<OnceLock<usize>> {
        Arc::clone(&self.limited_after)
    }

    fn count(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if let Poll::Ready(Ok(bytes)) = write {
            self.written += bytes;
        }
        write
    }
}

impl AsyncRead for CountingTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for CountingTransport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write(cx, buf);
        self.count(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.count(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl SendQueue for CountingTransport {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        assert!(bytes.is_some(), "the limit is lifted elsewhere");
        self.limited_after.set(self.written).expect("the limit is set once");
    }
}

impl Transport for CountingTransport {
    fn info(&self) -> io::Result<ConnectionInfo> {
        self.io.info()
    }

    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_disconnect(cx)
    }
}
