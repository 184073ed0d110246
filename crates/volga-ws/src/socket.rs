//! `WebSocket`: the socket as the application holds it, and its two halves.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use crate::close::{CloseReason, SocketEnd};
use crate::message::Message;
use crate::shared_state::SharedState;

/// The WebSocket has ended, or is closed: nothing can be sent any more.
///
/// [`WebSocket::end`] says how it has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the WebSocket is closed")]
pub struct ClosedError(());

/// An open WebSocket.
///
/// It is a [`Stream`] and a [`Sink`] of [messages](Message), and has methods of its own for both.
/// The server sends and answers pings and the close by itself, also while your function waits for
/// something else.
///
/// When the client closes the WebSocket, or disappears, [`recv`](Self::recv) returns the messages
/// that arrived before that, and then `None`. Sending then fails. Your function may go on for
/// [`close_timeout`](crate::WebSocketSettings::close_timeout), and is then dropped at its next
/// `.await`. If the client has disappeared without a close and your function waits for something
/// other than the socket, it is dropped at once, as the handler of a request is.
///
/// The WebSocket is closed when it is dropped, or both of its halves are.
pub struct WebSocket {
    sink: WebSocketSink,
    stream: WebSocketStream,
}

impl WebSocket {
    pub(crate) fn new(shared: Arc<SharedState>) -> Self {
        shared.add_handle();
        Self { sink: WebSocketSink(Arc::clone(&shared)), stream: WebSocketStream(shared) }
    }

    /// Waits for the next message. `None` means that the WebSocket has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn recv(&mut self) -> Option<Message> {
        self.stream.recv().await
    }

    /// Sends a message. It waits while too many bytes wait to be sent, and returns before the
    /// message has arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the WebSocket is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), ClosedError> {
        self.sink.send(message).await
    }

    /// Closes the WebSocket after what was sent. Messages from the client are then discarded.
    ///
    /// It does not wait for the client; [`closed`](Self::closed) does.
    pub fn close(&mut self, reason: impl Into<CloseReason>) {
        self.sink.close(reason);
    }

    /// Waits until the WebSocket has ended, and says how.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> SocketEnd {
        self.stream.closed().await
    }

    /// How the WebSocket has ended. `None` if it is open.
    #[must_use]
    pub fn end(&self) -> Option<SocketEnd> {
        self.stream.0.end()
    }

    /// The subprotocol that the handshake has chosen.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.stream.0.protocol()
    }

    /// Splits the WebSocket, so that two tasks can send and receive. The WebSocket is closed when
    /// both halves are dropped.
    #[must_use]
    pub fn split(self) -> (WebSocketSink, WebSocketStream) {
        (self.sink, self.stream)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("end", &self.end()).finish_non_exhaustive()
    }
}

/// The half of a [`WebSocket`] that sends.
pub struct WebSocketSink(Arc<SharedState>);

impl WebSocketSink {
    /// Sends a message, as [`WebSocket::send`] does.
    ///
    /// # Errors
    ///
    /// Returns an error if the WebSocket is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), ClosedError> {
        let mut message = Some(message.into());
        poll_fn(|cx| self.0.poll_queue(cx, &mut message).map_err(ClosedError)).await
    }

    /// Closes the WebSocket, as [`WebSocket::close`] does.
    pub fn close(&mut self, reason: impl Into<CloseReason>) {
        self.0.close(reason.into());
    }

    /// Waits until the WebSocket has ended, and says how.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> SocketEnd {
        poll_fn(|cx| self.0.poll_end(cx)).await
    }
}

impl Sink<Message> for WebSocketSink {
    type Error = ClosedError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        self.0.poll_room(cx).map_err(ClosedError)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), ClosedError> {
        self.0.queue(message).map_err(ClosedError)
    }

    /// Ready when all messages have been written to the connection.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        self.0.poll_flush(cx).map_err(ClosedError)
    }

    /// Closes the WebSocket with code 1000, and waits for its end.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        self.0.close(CloseReason::from(()));
        self.0.poll_end(cx).map(|_| Ok(()))
    }
}

impl Drop for WebSocketSink {
    fn drop(&mut self) {
        self.0.remove_handle();
    }
}

impl fmt::Debug for WebSocketSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSink").field("end", &self.0.end()).finish_non_exhaustive()
    }
}

/// The half of a [`WebSocket`] that receives. Without it, messages from the client are discarded.
pub struct WebSocketStream(Arc<SharedState>);

impl WebSocketStream {
    /// Waits for the next message, as [`WebSocket::recv`] does.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.0.poll_receive(cx)).await
    }

    /// Waits until the WebSocket has ended, and says how.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> SocketEnd {
        poll_fn(|cx| self.0.poll_end(cx)).await
    }
}

impl Stream for WebSocketStream {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_receive(cx)
    }
}

impl Drop for WebSocketStream {
    fn drop(&mut self) {
        self.0.remove_reader();
        self.0.remove_handle();
    }
}

impl fmt::Debug for WebSocketStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketStream").field("end", &self.0.end()).finish_non_exhaustive()
    }
}

impl Stream for WebSocket {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }
}

impl Sink<Message> for WebSocket {
    type Error = ClosedError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        Pin::new(&mut self.sink).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), ClosedError> {
        Pin::new(&mut self.sink).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        Pin::new(&mut self.sink).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClosedError>> {
        Pin::new(&mut self.sink).poll_close(cx)
    }
}
