//! `CompressedBody`: compresses another body while it is sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use volga_core::{BoxError, HttpBody};

use crate::compression::encoder::{Encoder, Flush, Workload};
use crate::content_coding::ContentCoding;

/// The maximum number of bytes that are compressed at a time, so that a large piece does not keep
/// the thread.
const MAX_INPUT: usize = 32 * 1024;
/// The number of compressed bytes that are worth a frame of their own.
const ENOUGH_OUTPUT: usize = 8 * 1024;
/// The number of bytes after which other tasks get their turn if the encoder has no output yet.
const MAX_INPUT_IN_A_TURN: usize = 8 * MAX_INPUT;

/// Compresses another body.
///
/// Bytes of an event stream leave with the frame in which they came, and a frame has whole
/// messages. Bytes of other bodies leave at the latest when the body inside has nothing more ready.
pub(crate) struct CompressedBody {
    inner: HttpBody,
    workload: Workload,
    state: State,
    /// The rest of a frame of the body inside.
    input: Bytes,
    /// Whether the encoder may hold bytes back.
    holds_bytes: bool,
    /// The last frame, after the compressed bytes: trailers or an error.
    last: Option<Result<Frame<Bytes>, BoxError>>,
}

enum State {
    /// The encoder is created at the first poll, so a response to `HEAD` needs none.
    New(ContentCoding),
    Encoding(Encoder),
    Done,
}

impl CompressedBody {
    pub(crate) fn new(inner: HttpBody, coding: ContentCoding, workload: Workload) -> Self {
        Self {
            inner,
            workload,
            state: State::New(coding),
            input: Bytes::new(),
            holds_bytes: false,
            last: None,
        }
    }

    fn encoder(&mut self) -> io::Result<&mut Encoder> {
        if let State::New(coding) = self.state {
            self.state = State::Encoding(Encoder::new(coding, self.workload)?);
        }
        match &mut self.state {
            State::Encoding(encoder) => Ok(encoder),
            State::New(_) | State::Done => Err(io::Error::other("the encoder has ended")),
        }
    }

    /// Compresses the next part of the input.
    fn encode(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        let part = self.input.split_to(self.input.len().min(MAX_INPUT));
        let is_message_end = self.workload == Workload::EventStream && self.input.is_empty();
        let flush = if is_message_end { Flush::Yes } else { Flush::No };
        self.encoder()?.encode(&part, flush, out)?;
        self.holds_bytes = flush == Flush::No;
        Ok(part.len())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.holds_bytes = false;
        self.encoder()?.encode(&[], Flush::Yes, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.encoder()?;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Encoding(encoder) => encoder.finish(out),
            State::New(_) | State::Done => Ok(()),
        }
    }

    /// Fails after the bytes that came before the error.
    fn fail(&mut self, error: BoxError, out: &mut Vec<u8>) -> io::Result<()> {
        if self.holds_bytes {
            self.flush(out)?;
        }
        self.state = State::Done;
        self.last = Some(Err(error));
        Ok(())
    }

    fn advance(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> io::Result<Poll<()>> {
        let mut taken = 0;
        // A frame of an event stream leaves alone. Small pieces of other bodies leave together.
        let enough = if self.workload == Workload::EventStream { 1 } else { ENOUGH_OUTPUT };
        while out.len() < enough && !matches!(self.state, State::Done) {
            if !self.input.is_empty() {
                taken += self.encode(out)?;
                if self.input.is_empty() && self.inner.is_end_stream() {
                    self.finish(out)?;
                } else if taken >= MAX_INPUT_IN_A_TURN {
                    if out.is_empty() {
                        cx.waker().wake_by_ref();
                        return Ok(Poll::Pending);
                    }
                    break;
                }
                continue;
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.input = data,
                    Err(trailers) => {
                        self.finish(out)?;
                        self.last = Some(Ok(trailers));
                    }
                },
                Poll::Ready(Some(Err(error))) => self.fail(error, out)?,
                Poll::Ready(None) => self.finish(out)?,
                Poll::Pending if self.holds_bytes => {
                    self.flush(out)?;
                    break;
                }
                Poll::Pending if out.is_empty() => return Ok(Poll::Pending),
                Poll::Pending => break,
            }
        }
        Ok(Poll::Ready(()))
    }
}

impl Body for CompressedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut out = Vec::new();
        match self.advance(cx, &mut out) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) if out.is_empty() => Poll::Ready(self.last.take()),
            Ok(Poll::Ready(())) => Poll::Ready(Some(Ok(Frame::data(out.into())))),
            Err(error) => {
                self.state = State::Done;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Done => self.last.is_none(),
            // An event stream may end while its client reads nothing. All of its frames have left.
            State::New(_) | State::Encoding(_) => {
                self.workload == Workload::EventStream
                    && self.input.is_empty()
                    && !self.holds_bytes
                    && self.inner.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Done if self.last.is_none() => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
