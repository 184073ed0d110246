//! Reading into the stack.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Reads once, at most `room` bytes and `MAX`, and gives them to `take`. No bytes are the end.
///
/// They lie on the stack, and only while they are read: a connection that waits holds no buffer.
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
