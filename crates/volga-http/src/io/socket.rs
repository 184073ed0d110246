//! An accepted socket of any kind, which carries all stages of a connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;
use crate::io::send_queue::SendQueue;
use crate::io::transport::Transport;
use crate::listen::admission::AdmissionPermit;
#[cfg(feature = "tls")]
use crate::tls::stream::TlsStream;

/// An accepted socket.
///
/// The most common kind is stored inline and the others in a box, so supporting the others costs a
/// waiting event stream no memory.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    /// A connection that counts against the limit of its client's address until it is closed.
    Counted(Box<CountedStream>),
    #[cfg(unix)]
    Unix(Box<UnixStream>),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Self>>),
    /// A byte stream of another kind.
    Custom(Box<CustomStream>),
}

/// Fields are dropped in order: the permit is released after the stream is closed.
pub(crate) struct CustomStream {
    stream: Box<dyn ByteStream>,
    info: ConnectionInfo,
    _permit: Option<AdmissionPermit>,
}

impl fmt::Debug for CustomStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomStream").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Fields are dropped in order: the permit is released after the socket is closed.
#[derive(Debug)]
pub(crate) struct CountedStream {
    stream: TcpStream,
    _permit: AdmissionPermit,
}

impl Socket {
    pub(crate) fn counted(stream: TcpStream, permit: AdmissionPermit) -> Self {
        Self::Counted(Box::new(CountedStream { stream, _permit: permit }))
    }

    pub(crate) fn custom(
        stream: Box<dyn ByteStream>,
        info: ConnectionInfo,
        permit: Option<AdmissionPermit>,
    ) -> Self {
        Self::Custom(Box::new(CustomStream { stream, info, _permit: permit }))
    }
}

/// Runs the same expression with every kind of socket.
macro_rules! each {
    ($socket:expr, $io:ident => $act:expr) => {
        match $socket {
            Socket::Tcp($io) => $act,
            Socket::Counted(counted) => {
                let $io = &mut counted.stream;
                $act
            }
            #[cfg(unix)]
            Socket::Unix(boxed) => {
                let $io = &mut **boxed;
                $act
            }
            #[cfg(feature = "tls")]
            Socket::Tls(boxed) => {
                let $io = &mut **boxed;
                $act
            }
            Socket::Custom(custom) => {
                let $io = &mut custom.stream;
                $act
            }
        }
    };
}

/// The code for the rarer kinds, which is not inlined.
impl Socket {
    #[inline(never)]
    fn poll_read_other(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }

    #[inline(never)]
    fn poll_flush_other(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }
}

impl Transport for Socket {
    fn info(&self) -> io::Result<ConnectionInfo> {
        match self {
            Self::Tcp(stream) => stream.info(),
            Self::Counted(counted) => counted.stream.info(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.info(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.info(),
            Self::Custom(custom) => Ok(custom.info.clone()),
        }
    }

    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_disconnect(cx),
            Self::Counted(counted) => counted.stream.poll_disconnect(cx),
            #[cfg(unix)]
            Self::Unix(stream) => stream.poll_disconnect(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.poll_disconnect(cx),
            Self::Custom(_) => Poll::Pending,
        }
    }

    fn is_broken(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_broken(),
            Self::Counted(counted) => counted.stream.is_broken(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_broken(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_broken(),
            Self::Custom(_) => false,
        }
    }

    fn recv(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.recv(bytes),
            Self::Counted(counted) => counted.stream.recv(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.recv(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.recv(bytes),
            Self::Custom(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn close(self) {
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            stream.close();
        }
    }
}

impl SendQueue for Socket {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        match self {
            Self::Tcp(stream) => stream.limit_unsent(bytes),
            Self::Counted(counted) => counted.stream.limit_unsent(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.limit_unsent(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.limit_unsent(bytes),
            // The limit was set before the handshake, if the connection had one.
            Self::Custom(_) => {}
        }
    }

    #[cfg(feature = "tls")]
    fn has_sent(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.has_sent(),
            _ => false,
        }
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            // Each request reads twice, so the most common kind is inlined.
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            other => other.poll_read_other(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Custom(custom) => custom.stream.is_write_vectored(),
            // Sockets support vectored writes.
            _ => true,
        }
    }

    #[inline(always)]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            // It holds nothing back.
            Self::Tcp(_) => Poll::Ready(Ok(())),
            other => other.poll_flush_other(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, io => Pin::new(io).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_any_kind_is_as_small_as_a_tcp_stream() {
        assert_eq!(size_of::<Socket>(), size_of::<TcpStream>());
    }
}
