//! `SegmentBody`: a body of bytes in memory and pieces of files.

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    future::Future,
    io::{self, Read, Seek, SeekFrom},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// How many bytes of a file are read at once: 64 KiB. A body holds no more than these.
const BLOCK: u64 = 64 * 1024;

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Segment {
    Bytes(Bytes),
    /// `len` bytes of a file from `start`.
    File {
        file: Arc<File>,
        start: u64,
        len: u64,
    },
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

/// A body of segments, one after another. Its length is known.
///
/// Files are read on blocking threads, one block at a time, and only as fast as the client takes
/// them.
pub(crate) struct SegmentBody {
    segments: VecDeque<Segment>,
    /// How many bytes were not returned yet.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl SegmentBody {
    pub(crate) fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let segments: VecDeque<_> = segments.into_iter().collect();
        Self { left: segments.iter().map(Segment::len).sum(), segments, reading: None }
    }

    fn finish_read(&mut self, read: io::Result<Bytes>) -> io::Result<Frame<Bytes>> {
        match read {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                self.segments.clear();
                Err(error)
            }
        }
    }
}

impl Body for SegmentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
                return Poll::Ready(Some(self.finish_read(read)));
            }
            match self.segments.front_mut() {
                None => return Poll::Ready(None),
                Some(segment) if segment.len() == 0 => {
                    self.segments.pop_front();
                }
                Some(Segment::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    return Poll::Ready(Some(self.finish_read(Ok(bytes))));
                }
                Some(Segment::File { file, start, len }) => {
                    let (file, from, count) = (Arc::clone(file), *start, (*len).min(BLOCK));
                    *start += count;
                    *len -= count;
                    let read = move || read_block(&file, from, count);
                    self.reading = Some(tokio::task::spawn_blocking(read));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads bytes of a file. Bytes that are missing are an error, because the length was promised.
fn read_block(mut file: &File, start: u64, count: u64) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(start))?;
    let mut block = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    file.take(count).read_to_end(&mut block)?;
    if (block.len() as u64) < count {
        let text = "the file became shorter while it was sent";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(block.into())
}

impl fmt::Debug for SegmentBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentBody").field("left", &self.left).finish_non_exhaustive()
    }
}
