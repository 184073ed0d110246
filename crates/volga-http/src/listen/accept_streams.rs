//! What a listener of your own provides.

use std::io;
use std::task::{Context, Poll};

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;

/// Where connections come from that are not sockets of this crate, for
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
    /// It must not wait for anything that a client does: a handshake belongs into
    /// [`Listener::with_handshake`](crate::Listener::with_handshake), where it delays no other
    /// connection and has a deadline.
    ///
    /// # Errors
    ///
    /// No error ends the server. After one of a single connection, such as
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), it asks again at once; after any
    /// other it waits for [`ACCEPT_PAUSE`](crate::limits::ACCEPT_PAUSE) first.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn ByteStream>, ConnectionInfo)>>;
}
