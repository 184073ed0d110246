//! Byte streams that are not sockets of this crate.

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions that can carry a connection: a TLS session, a tunnel, a pipe.
///
/// Every type with these bounds has this trait.
///
/// A stream should end its reads when the client has closed its side, since that is how the server
/// notices a client that leaves. It should take several buffers in one write
/// ([`is_write_vectored`](AsyncWrite::is_write_vectored)) if it can.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}
