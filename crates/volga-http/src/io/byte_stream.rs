//! Byte streams that are not sockets of this crate.

use tokio::io::{AsyncRead, AsyncWrite};

/// A bidirectional byte stream that can carry a connection: a TLS session, a tunnel, a pipe.
///
/// Every type that satisfies the bounds implements this trait.
///
/// Reads should end when the client has closed its side, because that is how the server notices a
/// client that disconnects. Writes should support several buffers at once
/// ([`is_write_vectored`](AsyncWrite::is_write_vectored)) if they can.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}
