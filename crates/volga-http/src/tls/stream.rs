//! The byte stream of an encrypted connection, over any transport.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::info::{ConnectionInfo, TlsInfo};
use crate::io::send_queue::SendQueue;
use crate::io::transport::Transport;
use crate::limits::{TLS_READ, TLS_RECEIVE, TLS_WRITE_BUFFER};
use crate::tls::session::{SessionError, TlsSession};

/// A connection after its TLS handshake.
///
/// A write is encrypted in records of at most 16 KiB, whatever its pieces are, and given to the
/// socket at once. What the socket does not accept waits here, and nothing more is accepted until
/// it has left. So a body is polled only when its client takes its bytes, as without TLS.
#[derive(Debug)]
pub(crate) struct TlsStream<S> {
    socket: S,
    session: TlsSession,
    /// Whether the socket has accepted bytes since this was last asked. A flush of a whole record
    /// does not tell that the client has accepted a part of it.
    has_sent: Cell<bool>,
}

impl<S: Transport> TlsStream<S> {
    /// Does the handshake.
    pub(crate) async fn accept(socket: S, config: &ServerConfig) -> io::Result<Self> {
        let session = TlsSession::new(config).map_err(invalid)?;
        let mut stream = Self { socket, session, has_sent: Cell::new(false) };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    /// The results of the handshake.
    pub(crate) fn tls_info(&self) -> TlsInfo {
        self.session.info()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    /// Waits until the socket has accepted everything that was encrypted.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.output().is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, self.session.output()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_sent.set(true);
            self.session.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Receives once from the socket, and decrypts.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // On the stack, so that a connection that waits holds no buffer.
        let mut space = [MaybeUninit::uninit(); TLS_READ];
        let mut received = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut received))?;
        let decrypted = self.decrypt(received.filled_mut());
        // An alert, or an answer to new keys. If the socket does not accept it now, the next write
        // sends it first.
        let _ = self.poll_send(cx)?;
        Poll::Ready(decrypted)
    }

    /// Decrypts what one read has received.
    fn decrypt(&mut self, received: &mut [u8]) -> io::Result<()> {
        if received.is_empty() {
            // The end came too early, because the client has not announced it.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.session.receive(received).map_err(invalid)
    }

    /// Encrypts bytes, and sends as many as the socket accepts.
    fn encrypt_and_send(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(TLS_WRITE_BUFFER)];
        self.session.encrypt(bytes).map_err(invalid)?;
        let _ = self.poll_send(cx)?;
        Ok(bytes.len())
    }
}

fn invalid(error: SessionError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<S: Transport> Transport for TlsStream<S> {
    fn info(&self) -> io::Result<ConnectionInfo> {
        // It is made anew, because a waiting event stream should not hold it.
        Ok(self.socket.info()?.with_tls(self.tls_info()))
    }

    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_disconnect(cx)
    }

    fn is_broken(&self) -> bool {
        self.socket.is_broken()
    }

    fn recv(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = bytes.len().min(self.session.decrypted().len());
            if count > 0 || self.session.has_ended() {
                bytes[..count].copy_from_slice(&self.session.decrypted()[..count]);
                self.session.consume(count);
                return Ok(count);
            }
            let mut received = [0; TLS_RECEIVE];
            let count = self.socket.recv(&mut received)?;
            self.decrypt(&mut received[..count])?;
        }
    }

    /// Tells the client that nothing is missing, if the socket accepts it at once.
    fn close(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self).poll_shutdown(&mut cx);
    }
}

impl<S: Transport> SendQueue for TlsStream<S> {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        self.socket.limit_unsent(bytes);
    }

    fn has_sent(&self) -> bool {
        self.has_sent.take()
    }
}

impl<S: Transport> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.session.decrypted().is_empty() {
            if self.session.has_ended() || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx))?;
        }
        let count = buf.remaining().min(self.session.decrypted().len());
        buf.put_slice(&self.session.decrypted()[..count]);
        self.session.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        Poll::Ready(self.encrypt_and_send(buf, cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let mut pieces = bufs.iter().filter(|piece| !piece.is_empty());
        let (Some(first), second) = (pieces.next(), pieces.next()) else {
            return Poll::Ready(Ok(0));
        };
        if second.is_none() || first.len() >= TLS_WRITE_BUFFER {
            return Poll::Ready(self.encrypt_and_send(first, cx));
        }
        // One record for all of them.
        let total: usize = bufs.iter().map(|piece| piece.len()).sum();
        let mut gathered = Vec::with_capacity(total.min(TLS_WRITE_BUFFER));
        for piece in bufs {
            let space = TLS_WRITE_BUFFER - gathered.len();
            gathered.extend_from_slice(&piece[..piece.len().min(space)]);
        }
        Poll::Ready(self.encrypt_and_send(&gathered, cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After an error of the client, the alert in the output is the last message.
        let _ = self.session.encrypt_close_notify();
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use rustls::server::UnbufferedServerConnection;

    use super::*;
    use crate::io::socket::Socket;

    /// Everything else that a waiting stream holds, it holds without TLS too.
    #[test]
    fn a_stream_holds_little_more_than_its_socket_and_the_state_of_rustls() {
        let own = size_of::<TlsStream<Socket>>() - size_of::<UnbufferedServerConnection>();
        assert!(own <= size_of::<Socket>() + 128, "{own} bytes");
    }
}
