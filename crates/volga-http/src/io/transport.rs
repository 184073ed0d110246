//! The transport of a connection, with what only a socket can report.

use std::future::Future;
use std::io::{self, Read};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::connection::info::ConnectionInfo;
use crate::io::send_queue::SendQueue;

/// Carries the bytes of a connection in both directions.
pub(crate) trait Transport:
    AsyncRead + AsyncWrite + SendQueue + Unpin + Send + 'static
{
    /// What requests know about the connection. Fails only if the client has already disconnected.
    fn info(&self) -> io::Result<ConnectionInfo>;

    /// Waits until the client has disconnected, without reading the bytes that it sent before.
    /// After this call the socket reports only new bytes, so do not wait for old ones.
    ///
    /// A transport that cannot tell stays pending forever. Then the next write notices the
    /// disconnect.
    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether the connection is broken in both directions: the client has reset it. The end of the
    /// client's input alone does not count.
    ///
    /// A transport that cannot tell keeps the default. Then the next write notices it.
    fn is_broken(&self) -> bool {
        false
    }

    /// Receives bytes that arrived before [`poll_disconnect`](Self::poll_disconnect) was called.
    ///
    /// Until this returns [`WouldBlock`](io::ErrorKind::WouldBlock), reading in the usual way could
    /// wait for bytes that are there already. A transport whose `poll_disconnect` does nothing
    /// keeps the default.
    fn recv(&mut self, _bytes: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Closes a connection on which nothing is missing: no response is incomplete.
    ///
    /// A protocol below HTTP may tell that to the client. Where the end of the bytes says it, as on
    /// TCP, dropping the transport is enough.
    fn close(self)
    where
        Self: Sized,
    {
    }
}

/// tokio's sockets have the same methods, but no trait for them.
macro_rules! socket_methods {
    () => {
        fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()> {
            loop {
                if ready!(self.poll_read_ready(cx)).is_err() {
                    return Poll::Ready(());
                }
                if let Poll::Ready(Ok(now)) = pin!(self.ready(Interest::READABLE)).poll(cx)
                    && now.is_read_closed()
                {
                    return Poll::Ready(());
                }
                // The socket is readable, and not closed. Clear its readiness, so that the next
                // poll waits for something new.
                let _ = self.try_io(Interest::READABLE, || {
                    Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
                });
            }
        }

        fn is_broken(&self) -> bool {
            let mut cx = Context::from_waker(Waker::noop());
            match pin!(self.ready(Interest::WRITABLE)).poll(&mut cx) {
                Poll::Ready(now) => now.map_or(true, |now| now.is_write_closed()),
                Poll::Pending => false,
            }
        }

        fn recv(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            // Reading through tokio would wait for the readiness that was cleared.
            (&*SockRef::from(&*self)).read(bytes)
        }
    };
}

impl Transport for TcpStream {
    fn info(&self) -> io::Result<ConnectionInfo> {
        Ok(ConnectionInfo::tcp(self.peer_addr()?, self.local_addr()?))
    }

    socket_methods!();
}

#[cfg(unix)]
impl Transport for UnixStream {
    fn info(&self) -> io::Result<ConnectionInfo> {
        Ok(ConnectionInfo::new())
    }

    socket_methods!();
}

#[cfg(any(test, fuzzing))]
impl Transport for tokio::io::DuplexStream {
    fn info(&self) -> io::Result<ConnectionInfo> {
        let address = ([127, 0, 0, 1], 1).into();
        Ok(ConnectionInfo::tcp(address, address))
    }

    fn poll_disconnect(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
