//! What a client's frames say that the server must know, and what `h2` is told of it. Pure.
//!
//! **How many requests are read.** What has come in one segment, `h2` reads in one go, and the requests among it wait in memory that it never lets go of: for a
//! client that opens a hundred streams at once, a fifth of all that its connection holds. So it is given a few heads, then the server takes the requests,
//! then it is given more.
//!
//! **Which streams are reset.** `h2` tells it to a waker of the stream, which it takes with every frame that goes out. To register one anew for each of them
//! cost a twentieth of a delivery. Here resets are noted as they pass, which costs the others nothing.
//!
//! **What the client grants.** The [`Windows`] say how much of it `h2` is told of: the frame gets another increment, or does not pass at all.

use super::windows::Windows;
use crate::limits::{
    FRAME_BYTES, HEADS_AT_ONCE, MAX_PENDING_RESETS, RESETS_AT_ONCE, SETTINGS_AT_ONCE,
};

// The types of frames (RFC 9113, section 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

// Their flags.
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Among settings, the window that a stream opens with (section 6.5.2), and how long one of them is.
const INITIAL_WINDOW_SIZE: u16 = 4;
const SETTING_BYTES: usize = 6;

/// What a client sends before its first frame (section 3.4).
const PREFACE_BYTES: usize = 24;
/// What every frame begins with (section 4.1).
pub(super) const HEAD_BYTES: usize = 9;
/// A frame whose payload is one number.
const NUMBER_BYTES: usize = 4;
/// A stream has 31 bits, and a window too.
const NUMBER: u32 = u32::MAX >> 1;

// A flood of requests that are taken back is seen by `h2` only if so many pass together.
const _: () = assert!(RESETS_AT_ONCE > MAX_PENDING_RESETS);

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) length: usize,
}

impl Head {
    pub(super) fn read(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & NUMBER,
            length: u32::from_be_bytes([0, a, b, c]) as usize,
        }
    }

    pub(super) fn write(self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }
}

/// Follows the frames of a client, and says how far they may be read.
#[derive(Debug)]
pub(super) struct Frames {
    heads_left: usize,
    /// There was a frame too many since the last were allowed.
    has_stopped: bool,
    /// How many bytes are left of the preface, or of a payload.
    skip: usize,
    /// The head of a message goes on in the next frame, and nothing may come between.
    is_in_head: bool,
    /// The streams of the resets that have passed.
    resets: Vec<u32>,
    /// How many of these `h2` has acted on.
    settled: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            heads_left: HEADS_AT_ONCE,
            has_stopped: false,
            skip: PREFACE_BYTES,
            is_in_head: false,
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

    /// Whether a frame of ours may come next.
    pub(super) fn is_between_frames(&self) -> bool {
        self.skip == 0 && !self.is_in_head
    }

    /// How many of these bytes may be read now: all, or up to a frame too many, or up to one that has not come completely and has to. The rest is to come again. Of
    /// what may be read, frames may be changed or missing.
    ///
    /// It is only HEADERS that count as too many, and others that make the server remember something: a body is read as fast as it comes, and a CONTINUATION goes with its head.
    pub(super) fn pass(
        &mut self,
        bytes: &mut Vec<u8>,
        from: usize,
        is_h2_short: bool,
        windows: &mut Windows,
    ) -> usize {
        let mut at = from;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len() - at);
                self.skip -= skipped;
                at += skipped;
                continue;
            }
            let Some(head) = bytes[at..].first_chunk() else { break };
            let head = Head::read(head);
            let start = at + HEAD_BYTES;
            let is_whole_needed = matches!(head.kind, RST_STREAM | SETTINGS | WINDOW_UPDATE);
            if !is_whole_needed || head.length > FRAME_BYTES || self.is_in_head {
                // Of a frame too large, or of one that interrupts a head, `h2` makes an error.
                if !self.may_pass(head, windows) {
                    break;
                }
                self.skip = head.length;
                at = start;
                continue;
            }
            let end = start + head.length;
            let Some(payload) = bytes.get(start..end) else { break };
            match head.kind {
                WINDOW_UPDATE => {
                    let Some(increment) = number(payload).filter(|&increment| increment > 0) else {
                        at = end;
                        continue;
                    };
                    let told = if head.stream == 0 {
                        windows.grant_connection(increment, is_h2_short)
                    } else {
                        windows.grant_stream(head.stream, increment)
                    };
                    if told == 0 {
                        bytes.drain(at..end);
                        continue;
                    }
                    bytes[start..end].copy_from_slice(&told.to_be_bytes());
                }
                SETTINGS if head.flags & ACK == 0 => {
                    if windows.announced() >= SETTINGS_AT_ONCE {
                        self.has_stopped = true;
                        break;
                    }
                    windows.announce(initial_window(payload));
                }
                RST_STREAM => {
                    if self.resets.len() == RESETS_AT_ONCE {
                        self.has_stopped = true;
                        break;
                    }
                    windows.close(head.stream);
                    self.resets.push(head.stream);
                    // `h2` ends a connection with too many requests that are taken back before they are taken. It has to see them together.
                    self.heads_left += 1;
                }
                _ => {}
            }
            at = end;
        }
        at
    }

    fn may_pass(&mut self, head: Head, windows: &mut Windows) -> bool {
        if head.kind == HEADERS {
            if self.heads_left == 0 {
                self.has_stopped = true;
                return false;
            }
            self.heads_left -= 1;
            windows.open(head.stream);
        }
        if head.kind == DATA {
            windows.upload.received(head.length);
        }
        if matches!(head.kind, HEADERS | CONTINUATION) {
            self.is_in_head = head.flags & END_HEADERS == 0;
        }
        true
    }
}

/// A frame that tells `h2` of what the client has granted to the connection.
pub(super) fn window_update(increment: u32) -> [u8; HEAD_BYTES + NUMBER_BYTES] {
    let head = Head { kind: WINDOW_UPDATE, flags: 0, stream: 0, length: NUMBER_BYTES };
    let mut frame = [0; HEAD_BYTES + NUMBER_BYTES];
    frame[..HEAD_BYTES].copy_from_slice(&head.write());
    frame[HEAD_BYTES..].copy_from_slice(&increment.to_be_bytes());
    frame
}

/// The payload, if it is one number. Else `h2` ends the connection.
fn number(payload: &[u8]) -> Option<u32> {
    let bytes = payload.try_into().ok()?;
    Some(u32::from_be_bytes(bytes) & NUMBER)
}

/// What these settings say of the window that a stream opens with. The last word counts.
fn initial_window(payload: &[u8]) -> Option<u32> {
    let settings = payload.chunks_exact(SETTING_BYTES).rev();
    settings
        .filter_map(|setting| {
            let (name, value) = setting.split_first_chunk()?;
            let value = u32::from_be_bytes(value.try_into().ok()?);
            (u16::from_be_bytes(*name) == INITIAL_WINDOW_SIZE).then_some(value)
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::super::windows::Way;
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let head = Head { kind, flags: END_HEADERS, stream: 1, length };
        // A payload that could be taken for heads.
        [&head.write()[..], &vec![HEADERS; length]].concat()
    }

    /// What a client sends, as it arrives.
    struct Client {
        frames: Frames,
        windows: Windows,
        bytes: Vec<u8>,
        passed: usize,
    }

    impl Client {
        fn new() -> Self {
            let (frames, windows) = (Frames::new(), Windows::new());
            Self { frames, windows, bytes: vec![], passed: 0 }
        }

        /// Some more arrives. Returns how much passes.
        fn send(&mut self, bytes: &[u8]) -> usize {
            self.bytes.extend_from_slice(bytes);
            let Self { frames, windows, bytes, passed } = self;
            let before = *passed;
            *passed = frames.pass(bytes, before, false, windows);
            *passed - before
        }
    }

    fn client(frames: &[(u8, usize)]) -> Vec<u8> {
        let frames = frames.iter().flat_map(|&(kind, length)| frame(kind, length));
        std::iter::repeat_n(0, PREFACE_BYTES).chain(frames).collect()
    }

    /// Reads these bytes as the network may cut them, allowing more heads whenever it stops. Returns where that was.
    fn stops(bytes: &[u8], cut: usize) -> Vec<usize> {
        let (mut client, mut stops) = (Client::new(), vec![]);
        for part in bytes.chunks(cut) {
            client.send(part);
            while client.frames.has_stopped() {
                stops.push(client.passed);
                client.frames.allow();
                client.send(&[]);
            }
        }
        assert_eq!(client.bytes, bytes, "nothing is changed");
        assert_eq!(client.passed, bytes.len(), "everything passes");
        stops
    }

    /// Where the stops are must not depend on how the network cut the bytes, so every cut is tried.
    #[track_caller]
    fn check(frames: &[(u8, usize)], expect: &[usize]) {
        let bytes = client(frames);
        let expect: Vec<usize> = expect.iter().map(|&n| client(&frames[..n]).len()).collect();
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
        let bytes = [&[0; PREFACE_BYTES][..], &reset(3), &frame(DATA, 9), &reset(5)].concat();
        for cut in 1..=bytes.len() {
            let mut client = Client::new();
            let mut told = vec![];
            for part in bytes.chunks(cut) {
                client.frames.settle();
                client.send(part);
                told.extend(client.frames.take_resets());
                assert!(told.len() < 2, "the last one is not settled, cut by {cut}");
            }
            client.frames.settle();
            told.extend(client.frames.take_resets());
            // The first bit is reserved.
            assert_eq!(told, [0x103, 0x105], "cut by {cut}");
            assert!(client.frames.take_resets().is_empty());
        }
    }

    #[test]
    fn no_more_is_remembered_than_the_bounds() {
        for (kind, bound) in [(RST_STREAM, RESETS_AT_ONCE), (SETTINGS, SETTINGS_AT_ONCE)] {
            let mut client = Client::new();
            let sent = self::client(&vec![(kind, 4); bound + 1]);
            assert_eq!(sent.len() - client.send(&sent), frame(kind, 4).len());
            assert!(client.frames.has_stopped());
            client.frames.settle();
            client.frames.allow();
            match kind {
                RST_STREAM => assert_eq!(client.frames.take_resets().len(), bound),
                _ => client.windows.acknowledge(),
            }
            assert_eq!(client.send(&[]), frame(kind, 4).len());
            assert!(!client.frames.has_stopped());
        }
    }

    #[test]
    fn the_longest_frame_is_followed_to_its_end() {
        for kind in [DATA, SETTINGS] {
            let mut client = Client::new();
            client.send(&[0; PREFACE_BYTES]);
            client.send(&[0xff, 0xff, 0xff, kind, 0, 0, 0, 0, 0]);
            assert_eq!(client.frames.skip, (1 << 24) - 1);
        }
    }

    /// What `h2` is told, when these bytes arrive.
    fn told(client: &mut Client, bytes: &[u8]) -> Vec<u8> {
        let before = client.bytes.len();
        client.send(bytes);
        assert_eq!(client.passed, client.bytes.len(), "it passes");
        client.bytes[before..].to_vec()
    }

    fn update(stream: u32, increment: u32) -> Vec<u8> {
        let head = Head { kind: WINDOW_UPDATE, flags: 0, stream, length: NUMBER_BYTES };
        [&head.write()[..], &increment.to_be_bytes()].concat()
    }

    #[test]
    fn h2_is_told_only_of_what_is_granted_to_it() {
        let mut client = Client::new();
        client.send(&[0; PREFACE_BYTES]);
        client.send(&frame(HEADERS, 3));
        client.windows.written_head(1);
        assert_eq!(told(&mut client, &update(0, 1_000)), [], "it goes to the pool");
        assert_eq!(client.windows.claim(1, 300), Way::Past(300));
        assert_eq!(told(&mut client, &update(1, 200)), [], "it pays the debt");
        assert_eq!(told(&mut client, &update(1, 200)), update(1, 100), "the rest");
        assert_eq!(told(&mut client, &update(3, 200)), update(3, 200), "of a stream that it knows");
        for odd in [update(0, 0), update(1, 0), frame(WINDOW_UPDATE, 3)] {
            assert_eq!(told(&mut client, &odd), odd, "of which it makes an error");
        }
    }

    #[test]
    fn what_comes_within_a_head_passes_as_it_is() {
        let mut client = Client::new();
        client.send(&[0; PREFACE_BYTES]);
        let head = Head { kind: HEADERS, flags: 0, stream: 1, length: 0 };
        let sent = [&head.write()[..], &update(0, 1_000)].concat();
        assert_eq!(client.send(&sent), sent.len());
        assert!(!client.frames.is_between_frames());
        assert_eq!(client.windows.give_back(), 0);
    }

    #[test]
    fn of_settings_the_last_word_on_the_window_counts() {
        let setting = |name: u8, value: u32| [&[0, name][..], &value.to_be_bytes()].concat();
        assert_eq!(initial_window(&[]), None);
        let some = [setting(4, 1), setting(3, 2), setting(4, 3), setting(1, 4)].concat();
        assert_eq!(initial_window(&some), Some(3));
    }
}
