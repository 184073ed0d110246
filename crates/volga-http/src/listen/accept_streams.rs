//! The trait for a listener of your own.

use std::io;
use std::task::{Context, Poll};

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;

/// A source of connections that are not sockets of this crate, for
/// [`Listener::custom`](crate::Listener::custom).
///
/// ```
/// use std::io;
/// use std::task::{Context, Poll};
///
/// use tokio::{io::DuplexStream, sync::mpsc};
/// use volga_http::{AcceptStreams, ByteStream, ConnectionInfo, Listener};
///
/// /// Connections in memory.
/// struct Pipes(mpsc::Receiver<DuplexStream>);
///
/// impl AcceptStreams for Pipes {
///     fn poll_accept(
///         &mut self,
///         cx: &mut Context<'_>,
///     ) -> Poll<io::Result<(Box<dyn ByteStream>, ConnectionInfo)>> {
///         match self.0.poll_recv(cx) {
///             Poll::Ready(Some(pipe)) => Poll::Ready(Ok((Box::new(pipe), ConnectionInfo::new()))),
///             // No more come. The server goes on with those that are open.
///             Poll::Ready(None) | Poll::Pending => Poll::Pending,
///         }
///     }
/// }
///
/// let (_connect, pipes) = mpsc::channel(16);
/// let listener = Listener::custom("pipes", Pipes(pipes));
/// assert_eq!(listener.to_string(), "pipes");
/// ```
pub trait AcceptStreams: Send + 'static {
    /// Waits for the next connection.
    ///
    /// It must not wait for anything that a client does. Do a handshake in
    /// [`Listener::with_handshake`](crate::Listener::with_handshake), where it delays no other
    /// connection and has a time limit.
    ///
    /// # Errors
    ///
    /// No error ends the server. After an error that concerns a single connection, such as
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), the server polls again at once.
    /// After any other error it waits for [`ACCEPT_PAUSE`](crate::limits::ACCEPT_PAUSE) first.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn ByteStream>, ConnectionInfo)>>;
}
