//! What is about to leave on a connection: what `h2` writes, and the DATA that goes past it.
//!
//! To `h2`, a DATA frame is a place in two queues, three locks and five moves of 300 bytes. For a message that goes to a hundred streams of a connection that is more than
//! half of what a delivery costs. So the frames of long-lived bodies are written here, among the frames of `h2` and within the same [`Windows`]; what `h2`
//! must know of, like a stream's end, goes through it.

use std::cell::Cell;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frames::{DATA, HEAD_BYTES, Head};
use super::windows::{FirstByte, Starts, Way, Windows};
use super::written::Written;
use crate::limits::{FRAME_BYTES, GATHER_BYTES};

/// The outbox of a connection. Its transport and its streams share it.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    shared: Arc<Mutex<Unsent>>,
}

/// What has changed on a connection.
#[derive(Debug)]
pub(super) struct News {
    /// The streams that `h2` has reset.
    pub(super) resets: Vec<u32>,
    /// The streams whose windows were shut and are open.
    pub(super) opened: Vec<u32>,
    pub(super) starts: Starts,
}

/// The way of one stream past `h2`.
#[derive(Debug)]
pub(super) struct Past<'a> {
    pub(super) unsent: &'a mut Unsent,
    pub(super) stream: u32,
}

/// Bytes that were gathered, and how many of them have left.
#[derive(Debug)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    written: Written,
    /// How many frames `h2` was given since it last passed them on.
    given: usize,
    pub(super) windows: Windows,
}

thread_local! {
    /// A buffer is needed only within a turn, mostly. So the connections of a thread share one.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Outbox {
    pub(super) fn new() -> Self {
        let unsent = Unsent {
            bytes: Vec::new(),
            sent: 0,
            written: Written::default(),
            given: 0,
            windows: Windows::new(),
        };
        Self { shared: Arc::new(Mutex::new(unsent)) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has changed since this was last called.
    pub(super) fn take_news(&self) -> News {
        let mut unsent = self.lock();
        News {
            resets: unsent.written.take_resets(),
            opened: unsent.windows.take_opened(),
            starts: unsent.windows.take_starts(),
        }
    }
}

impl Past<'_> {
    /// Whether a first byte of the stream could be sent now.
    pub(super) fn first_byte(&mut self) -> FirstByte {
        let Self { unsent, stream } = self;
        if unsent.written.is_between_frames() {
            unsent.windows.first_byte(*stream)
        } else {
            unsent.windows.first_byte_through(*stream)
        }
    }

    /// Sends as much of `data` as the windows allow past `h2`, or says how else it may go.
    pub(super) fn send(&mut self, data: &[u8]) -> Way {
        let Self { unsent, stream } = self;
        let wanted = data.len().min(FRAME_BYTES);
        if !unsent.written.is_between_frames() {
            // `h2` could write no more than a part of its frame, and has to go on first.
            return unsent.windows.claim_through(*stream, wanted);
        }
        let way = unsent.windows.claim(*stream, wanted);
        if let Way::Past(part) = way {
            let head = Head { kind: DATA, flags: 0, stream: *stream, length: part };
            unsent.start();
            unsent.bytes.extend_from_slice(&head.write());
            unsent.bytes.extend_from_slice(&data[..part]);
        }
        way
    }

    /// Says how much of `wanted` bytes may go through `h2`.
    pub(super) fn claim_through(&mut self, wanted: usize) -> Way {
        self.unsent.windows.claim_through(self.stream, wanted)
    }

    /// `h2` was given so many bytes.
    pub(super) fn give_h2(&mut self, bytes: usize) {
        self.unsent.given += 1;
        self.unsent.windows.give_h2(self.stream, bytes);
    }
}

impl Unsent {
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether no more should be gathered before some of it has left.
    pub(super) fn is_full(&self) -> bool {
        self.rest().len() >= GATHER_BYTES
    }

    /// How many frames `h2` was given that it may not have passed on.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// `h2` has passed on everything that it could.
    pub(super) fn passed_on(&mut self) {
        self.given = 0;
    }

    /// Gathers what `h2` writes.
    pub(super) fn gather(&mut self, bufs: &[IoSlice<'_>]) {
        self.start();
        for buf in bufs {
            self.bytes.extend_from_slice(buf);
            self.written.follow(buf, &mut self.windows);
        }
    }

    /// Notes that `written` bytes left: first those that were gathered, then some of `bufs`, of which it returns how many.
    pub(super) fn advance(&mut self, written: usize, bufs: &[IoSlice<'_>]) -> usize {
        let own = written.min(self.rest().len());
        self.sent += own;
        if self.is_empty() && self.bytes.capacity() > 0 {
            self.sent = 0;
            self.bytes.clear();
            SPARE.set(std::mem::take(&mut self.bytes));
        }
        let mut left = written - own;
        for buf in bufs {
            let part = left.min(buf.len());
            self.written.follow(&buf[..part], &mut self.windows);
            left -= part;
        }
        written - own
    }

    /// Lets go of what is not needed for what waits, since that may be for long.
    pub(super) fn shrink(&mut self) {
        if self.bytes.capacity() > 2 * self.rest().len() {
            let rest = self.rest().to_vec();
            let mut spare = std::mem::replace(&mut self.bytes, rest);
            self.sent = 0;
            spare.clear();
            SPARE.set(spare);
        }
    }

    fn start(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
            self.bytes.reserve(GATHER_BYTES + HEAD_BYTES + FRAME_BYTES);
        }
        if self.sent > 0 {
            // The socket took a part. Without this, one that always does would make the buffer grow for ever.
            self.bytes.drain(..std::mem::take(&mut self.sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::{END_HEADERS, HEADERS};
    use super::*;

    /// An outbox of a client that has granted so much, with streams 1 and 3 open.
    fn granted(increment: u32) -> Outbox {
        let outbox = Outbox::new();
        let mut unsent = outbox.lock();
        unsent.windows.grant_connection(increment, false);
        for stream in [1, 3] {
            unsent.windows.open(stream);
            let head = Head { kind: HEADERS, flags: END_HEADERS, stream, length: 0 };
            unsent.gather(&[IoSlice::new(&head.write())]);
        }
        let heads = unsent.rest().len();
        assert_eq!(unsent.advance(heads, &[]), 0);
        drop(unsent);
        outbox
    }

    fn send(outbox: &Outbox, stream: u32, data: &[u8]) -> Way {
        Past { unsent: &mut outbox.lock(), stream }.send(data)
    }

    #[test]
    fn data_past_h2_is_a_frame_among_its_frames() {
        let outbox = granted(1_000);
        assert_eq!(send(&outbox, 1, b"one"), Way::Past(3));
        outbox.lock().gather(&[IoSlice::new(&[0, 0, 0, 6, 0, 0, 0, 0, 0])]);
        assert_eq!(send(&outbox, 3, b"three"), Way::Past(5));
        let expect = [
            &[0, 0, 3, DATA, 0, 0, 0, 0, 1][..],
            b"one",
            &[0, 0, 0, 6, 0, 0, 0, 0, 0],
            &[0, 0, 5, DATA, 0, 0, 0, 0, 3],
            b"three",
        ];
        assert_eq!(outbox.lock().rest(), expect.concat());
    }

    #[test]
    fn a_frame_is_no_larger_than_every_client_takes() {
        let outbox = granted(100_000);
        assert_eq!(send(&outbox, 1, &[0; FRAME_BYTES + 1]), Way::Past(FRAME_BYTES));
        for stream in [1, 1, 3] {
            assert!(!outbox.lock().is_full());
            assert_eq!(send(&outbox, stream, &[0; FRAME_BYTES]), Way::Past(FRAME_BYTES));
        }
        assert!(outbox.lock().is_full());
    }

    #[test]
    fn nothing_goes_past_h2_while_it_is_within_a_frame_and_it_is_noted_what_it_has() {
        let outbox = granted(1_000);
        let frame = [0, 0, 2, DATA, 0, 0, 0, 0, 3, b'h', b'2'];
        let (start, rest) = frame.split_at(10);
        assert_eq!(outbox.lock().advance(start.len(), &[IoSlice::new(start)]), start.len());
        assert_eq!(send(&outbox, 1, b"one"), Way::Through(3));
        assert_eq!(outbox.lock().given(), 0);
        Past { unsent: &mut outbox.lock(), stream: 1 }.give_h2(3);
        assert_eq!(outbox.lock().given(), 1);
        assert_eq!(outbox.lock().advance(rest.len(), &[IoSlice::new(rest)]), rest.len());
        assert_eq!(send(&outbox, 1, b"two"), Way::Through(3), "it would overtake");
        assert_eq!(send(&outbox, 3, b"three"), Way::Past(5));
    }

    #[test]
    fn what_the_socket_took_is_gone_and_the_rest_stays_in_order() {
        let outbox = granted(1_000);
        assert_eq!(send(&outbox, 1, b"first"), Way::Past(5));
        let mut unsent = outbox.lock();
        assert_eq!(unsent.advance(10, &[]), 0);
        assert!(unsent.rest().starts_with(b"irst"));
        unsent.shrink();
        assert!(unsent.bytes.capacity() < GATHER_BYTES);
        assert_eq!(Past { unsent: &mut unsent, stream: 1 }.send(b"second"), Way::Past(6));
        assert!(unsent.rest().starts_with(b"irst") && unsent.rest().ends_with(b"second"));
        let all = unsent.rest().len();
        assert_eq!(unsent.advance(all + 2, &[IoSlice::new(&[0; 9])]), 2, "of what came with it");
        assert!(unsent.is_empty());
    }
}
