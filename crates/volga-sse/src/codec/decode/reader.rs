//! A reader as a response body, so that one stream type reads events of both.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, ReadBuf};

/// The bytes that one read asks for.
const READ: usize = 8 * 1024;

pin_project! {
    /// A reader as a response body, made by
    /// [`EventStream::from_reader`](crate::codec::decode::EventStream::from_reader).
    pub struct ReaderBody<R> {
        #[pin]
        reader: R,
        // The buffer to read into. What was read is split off its front, and the memory comes back
        // once the chunk is dropped.
        room: BytesMut,
    }
}

impl<R> ReaderBody<R> {
    /// Makes a body of the bytes that the reader returns.
    pub fn new(reader: R) -> Self {
        Self { reader, room: BytesMut::new() }
    }
}

impl<R: AsyncRead> Body for ReaderBody<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.project();
        if this.room.len() < READ / 4 {
            this.room.resize(READ, 0);
        }
        let mut read = ReadBuf::new(this.room);
        ready!(this.reader.poll_read(cx, &mut read))?;
        let len = read.filled().len();
        if len == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(this.room.split_to(len).freeze()))))
    }
}

impl<R> fmt::Debug for ReaderBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderBody").finish_non_exhaustive()
    }
}
