//! The write buffer of an HTTP/2 connection.
//!
//! Two writers share it: `h2`, which writes all control frames, and the direct path, which writes
//! the DATA frames of long-lived bodies. The direct path exists because a DATA frame inside `h2`
//! costs 2,100 instructions, more than everything else in a delivery together (see
//! `docs/design/http2-direct-data.md`). What `h2` must know, such as the end of a stream, goes
//! through `h2`.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::received_frames::{DATA, HEAD_BYTES, Head};
use super::sent_frames::SentFrames;
use super::windows::{FirstByte, RequestCounts, SendPath, StreamRef, Windows};
use crate::exchange::h2_body::ClientWindow;
use crate::limits::{FRAME_BYTES, GATHER_BYTES};
use crate::pool;

/// The write buffer of a connection, shared by its transport and its streams.
#[derive(Clone, Debug)]
pub(in crate::http2) struct SharedWriteBuffer {
    shared: Arc<Mutex<WriteBuffer>>,
}

/// What has changed on a connection.
#[derive(Debug)]
pub(in crate::http2) struct StreamChanges {
    /// The streams that `h2` has reset.
    pub(in crate::http2) resets: Vec<StreamRef>,
    /// The streams whose windows were closed and have opened.
    pub(in crate::http2) opened: Vec<StreamRef>,
    pub(in crate::http2) request_counts: RequestCounts,
}

/// Writes the data of one stream directly.
#[derive(Debug)]
pub(in crate::http2) struct DirectWriter<'a> {
    pub(in crate::http2) buffer: &'a mut WriteBuffer,
    pub(in crate::http2) stream: u32,
}

/// Bytes that wait to be written, and how many of them the socket has taken.
#[derive(Debug)]
pub(in crate::http2) struct WriteBuffer {
    bytes: Vec<u8>,
    sent: usize,
    written: SentFrames,
    /// How many frames `h2` was given since it last wrote all its frames.
    given: usize,
    pub(in crate::http2) windows: Windows,
}

impl SharedWriteBuffer {
    /// Without `is_direct`, everything is sent through `h2`.
    pub(in crate::http2) fn new(is_direct: bool) -> Self {
        let buffer = WriteBuffer {
            bytes: Vec::new(),
            sent: 0,
            written: SentFrames::default(),
            given: 0,
            windows: Windows::new(is_direct),
        };
        Self { shared: Arc::new(Mutex::new(buffer)) }
    }

    /// Tells the request bodies of the connection whether the client may send.
    pub(in crate::http2) fn client_window(&self) -> Arc<dyn ClientWindow> {
        self.lock().windows.upload.client_window()
    }

    pub(in crate::http2) fn lock(&self) -> MutexGuard<'_, WriteBuffer> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The changes since this was last called.
    pub(in crate::http2) fn take_changes(&self) -> StreamChanges {
        let mut buffer = self.lock();
        StreamChanges {
            resets: buffer.written.take_resets(),
            opened: buffer.windows.take_opened(),
            request_counts: buffer.windows.take_request_counts(),
        }
    }
}

impl DirectWriter<'_> {
    /// Whether a first byte of the stream could be sent now.
    pub(in crate::http2) fn first_byte(&mut self) -> FirstByte {
        let Self { buffer, stream } = self;
        if buffer.written.is_between_frames() {
            buffer.windows.first_byte(*stream)
        } else {
            buffer.windows.first_byte_via_h2(*stream)
        }
    }

    /// Writes as much of `data` as the windows allow, or says how else it may be sent.
    pub(in crate::http2) fn send(&mut self, data: &[u8]) -> SendPath {
        let Self { buffer, stream } = self;
        let wanted = data.len().min(FRAME_BYTES);
        if !buffer.written.is_between_frames() {
            // `h2` is in the middle of a frame. A direct frame would corrupt it.
            return buffer.windows.claim_via_h2(*stream, wanted);
        }
        let path = buffer.windows.claim(*stream, wanted);
        if let SendPath::Direct(part) = path {
            buffer.push_data(*stream, &data[..part]);
        }
        path
    }

    /// Writes `data` directly. [`first_byte`](Self::first_byte) has just said that this is
    /// possible, and `data` is within the room that it returned and within [`FRAME_BYTES`].
    pub(in crate::http2) fn send_granted(&mut self, data: &[u8]) {
        let Self { buffer, stream } = self;
        buffer.windows.charge(*stream, data.len());
        buffer.push_data(*stream, data);
    }

    /// Says how much of `wanted` bytes may go through `h2`.
    pub(in crate::http2) fn claim_via_h2(&mut self, wanted: usize) -> SendPath {
        self.buffer.windows.claim_via_h2(self.stream, wanted)
    }

    /// Notes that `h2` was given this many bytes of the stream.
    pub(in crate::http2) fn give_h2(&mut self, bytes: usize) {
        self.buffer.given += 1;
        self.buffer.windows.give_h2(self.stream, bytes);
    }
}

impl WriteBuffer {
    pub(in crate::http2) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(in crate::http2) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether the socket should take some bytes before more are written here.
    pub(in crate::http2) fn is_full(&self) -> bool {
        self.rest().len() >= GATHER_BYTES
    }

    /// How many frames were given to `h2` that it may not have written yet.
    pub(in crate::http2) fn frames_in_h2(&self) -> usize {
        self.given
    }

    /// Notes that `h2` has written everything that it could.
    pub(in crate::http2) fn note_h2_flushed(&mut self) {
        self.given = 0;
    }

    /// Appends what `h2` writes.
    pub(in crate::http2) fn gather(&mut self, bufs: &[IoSlice<'_>]) {
        self.start();
        for buf in bufs {
            self.bytes.extend_from_slice(buf);
            self.written.follow(buf, &mut self.windows);
        }
    }

    /// Notes that the socket took `written` bytes: first those of this buffer, then bytes of
    /// `bufs`. Returns how many of `bufs` it took.
    pub(in crate::http2) fn advance(&mut self, written: usize, bufs: &[IoSlice<'_>]) -> usize {
        let own = written.min(self.rest().len());
        self.sent += own;
        if self.is_empty() && self.bytes.capacity() > 0 {
            self.sent = 0;
            self.bytes.clear();
            pool::put_http2_write_buffer(std::mem::take(&mut self.bytes));
        }
        let mut left = written - own;
        for buf in bufs {
            let part = left.min(buf.len());
            self.written.follow(&buf[..part], &mut self.windows);
            left -= part;
        }
        written - own
    }

    /// Frees the memory that the waiting bytes do not need, because they may wait for long.
    pub(in crate::http2) fn shrink(&mut self) {
        if self.bytes.capacity() > 2 * self.rest().len() {
            let rest = self.rest().to_vec();
            let mut spare = std::mem::replace(&mut self.bytes, rest);
            self.sent = 0;
            spare.clear();
            pool::put_http2_write_buffer(spare);
        }
    }

    /// Appends a DATA frame.
    fn push_data(&mut self, stream: u32, data: &[u8]) {
        let head = Head { kind: DATA, flags: 0, stream, length: data.len() };
        self.start();
        self.bytes.extend_from_slice(&head.write());
        self.bytes.extend_from_slice(data);
    }

    fn start(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = pool::take_http2_write_buffer();
            self.bytes.reserve(GATHER_BYTES + HEAD_BYTES + FRAME_BYTES);
        }
        if self.sent > 0 {
            // The socket accepted only a part. Without this, a socket that always does so would
            // make the buffer grow forever.
            self.bytes.drain(..std::mem::take(&mut self.sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::received_frames::{END_HEADERS, HEADERS};
    use super::*;

    /// The write buffer of a connection whose client has granted this much, with streams 1 and 3
    /// open.
    fn granted(increment: u32) -> SharedWriteBuffer {
        let write_buffer = SharedWriteBuffer::new(true);
        let mut buffer = write_buffer.lock();
        buffer.windows.grant_connection(increment, false);
        for stream in [1, 3] {
            buffer.windows.open(stream);
            let head = Head { kind: HEADERS, flags: END_HEADERS, stream, length: 0 };
            buffer.gather(&[IoSlice::new(&head.write())]);
        }
        let heads = buffer.rest().len();
        assert_eq!(buffer.advance(heads, &[]), 0);
        drop(buffer);
        write_buffer
    }

    fn send(write_buffer: &SharedWriteBuffer, stream: u32, data: &[u8]) -> SendPath {
        DirectWriter { buffer: &mut write_buffer.lock(), stream }.send(data)
    }

    #[test]
    fn direct_data_is_a_frame_among_those_of_h2() {
        let write_buffer = granted(1_000);
        assert_eq!(send(&write_buffer, 1, b"one"), SendPath::Direct(3));
        write_buffer.lock().gather(&[IoSlice::new(&[0, 0, 0, 6, 0, 0, 0, 0, 0])]);
        assert_eq!(send(&write_buffer, 3, b"three"), SendPath::Direct(5));
        let expect = [
            &[0, 0, 3, DATA, 0, 0, 0, 0, 1][..],
            b"one",
            &[0, 0, 0, 6, 0, 0, 0, 0, 0],
            &[0, 0, 5, DATA, 0, 0, 0, 0, 3],
            b"three",
        ];
        assert_eq!(write_buffer.lock().rest(), expect.concat());
    }

    #[test]
    fn a_frame_is_no_larger_than_every_client_accepts() {
        let write_buffer = granted(100_000);
        assert_eq!(send(&write_buffer, 1, &[0; FRAME_BYTES + 1]), SendPath::Direct(FRAME_BYTES));
        for stream in [1, 1, 3] {
            assert!(!write_buffer.lock().is_full());
            assert_eq!(
                send(&write_buffer, stream, &[0; FRAME_BYTES]),
                SendPath::Direct(FRAME_BYTES)
            );
        }
        assert!(write_buffer.lock().is_full());
    }

    #[test]
    fn nothing_is_written_directly_while_h2_is_within_a_frame_or_has_data_of_the_stream() {
        let write_buffer = granted(1_000);
        let frame = [0, 0, 2, DATA, 0, 0, 0, 0, 3, b'h', b'2'];
        let (start, rest) = frame.split_at(10);
        assert_eq!(write_buffer.lock().advance(start.len(), &[IoSlice::new(start)]), start.len());
        assert_eq!(send(&write_buffer, 1, b"one"), SendPath::ViaH2(3));
        assert_eq!(write_buffer.lock().frames_in_h2(), 0);
        DirectWriter { buffer: &mut write_buffer.lock(), stream: 1 }.give_h2(3);
        assert_eq!(write_buffer.lock().frames_in_h2(), 1);
        assert_eq!(write_buffer.lock().advance(rest.len(), &[IoSlice::new(rest)]), rest.len());
        assert_eq!(send(&write_buffer, 1, b"two"), SendPath::ViaH2(3), "it would overtake");
        assert_eq!(send(&write_buffer, 3, b"three"), SendPath::Direct(5));
    }

    #[test]
    fn written_bytes_are_removed_and_the_rest_stays_in_order() {
        let write_buffer = granted(1_000);
        assert_eq!(send(&write_buffer, 1, b"first"), SendPath::Direct(5));
        let mut buffer = write_buffer.lock();
        assert_eq!(buffer.advance(10, &[]), 0);
        assert!(buffer.rest().starts_with(b"irst"));
        buffer.shrink();
        assert!(buffer.bytes.capacity() < GATHER_BYTES);
        assert_eq!(
            DirectWriter { buffer: &mut buffer, stream: 1 }.send(b"second"),
            SendPath::Direct(6)
        );
        assert!(buffer.rest().starts_with(b"irst") && buffer.rest().ends_with(b"second"));
        let all = buffer.rest().len();
        assert_eq!(buffer.advance(all + 2, &[IoSlice::new(&[0; 9])]), 2, "of what came with it");
        assert!(buffer.is_empty());
    }
}
