//! `OutQueue`: frames that wait to be sent. Pure.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::ReadBuf;

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

/// Frames, in order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    /// The only frame. Most frames are written before the next one comes, and need no memory but
    /// their payload.
    only: Option<Frame>,
    /// The frames, if there are several, or if a part of one has been written. It is in a box,
    /// because most sockets are quiet and have none.
    encoded: Option<Box<EncodedFrames>>,
    bytes: usize,
}

#[derive(Debug)]
struct Frame {
    kind: FrameKind,
    payload: Bytes,
}

#[derive(Debug, Default)]
struct EncodedFrames {
    pieces: VecDeque<Bytes>,
    /// Small frames and headers, behind the pieces.
    tail: BytesMut,
}

/// The header of a frame.
struct Header {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl OutQueue {
    /// The number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Adds the frame of a server, which has no mask.
    pub(crate) fn push(&mut self, kind: FrameKind, payload: Bytes) {
        let frame = Frame { kind, payload };
        let is_only = self.bytes == 0;
        self.bytes += frame.header().length + frame.payload.len();
        if is_only {
            self.only = Some(frame);
        } else {
            self.encoded().push(frame);
        }
    }

    /// Adds whole frames that are encoded already.
    pub(crate) fn push_encoded(&mut self, frames: &[u8]) {
        if !frames.is_empty() {
            self.encoded().tail.extend_from_slice(frames);
            self.bytes += frames.len();
        }
    }

    /// All frames, encoded.
    fn encoded(&mut self) -> &mut EncodedFrames {
        let encoded = self.encoded.get_or_insert_default();
        if let Some(frame) = self.only.take() {
            encoded.push(frame);
        }
        encoded
    }

    /// Calls `write` with the first bytes, as slices for one write, and returns its result. Small
    /// frames are one slice, which the kernel takes with less work.
    pub(crate) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        if let Some(frame) = &self.only {
            return frame.write_with(write);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        if let Some(encoded) = &self.encoded {
            let tail = Some(&encoded.tail[..]).filter(|tail| !tail.is_empty());
            let pieces = encoded.pieces.iter().map(|piece| &piece[..]).chain(tail);
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
        }
        write(&slices[..count])
    }

    /// Removes bytes that were written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.bytes -= written;
        if self.bytes > 0 {
            self.encoded().advance(written);
        } else {
            // A quiet socket holds no memory for frames.
            *self = Self::default();
        }
    }
}

impl Frame {
    fn header(&self) -> Header {
        let mut bytes = [0; MAX_HEADER];
        bytes[0] = self.kind as u8;
        let length = match self.payload.len() {
            length @ ..=125 => {
                bytes[1] = length as u8;
                2
            }
            length @ ..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            length => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
                MAX_HEADER
            }
        };
        Header { bytes, length }
    }

    fn is_small(&self) -> bool {
        self.payload.len() <= COPIED
    }

    /// Like [`OutQueue::write_with`]. A small frame is put together on the stack.
    fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let header = self.header();
        if !self.is_small() {
            return write(&[IoSlice::new(&header), IoSlice::new(&self.payload)]);
        }
        let mut space = [MaybeUninit::uninit(); MAX_HEADER + COPIED];
        let mut frame = ReadBuf::uninit(&mut space);
        frame.put_slice(&header);
        frame.put_slice(&self.payload);
        write(&[IoSlice::new(frame.filled())])
    }
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl EncodedFrames {
    fn push(&mut self, frame: Frame) {
        let copied = if frame.is_small() { frame.payload.len() } else { 0 };
        // At once, because a frame that grows byte by byte is allocated several times.
        self.tail.reserve(MAX_HEADER + copied);
        self.tail.put_slice(&frame.header());
        if frame.is_small() {
            self.tail.put_slice(&frame.payload);
        } else {
            self.finish_tail();
            self.pieces.push_back(frame.payload);
        }
    }

    fn finish_tail(&mut self) {
        if !self.tail.is_empty() {
            // The rest of the allocation is not kept: a quiet socket holds no memory for bytes.
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
        self.tail.advance(written);
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
            let mut encoded = Vec::new();
            let frame = Frame::message(payload.clone(), OpCode::Data(Data::Binary), true);
            frame.format(&mut encoded).unwrap();
            for (count, step) in [1, 2, 3]
                .into_iter()
                .flat_map(|count| [1, 3, 1000, 1 << 20].into_iter().map(move |step| (count, step)))
            {
                let mut queue = OutQueue::default();
                for _ in 0..count {
                    queue.push(FrameKind::Binary, payload.clone());
                }
                // Frames that are encoded already come behind the others.
                queue.push_encoded(&encoded);
                let expect = encoded.repeat(count + 1);
                assert_eq!(queue.len(), expect.len());
                assert!(written(queue, step) == expect, "{count} of {length} in steps of {step}");
                let mut queue = OutQueue::default();
                queue.push(FrameKind::Binary, payload.clone());
                assert!(written(queue, step) == encoded, "{length} in steps of {step}");
            }
        }
    }

    /// Writes everything. A write takes `step` bytes, across the slices.
    fn written(mut queue: OutQueue, step: usize) -> Vec<u8> {
        let mut found = Vec::new();
        while queue.len() > 0 {
            let before = found.len();
            queue.write_with(|slices| {
                assert!(slices.iter().all(|slice| !slice.is_empty()));
                found.extend(slices.iter().flat_map(|slice| slice.iter()).take(step).copied());
            });
            queue.advance(found.len() - before);
            assert!(found.len() > before);
        }
        assert!(queue.only.is_none() && queue.encoded.is_none());
        found
    }

    #[test]
    fn a_small_frame_is_one_slice_and_a_large_payload_is_not_copied() {
        for (length, count) in [(0, 1), (COPIED, 1), (COPIED + 1, 2)] {
            let payload = Bytes::from(vec![7; length]);
            let mut queue = OutQueue::default();
            queue.push(FrameKind::Text, payload.clone());
            queue.write_with(|slices| {
                assert_eq!(slices.len(), count);
                if let [_, second] = slices {
                    assert_eq!(second.as_ptr(), payload.as_ptr());
                }
            });
            // Two payloads are not copied either.
            queue.push(FrameKind::Text, payload.clone());
            queue.write_with(|slices| {
                let is_shared = slices.iter().any(|slice| slice.as_ptr() == payload.as_ptr());
                assert_eq!(is_shared, length > COPIED);
            });
        }
    }
}
