//! `OutQueue`: frames that wait to be sent. Pure.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Payloads up to this size are copied behind their header. Larger ones are queued as they are, so
/// sockets that send the same message share its bytes.
const COPIED: usize = 1024;

/// The length of the longest frame header of a server: two bytes, and the length in eight.
const MAX_HEADER: usize = 10;

/// How many pieces are written at once.
const SLICES: usize = 16;

/// The kind of a frame (RFC 6455, section 5.2), with the bit that says that it is the last one of
/// its message.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum FrameKind {
    Text = 0x81,
    Binary = 0x82,
    Ping = 0x89,
}

/// Encoded frames, in order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    pieces: VecDeque<Bytes>,
    /// Small frames and headers, behind the pieces.
    tail: BytesMut,
    bytes: usize,
}

impl OutQueue {
    /// The number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Adds the frame of a server, which has no mask.
    pub(crate) fn push(&mut self, kind: FrameKind, payload: Bytes) {
        let before = self.tail.len();
        let copied = if payload.len() <= COPIED { payload.len() } else { 0 };
        // At once, because a frame that grows byte by byte is allocated several times.
        self.tail.reserve(MAX_HEADER + copied);
        self.tail.put_u8(kind as u8);
        match payload.len() {
            length @ ..=125 => self.tail.put_u8(length as u8),
            length @ ..=0xffff => {
                self.tail.put_u8(126);
                self.tail.put_u16(length as u16);
            }
            length => {
                self.tail.put_u8(127);
                self.tail.put_u64(length as u64);
            }
        }
        self.bytes += self.tail.len() - before + payload.len();
        if payload.len() <= COPIED {
            self.tail.extend_from_slice(&payload);
        } else {
            self.finish_tail();
            self.pieces.push_back(payload);
        }
    }

    /// Adds whole frames that are encoded already.
    pub(crate) fn push_encoded(&mut self, frames: &[u8]) {
        self.tail.extend_from_slice(frames);
        self.bytes += frames.len();
    }

    fn finish_tail(&mut self) {
        if !self.tail.is_empty() {
            // The rest of the allocation is not kept: a quiet socket holds no memory for bytes.
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    /// Moves all frames out.
    pub(crate) fn take(&mut self) -> Frames {
        let bytes = std::mem::take(&mut self.bytes);
        if self.pieces.is_empty() {
            // The most frequent case: short frames, which are one piece as they are.
            let first = std::mem::take(&mut self.tail);
            return Frames { first, rest: VecDeque::new(), bytes };
        }
        self.finish_tail();
        Frames { first: BytesMut::new(), rest: std::mem::take(&mut self.pieces), bytes }
    }
}

/// Frames that were taken out of a queue, and are being written.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    first: BytesMut,
    rest: VecDeque<Bytes>,
    bytes: usize,
}

impl Frames {
    /// The number of bytes that are not written yet.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The bytes, if they are one piece. The kernel takes one piece with less work.
    pub(crate) fn as_one_piece(&self) -> Option<&[u8]> {
        match (self.first.is_empty(), self.rest.len()) {
            (false, 0) => Some(&self.first),
            (true, 1) => self.rest.front().map(|piece| &piece[..]),
            _ => None,
        }
    }

    /// The first pieces as slices for one write.
    pub(crate) fn slices(&self) -> ([IoSlice<'_>; SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let first = Some(&self.first[..]).filter(|first| !first.is_empty());
        let pieces = first.into_iter().chain(self.rest.iter().map(|piece| &piece[..]));
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        (slices, count)
    }

    /// Removes bytes that were written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        if self.bytes == 0 {
            // A quiet socket holds no memory for frames.
            *self = Self::default();
            return;
        }
        let from_first = written.min(self.first.len());
        self.first.advance(from_first);
        written -= from_first;
        while let Some(piece) = self.rest.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.rest.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::protocol::frame::Frame;
    use tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    #[test]
    fn frames_are_those_of_tungstenite_however_they_are_cut() {
        for length in [0, 1, 125, 126, COPIED, COPIED + 1, 0xffff, 0x10000] {
            let payload = Bytes::from(vec![7; length]);
            let mut expect = Vec::new();
            let frame = Frame::message(payload.clone(), OpCode::Data(Data::Binary), true);
            frame.format(&mut expect).unwrap();
            let twice = [expect.clone(), expect].concat();
            for step in [1, 3, 1000, 1 << 20] {
                let mut queue = OutQueue::default();
                queue.push(FrameKind::Binary, payload.clone());
                queue.push(FrameKind::Binary, payload.clone());
                assert_eq!(queue.len(), twice.len());
                let mut frames = queue.take();
                let mut found = Vec::new();
                while frames.len() > 0 {
                    let (slices, count) = frames.slices();
                    assert!(count > 0);
                    assert_eq!(frames.as_one_piece().is_some(), count == 1);
                    // A write takes as much as it likes, across the pieces.
                    let sent = slices.iter().flat_map(|slice| slice.iter()).take(step);
                    let before = found.len();
                    found.extend(sent.copied());
                    frames.advance(found.len() - before);
                }
                assert!(found == twice, "{length} bytes in steps of {step}");
            }
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; COPIED + 1]);
        let mut queue = OutQueue::default();
        queue.push(FrameKind::Text, payload.clone());
        assert_eq!(queue.take().rest[1].as_ptr(), payload.as_ptr());
    }
}
