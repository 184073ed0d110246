//! A request as a byte stream, after an extended CONNECT (RFC 9220).

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use quinn::WriteError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use volga_http::limits::FRAME_BYTES;
use volga_http::protocol::ClientTimer;

use crate::code::Code;
use crate::frame;
use crate::request_stream::{BodyPiece, ReadFault, RequestStream};
use crate::response_stream::ResponseStream;
use crate::shared_connection::SharedConnection;

/// Both directions of a tunnel: each write becomes a DATA frame of at most [`FRAME_BYTES`].
///
/// If it is dropped before its end, both directions are broken off.
#[derive(Debug)]
pub(crate) struct H3Tunnel {
    request: RequestStream,
    /// Bytes that have arrived and are not read yet.
    received: Bytes,
    /// `None` only while it is dropped.
    respond: Option<ResponseStream>,
    /// The rest of a frame of which a part was sent.
    unsent: Bytes,
    /// `Some` while the client accepts nothing.
    timer: Option<ClientTimer>,
    is_shut: bool,
    finished: Option<oneshot::Sender<ResponseStream>>,
    shared: Arc<SharedConnection>,
}

impl H3Tunnel {
    /// The receiver gets the sending half when the tunnel is dropped, if that half has ended
    /// properly.
    pub(crate) fn new(
        request: RequestStream,
        mut respond: ResponseStream,
        shared: Arc<SharedConnection>,
    ) -> (Self, oneshot::Receiver<ResponseStream>) {
        // RFC 9220, section 3: the code of a connection that is broken off.
        respond.stream().set_drop_code(Code::REQUEST_CANCELLED);
        let (sender, receiver) = oneshot::channel();
        let tunnel = Self {
            request,
            received: Bytes::new(),
            respond: Some(respond),
            unsent: Bytes::new(),
            timer: None,
            is_shut: false,
            finished: Some(sender),
            shared,
        };
        (tunnel, receiver)
    }

    /// Sends what is left of the last frame.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            let written = self.poll_send(cx, &unsent);
            self.unsent = unsent;
            self.unsent.advance(ready!(written)?);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends some of these bytes. With none of them, it waits until there is room for a byte.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(respond) = &mut self.respond else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let stream = &mut **respond.stream();
        if let Poll::Ready(written) = Pin::new(stream).poll_write(cx, bytes) {
            self.timer = None;
            return Poll::Ready(written.map_err(|error| match error {
                // The client wants no more.
                WriteError::Stopped(_) => io::ErrorKind::BrokenPipe.into(),
                error => error.into(),
            }));
        }
        let timer = self.timer.get_or_insert_with(|| self.shared.waits.write());
        pin!(timer.expired()).poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for H3Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.received.is_empty() {
            self.received = match ready!(self.request.poll_body(cx)) {
                Some(Ok(BodyPiece::Data(data))) => data,
                // Fields after a tunnel have no meaning.
                Some(Ok(BodyPiece::Trailers(_))) => continue,
                None => return Poll::Ready(Ok(())),
                Some(Err(ReadFault::Disconnected)) => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Some(Err(fault)) => {
                    if let ReadFault::Connection(code) = fault {
                        let reason = b"the tunnel breaks the rules of HTTP/3";
                        self.shared.quic.close(code.into(), reason);
                    }
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            };
        }
        let part = self.received.len().min(buf.remaining());
        buf.put_slice(&self.received[..part]);
        self.received.advance(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H3Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(FRAME_BYTES);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_unsent(cx))?;
        // Without room for a byte, a frame would wait here, in memory, and not in the application.
        ready!(self.poll_send(cx, &[]))?;
        let mut framed = Vec::with_capacity(length + frame::HEADER_MAX);
        frame::write_header(frame::DATA, length, &mut framed);
        let mut left = length;
        for buf in bufs {
            let part = buf.len().min(left);
            framed.extend_from_slice(&buf[..part]);
            left -= part;
        }
        self.unsent = framed.into();
        match self.poll_unsent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// quinn sends by itself, so only the rest of a frame is to be written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unsent(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(cx))?;
        let this = &mut *self;
        if !this.is_shut
            && let Some(respond) = &mut this.respond
        {
            respond.stream().finish().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            this.is_shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for H3Tunnel {
    fn drop(&mut self) {
        if let Some(respond) = self.respond.take()
            && self.is_shut
            && let Some(finished) = self.finished.take()
        {
            // An error means that nothing waits any more.
            let _ = finished.send(respond);
        } else {
            self.request.stop(Code::REQUEST_CANCELLED);
        }
    }
}
