//! What carries a connection, and what only a socket can tell of it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::connection::info::ConnectionInfo;

/// The bytes of a connection in both directions.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What requests know of the connection. Fails only where the client has left already.
    fn info(&self) -> io::Result<ConnectionInfo>;

    /// Waits until the client has left, without reading what it sent before. Afterwards the socket
    /// tells only of new bytes, so that old ones are not to be waited for.
    ///
    /// What cannot tell waits for ever; then the next write finds out.
    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()>;
}

/// tokio's sockets have the same methods, and no trait for them.
macro_rules! poll_disconnect {
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
                // Readable is all that it is. Forgotten, so that the next look waits for what is
                // new.
                let _ = self.try_io(Interest::READABLE, || {
                    Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
                });
            }
        }
    };
}

impl Transport for TcpStream {
    fn info(&self) -> io::Result<ConnectionInfo> {
        Ok(ConnectionInfo::tcp(self.peer_addr()?, self.local_addr()?))
    }

    poll_disconnect!();
}

#[cfg(unix)]
impl Transport for UnixStream {
    fn info(&self) -> io::Result<ConnectionInfo> {
        Ok(ConnectionInfo::new())
    }

    poll_disconnect!();
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
