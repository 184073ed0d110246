//! What carries a connection, and what only a socket can tell of it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::addr::{LocalAddr, PeerAddr};

/// The bytes of a connection in both directions.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The client's address and ours. Fails only where the client is gone already.
    fn addresses(&self) -> io::Result<(PeerAddr, LocalAddr)>;

    /// Waits until the client has left, without reading what it sent before. Afterwards the socket tells only of new bytes, so that old ones are
    /// not to be waited for.
    ///
    /// What cannot tell waits for ever; then the next write finds out.
    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Transport for TcpStream {
    fn addresses(&self) -> io::Result<(PeerAddr, LocalAddr)> {
        Ok((PeerAddr(self.peer_addr()?), LocalAddr(self.local_addr()?)))
    }

    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            if let Poll::Ready(Ok(now)) = pin!(self.ready(Interest::READABLE)).poll(cx)
                && now.is_read_closed()
            {
                return Poll::Ready(());
            }
            // Readable is all that it is. Forgotten, so that the next look waits for what is new.
            let _ = self.try_io(Interest::READABLE, || {
                Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
            });
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Transport for tokio::io::DuplexStream {
    fn addresses(&self) -> io::Result<(PeerAddr, LocalAddr)> {
        let address = ([127, 0, 0, 1], 1).into();
        Ok((PeerAddr(address), LocalAddr(address)))
    }

    fn poll_left(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
