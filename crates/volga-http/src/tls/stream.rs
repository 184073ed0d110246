//! The byte stream of an encrypted connection, over any transport.

use std::cell::Cell;
use std::io::{self, IoSlice, Read};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use rustls::{ProtocolVersion, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::info::{ConnectionInfo, TlsInfo};
use crate::io::send_queue::SendQueue;
use crate::io::transport::Transport;
use crate::limits::TLS_RECEIVE;

/// A connection after its TLS handshake.
///
/// A write is encrypted in records of at most 16 KiB, whatever its pieces are, and given to the
/// socket at once. What the socket does not accept waits here, and nothing more is accepted until
/// it has left. So a body is polled only when its client takes its bytes, as without TLS.
#[derive(Debug)]
pub(crate) struct TlsStream<S> {
    stream: tokio_rustls::server::TlsStream<CountedSocket<S>>,
}

impl<S: Transport> TlsStream<S> {
    pub(crate) fn new(stream: tokio_rustls::server::TlsStream<CountedSocket<S>>) -> Self {
        Self { stream }
    }

    fn socket(&self) -> &S {
        &self.stream.get_ref().0.socket
    }

    /// Waits until the socket has accepted everything that was encrypted.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.get_ref().1.wants_write() {
            Pin::new(&mut self.stream).poll_flush(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

/// The results of the handshake.
pub(crate) fn tls_info(session: &ServerConnection) -> TlsInfo {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3".into()),
        Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2".into()),
        other => other.map(|version| format!("{version:?}").into()),
    };
    TlsInfo {
        alpn: session.alpn_protocol().map(|name| match name {
            // No allocation for the usual names.
            b"h2" => Bytes::from_static(b"h2"),
            b"http/1.1" => Bytes::from_static(b"http/1.1"),
            other => Bytes::copy_from_slice(other),
        }),
        version,
        server_name: session.server_name().map(Into::into),
        client_certificates: session
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| Bytes::copy_from_slice(certificate))
            .collect(),
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    fn info(&self) -> io::Result<ConnectionInfo> {
        // It is made anew, because a waiting event stream should not hold it.
        Ok(self.socket().info()?.with_tls(tls_info(self.stream.get_ref().1)))
    }

    fn poll_disconnect(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket().poll_disconnect(cx)
    }

    fn is_broken(&self) -> bool {
        self.socket().is_broken()
    }

    fn recv(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let (socket, session) = self.stream.get_mut();
        loop {
            match session.reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            let mut received = [0; TLS_RECEIVE];
            let count = socket.socket.recv(&mut received)?;
            let mut received = &received[..count];
            // Even the end of the input must reach rustls, because it may have come too early.
            loop {
                session.read_tls(&mut received)?;
                session
                    .process_new_packets()
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                if received.is_empty() {
                    break;
                }
            }
        }
    }

    /// Tells the client that nothing is missing, if the socket accepts it at once.
    fn close(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.stream).poll_shutdown(&mut cx);
    }
}

impl<S: Transport> SendQueue for TlsStream<S> {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        self.socket().limit_unsent(bytes);
    }

    fn has_sent(&self) -> bool {
        self.stream.get_ref().0.has_sent.take()
    }
}

impl<S: Transport> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Transport> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A socket that remembers whether it has accepted bytes.
///
/// A flush of a whole record does not tell that the client has accepted a part of it.
#[derive(Debug)]
pub(crate) struct CountedSocket<S> {
    socket: S,
    has_sent: Cell<bool>,
}

impl<S> CountedSocket<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, has_sent: Cell::new(false) }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.has_sent.set(true);
        }
        written
    }
}

impl<S: Transport> AsyncRead for CountedSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: Transport> AsyncWrite for CountedSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::io::socket::Socket;

    /// Everything else that a waiting stream holds, it holds without TLS too.
    #[test]
    fn a_stream_holds_little_more_than_its_socket_and_the_state_of_rustls() {
        let own = size_of::<TlsStream<Socket>>() - size_of::<ServerConnection>();
        assert!(own <= size_of::<Socket>() + 32, "{own} bytes");
    }
}
