//! How many requests `h2` reads before they are taken from it. Pure.
//!
//! What has come in one segment, `h2` reads in one go, and the requests among it wait in memory that it never lets go of: for a client that opens a
//! hundred streams at once, a fifth of all that its connection holds. So it is given a few heads, then the server takes the requests, then it is given more.

use crate::limits::HEADS_AT_ONCE;

/// The type of a HEADERS frame (RFC 9113, section 6.2).
const HEADERS: u8 = 1;
/// The type of a RST_STREAM frame (section 6.4).
const RST_STREAM: u8 = 3;
/// What a client sends before its first frame (section 3.4).
const PREFACE: u32 = 24;
/// How long the length is at the start of a frame, and what follows the type that comes next.
const LENGTH: u8 = 3;
const AFTER_TYPE: u32 = 5;

/// Follows the frames of a client, and says how far they may be read.
#[derive(Debug)]
pub(super) struct Heads {
    left: usize,
    /// There was one too many since the last were allowed.
    has_stopped: bool,
    /// How many bytes are of no interest: the rest of a frame, from its type on.
    skip: u32,
    /// As much of the length as has been read.
    length: u32,
    read: u8,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { left: HEADS_AT_ONCE, has_stopped: false, skip: PREFACE, length: 0, read: 0 }
    }

    /// The requests so far have been taken.
    pub(super) fn allow(&mut self) {
        self.left = HEADS_AT_ONCE;
        self.has_stopped = false;
    }

    /// Whether there was a head too many since the last were allowed. Whoever does not read is not stopped, whatever there is.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// How many of these bytes may be read now: all, or up to the type of a HEADERS frame too many. The rest is to come again.
    ///
    /// It is only HEADERS that count: a body is read as fast as it comes, and a CONTINUATION goes with its head.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = (self.skip as usize).min(bytes.len() - at);
                self.skip -= skipped as u32;
                at += skipped;
                continue;
            }
            let byte = bytes[at];
            if self.read < LENGTH {
                self.length = self.length << 8 | u32::from(byte);
                self.read += 1;
            } else {
                if byte == HEADERS {
                    if self.left == 0 {
                        self.has_stopped = true;
                        return at;
                    }
                    self.left -= 1;
                } else if byte == RST_STREAM {
                    // `h2` ends a connection with too many requests that are taken back before they are taken. It has to see them together.
                    self.left += 1;
                }
                self.skip = AFTER_TYPE + self.length;
                (self.length, self.read) = (0, 0);
            }
            at += 1;
        }
        at
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
        let mut heads = Heads::new();
        let (mut at, mut stops) = (0, vec![]);
        while at < bytes.len() {
            let passed = heads.pass(&bytes[at..bytes.len().min(at + cut)]);
            if passed == 0 {
                stops.push(at);
                heads.allow();
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
    fn the_longest_frame_is_followed_to_its_end() {
        let mut heads = Heads::new();
        assert_eq!(heads.pass(&[0; PREFACE as usize]), PREFACE as usize);
        assert_eq!(heads.pass(&[0xff, 0xff, 0xff, DATA]), 4);
        assert_eq!(heads.skip, AFTER_TYPE + (1 << 24) - 1);
    }
}
