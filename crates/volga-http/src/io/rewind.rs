//! A transport that returns bytes again which were read from it to detect the protocol.

use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::send_queue::SendQueue;

/// Reads from `head` first and then from `io`. Writes go straight to `io`.
#[derive(Debug)]
pub(crate) struct Rewind<I> {
    head: Bytes,
    io: I,
}

impl<I> Rewind<I> {
    pub(crate) fn new(head: Bytes, io: I) -> Self {
        Self { head, io }
    }
}

impl<I: SendQueue> SendQueue for Rewind<I> {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        self.io.limit_unsent(bytes);
    }

    fn has_sent(&self) -> bool {
        self.io.has_sent()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewind<I> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let taken = self.head.len().min(buf.remaining());
        buf.put_slice(&self.head[..taken]);
        self.head.advance(taken);
        if self.head.is_empty() {
            // An empty slice would still hold the allocation for as long as the connection lives.
            self.head = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewind<I> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_bytes_are_read_again_once_and_in_order_whatever_the_reads_are() {
        for size in 1..=12 {
            let mut rewind = Rewind::new(Bytes::from_static(b"taken "), &b"left"[..]);
            let mut all = Vec::new();
            loop {
                let mut part = vec![0; size];
                match rewind.read(&mut part).await.expect("memory does not fail") {
                    0 => break,
                    read => all.extend_from_slice(&part[..read]),
                }
            }
            assert_eq!(all, b"taken left", "reads of {size}");
        }
    }
}
