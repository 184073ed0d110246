//! `serve`: runs the function of an application with its WebSocket.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

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
/// # Cancel safety
///
/// Dropping the future ends the WebSocket without a close.
pub async fn serve<IO, H, Fut>(
    io: IO,
    settings: &WebSocketSettings,
    shutdown: impl Future<Output = ()>,
    handler: H,
) -> SocketEnd
where
    IO: AsyncRead + AsyncWrite + Unpin,
    H: FnOnce(WebSocket) -> Fut,
    Fut: Future<Output: Into<CloseReason>>,
{
    serve_protocol(io, settings, None, shutdown, handler).await
}

/// Like [`serve`], for a WebSocket with the subprotocol that the
/// [handshake](crate::Handshake::protocol) has chosen.
///
/// # Cancel safety
///
/// Dropping the future ends the WebSocket without a close.
pub async fn serve_protocol<IO, H, Fut>(
    io: IO,
    settings: &WebSocketSettings,
    protocol: Option<String>,
    shutdown: impl Future<Output = ()>,
    handler: H,
) -> SocketEnd
where
    IO: AsyncRead + AsyncWrite + Unpin,
    H: FnOnce(WebSocket) -> Fut,
    Fut: Future<Output: Into<CloseReason>>,
{
    let shared = SharedState::new(settings, protocol);
    let grace = settings.close_timeout;
    let mut connection = Connection::new(io, Arc::clone(&shared), settings);
    let handler = handler(WebSocket::new(Arc::clone(&shared)));
    {
        let mut handler = pin!(handler);
        let mut shutdown = pin!(shutdown);
        let (mut is_handled, mut is_over, mut is_draining) = (false, false, false);
        let mut leave = pin!(None);
        poll_fn(|cx| {
            if !is_draining && shutdown.as_mut().poll(cx).is_ready() {
                is_draining = true;
                shared.close(CloseReason::new(CloseCode::GOING_AWAY, "the server shuts down"));
            }
            loop {
                if !is_over {
                    is_over = connection.poll(cx).is_ready();
                }
                shared.lock().take_news();
                if !is_handled && let Poll::Ready(reason) = handler.as_mut().poll(cx) {
                    is_handled = true;
                    shared.end_handler(reason.into());
                }
                shared.close_if_dropped();
                if is_over {
                    if is_handled {
                        return Poll::Ready(());
                    }
                    if shared.has_disappeared() {
                        return Poll::Ready(());
                    }
                    if leave.is_none() {
                        let now = Instant::now();
                        leave.set(now.checked_add(grace).map(sleep_until));
                    }
                    return match leave.as_mut().as_pin_mut() {
                        Some(leave) => leave.poll(cx),
                        None => Poll::Pending,
                    };
                }
                let mut state = shared.lock();
                if !state.has_request() && !state.take_news() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }
    shared.end().unwrap_or(SocketEnd::Disconnected)
}
