//! Closes a connection whose client may still be sending.
//!
//! A response may be ready before the whole request has arrived, for example 413. If the server
//! closed the socket then, the kernel would reset the connection because of the bytes that were not
//! read, and the reset could discard the response before the client reads it. So the server closes
//! only its own side. It reads and discards what still arrives until the client closes too, for a
//! bounded time and number of bytes (RFC 9112, section 9.6).

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::drain::client_timeouts::ClientTimeouts;
use crate::limits::{LINGER_PAUSE, LINGER_READ, LINGER_TIME};

/// Closes a transport whose client may still be sending. It reads at most `bytes` bytes.
/// During a drain, the client has only the grace.
pub(crate) async fn linger<I>(mut io: I, bytes: usize, timeouts: &ClientTimeouts)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if io.shutdown().await.is_ok() {
        let mut wait = LingerWait::new(bytes);
        let mut limit = pin!(timeouts.timer(LINGER_TIME));
        poll_fn(|cx| match limit.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => wait.poll(&mut io, cx),
        })
        .await;
    }
}

/// The time and the bytes that are left.
#[derive(Debug)]
struct LingerWait {
    end: Instant,
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

impl LingerWait {
    fn new(bytes: usize) -> Self {
        let end = Instant::now() + LINGER_TIME;
        Self { end, bytes, timer: Box::pin(sleep(LINGER_PAUSE)) }
    }

    /// Discards what arrives, until the end or a limit.
    fn poll<I: AsyncRead + Unpin>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); LINGER_READ];
        loop {
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                // At the end and after an error the client is no longer there.
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;
    use crate::connection::settings::ConnectionSettings;
    use crate::drain::handle::Drain;
    use crate::limits::LINGER_BYTES;

    /// Closes a transport while `client` runs, and returns how long that took.
    async fn close<F>(client: impl FnOnce(DuplexStream) -> F) -> Duration
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        close_during(&Drain::new(), client).await
    }

    async fn close_during<F>(drain: &Drain, client: impl FnOnce(DuplexStream) -> F) -> Duration
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (there, here) = duplex(1024);
        let timeouts = ClientTimeouts::with_defaults(drain);
        let client = tokio::spawn(client(there));
        let start = Instant::now();
        linger(here, LINGER_BYTES, &timeouts).await;
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
    async fn it_ends_when_the_client_has_closed() {
        let closes = |mut client: DuplexStream| async move {
            client.write_all(&[0; 10_000]).await.expect("it is read");
            assert_eq!(
                client.read_u8().await.expect_err("the end").kind(),
                io::ErrorKind::UnexpectedEof
            );
        };
        assert_eq!(close(closes).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_ends_it() {
        let silent = |client: DuplexStream| async move {
            std::future::pending::<()>().await;
            drop(client);
        };
        assert_eq!(close(silent).await, LINGER_PAUSE);
        let slow = close(|client| write_on(client, LINGER_PAUSE / 2)).await;
        assert_eq!(slow, LINGER_TIME);
        let flood = close(|client| write_on(client, Duration::ZERO)).await;
        assert!(flood < LINGER_PAUSE, "{flood:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn during_a_drain_it_lasts_no_longer_than_the_grace() {
        let drain = Drain::new();
        drain.start();
        let slow = |client| write_on(client, LINGER_PAUSE / 20);
        let grace = ConnectionSettings::DEFAULT.drain_grace;
        assert_eq!(close_during(&drain, slow).await, grace);
    }
}
