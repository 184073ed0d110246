//! A batch: the frames that are ready, gathered for one write.
//!
//! Small frames are copied with their framing into a buffer that belongs to the thread, and sent
//! with one plain write. Measured, that is 0.7 µs cheaper than a vectored write of head, frame and
//! tail. For a large frame the vectored write is cheaper, so it is sent from where it lies. A frame
//! that the thread has just sent to another client is already framed, and needs neither a copy nor
//! a vectored write ([`chunk_cache`]).
//!
//! A large frame may be followed by one more frame. An event stream that always has more gives
//! frames of 16 KiB, and the kernel takes two of them in one write for less CPU time than in two.

use std::future::poll_fn;
use std::hint::cold_path;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::task::unconstrained;

use super::body_framing::BodyFraming;
use super::chunk_cache;
use crate::limits::{COPY_MAX, FOLLOWED_MAX, GATHER_MAX};
use crate::pool;

/// Frames that are sent together.
#[derive(Debug)]
pub(crate) struct Batch {
    first: Part,
    /// One more frame after a large one, or the end of the body. On the heap, because few batches
    /// have it.
    second: Option<Box<Part>>,
}

/// Small frames, and a large one after them.
#[derive(Debug, Default)]
struct Part {
    small: Vec<u8>,
    /// Sent after `small`.
    large: Bytes,
    /// Sent after `large`.
    tail: &'static [u8],
}

impl Batch {
    #[inline]
    pub(crate) fn new() -> Self {
        let small = pool::take_batch_buffer();
        Self { first: Part { small, ..Part::default() }, second: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.small.is_empty() && self.first.large.is_empty()
    }

    /// How many bytes the batch has.
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.second.as_ref().map_or(0, |second| second.len())
    }

    /// Whether the batch takes no more frames. The bound limits how much a slow client can leave
    /// over.
    pub(crate) fn is_full(&self) -> bool {
        match self.first.large.len() {
            0 => self.first.small.len() >= GATHER_MAX,
            large => large > FOLLOWED_MAX || self.second.is_some(),
        }
    }

    /// The buffer for bytes that are always copied.
    #[inline]
    pub(crate) fn small(&mut self) -> &mut Vec<u8> {
        &mut self.last_part().small
    }

    /// Adds bytes that are framed already.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.small().extend_from_slice(bytes);
    }

    /// Adds a frame. `is_last` says that the body has ended with it, as far as that is known.
    /// Without `is_vectored` a large frame is copied as well.
    pub(crate) fn push_frame(
        &mut self,
        frame: Bytes,
        framing: &mut BodyFraming,
        is_last: bool,
        is_vectored: bool,
    ) {
        self.last_part().push_frame(frame, framing, is_last, is_vectored);
    }

    /// The part to which more is added.
    fn last_part(&mut self) -> &mut Part {
        if self.first.large.is_empty() {
            return &mut self.first;
        }
        cold_path();
        self.second.get_or_insert_default()
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
        let sent = match self.poll_write(io, cx) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        let parts = [Some(&self.first), self.second.as_deref()];
        if sent == parts.iter().flatten().map(|part| part.len()).sum() {
            return Ok(None);
        }
        Ok(Some(self.rest(sent)))
    }

    fn poll_write<W>(&self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        let first = self.first.slices();
        let Some(second) = self.second.as_deref() else { return poll_write(io, &first, cx) };
        cold_path();
        let ([a, b, c], [d, e, f]) = (first, second.slices());
        poll_write(io, &[a, b, c, d, e, f], cx)
    }

    /// The bytes that are left after this number of them was sent.
    #[cold]
    fn rest(&mut self, sent: usize) -> BatchRest {
        // The thread's buffer is needed by the next connection, so its rest is copied, without
        // spare capacity. The other bytes are shared.
        let small = &self.first.small;
        let copied = Bytes::copy_from_slice(&small[sent.min(small.len())..]);
        let sent = sent.saturating_sub(small.len());
        let large = std::mem::take(&mut self.first.large);
        let second = self.second.take().map(|part| *part).unwrap_or_default();
        let mut rest = BatchRest(
            [copied, large, Bytes::from_static(self.first.tail)]
                .into_iter()
                .chain([second.small.into(), second.large, Bytes::from_static(second.tail)])
                .collect(),
        );
        rest.advance(sent);
        rest
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        pool::put_batch_buffer(std::mem::take(&mut self.first.small));
    }
}

impl Part {
    fn slices(&self) -> [&[u8]; 3] {
        [&self.small, &self.large, self.tail]
    }

    fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    fn push_frame(
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
            self.small.extend_from_slice(&frame);
            self.small.extend_from_slice(tail);
        } else {
            self.large = frame;
            self.tail = tail;
        }
    }
}

/// The bytes of a batch that a write did not take, in their order.
#[derive(Debug)]
pub(crate) struct BatchRest(Vec<Bytes>);

/// The largest number of slices in a batch.
const MAX_SLICES: usize = 6;

impl BatchRest {
    /// Writes until nothing is left.
    pub(crate) fn poll_write_all<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !self.0.is_empty() {
            let mut slices: [&[u8]; MAX_SLICES] = Default::default();
            self.0.iter().zip(&mut slices).for_each(|(part, slice)| *slice = part);
            let sent = ready!(poll_write(io, &slices[..self.0.len()], cx))?;
            self.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Removes the bytes that were sent, and what is empty.
    fn advance(&mut self, mut sent: usize) {
        for part in &mut self.0 {
            let of_this = part.len().min(sent);
            part.advance(of_this);
            sent -= of_this;
        }
        self.0.retain(|part| !part.is_empty());
    }
}

/// Writes once, with a plain write if only one slice has bytes.
///
/// The write ignores the task's coop budget, which the body may have used up: a write that is put
/// off for that reason would leave everything over, and would have to be copied. The response
/// stream ends its turns itself.
#[inline(always)]
fn poll_write<W>(io: &mut W, slices: &[&[u8]], cx: &mut Context<'_>) -> Poll<io::Result<usize>>
where
    W: AsyncWrite + Unpin,
{
    let write = poll_fn(|cx| {
        let io = Pin::new(&mut *io);
        match slices {
            [one] | [one, [], []] | [[], one, []] => io.poll_write(cx, one),
            _ => {
                let mut bufs = [IoSlice::new(b""); MAX_SLICES];
                slices.iter().zip(&mut bufs).for_each(|(slice, buf)| *buf = IoSlice::new(slice));
                io.poll_write_vectored(cx, &bufs[..slices.len()])
            }
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
    fn a_large_frame_is_not_copied_and_takes_the_end_of_its_body_along() {
        let mut batch = Batch::new();
        batch.push_frame(vec![0; COPY_MAX].into(), &mut BodyFraming::Chunked, false, true);
        assert!(batch.first.large.is_empty() && !batch.is_full());
        let frame = Bytes::from(vec![0; COPY_MAX + 1]);
        batch.push_frame(frame.clone(), &mut BodyFraming::Chunked, true, true);
        assert_eq!(batch.first.large.as_ptr(), frame.as_ptr());
        assert_eq!(batch.first.tail, b"\r\n0\r\n\r\n");
    }

    #[test]
    fn one_frame_follows_a_large_one_unless_that_fills_a_write() {
        for (first, second, taken) in [
            (COPY_MAX + 1, 1, 2),
            (FOLLOWED_MAX, FOLLOWED_MAX, 2),
            (FOLLOWED_MAX + 1, 1, 1),
            (1 << 20, 1 << 20, 1),
        ] {
            let mut batch = Batch::new();
            let mut sizes = [first, second, 1].into_iter();
            while !batch.is_full() {
                let frame = vec![b'x'; sizes.next().expect("at most two frames are taken")];
                batch.push_frame(frame.into(), &mut BodyFraming::Chunked, false, true);
            }
            assert_eq!(3 - sizes.len(), taken, "{first} and {second}");
        }
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
            assert_eq!(batch.first.small.is_empty(), is_again, "{before:?}, {is_last}");
            let wire = [&batch.first.small[..], &batch.first.large, batch.first.tail].concat();
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
        assert!(batch.first.large.is_empty() && !batch.is_empty());
    }

    #[tokio::test]
    async fn the_rest_of_a_write_copies_small_frames_and_shares_large_ones() {
        use tokio::io::AsyncReadExt;

        const SIZE: usize = COPY_MAX + 1;
        let [first, second] = [b'y', b'z'].map(|byte| String::from_utf8(vec![byte; SIZE]).unwrap());
        // The second frame may be followed by the end of the body.
        for (count, end) in [(1, ""), (1, "0\r\n\r\n"), (2, ""), (2, "0\r\n\r\n")] {
            let mut all = format!("xx2001\r\n{first}\r\n");
            if count == 2 {
                all.push_str(&format!("2001\r\n{second}\r\n"));
            }
            all.push_str(end);
            let cuts = [0, 2, 8, SIZE + 8, SIZE + 10, SIZE + 16, 2 * SIZE + 16, 2 * SIZE + 18];
            let sizes = cuts.iter().flat_map(|cut| [cut + 1, cut + 2]).chain([all.len()]);
            for size in sizes.filter(|&size| size <= all.len()) {
                // New ones each time, because a repeated frame comes from the cache.
                let frames = [b'y', b'z'].map(|byte| Bytes::from(vec![byte; SIZE]));
                let (mut client, mut server) = tokio::io::duplex(size);
                let mut batch = Batch::new();
                batch.push(b"xx");
                for (index, frame) in frames.iter().take(count).enumerate() {
                    let is_last = !end.is_empty() && index + 1 == count;
                    batch.push_frame(frame.clone(), &mut BodyFraming::Chunked, is_last, true);
                }
                let mut batch = Some(batch);
                let unsent = poll_fn(|cx| {
                    Poll::Ready(batch.take().expect("polled once").write(&mut server, cx))
                });
                let unsent = unsent.await.expect("memory does not fail");
                let mut got = vec![0; size];
                client.read_exact(&mut got).await.expect("as much was sent");
                let rest = unsent.map_or_else(Vec::new, |BatchRest(parts)| parts);
                got.extend(rest.iter().flatten());
                assert_eq!(got, all.as_bytes(), "{size} bytes of {count} frames");
                let is_shared = |part: &Bytes| {
                    frames.iter().any(|frame| frame.as_ptr_range().contains(&part.as_ptr()))
                };
                let large = |part: &&Bytes| part.len() > 16;
                assert!(rest.iter().filter(large).all(is_shared), "{size} bytes");
            }
        }
    }

    #[tokio::test]
    async fn the_end_of_a_body_follows_its_large_frame() {
        use tokio::io::AsyncReadExt;

        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        let mut batch = Batch::new();
        batch.push_frame(vec![b'x'; COPY_MAX + 1].into(), &mut BodyFraming::Chunked, false, true);
        batch.push(BodyFraming::Chunked.body_end());
        let mut batch = Some(batch);
        let unsent =
            poll_fn(|cx| Poll::Ready(batch.take().expect("polled once").write(&mut server, cx)));
        assert!(unsent.await.expect("memory does not fail").is_none());
        drop(server);
        let mut got = String::new();
        client.read_to_string(&mut got).await.expect("text");
        assert!(got.starts_with("2001\r\nxxx") && got.ends_with("xxx\r\n0\r\n\r\n"));
    }
}
