//! Reads through a buffer on the stack.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Reads once, at most `room` and at most `MAX` bytes, and gives them to `take`. No bytes mean the
/// end.
///
/// The buffer exists only during the read, so a connection that waits holds no buffer.
#[inline(always)]
pub(crate) fn poll_read<const MAX: usize, I, T>(
    io: &mut I,
    room: usize,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>>
where
    I: AsyncRead + Unpin,
{
    let mut space = [MaybeUninit::uninit(); MAX];
    let mut read = ReadBuf::uninit(&mut space[..room.min(MAX)]);
    ready!(Pin::new(io).poll_read(cx, &mut read))?;
    Poll::Ready(Ok(take(read.filled())))
}
