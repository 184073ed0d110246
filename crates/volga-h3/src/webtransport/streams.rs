//! The streams of a session, as the application uses them.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use quinn::{ReadError, VarInt, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::arrivals::StreamPlace;
use super::codes;
use super::state::{SessionState, SessionWatch};
use crate::guarded::{GuardedRecv, GuardedSend};
use crate::limits::READ_BYTES;

/// Why a stream cannot be used any more.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WebTransportStreamError {
    /// The client has ended the stream early, with this code of the application. It is `None` if
    /// the code is one of HTTP/3.
    #[error("the client has reset the stream{}", with_code(.0))]
    Reset(Option<u32>),
    /// The client wants no more of the stream, and gave this code of the application. It is `None`
    /// if the code is one of HTTP/3.
    #[error("the client has stopped the stream{}", with_code(.0))]
    Stopped(Option<u32>),
    /// The session has ended, and its streams with it.
    #[error("the session of the stream has ended")]
    SessionEnded,
    /// The application itself has ended the stream.
    #[error("the stream was finished, reset or stopped before")]
    Finished,
    /// The client has sent more than [`read_to_end`](WebTransportReceiveStream::read_to_end) may
    /// read.
    #[error("the stream is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

fn with_code(code: &Option<u32>) -> String {
    code.map(|code| format!(" with code {code}")).unwrap_or_default()
}

impl From<WebTransportStreamError> for io::Error {
    fn from(error: WebTransportStreamError) -> Self {
        let kind = match error {
            WebTransportStreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            WebTransportStreamError::Stopped(_) => io::ErrorKind::BrokenPipe,
            WebTransportStreamError::SessionEnded => io::ErrorKind::ConnectionAborted,
            WebTransportStreamError::Finished => io::ErrorKind::NotConnected,
            WebTransportStreamError::TooLong { .. } => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, error)
    }
}

/// The error for a code of HTTP/3. Clients end the streams of a session that has ended.
fn ended_with(
    code: VarInt,
    error: fn(Option<u32>) -> WebTransportStreamError,
) -> WebTransportStreamError {
    if code == codes::SESSION_GONE.into() {
        return WebTransportStreamError::SessionEnded;
    }
    error(codes::from_http3(code))
}

/// The sending half of a stream. It is an [`AsyncWrite`].
///
/// Call [`finish`](Self::finish) when everything is sent. If the stream is dropped before, it is
/// reset with code 0, so the client never takes a part for the whole.
pub struct WebTransportSendStream {
    stream: GuardedSend,
    session: SessionWatch,
    _place: Option<Arc<StreamPlace>>,
}

impl WebTransportSendStream {
    pub(crate) fn new(
        mut stream: GuardedSend,
        state: &SessionState,
        place: Option<Arc<StreamPlace>>,
    ) -> Self {
        stream.set_drop_code(codes::to_http3(0));
        Self { stream, session: state.watch_end(), _place: place }
    }

    /// Sends bytes. It waits while the client takes no more, and returns before they have arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has stopped the stream, or if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, a part of the bytes may be sent.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), WebTransportStreamError> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.poll_send(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Ends the stream, and waits until the client has received everything.
    ///
    /// If your function returns right after its last stream has finished, the client has received
    /// what was sent before it learns that the session is closed.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has stopped the stream, or if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// The stream ends properly, also if the future is dropped after its first poll.
    pub async fn finish(&mut self) -> Result<(), WebTransportStreamError> {
        self.end()?;
        let mut stopped = pin!(self.stream.stopped());
        poll_fn(|cx| match stopped.as_mut().poll(cx) {
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(Some(code))) => {
                Poll::Ready(Err(ended_with(code, WebTransportStreamError::Stopped)))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(WebTransportStreamError::SessionEnded)),
            Poll::Pending => {
                self.session.poll(cx).map(|()| Err(WebTransportStreamError::SessionEnded))
            }
        })
        .await
    }

    /// Ends the stream early, with a code of the application. What was sent may get lost.
    pub fn reset(&mut self, code: u32) {
        self.stream.reset(codes::to_http3(code));
    }

    /// Waits until the client wants no more of the stream, and returns its code. It also returns,
    /// with `None`, when the stream or the session has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn stopped(&mut self) -> Option<u32> {
        let mut stopped = pin!(self.stream.stopped());
        poll_fn(|cx| match stopped.as_mut().poll(cx) {
            Poll::Ready(code) => Poll::Ready(code.ok().flatten().and_then(codes::from_http3)),
            Poll::Pending => self.session.poll(cx).map(|()| None),
        })
        .await
    }

    fn end(&mut self) -> Result<(), WebTransportStreamError> {
        if self.session.is_over() {
            return Err(self.session_ended());
        }
        self.stream.finish().map_err(|_| WebTransportStreamError::Finished)
    }

    fn session_ended(&mut self) -> WebTransportStreamError {
        self.stream.reset(codes::SESSION_GONE);
        WebTransportStreamError::SessionEnded
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, WebTransportStreamError>> {
        if self.session.is_over() {
            return Poll::Ready(Err(self.session_ended()));
        }
        match Pin::new(&mut *self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => Poll::Ready(written.map_err(|error| match error {
                WriteError::Stopped(code) => ended_with(code, WebTransportStreamError::Stopped),
                WriteError::ClosedStream => WebTransportStreamError::Finished,
                _ => WebTransportStreamError::SessionEnded,
            })),
            Poll::Pending => self.session.poll(cx).map(|()| Err(self.session_ended())),
        }
    }
}

impl AsyncWrite for WebTransportSendStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the stream, without a wait for the client.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end().map_err(Into::into))
    }
}

impl fmt::Debug for WebTransportSendStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTransportSendStream").finish_non_exhaustive()
    }
}

/// The receiving half of a stream. It is an [`AsyncRead`].
///
/// If it is dropped before its end, the client is told to send nothing more, with code 0.
pub struct WebTransportReceiveStream {
    stream: GuardedRecv,
    /// Bytes that were received and not read.
    rest: Bytes,
    session: SessionWatch,
    _place: Option<Arc<StreamPlace>>,
}

impl WebTransportReceiveStream {
    pub(crate) fn new(
        mut stream: GuardedRecv,
        rest: Bytes,
        state: &SessionState,
        place: Option<Arc<StreamPlace>>,
    ) -> Self {
        stream.set_drop_code(codes::to_http3(0));
        Self { stream, rest, session: state.watch_end(), _place: place }
    }

    /// Waits for the next bytes. `None` means that the client has sent everything.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has reset the stream, or if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn read_chunk(&mut self) -> Result<Option<Bytes>, WebTransportStreamError> {
        poll_fn(|cx| self.poll_chunk(cx, READ_BYTES)).await
    }

    /// Reads everything up to the end.
    ///
    /// # Errors
    ///
    /// Returns an error if the client sends more than `limit` bytes, if it resets the stream, or if
    /// the session ends before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the bytes that it has read are lost.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, WebTransportStreamError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.read_chunk().await? {
            if chunk.len() > limit - all.len() {
                return Err(WebTransportStreamError::TooLong { limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// Tells the client to send nothing more, with a code of the application.
    pub fn stop(&mut self, code: u32) {
        self.rest.clear();
        self.stream.stop(codes::to_http3(code));
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, WebTransportStreamError>> {
        if !self.rest.is_empty() {
            let part = self.rest.len().min(most);
            return Poll::Ready(Ok(Some(self.rest.split_to(part))));
        }
        let polled = pin!(self.stream.read_chunk(most, true)).poll(cx);
        let Poll::Ready(chunk) = polled else {
            ready!(self.session.poll(cx));
            self.stream.stop(codes::SESSION_GONE);
            return Poll::Ready(Err(WebTransportStreamError::SessionEnded));
        };
        Poll::Ready(match chunk {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
            Err(ReadError::Reset(code)) => Err(ended_with(code, WebTransportStreamError::Reset)),
            Err(ReadError::ClosedStream) if !self.session.is_over() => {
                Err(WebTransportStreamError::Finished)
            }
            Err(_) => Err(WebTransportStreamError::SessionEnded),
        })
    }
}

impl AsyncRead for WebTransportReceiveStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = buf.remaining();
        if most == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(mut chunk) = ready!(self.poll_chunk(cx, most))? {
            let space = buf.initialize_unfilled_to(chunk.len());
            chunk.copy_to_slice(space);
            let length = space.len();
            buf.advance(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for WebTransportReceiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTransportReceiveStream").finish_non_exhaustive()
    }
}
