//! The receiving half of a request: its head, its body and its trailers.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use quinn::{ReadError, RecvStream};

use crate::code::Code;
use crate::frame::{self, FrameReader, Piece};
use crate::guarded::GuardedRecv;
use crate::head::{self, HeadError};
use crate::limits::{MAX_HEAD_BYTES, READ_BYTES};

/// The receiving half of a request. Dropping it tells the client to send nothing more of it.
#[derive(Debug)]
pub(crate) struct RequestStream {
    stream: GuardedRecv,
    frames: FrameReader,
    /// How many bytes of the body are still to come, if the client has announced the length.
    pub(crate) left: Option<u64>,
    has_trailers: bool,
    is_over: bool,
}

/// Why reading a request fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReadFault {
    /// The client has reset the stream, or the connection is lost.
    Disconnected,
    /// The stream ends without a head.
    Incomplete,
    /// The head is too large: the response is 431.
    TooLarge,
    /// The request is malformed: the stream ends with `H3_MESSAGE_ERROR`.
    Malformed,
    /// The connection ends with this code.
    Connection(Code),
}

impl From<HeadError> for ReadFault {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Qpack(_) => Self::Connection(Code::QPACK_DECOMPRESSION_FAILED),
            HeadError::TooLarge => Self::TooLarge,
            HeadError::Malformed => Self::Malformed,
        }
    }
}

/// The purpose of a bidirectional stream that a client has opened.
#[derive(Debug)]
pub(crate) enum StreamStart {
    /// A request with this head.
    Request(Box<Parts>),
    /// It belongs to the WebTransport session with this ID.
    Session(u64),
}

/// A part of a request's body.
#[derive(Debug)]
pub(crate) enum BodyPiece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl RequestStream {
    /// With `has_sessions` the stream may also be one of a WebTransport session.
    pub(crate) fn new(stream: RecvStream, has_sessions: bool) -> Self {
        let mut frames = FrameReader::new(MAX_HEAD_BYTES as usize);
        if has_sessions {
            frames.expect_session_streams();
        }
        // With another code, some clients drop the response as well (RFC 9114, section 4.1).
        let stream = GuardedRecv::new(stream, Code::NO_ERROR);
        Self { stream, frames, left: None, has_trailers: false, is_over: false }
    }

    /// The ID of the stream.
    pub(crate) fn id(&self) -> u64 {
        self.stream.id().into()
    }

    /// Reads the beginning of the stream.
    pub(crate) async fn start(&mut self) -> Result<StreamStart, ReadFault> {
        match std::future::poll_fn(|cx| self.poll_piece(cx)).await? {
            None => Err(ReadFault::Incomplete),
            Some(Piece::Whole { kind: frame::HEADERS, payload }) => {
                Ok(StreamStart::Request(Box::new(head::decode(&payload)?)))
            }
            Some(Piece::SessionStream { session }) => Ok(StreamStart::Session(session)),
            Some(Piece::TooLarge { kind: frame::HEADERS }) => Err(ReadFault::TooLarge),
            Some(_) => Err(ReadFault::Connection(Code::FRAME_UNEXPECTED)),
        }
    }

    /// Reads the next part of the body. `None` at its end.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyPiece, ReadFault>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(cx)).and_then(|piece| self.body_piece(piece));
        self.is_over = !matches!(piece, Ok(Some(_)));
        Poll::Ready(piece.transpose())
    }

    fn body_piece(&mut self, piece: Option<Piece>) -> Result<Option<BodyPiece>, ReadFault> {
        match piece {
            // RFC 9114, section 4.1.2: the body must have the length that was announced.
            None if self.left.is_some_and(|left| left > 0) => Err(ReadFault::Malformed),
            None => Ok(None),
            Some(Piece::Data(data)) if !self.has_trailers => {
                if let Some(left) = &mut self.left {
                    *left = left.checked_sub(data.len() as u64).ok_or(ReadFault::Malformed)?;
                }
                Ok(Some(BodyPiece::Data(data)))
            }
            Some(Piece::Whole { kind: frame::HEADERS, payload }) if !self.has_trailers => {
                self.has_trailers = true;
                Ok(Some(BodyPiece::Trailers(head::decode_trailers(&payload)?)))
            }
            // No response can be given any more with a status for trailers.
            Some(Piece::TooLarge { kind: frame::HEADERS }) if !self.has_trailers => {
                Err(ReadFault::Malformed)
            }
            Some(_) => Err(ReadFault::Connection(Code::FRAME_UNEXPECTED)),
        }
    }

    /// Whether nothing follows, as far as is known without reading.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Looks whether the body is empty, without waiting. Most requests end right after their head.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.left == Some(0) || self.left.is_none() {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            // Anything else stays where it is: frames that have arrived are in `frames`.
            if let Poll::Ready(None) = self.poll_received(&mut cx, true) {
                self.is_over = true;
            }
        }
        self.is_over
    }

    /// Stops the client from sending more. `code` says why.
    pub(crate) fn stop(&mut self, code: Code) {
        self.stream.stop(code);
    }

    /// The stream without its frames, and the bytes that have arrived already.
    pub(crate) fn into_parts(self) -> (GuardedRecv, Bytes) {
        (self.stream, self.frames.into_rest())
    }

    /// The next piece of the stream. `None` at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>, ReadFault>> {
        loop {
            if let Some(piece) = self.frames.next().map_err(ReadFault::Connection)? {
                return Poll::Ready(Ok(Some(piece)));
            }
            match ready!(self.poll_received(cx, false)) {
                Some(Ok(())) => {}
                Some(Err(fault)) => return Poll::Ready(Err(fault)),
                None if self.frames.is_between_frames() => return Poll::Ready(Ok(None)),
                None => return Poll::Ready(Err(ReadFault::Connection(Code::FRAME_ERROR))),
            }
        }
    }

    /// Receives bytes. `None` at the end of the stream. With `only_between_frames` nothing is
    /// received while earlier bytes are not used.
    fn poll_received(
        &mut self,
        cx: &mut Context<'_>,
        only_between_frames: bool,
    ) -> Poll<Option<Result<(), ReadFault>>> {
        if only_between_frames && !self.frames.is_between_frames() {
            return Poll::Pending;
        }
        let chunk = ready!(pin!(self.stream.read_chunk(READ_BYTES, true)).poll(cx));
        Poll::Ready(match chunk {
            Ok(Some(chunk)) => {
                self.frames.feed(chunk.bytes);
                Some(Ok(()))
            }
            Ok(None) => None,
            Err(ReadError::Reset(_) | ReadError::ConnectionLost(_)) => {
                Some(Err(ReadFault::Disconnected))
            }
            // It was stopped, which happens only when nothing reads it any more.
            Err(_) => Some(Err(ReadFault::Disconnected)),
        })
    }
}
