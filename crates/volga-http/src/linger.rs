//! The close of a connection whose client may still be sending.
//!
//! A response may be there before the request is: 413, for one. To close the socket then is to reset it, since bytes wait that nobody read, and a
//! reset takes from the client what it has not read yet: the response. So only the server's side is closed, and what still comes is read and
//! discarded until the client closes its own, for a bounded time and number of bytes (RFC 9112, section 9.6).

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::{LINGER_BYTES, LINGER_PAUSE, LINGER_READ, LINGER_TIME};

/// How far the body of a connection's last request was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<AtomicU8>);

/// To its end, or there was none.
const READ: u8 = 0;
/// Somebody may still read it.
const OPEN: u8 = 1;
/// It was let go of before its end.
const LEFT: u8 = 2;

impl Unread {
    pub(crate) fn open(&self) {
        self.0.store(OPEN, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) {
        self.0.store(READ, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.0.store(LEFT, Ordering::Relaxed);
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READ
    }

    fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) == LEFT
    }
}

/// A transport whose shutdown reads on while the client may still be sending.
#[derive(Debug)]
pub(crate) struct Linger<I> {
    io: I,
    unread: Unread,
    wait: Option<Pin<Box<Wait>>>,
}

/// What is left of the bounds.
#[derive(Debug)]
struct Wait {
    end: Instant,
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

impl<I> Linger<I> {
    pub(crate) fn new(io: I, unread: Unread) -> Self {
        Self { io, unread, wait: None }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }
}

impl Wait {
    fn new() -> Self {
        let end = Instant::now() + LINGER_TIME;
        Self { end, bytes: LINGER_BYTES, timer: Box::pin(sleep(LINGER_PAUSE)) }
    }

    /// Discards what comes, until the end or a bound.
    fn poll<I: AsyncRead + Unpin>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); LINGER_READ];
        loop {
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                // The end, or an error: nobody is there any more.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(cx),
            }
            self.bytes = self.bytes.saturating_sub(read.filled().len());
            let now = Instant::now();
            if self.bytes == 0 || now >= self.end {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.end.min(now + LINGER_PAUSE));
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Linger<I> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<I> {
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
        let this = &mut *self;
        if this.wait.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if !this.unread.is_left() {
                return Poll::Ready(Ok(()));
            }
        }
        let wait = this.wait.get_or_insert_with(|| Box::pin(Wait::new()));
        wait.poll(&mut this.io, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Shuts a transport down while `client` does what it does, and tells how long that took.
    async fn close<F>(is_unread: bool, client: impl FnOnce(DuplexStream) -> F) -> Duration
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (there, here) = duplex(1024);
        let client = tokio::spawn(client(there));
        let unread = Unread::default();
        if is_unread {
            unread.leave();
        }
        let mut io = Linger::new(here, unread);
        let start = Instant::now();
        io.shutdown().await.expect("memory does not fail");
        drop(io);
        let time = start.elapsed();
        client.abort();
        time
    }

    async fn write_on(mut client: DuplexStream, pause: Duration) {
        while client.write_all(&[0; 1024]).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_has_closed_and_at_once_where_all_was_read() {
        let closes = |mut client: DuplexStream| async move {
            client.write_all(&[0; 10_000]).await.expect("it is read");
            assert_eq!(
                client.read_u8().await.expect_err("the end").kind(),
                io::ErrorKind::UnexpectedEof
            );
        };
        assert_eq!(close(true, closes).await, Duration::ZERO);
        assert_eq!(close(false, |client| write_on(client, Duration::ZERO)).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn each_bound_ends_it() {
        let silent = |client: DuplexStream| async move {
            std::future::pending::<()>().await;
            drop(client);
        };
        assert_eq!(close(true, silent).await, LINGER_PAUSE);
        let slow = close(true, |client| write_on(client, LINGER_PAUSE / 2)).await;
        assert_eq!(slow, LINGER_TIME);
        let flood = close(true, |client| write_on(client, Duration::ZERO)).await;
        assert!(flood < LINGER_PAUSE, "{flood:?}");
    }
}
