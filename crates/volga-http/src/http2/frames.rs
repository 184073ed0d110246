//! What the server must know of a client's frames that `h2` keeps to itself. Pure.
//!
//! **How many requests are read.** What has come in one segment, `h2` reads in one go, and the requests among it wait in memory that it never lets go of: for a
//! client that opens a hundred streams at once, a fifth of all that its connection holds. So it is given a few heads, then the server takes the requests,
//! then it is given more.
//!
//! **Which streams are reset.** `h2` tells it to a waker of the stream, which it takes with every frame that goes out. To register one anew for each of them
//! cost a twentieth of a delivery. Here resets are noted as they pass, which costs the others nothing.

use crate::limits::{HEADS_AT_ONCE, MAX_PENDING_RESETS, RESETS_AT_ONCE};

/// The type of a HEADERS frame (RFC 9113, section 6.2).
const HEADERS: u8 = 1;
/// The type of a RST_STREAM frame (section 6.4).
const RST_STREAM: u8 = 3;
/// What a client sends before its first frame (section 3.4).
const PREFACE: u32 = 24;
/// How long the length is at the start of a frame, and what follows the type that comes next.
const LENGTH: u8 = 3;
const AFTER_TYPE: u32 = 5;
/// A stream has 31 bits.
const STREAM: u32 = u32::MAX >> 1;

// A flood of requests that are taken back is seen by `h2` only if so many pass together.
const _: () = assert!(RESETS_AT_ONCE > MAX_PENDING_RESETS);

/// Follows the frames of a client, and says how far they may be read.
#[derive(Debug)]
pub(super) struct Frames {
    heads_left: usize,
    /// There was a head or a reset too many since the last were allowed.
    has_stopped: bool,
    /// How many bytes are left of the preface, or of a frame from its type on.
    skip: u32,
    /// As much of the length as has been read.
    length: u32,
    read: u8,
    /// The last bytes of a RST_STREAM frame, while it passes.
    reset: Option<u64>,
    /// The streams of those that have passed.
    resets: Vec<u32>,
    /// How many of these `h2` has acted on.
    settled: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            heads_left: HEADS_AT_ONCE,
            has_stopped: false,
            skip: PREFACE,
            length: 0,
            read: 0,
            reset: None,
            resets: Vec::new(),
            settled: 0,
        }
    }

    /// The requests so far have been taken.
    pub(super) fn allow(&mut self) {
        self.heads_left = HEADS_AT_ONCE;
        self.has_stopped = false;
    }

    /// Whether there was a frame too many since the last were allowed. Whoever does not read is not stopped, whatever there is.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// `h2` asks for more, so it has acted on every frame that passed.
    pub(super) fn settle(&mut self) {
        self.settled = self.resets.len();
    }

    /// The streams that the client has reset, and for which `h2` sends nothing any more. Each is returned once.
    pub(super) fn take_resets(&mut self) -> Vec<u32> {
        if self.settled == 0 {
            return Vec::new();
        }
        let rest = self.resets.split_off(std::mem::take(&mut self.settled));
        std::mem::replace(&mut self.resets, rest)
    }

    /// How many of these bytes may be read now: all, or up to the type of a frame too many. The rest is to come again.
    ///
    /// It is only HEADERS that count, and resets while they are not [taken](Self::take_resets): a body is read as fast as it comes, and a CONTINUATION goes
    /// with its head.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = (self.skip as usize).min(bytes.len() - at);
                self.skip -= skipped as u32;
                self.follow_reset(&bytes[at..at + skipped]);
                at += skipped;
                continue;
            }
            let byte = bytes[at];
            if self.read < LENGTH {
                self.length = self.length << 8 | u32::from(byte);
                self.read += 1;
            } else {
                if !self.may_pass(byte) {
                    self.has_stopped = true;
                    return at;
                }
                self.skip = AFTER_TYPE + self.length;
                (self.length, self.read) = (0, 0);
            }
            at += 1;
        }
        at
    }

    fn may_pass(&mut self, kind: u8) -> bool {
        if kind == HEADERS {
            if self.heads_left == 0 {
                return false;
            }
            self.heads_left -= 1;
        } else if kind == RST_STREAM {
            if self.resets.len() == RESETS_AT_ONCE {
                return false;
            }
            self.reset = Some(0);
            // `h2` ends a connection with too many requests that are taken back before they are taken. It has to see them together.
            self.heads_left += 1;
        }
        true
    }

    /// Notes the stream of a reset, but at its end only: `h2` does not act on a part of a frame.
    fn follow_reset(&mut self, part: &[u8]) {
        let Some(last) = self.reset else { return };
        let last = part.iter().fold(last, |last, &byte| last << 8 | u64::from(byte));
        if self.skip > 0 {
            self.reset = Some(last);
            return;
        }
        // A stream and a reason, of four bytes each. In a frame of another length it would be something else, and `h2` ends the connection.
        self.resets.push((last >> 32) as u32 & STREAM);
        self.reset = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;
    const CONTINUATION: u8 = 9;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let bytes = (length as u32).to_be_bytes();
        // A payload that could be taken for heads.
        [&bytes[1..], &[kind, 0, 0, 0, 0, 1], &vec![HEADERS; length]].concat()
    }

    fn client(frames: &[(u8, usize)]) -> Vec<u8> {
        let frames = frames.iter().flat_map(|&(kind, length)| frame(kind, length));
        std::iter::repeat_n(0, PREFACE as usize).chain(frames).collect()
    }

    /// Reads these bytes as the network may cut them, allowing more heads whenever no byte passes. Returns where that was.
    fn stops(bytes: &[u8], cut: usize) -> Vec<usize> {
        let mut frames = Frames::new();
        let (mut at, mut stops) = (0, vec![]);
        while at < bytes.len() {
            let passed = frames.pass(&bytes[at..bytes.len().min(at + cut)]);
            if passed == 0 {
                stops.push(at);
                frames.allow();
            }
            at += passed;
        }
        stops
    }

    /// Where the stops are must not depend on how the network cut the bytes, so every cut is tried.
    #[track_caller]
    fn check(frames: &[(u8, usize)], expect: &[usize]) {
        let bytes = client(frames);
        // Each stop is at the type of a frame.
        let starts = (0..frames.len()).map(|n| client(&frames[..n]).len() + usize::from(LENGTH));
        let expect: Vec<usize> = starts
            .enumerate()
            .filter(|(number, _)| expect.contains(number))
            .map(|(_, at)| at)
            .collect();
        for cut in 1..=bytes.len() {
            assert_eq!(stops(&bytes, cut), expect, "{frames:?} cut by {cut}");
        }
    }

    #[test]
    fn of_a_burst_a_few_heads_pass_at_a_time() {
        check(&[(HEADERS, 7); 4], &[]);
        check(&[(HEADERS, 7); 5], &[4]);
        check(&[(HEADERS, 0); 13], &[4, 8, 12]);
    }

    #[test]
    fn bodies_pass_and_heads_among_them_count() {
        check(&[(DATA, 9); 20], &[]);
        let upload = [(HEADERS, 3), (DATA, 5), (DATA, 0)];
        check(&[upload, upload, upload, upload, upload].concat(), &[12]);
    }

    #[test]
    fn the_rest_of_a_head_passes_with_it() {
        let long = [(HEADERS, 3), (CONTINUATION, 300), (CONTINUATION, 0)];
        check(&[long, long, long, long, long].concat(), &[12]);
    }

    #[test]
    fn requests_that_are_taken_back_at_once_do_not_count() {
        check(&[[(HEADERS, 3), (RST_STREAM, 4)]; 30].concat(), &[]);
    }

    #[test]
    fn resets_are_told_once_their_frame_has_passed_and_is_settled() {
        let reset = |stream: u8| [0, 0, 4, RST_STREAM, 0xff, 0x80, 0, 1, stream, 0, 0, 0, 8];
        let bytes = [&[0; PREFACE as usize][..], &reset(3), &frame(DATA, 9), &reset(5)].concat();
        for cut in 1..=bytes.len() {
            let mut frames = Frames::new();
            let mut told = vec![];
            for part in bytes.chunks(cut) {
                frames.settle();
                assert_eq!(frames.pass(part), part.len());
                told.extend(frames.take_resets());
                assert!(told.len() < 2, "the last one is not settled, cut by {cut}");
            }
            frames.settle();
            told.extend(frames.take_resets());
            // The first bit is reserved.
            assert_eq!(told, [0x103, 0x105], "cut by {cut}");
            assert!(frames.take_resets().is_empty());
        }
    }

    #[test]
    fn no_more_resets_are_held_than_the_bound() {
        let mut frames = Frames::new();
        let bytes = client(&[(RST_STREAM, 4); RESETS_AT_ONCE + 1]);
        let passed = frames.pass(&bytes);
        assert_eq!(bytes.len() - passed, frame(RST_STREAM, 4).len() - usize::from(LENGTH));
        assert!(frames.has_stopped());
        frames.settle();
        assert_eq!(frames.take_resets().len(), RESETS_AT_ONCE);
        frames.allow();
        assert_eq!(frames.pass(&bytes[passed..]), bytes.len() - passed);
        assert!(!frames.has_stopped());
    }

    #[test]
    fn the_longest_frame_is_followed_to_its_end() {
        let mut frames = Frames::new();
        assert_eq!(frames.pass(&[0; PREFACE as usize]), PREFACE as usize);
        assert_eq!(frames.pass(&[0xff, 0xff, 0xff, DATA]), 4);
        assert_eq!(frames.skip, AFTER_TYPE + (1 << 24) - 1);
    }
}
