//! The time limit for a client that does not read. It is shorter during a drain.

use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::drain::client_timeouts::{ClientTimeouts, ClientTimer};
use crate::io::send_queue::SendQueue;

/// A transport whose writes fail with [`TimedOut`](io::ErrorKind::TimedOut) when the client has
/// accepted no byte for a time.
#[derive(Debug)]
pub(crate) struct WriteTimeout<I> {
    io: I,
    timeouts: ClientTimeouts,
    /// `Some` only while a write waits.
    timer: Option<Pin<Box<ClientTimer>>>,
}

impl<I> WriteTimeout<I> {
    pub(crate) fn new(io: I, timeouts: ClientTimeouts) -> Self {
        Self { io, timeouts, timer: None }
    }

    pub(crate) fn timeouts(&self) -> &ClientTimeouts {
        &self.timeouts
    }

    pub(crate) fn get_ref(&self) -> &I {
        &self.io
    }

    pub(crate) fn get_mut(&mut self) -> &mut I {
        &mut self.io
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }

    /// Returns the result of a write, and starts or stops the timer.
    // In most cases there is no timer to start or stop.
    #[inline(always)]
    fn limit_time<T>(
        &mut self,
        write: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>>
    where
        I: SendQueue,
    {
        if write.is_ready() && self.timer.is_none() {
            return write;
        }
        self.set_timer(write, cx)
    }

    #[cold]
    fn set_timer<T>(
        &mut self,
        write: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>>
    where
        I: SendQueue,
    {
        if write.is_ready() {
            self.timer = None;
            return write;
        }
        if self.io.has_sent() {
            self.timer = None;
        }
        let timeouts = &self.timeouts;
        let timer = self.timer.get_or_insert_with(|| Box::pin(timeouts.write_timer()));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: SendQueue> SendQueue for WriteTimeout<I> {
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        self.io.limit_unsent(bytes);
    }

    fn has_sent(&self) -> bool {
        self.io.has_sent()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WriteTimeout<I> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + SendQueue + Unpin> AsyncWrite for WriteTimeout<I> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write(cx, buf);
        self.limit_time(write, cx)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.limit_time(write, cx)
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.io).poll_flush(cx);
        self.limit_time(flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = Pin::new(&mut self.io).poll_shutdown(cx);
        self.limit_time(shutdown, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use std::time::Duration;

    use super::*;
    use crate::connection::settings::ConnectionSettings;
    use crate::drain::handle::Drain;

    const LIMIT: Duration = Duration::from_secs(30);

    fn timeouts(drain: &Drain) -> ClientTimeouts {
        let settings =
            ConnectionSettings { write_stall_timeout: LIMIT, ..ConnectionSettings::DEFAULT };
        ClientTimeouts::new(&settings, drain.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn during_a_drain_the_limit_is_the_grace() {
        let drain = Drain::new();
        let (_client, server) = duplex(4);
        let mut server = WriteTimeout::new(server, timeouts(&drain));
        let writing = tokio::spawn(async move { server.write_all(b"12345").await });
        tokio::time::sleep(LIMIT / 2).await;
        let start = Instant::now();
        drain.start();
        let error = writing.await.expect("no panic").expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), ConnectionSettings::DEFAULT.drain_grace);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_fails_when_the_client_reads_nothing_for_the_limit() {
        let (_client, server) = duplex(4);
        let mut server = WriteTimeout::new(server, timeouts(&Drain::new()));
        let start = Instant::now();
        let error = server.write_all(b"12345").await.expect_err("the client does not read");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_is_kept() {
        let (mut client, server) = duplex(1);
        let mut server = WriteTimeout::new(server, timeouts(&Drain::new()));
        let reading = tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
                client.read_u8().await.expect("the server writes");
            }
        });
        server.write_all(b"12345").await.expect("the client reads");
        reading.await.expect("no panic");
        assert!(server.timer.is_none(), "it is there only while a write waits");
    }
}
