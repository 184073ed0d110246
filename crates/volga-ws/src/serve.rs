//! `serve`: runs the function of an application with its WebSocket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::close::{CloseCode, CloseReason, SocketEnd};
use crate::connection::Connection;
use crate::settings::WebSocketSettings;
use crate::shared_state::SharedState;
use crate::socket::WebSocket;

/// Runs `handler` with the WebSocket of a connection, and returns how the WebSocket has ended.
///
/// `io` carries the bytes after the response of the handshake: the upgraded connection on HTTP/1.1,
/// or the stream of the extended CONNECT on HTTP/2. When `shutdown` is ready, the WebSocket is
/// closed with code 1001.
///
/// When `handler` returns, and no half of its socket is left in another task, the WebSocket is
/// closed with what it returned: `()` for code 1000, or a [`CloseReason`].
/// [`WebSocket`] says what happens to the handler when the client leaves.
///
/// `handler` is called at once, and its future is first polled with the future that this function
/// returns.
///
/// # Cancel safety
///
/// Dropping the future ends the WebSocket without a close.
pub fn serve<IO, S, H, Fut>(
    io: IO,
    settings: &WebSocketSettings,
    shutdown: S,
    handler: H,
) -> Serve<IO, S, Fut>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Future<Output = ()>,
    H: FnOnce(WebSocket) -> Fut,
    Fut: Future<Output: Into<CloseReason>>,
{
    serve_protocol(io, settings, None, shutdown, handler)
}

/// Like [`serve`], for a WebSocket with the subprotocol that the
/// [handshake](crate::Handshake::protocol) has chosen.
///
/// # Cancel safety
///
/// Dropping the future ends the WebSocket without a close.
pub fn serve_protocol<IO, S, H, Fut>(
    io: IO,
    settings: &WebSocketSettings,
    protocol: Option<String>,
    shutdown: S,
    handler: H,
) -> Serve<IO, S, Fut>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Future<Output = ()>,
    H: FnOnce(WebSocket) -> Fut,
    Fut: Future<Output: Into<CloseReason>>,
{
    let shared = SharedState::new(settings, protocol);
    let handler = handler(WebSocket::new(Arc::clone(&shared)));
    Serve {
        handler,
        shutdown,
        connection: Connection::new(io, shared, settings),
        is_handled: false,
        is_over: false,
        is_draining: false,
    }
}

pin_project! {
    /// The future of [`serve`]: a connection, and the function of the application.
    ///
    /// It is a type and not an `async fn`, because an `async fn` keeps room for its arguments
    /// beside the places to which it has moved them, and most sockets are quiet most of the time.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Serve<IO, S, Fut> {
        // The function is dropped before the connection.
        #[pin]
        handler: Fut,
        #[pin]
        shutdown: S,
        connection: Connection<IO>,
        is_handled: bool,
        is_over: bool,
        is_draining: bool,
    }
}

impl<IO, S, Fut> Future for Serve<IO, S, Fut>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Future<Output = ()>,
    Fut: Future<Output: Into<CloseReason>>,
{
    type Output = SocketEnd;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<SocketEnd> {
        let mut this = self.project();
        if !*this.is_draining && this.shutdown.poll(cx).is_ready() {
            *this.is_draining = true;
            let reason = CloseReason::new(CloseCode::GOING_AWAY, "the server shuts down");
            this.connection.shared().close(reason);
        }
        this.connection.begin_turn(cx);
        let mut is_first = true;
        loop {
            if !*this.is_over && this.connection.poll(cx).is_ready() {
                *this.is_over = true;
                this.connection.begin_grace();
            }
            let has_news = this.connection.take_news();
            let may_act = is_first || (has_news && !*this.is_handled);
            is_first = false;
            if may_act
                && !*this.is_handled
                && let Poll::Ready(reason) = this.handler.as_mut().poll(cx)
            {
                *this.is_handled = true;
                this.connection.shared().end_handler(reason.into());
            }
            if *this.is_over {
                let shared = this.connection.shared();
                let is_done = *this.is_handled
                    || shared.has_disappeared()
                    || this.connection.poll_grace(cx).is_ready();
                let end = || this.connection.shared().end().unwrap_or(SocketEnd::Disconnected);
                return if is_done { Poll::Ready(end()) } else { Poll::Pending };
            }
            // If the application has not acted, the connection has done what it can.
            let may_continue = may_act || !this.connection.is_waiting();
            let has_work = may_continue && this.connection.continue_turn();
            if !has_work && this.connection.poll_times(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
