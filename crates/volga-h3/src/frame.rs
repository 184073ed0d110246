//! The frames of a request stream and of the control stream (RFC 9114, section 7). Pure.

use bytes::{Buf, Bytes, BytesMut};

use crate::code::Code;
use crate::varint;

pub(crate) const DATA: u64 = 0x00;
pub(crate) const HEADERS: u64 = 0x01;
pub(crate) const CANCEL_PUSH: u64 = 0x03;
pub(crate) const SETTINGS: u64 = 0x04;
pub(crate) const PUSH_PROMISE: u64 = 0x05;
pub(crate) const GOAWAY: u64 = 0x07;
pub(crate) const MAX_PUSH_ID: u64 = 0x0d;
/// The beginning of a bidirectional stream of a WebTransport session. It looks like the header of a
/// frame, with the ID of the session in place of the length.
pub(crate) const WEBTRANSPORT_STREAM: u64 = 0x41;

/// The largest header of a frame: its type and its length.
pub(crate) const HEADER_MAX: usize = 16;

/// Appends the header of a frame with this many bytes of payload.
pub(crate) fn write_header(kind: u64, length: usize, out: &mut Vec<u8>) {
    varint::write(kind, out);
    varint::write(length as u64, out);
}

/// A part of a stream of frames.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// A whole frame of a type that is read as a whole.
    Whole { kind: u64, payload: Bytes },
    /// A frame of such a type that is larger than the limit. Its payload is skipped.
    TooLarge { kind: u64 },
    /// A part of the payload of a DATA frame.
    Data(Bytes),
    /// The stream belongs to this WebTransport session, and has no frames.
    SessionStream { session: u64 },
}

/// Cuts the bytes of a stream into frames.
///
/// The payload of DATA passes through without a copy. Frames of the known types are collected up to
/// a limit, and what is of other types is skipped without being kept. So whatever a client sends,
/// a reader holds no more than the limit and the bytes that came last.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// The bytes that came last and are not used yet.
    received: Bytes,
    /// An incomplete header, or the beginning of a payload that is collected.
    collected: BytesMut,
    state: State,
    /// The largest payload that is collected.
    limit: usize,
    session_streams: SessionStreams,
}

/// Whether a stream may be one of a WebTransport session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SessionStreams {
    /// The type of the frame has no meaning.
    Unknown,
    /// The stream may begin with it.
    Expected,
    /// The stream has begun with something else.
    Forbidden,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Data { left: u64 },
    Collect { kind: u64, length: usize },
    Skip { left: u64 },
}

impl FrameReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            received: Bytes::new(),
            collected: BytesMut::new(),
            state: State::Header,
            limit,
            session_streams: SessionStreams::Unknown,
        }
    }

    /// Lets the stream be one of a WebTransport session.
    pub(crate) fn expect_session_streams(&mut self) {
        self.session_streams = SessionStreams::Expected;
    }

    /// The bytes that were not used.
    pub(crate) fn into_rest(self) -> Bytes {
        self.received
    }

    /// Adds the bytes that came next. All bytes before must have been used: call
    /// [`next`](Self::next) until it returns `None`.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        debug_assert!(self.received.is_empty(), "the bytes before were not used");
        self.received = bytes;
    }

    /// Returns the next piece. `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// Returns the code of the connection error if a frame is not allowed in HTTP/3 at all.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Code> {
        loop {
            match &mut self.state {
                State::Header => {
                    let Some((kind, length)) = self.read_header() else { return Ok(None) };
                    if let Some(piece) = self.begin(kind, length)? {
                        return Ok(Some(piece));
                    }
                }
                State::Data { left: 0 } | State::Skip { left: 0 } => self.state = State::Header,
                State::Data { left } => {
                    let Some(data) = take(&mut self.received, left) else { return Ok(None) };
                    return Ok(Some(Piece::Data(data)));
                }
                State::Skip { left } => {
                    if take(&mut self.received, left).is_none() {
                        return Ok(None);
                    }
                }
                &mut State::Collect { kind, length } => {
                    let missing = length - self.collected.len();
                    let payload = if self.collected.is_empty() && self.received.len() >= missing {
                        // In most cases the frame is in one piece, and is not copied.
                        self.received.split_to(missing)
                    } else {
                        let part = self.received.len().min(missing);
                        self.collected.extend_from_slice(&self.received.split_to(part));
                        if self.collected.len() < length {
                            return Ok(None);
                        }
                        std::mem::take(&mut self.collected).freeze()
                    };
                    self.state = State::Header;
                    return Ok(Some(Piece::Whole { kind, payload }));
                }
            }
        }
    }

    /// Whether the stream may end here: not in the middle of a frame.
    pub(crate) fn is_between_frames(&self) -> bool {
        let is_done =
            matches!(self.state, State::Header | State::Data { left: 0 } | State::Skip { left: 0 });
        is_done && self.collected.is_empty() && self.received.is_empty()
    }

    /// Reads the type and the length of the next frame. `None` if bytes are missing.
    fn read_header(&mut self) -> Option<(u64, u64)> {
        if self.collected.is_empty()
            && let Some((kind, length, size)) = parse_header(&self.received)
        {
            self.received.advance(size);
            return Some((kind, length));
        }
        // The header is in several pieces.
        let before = self.collected.len();
        let part = self.received.len().min(HEADER_MAX - before);
        self.collected.extend_from_slice(&self.received[..part]);
        let Some((kind, length, size)) = parse_header(&self.collected) else {
            self.received.advance(part);
            return None;
        };
        self.received.advance(size - before);
        self.collected.clear();
        Some((kind, length))
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<Option<Piece>, Code> {
        if self.session_streams != SessionStreams::Unknown {
            let is_first = self.session_streams == SessionStreams::Expected;
            self.session_streams = SessionStreams::Forbidden;
            if kind == WEBTRANSPORT_STREAM {
                let piece = Piece::SessionStream { session: length };
                return if is_first { Ok(Some(piece)) } else { Err(Code::FRAME_ERROR) };
            }
        }
        self.state = match kind {
            DATA => State::Data { left: length },
            // PRIORITY, PING, WINDOW_UPDATE and CONTINUATION of HTTP/2 (RFC 9114, section 7.2.8).
            0x02 | 0x06 | 0x08 | 0x09 => return Err(Code::FRAME_UNEXPECTED),
            HEADERS | CANCEL_PUSH | SETTINGS | PUSH_PROMISE | GOAWAY | MAX_PUSH_ID => {
                match usize::try_from(length).ok().filter(|&length| length <= self.limit) {
                    Some(length) => State::Collect { kind, length },
                    None => {
                        self.state = State::Skip { left: length };
                        return Ok(Some(Piece::TooLarge { kind }));
                    }
                }
            }
            // A frame of a type that nobody knows has no meaning.
            _ => State::Skip { left: length },
        };
        Ok(None)
    }
}

/// Takes up to `left` of the received bytes. Returns `None` if nothing was received.
fn take(received: &mut Bytes, left: &mut u64) -> Option<Bytes> {
    if received.is_empty() {
        return None;
    }
    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
    *left -= part as u64;
    Some(received.split_to(part))
}

fn parse_header(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    let (kind, first) = varint::read(bytes)?;
    let (length, second) = varint::read(&bytes[first..])?;
    Some((kind, length, first + second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 64;

    fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(kind, payload.len(), &mut out);
        out.extend_from_slice(payload);
        out
    }

    /// All pieces, with the parts of DATA joined.
    fn pieces(bytes: &[u8], size: usize) -> (Vec<Piece>, Option<Code>, bool) {
        let mut reader = FrameReader::new(LIMIT);
        let mut pieces: Vec<Piece> = Vec::new();
        for chunk in bytes.chunks(size) {
            reader.feed(Bytes::copy_from_slice(chunk));
            loop {
                match reader.next() {
                    Ok(None) => break,
                    Ok(Some(Piece::Data(data))) => match pieces.last_mut() {
                        Some(Piece::Data(before)) => {
                            *before = [&before[..], &data[..]].concat().into();
                        }
                        _ => pieces.push(Piece::Data(data)),
                    },
                    Ok(Some(piece)) => pieces.push(piece),
                    Err(code) => return (pieces, Some(code), false),
                }
            }
        }
        (pieces, None, reader.is_between_frames())
    }

    #[test]
    fn frames_do_not_depend_on_how_the_network_cut_them() {
        let whole = |kind, payload: &'static [u8]| Piece::Whole {
            kind,
            payload: Bytes::from_static(payload),
        };
        let bytes = [
            frame(HEADERS, b"head"),
            frame(0x21, &[7; 300]),
            frame(DATA, b""),
            frame(DATA, &[1; 100]),
            frame(0x3fff_ffff_ffff, b""),
            frame(DATA, b"more"),
            frame(HEADERS, &[0; LIMIT + 1]),
            frame(SETTINGS, b""),
            frame(HEADERS, b"trailers"),
        ]
        .concat();
        let data = [&[1; 100][..], b"more"].concat();
        let expect = vec![
            whole(HEADERS, b"head"),
            Piece::Data(data.into()),
            Piece::TooLarge { kind: HEADERS },
            whole(SETTINGS, b""),
            whole(HEADERS, b"trailers"),
        ];
        for size in 1..=bytes.len() {
            assert_eq!(pieces(&bytes, size), (expect.clone(), None, true), "chunks of {size}");
        }
    }

    #[test]
    fn the_end_of_a_stream_is_proper_only_between_frames() {
        let bytes = [frame(HEADERS, b"head"), frame(DATA, b"12"), frame(0x21, b"x")].concat();
        let ends = [0, 6, 10, bytes.len()];
        for end in 0..=bytes.len() {
            let (_, _, is_proper) = pieces(&bytes[..end], 3);
            let expect = end == 0 || ends.contains(&end);
            // Without any byte nothing was fed.
            assert_eq!(is_proper || end == 0, expect, "after {end} bytes");
        }
    }

    #[test]
    fn a_stream_of_a_session_is_known_by_its_first_bytes_alone() {
        let start = [0x40, 0x41, 0x44, 0x00, b'x', b'y'];
        for size in 1..=start.len() {
            let mut reader = FrameReader::new(LIMIT);
            reader.expect_session_streams();
            let mut found = None;
            let mut chunks = start.chunks(size);
            while found.is_none() {
                reader.feed(Bytes::copy_from_slice(chunks.next().expect("it is found")));
                found = reader.next().expect("allowed");
            }
            assert_eq!(found, Some(Piece::SessionStream { session: 0x400 }));
            let rest: Vec<u8> =
                reader.into_rest().into_iter().chain(chunks.flatten().copied()).collect();
            assert_eq!(rest, b"xy", "chunks of {size}");
        }
        for first in [frame(HEADERS, b"head"), frame(0x21, b"")] {
            let mut reader = FrameReader::new(LIMIT);
            reader.expect_session_streams();
            reader.feed([first, start.to_vec()].concat().into());
            let end = std::iter::from_fn(|| reader.next().transpose()).find(Result::is_err);
            assert_eq!(end, Some(Err(Code::FRAME_ERROR)));
        }
    }

    #[test]
    fn frames_of_http2_are_refused() {
        for kind in [0x02, 0x06, 0x08, 0x09] {
            let (_, code, _) = pieces(&frame(kind, b""), 1);
            assert_eq!(code, Some(Code::FRAME_UNEXPECTED), "{kind:#x}");
        }
    }

    #[test]
    fn a_frame_of_any_announced_length_holds_no_memory() {
        let mut header = Vec::new();
        for kind in [HEADERS, PUSH_PROMISE, SETTINGS, 0x40] {
            header.clear();
            varint::write(kind, &mut header);
            varint::write(varint::MAX, &mut header);
            let mut reader = FrameReader::new(LIMIT);
            reader.feed(Bytes::copy_from_slice(&header));
            while reader.next().expect("an allowed frame").is_some() {}
            for _ in 0..1_000 {
                reader.feed(Bytes::from_static(&[0; 1024]));
                assert_eq!(reader.next(), Ok(None));
            }
            assert!(reader.collected.capacity() <= 4 * LIMIT && reader.received.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_pieces_in_any_chunks(
            bytes in prop::collection::vec(prop_oneof![0_u8..16, any::<u8>()], 0..200),
            size in 1_usize..50,
        ) {
            prop_assert_eq!(pieces(&bytes, size).0, pieces(&bytes, 1).0);
        }
    }
}
