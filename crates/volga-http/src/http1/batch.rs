//! A batch: the frames that are ready, gathered for one write.
//!
//! Small frames are copied with their framing into a buffer that belongs to the thread, and sent
//! with one plain write. Measured, that is 0.7 µs cheaper than a vectored write of head, frame and
//! tail. For a large frame the vectored write is cheaper, so it is sent from where it lies. A frame
//! that the thread has just sent to another client is already framed, and needs neither a copy nor
//! a vectored write ([`chunk_cache`]).

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::task::unconstrained;

use super::body_framing::BodyFraming;
use super::chunk_cache;
use crate::limits::{COPY_MAX, GATHER_MAX};
use crate::pool;

/// Frames that are sent together.
#[derive(Debug)]
pub(crate) struct Batch {
    small: Vec<u8>,
    /// Sent after `small`.
    large: Bytes,
    /// Sent after `large`.
    tail: &'static [u8],
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { small: pool::take_batch_buffer(), large: Bytes::new(), tail: b"" }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    /// Whether the batch takes no more frames. The bound limits how much a slow client can leave
    /// over.
    pub(crate) fn is_full(&self) -> bool {
        !self.large.is_empty() || self.small.len() >= GATHER_MAX
    }

    /// The buffer for bytes that are always copied.
    pub(crate) fn small(&mut self) -> &mut Vec<u8> {
        &mut self.small
    }

    /// Adds bytes that are framed already.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
    }

    /// Adds a frame. `is_last` says that the body has ended with it, as far as that is known.
    /// Without `is_vectored` a large frame is copied as well.
    pub(crate) fn push_frame(
        &mut self,
        mut frame: Bytes,
        framing: &mut BodyFraming,
        is_last: bool,
        is_vectored: bool,
    ) {
        if self.small.is_empty()
            && !is_last
            && *framing == BodyFraming::Chunked
            && let Some(chunk) = chunk_cache::lookup(&frame)
        {
            self.large = chunk;
            return;
        }
        framing.begin_frame(&mut frame, &mut self.small);
        let tail = if is_last { framing.last_frame_end() } else { framing.frame_end() };
        if frame.len() <= COPY_MAX || !is_vectored {
            self.push(&frame);
            self.push(tail);
        } else {
            self.large = frame;
            self.tail = tail;
        }
    }

    /// Writes once, unless the batch is empty, and returns what the transport did not take.
    pub(crate) fn write<W>(
        mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<BatchRest>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.is_empty() {
            return Ok(None);
        }
        let slices = [&self.small[..], &self.large, self.tail];
        let sent = match poll_write(io, &slices, cx) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        if sent == slices.iter().map(|slice| slice.len()).sum() {
            return Ok(None);
        }
        // The thread's buffer is needed by the next connection, so its rest is copied, without
        // spare capacity. The other parts are shared.
        let small = Bytes::copy_from_slice(&self.small[sent.min(self.small.len())..]);
        let sent = sent.saturating_sub(self.small.len());
        let mut unsent =
            BatchRest([small, std::mem::take(&mut self.large), Bytes::from_static(self.tail)]);
        unsent.advance(sent);
        Ok(Some(unsent))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        pool::put_batch_buffer(std::mem::take(&mut self.small));
    }
}

/// The parts of a batch that a write did not take, in their order.
#[derive(Debug)]
pub(crate) struct BatchRest([Bytes; 3]);

impl BatchRest {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// Writes until nothing is left.
    pub(crate) fn poll_write_all<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !self.is_empty() {
            let sent = ready!(poll_write(io, &self.0.each_ref().map(|part| &part[..]), cx))?;
            self.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut sent: usize) {
        for part in &mut self.0 {
            let of_this = part.len().min(sent);
            part.advance(of_this);
            sent -= of_this;
        }
    }
}

/// Writes once, with a plain write if only one slice has bytes.
///
/// The write ignores the task's coop budget, which the body may have used up: a write that is put
/// off for that reason would leave everything over, and would have to be copied. The response
/// stream ends its turns itself.
fn poll_write<W>(io: &mut W, slices: &[&[u8]; 3], cx: &mut Context<'_>) -> Poll<io::Result<usize>>
where
    W: AsyncWrite + Unpin,
{
    let write = poll_fn(|cx| {
        let io = Pin::new(&mut *io);
        match slices {
            [one, [], []] | [[], one, []] => io.poll_write(cx, one),
            _ => io.poll_write_vectored(cx, &slices.map(IoSlice::new)),
        }
    });
    match ready!(pin!(unconstrained(write)).poll(cx)) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        sent => Poll::Ready(sent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes frames of this size until the batch is full, and returns how many it took.
    fn fill(batch: &mut Batch, size: usize) -> usize {
        let mut taken = 0;
        while !batch.is_full() {
            let frame = Bytes::from(vec![b'x'; size]);
            batch.push_frame(frame, &mut BodyFraming::UntilClose, false, true);
            taken += 1;
        }
        taken
    }

    #[test]
    fn small_frames_fill_a_batch_up_to_the_limit() {
        let mut batch = Batch::new();
        assert!(batch.is_empty() && !batch.is_full());
        assert_eq!(fill(&mut batch, 1024), GATHER_MAX / 1024);
    }

    #[test]
    fn a_large_frame_is_not_copied_and_is_the_last_of_its_batch() {
        let mut batch = Batch::new();
        batch.push_frame(vec![0; COPY_MAX].into(), &mut BodyFraming::Chunked, false, true);
        assert!(batch.large.is_empty() && !batch.is_full());
        let frame = Bytes::from(vec![0; COPY_MAX + 1]);
        batch.push_frame(frame.clone(), &mut BodyFraming::Chunked, true, true);
        assert_eq!(batch.large.as_ptr(), frame.as_ptr());
        assert_eq!(batch.tail, b"\r\n0\r\n\r\n");
        assert!(batch.is_full());
    }

    #[test]
    fn a_repeated_frame_is_taken_from_the_cache_if_it_is_alone() {
        let frame = Bytes::from(vec![b'x'; COPY_MAX]);
        for (before, is_last, is_again) in
            [("", false, false), ("", false, true), ("head", false, false), ("", true, false)]
        {
            let mut batch = Batch::new();
            batch.push(before.as_bytes());
            batch.push_frame(frame.clone(), &mut BodyFraming::Chunked, is_last, true);
            assert_eq!(batch.small.is_empty(), is_again, "{before:?}, {is_last}");
            let wire = [&batch.small[..], &batch.large, batch.tail].concat();
            let end = if is_last { "0\r\n\r\n" } else { "" };
            assert_eq!(
                wire,
                format!("{before}2000\r\n{}\r\n{end}", "x".repeat(COPY_MAX)).as_bytes()
            );
        }
    }

    #[test]
    fn a_transport_without_vectored_writes_gets_one_buffer() {
        let mut batch = Batch::new();
        batch.push_frame(vec![0; COPY_MAX + 1].into(), &mut BodyFraming::Chunked, false, false);
        assert!(batch.large.is_empty() && !batch.is_empty());
    }

    #[tokio::test]
    async fn the_rest_of_a_write_copies_small_frames_and_shares_a_large_one() {
        use tokio::io::AsyncReadExt;

        let large = Bytes::from(vec![b'y'; COPY_MAX + 1]);
        let all = format!("xx2001\r\n{}\r\n", "y".repeat(COPY_MAX + 1));
        for sent in [1, 2, 8, 9, COPY_MAX, COPY_MAX + 9, COPY_MAX + 10, COPY_MAX + 11] {
            let (mut client, mut server) = tokio::io::duplex(sent);
            let mut batch = Batch::new();
            batch.push(b"xx");
            batch.push_frame(large.clone(), &mut BodyFraming::Chunked, false, true);
            let mut batch = Some(batch);
            let unsent = poll_fn(|cx| {
                Poll::Ready(batch.take().expect("polled once").write(&mut server, cx))
            })
            .await;
            let unsent = unsent.expect("memory does not fail");
            let mut got = vec![0; sent.min(all.len())];
            client.read_exact(&mut got).await.expect("so much was sent");
            for part in unsent.iter().flat_map(|unsent| &unsent.0) {
                got.extend_from_slice(part);
            }
            assert_eq!(got, all.as_bytes(), "{sent} bytes");
            let is_shared = unsent.is_none_or(|BatchRest([_, part, _])| {
                part.is_empty() || large.as_ptr_range().contains(&part.as_ptr())
            });
            assert!(is_shared, "{sent} bytes");
        }
    }
}
