//! Follows the frames of the client on their way to `h2`. Pure.
//!
//! **How many requests pass.** `h2` reads everything that has arrived at once, and keeps memory for
//! as many requests as it ever held at the same time. For a client that opens a hundred streams
//! together that is a fifth of the connection's memory. So only a few heads pass. Then the server
//! accepts those requests, and more heads pass.
//!
//! **Which streams are reset.** `h2` reports a reset through a waker for each stream, and consumes
//! that waker with every frame that it sends. Registering it again each time cost a twentieth of a
//! delivery. Here a reset is noted when it passes, which costs nothing for the other frames.
//!
//! **Which requests are abandoned already.** A reset may have arrived together with its request,
//! behind many others. It is counted before the request passes, so that a client which only opens
//! and abandons streams is noticed before the server does anything for it.
//!
//! **Which grants `h2` sees.** [`Windows`] decides. A WINDOW_UPDATE frame passes with another
//! increment, or is removed.

use super::windows::{StreamRef, Windows};
use crate::limits::{
    FRAME_BYTES, HEADS_AT_ONCE, MAX_PENDING_RESETS, RESETS_AT_ONCE, SETTINGS_AT_ONCE, TURN_FRAMES,
};

// The types of frames (RFC 9113, section 6).
pub(in crate::http2) const DATA: u8 = 0;
pub(in crate::http2) const HEADERS: u8 = 1;
pub(in crate::http2) const RST_STREAM: u8 = 3;
pub(in crate::http2) const SETTINGS: u8 = 4;
pub(in crate::http2) const WINDOW_UPDATE: u8 = 8;
pub(in crate::http2) const CONTINUATION: u8 = 9;

// Their flags.
pub(in crate::http2) const ACK: u8 = 1;
pub(in crate::http2) const END_STREAM: u8 = 1;
pub(in crate::http2) const END_HEADERS: u8 = 4;
pub(in crate::http2) const PADDED: u8 = 8;

/// The ID of the setting for the window of new streams (section 6.5.2), and the size of a setting.
const INITIAL_WINDOW_SIZE: u16 = 4;
const SETTING_BYTES: usize = 6;

/// The length of the preface (section 3.4).
const PREFACE_BYTES: usize = 24;
/// The length of a frame's head (section 4.1).
pub(in crate::http2) const HEAD_BYTES: usize = 9;
/// The length of a payload that is a single number.
pub(in crate::http2) const NUMBER_BYTES: usize = 4;
/// Numbers of streams and sizes of windows have 31 bits.
const NUMBER: u32 = u32::MAX >> 1;

// `h2` notices a flood of abandoned requests only if this many pass together.
const _: () = assert!(RESETS_AT_ONCE > MAX_PENDING_RESETS);

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::http2) struct Head {
    pub(in crate::http2) kind: u8,
    pub(in crate::http2) flags: u8,
    pub(in crate::http2) stream: u32,
    pub(in crate::http2) length: usize,
}

impl Head {
    pub(in crate::http2) fn read(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & NUMBER,
            length: u32::from_be_bytes([0, a, b, c]) as usize,
        }
    }

    pub(in crate::http2) fn write(self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }
}

/// Follows the frames of a client, and decides how far `h2` may read them.
#[derive(Debug)]
pub(in crate::http2) struct ReceivedFrames {
    heads_left: usize,
    /// How many frames this turn of the connection may still read.
    frames_left: usize,
    /// Whether a frame was held back because the limit was reached, since the limit was last
    /// raised.
    has_stopped: bool,
    /// How many bytes of the preface or of a payload are left.
    skip: usize,
    /// Whether a header block continues in the next frame, so that nothing may come between.
    is_in_head: bool,
    /// The newest stream of the client that has passed.
    newest: u32,
    /// The streams whose resets have passed.
    resets: Vec<StreamRef>,
    /// How many of these resets `h2` has processed.
    settled: usize,
    /// How much padding DATA frames had beyond their content, since it was last taken.
    padding: usize,
}

impl ReceivedFrames {
    pub(in crate::http2) fn new() -> Self {
        Self {
            heads_left: HEADS_AT_ONCE,
            frames_left: TURN_FRAMES,
            has_stopped: false,
            skip: PREFACE_BYTES,
            is_in_head: false,
            newest: 0,
            resets: Vec::new(),
            settled: 0,
            padding: 0,
        }
    }

    /// Lets this many more heads pass, because the earlier requests were accepted.
    pub(in crate::http2) fn allow(&mut self, heads: usize) {
        self.heads_left = heads;
        self.has_stopped = false;
    }

    /// Begins a turn of the connection, which reads at most this many frames.
    pub(in crate::http2) fn start_turn(&mut self, frames: usize) {
        self.frames_left = frames;
    }

    /// Ends the reading of this turn. Nothing more passes until the next turn begins.
    pub(in crate::http2) fn end_turn(&mut self) {
        self.frames_left = 0;
        self.has_stopped = true;
    }

    /// Whether this turn has read as many frames as a turn may read.
    pub(in crate::http2) fn is_turn_over(&self) -> bool {
        self.frames_left == 0
    }

    /// Whether a frame was held back because the limit was reached. While `h2` does not read, this
    /// stays false, whatever has arrived.
    pub(in crate::http2) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Notes that `h2` asks for more bytes, so it has processed every frame that has passed.
    pub(in crate::http2) fn settle(&mut self) {
        self.settled = self.resets.len();
    }

    /// The streams that the client has reset, and for which `h2` sends nothing any more. Each is
    /// returned once.
    pub(in crate::http2) fn take_resets(&mut self) -> Vec<StreamRef> {
        if self.settled == 0 {
            return Vec::new();
        }
        let rest = self.resets.split_off(std::mem::take(&mut self.settled));
        std::mem::replace(&mut self.resets, rest)
    }

    /// How many requests are among these bytes together with their resets. The bytes have arrived,
    /// and nothing of them has passed.
    pub(in crate::http2) fn count_abandoned(&self, bytes: &[u8]) -> usize {
        let mut rest = bytes.get(self.skip..).unwrap_or_default();
        let mut abandoned = 0;
        while let Some(head) = rest.first_chunk().map(Head::read) {
            if head.kind == RST_STREAM && head.stream > self.newest {
                abandoned += 1;
            }
            rest = rest.get(HEAD_BYTES + head.length..).unwrap_or_default();
        }
        abandoned
    }

    /// How much padding DATA frames had beyond their content, since this was last called.
    pub(in crate::http2) fn take_padding(&mut self) -> usize {
        std::mem::take(&mut self.padding)
    }

    /// Whether the server may insert a frame of its own next.
    pub(in crate::http2) fn is_between_frames(&self) -> bool {
        self.skip == 0 && !self.is_in_head
    }

    /// Returns how many of these bytes `h2` may read now: all of them, or up to a frame that must
    /// be held back, or up to an incomplete frame that must be whole. The rest must be passed in
    /// again. Frames among the bytes that `h2` may read are changed or removed.
    ///
    /// Only HEADERS frames, and frames for which the server must remember something, are held back.
    /// A body passes as fast as it arrives, and a CONTINUATION frame passes with its head.
    pub(in crate::http2) fn pass(
        &mut self,
        bytes: &mut Vec<u8>,
        from: usize,
        is_waiting_in_h2: bool,
        windows: &mut Windows,
    ) -> usize {
        // A removed frame leaves a gap, which is closed when later bytes are moved. So the work is
        // linear, however many frames are removed.
        let (mut at, mut kept) = (from, from);
        while let Some(passed) = self.next(&mut bytes[at..], is_waiting_in_h2, windows) {
            let (FrameFate::Kept(length) | FrameFate::Dropped(length)) = passed;
            if matches!(passed, FrameFate::Kept(_)) {
                if kept < at {
                    bytes.copy_within(at..at + length, kept);
                }
                kept += length;
            }
            at += length;
        }
        bytes.drain(kept..at);
        kept
    }

    /// Decides what may pass next: a part of a payload, the head of a frame, or a whole frame.
    fn next(
        &mut self,
        bytes: &mut [u8],
        is_waiting_in_h2: bool,
        windows: &mut Windows,
    ) -> Option<FrameFate> {
        if bytes.is_empty() {
            return None;
        }
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            return Some(FrameFate::Kept(skipped));
        }
        let head = Head::read(bytes.first_chunk()?);
        if self.frames_left == 0 {
            self.has_stopped = true;
            return None;
        }
        let is_whole_needed = matches!(head.kind, RST_STREAM | SETTINGS | WINDOW_UPDATE);
        if !is_whole_needed || head.length > FRAME_BYTES || self.is_in_head {
            // `h2` ends the connection because of a frame that is too large or interrupts a header
            // block.
            if head.kind == DATA && head.flags & PADDED != 0 && head.length > 0 {
                let padding = usize::from(*bytes.get(HEAD_BYTES)?);
                // The first byte of the payload is the length of the padding. `h2` ends the
                // connection if there is more padding than payload.
                let content = (head.length - 1).saturating_sub(padding);
                self.padding += padding.saturating_sub(content);
            }
            if !self.may_pass(head, windows) {
                return None;
            }
            self.skip = head.length;
            self.frames_left -= 1;
            return Some(FrameFate::Kept(HEAD_BYTES));
        }
        let length = HEAD_BYTES + head.length;
        let payload = bytes.get_mut(HEAD_BYTES..length)?;
        match head.kind {
            WINDOW_UPDATE => {
                if let Some(increment) = number(payload).filter(|&increment| increment > 0) {
                    let told = if head.stream == 0 {
                        windows.grant_connection(increment, is_waiting_in_h2)
                    } else {
                        windows.grant_stream(head.stream, increment)
                    };
                    if told == 0 {
                        self.frames_left -= 1;
                        return Some(FrameFate::Dropped(length));
                    }
                    payload.copy_from_slice(&told.to_be_bytes());
                }
            }
            SETTINGS if head.flags & ACK == 0 => {
                if windows.pending_settings() >= SETTINGS_AT_ONCE {
                    self.has_stopped = true;
                    return None;
                }
                let value = initial_window(payload);
                let announced = value.as_ref().map(|value| u32::from_be_bytes(**value));
                if let (Some(told), Some(value)) = (windows.announce(announced), value) {
                    *value = told.to_be_bytes();
                }
            }
            RST_STREAM => {
                if self.resets.len() == RESETS_AT_ONCE {
                    self.has_stopped = true;
                    return None;
                }
                self.resets.extend(windows.reset(head.stream));
                // `h2` ends a connection in which too many requests are reset before it has handed
                // them over. To notice that, it must see each request together with its reset.
                self.heads_left += 1;
            }
            _ => {}
        }
        self.frames_left -= 1;
        Some(FrameFate::Kept(length))
    }

    fn may_pass(&mut self, head: Head, windows: &mut Windows) -> bool {
        if head.kind == HEADERS {
            if self.heads_left == 0 {
                self.has_stopped = true;
                return false;
            }
            self.heads_left -= 1;
            self.newest = self.newest.max(head.stream);
            windows.open(head.stream);
        }
        if head.kind == DATA {
            windows.upload.note_received(head.length);
        }
        if matches!(head.kind, HEADERS | CONTINUATION) {
            self.is_in_head = head.flags & END_HEADERS == 0;
        }
        true
    }
}

/// What happens to bytes from the client.
enum FrameFate {
    /// `h2` reads this many bytes.
    Kept(usize),
    /// This many bytes are removed.
    Dropped(usize),
}

/// A frame that passes a grant for the connection on to `h2`.
pub(in crate::http2) fn window_update(increment: u32) -> [u8; HEAD_BYTES + NUMBER_BYTES] {
    let head = Head { kind: WINDOW_UPDATE, flags: 0, stream: 0, length: NUMBER_BYTES };
    let mut frame = [0; HEAD_BYTES + NUMBER_BYTES];
    frame[..HEAD_BYTES].copy_from_slice(&head.write());
    frame[HEAD_BYTES..].copy_from_slice(&increment.to_be_bytes());
    frame
}

/// The payload, if it is a single number. Otherwise `h2` ends the connection.
fn number(payload: &[u8]) -> Option<u32> {
    let bytes = payload.try_into().ok()?;
    Some(u32::from_be_bytes(bytes) & NUMBER)
}

/// The initial window in these settings. The last value counts.
fn initial_window(payload: &mut [u8]) -> Option<&mut [u8; NUMBER_BYTES]> {
    let settings = payload.chunks_exact_mut(SETTING_BYTES).rev();
    settings
        .filter_map(|setting| {
            let (name, value) = setting.split_first_chunk_mut()?;
            (u16::from_be_bytes(*name) == INITIAL_WINDOW_SIZE).then(|| value.try_into().ok())?
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::super::windows::SendPath;
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let head = Head { kind, flags: END_HEADERS, stream: 1, length };
        // A payload that looks like heads.
        [&head.write()[..], &vec![HEADERS; length]].concat()
    }

    /// Frames of a client that arrive in parts.
    struct FrameClient {
        frames: ReceivedFrames,
        windows: Windows,
        bytes: Vec<u8>,
        passed: usize,
    }

    impl FrameClient {
        fn new() -> Self {
            let (frames, windows) = (ReceivedFrames::new(), Windows::new(true));
            Self { frames, windows, bytes: vec![], passed: 0 }
        }

        /// Adds bytes that arrive. Returns how many pass.
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

    /// Reads these bytes in pieces, and allows more heads whenever it stops. Returns where it
    /// stopped.
    fn stops(bytes: &[u8], cut: usize) -> Vec<usize> {
        let (mut client, mut stops) = (FrameClient::new(), vec![]);
        for part in bytes.chunks(cut) {
            client.send(part);
            while client.frames.has_stopped() {
                stops.push(client.passed);
                client.frames.allow(HEADS_AT_ONCE);
                client.send(&[]);
            }
        }
        assert_eq!(client.bytes, bytes, "nothing is changed");
        assert_eq!(client.passed, bytes.len(), "everything passes");
        stops
    }

    /// The stops must not depend on how the network cut the bytes, so every cut is tried.
    #[track_caller]
    fn check(frames: &[(u8, usize)], expect: &[usize]) {
        let bytes = client(frames);
        let expect: Vec<usize> = expect.iter().map(|&n| client(&frames[..n]).len()).collect();
        for cut in 1..=bytes.len() {
            assert_eq!(stops(&bytes, cut), expect, "{frames:?} cut by {cut}");
        }
    }

    #[test]
    fn only_a_few_heads_of_a_burst_pass_at_a_time() {
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
    fn resets_that_have_arrived_with_their_requests_are_counted_wherever_the_bytes_end() {
        let of = |kind, stream, length| {
            let head = Head { kind, flags: END_HEADERS, stream, length };
            [&head.write()[..], &vec![RST_STREAM; length]].concat()
        };
        let mut client = FrameClient::new();
        client.send(&[0; PREFACE_BYTES]);
        client.send(&of(HEADERS, 5, 20));
        // The rest of a body, and then resets of an older stream, of newer ones, and other frames.
        client.send(&of(DATA, 5, 40)[..20]);
        let bytes = [
            vec![RST_STREAM; 29],
            of(RST_STREAM, 5, 4),
            of(HEADERS, 7, 30),
            of(HEADERS, 9, 3),
            of(RST_STREAM, 9, 4),
            of(WINDOW_UPDATE, 0, 4),
            of(RST_STREAM, 7, 4),
        ]
        .concat();
        let mut counts: Vec<usize> =
            (0..=bytes.len()).map(|end| client.frames.count_abandoned(&bytes[..end])).collect();
        assert!(counts.is_sorted(), "{counts:?}");
        counts.dedup();
        assert_eq!(counts, [0, 1, 2]);
    }

    #[test]
    fn requests_that_are_reset_at_once_do_not_count() {
        check(&[[(HEADERS, 3), (RST_STREAM, 4)]; 30].concat(), &[]);
    }

    #[test]
    fn resets_are_reported_when_h2_has_processed_their_frames() {
        let reset = |stream: u8| [0, 0, 4, RST_STREAM, 0xff, 0x80, 0, 1, stream, 0, 0, 0, 8];
        let bytes = [&[0; PREFACE_BYTES][..], &reset(3), &frame(DATA, 9), &reset(5)].concat();
        for cut in 1..=bytes.len() {
            let mut client = FrameClient::new();
            [0x103, 0x105].into_iter().for_each(|id| client.windows.open(id));
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
            let told: Vec<u32> = told.iter().map(|stream: &StreamRef| stream.id).collect();
            assert_eq!(told, [0x103, 0x105], "cut by {cut}");
            assert!(client.frames.take_resets().is_empty());
        }
    }

    #[test]
    fn the_number_of_remembered_settings_is_limited() {
        let mut client = FrameClient::new();
        let sent = self::client(&[(SETTINGS, 4); SETTINGS_AT_ONCE + 1]);
        assert_eq!(sent.len() - client.send(&sent), frame(SETTINGS, 4).len());
        assert!(client.frames.has_stopped());
        client.frames.allow(HEADS_AT_ONCE);
        client.windows.acknowledge();
        assert_eq!(client.send(&[]), frame(SETTINGS, 4).len());
        assert!(!client.frames.has_stopped());
    }

    #[test]
    fn the_number_of_remembered_resets_is_limited_and_unknown_streams_have_none() {
        let reset = |stream: u32| {
            let head = Head { kind: RST_STREAM, flags: 0, stream, length: NUMBER_BYTES };
            [&head.write()[..], &[0; NUMBER_BYTES]].concat()
        };
        let streams = (1..).step_by(2).take(RESETS_AT_ONCE + 1);
        let mut client = FrameClient::new();
        streams.clone().for_each(|stream| client.windows.open(stream));
        let unknown = reset(9_999).repeat(TURN_FRAMES - RESETS_AT_ONCE - 1);
        let resets: Vec<u8> = streams.flat_map(reset).collect();
        let sent = [&[0; PREFACE_BYTES][..], &unknown, &resets].concat();
        assert_eq!(sent.len() - client.send(&sent), reset(1).len());
        assert!(client.frames.has_stopped());
        client.frames.settle();
        client.frames.allow(HEADS_AT_ONCE);
        assert_eq!(client.frames.take_resets().len(), RESETS_AT_ONCE);
        assert_eq!(client.send(&[]), reset(1).len());
        assert!(!client.frames.has_stopped());
    }

    #[test]
    fn a_turn_reads_a_limited_number_of_frames_and_the_next_one_continues() {
        for (kind, length) in [(DATA, 0), (DATA, 9), (6, 8), (RST_STREAM, 4), (WINDOW_UPDATE, 4)] {
            let mut client = FrameClient::new();
            client.send(&[0; PREFACE_BYTES]);
            let before = client.frames.frames_left;
            client.send(&frame(kind, length).repeat(2 * TURN_FRAMES));
            assert_eq!((before, client.frames.frames_left), (TURN_FRAMES, 0));
            assert!(client.frames.has_stopped() && client.frames.is_turn_over());
            client.frames.start_turn(TURN_FRAMES);
            client.frames.allow(HEADS_AT_ONCE);
            client.send(&[]);
            assert_eq!(client.passed, client.bytes.len(), "all of the second half");
        }
    }

    #[test]
    fn removed_frames_leave_no_gap_whatever_the_cuts() {
        let sent = [
            &[0; PREFACE_BYTES][..],
            &frame(HEADERS, 3),
            &update(0, 7).repeat(3),
            &frame(DATA, 20),
            &update(0, 9),
            &frame(SETTINGS, 6),
        ]
        .concat();
        let expect =
            [&[0; PREFACE_BYTES][..], &frame(HEADERS, 3), &frame(DATA, 20), &frame(SETTINGS, 6)];
        for cut in 1..=sent.len() {
            let mut client = FrameClient::new();
            for part in sent.chunks(cut) {
                client.send(part);
            }
            assert_eq!(client.bytes, expect.concat(), "cut by {cut}");
            assert_eq!(client.windows.give_back(), 30);
        }
    }

    #[test]
    fn the_longest_frame_is_followed_to_its_end() {
        for kind in [DATA, SETTINGS] {
            let mut client = FrameClient::new();
            client.send(&[0; PREFACE_BYTES]);
            client.send(&[0xff, 0xff, 0xff, kind, 0, 0, 0, 0, 0]);
            assert_eq!(client.frames.skip, (1 << 24) - 1);
        }
    }

    /// What `h2` reads when these bytes arrive.
    fn told(client: &mut FrameClient, bytes: &[u8]) -> Vec<u8> {
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
    fn h2_sees_only_the_grants_that_are_meant_for_it() {
        let mut client = FrameClient::new();
        client.send(&[0; PREFACE_BYTES]);
        client.send(&frame(HEADERS, 3));
        client.windows.note_head_sent(1);
        assert_eq!(told(&mut client, &update(0, 1_000)), [], "it goes to the pool");
        assert_eq!(client.windows.claim(1, 300), SendPath::Direct(300));
        assert_eq!(told(&mut client, &update(1, 200)), [], "it pays the debt");
        assert_eq!(told(&mut client, &update(1, 200)), update(1, 100), "the rest");
        assert_eq!(told(&mut client, &update(3, 200)), update(3, 200), "of a stream that it knows");
        for odd in [update(0, 0), update(1, 0), frame(WINDOW_UPDATE, 3)] {
            assert_eq!(told(&mut client, &odd), odd, "of which it makes an error");
        }
    }

    #[test]
    fn frames_within_a_header_block_pass_unchanged() {
        let mut client = FrameClient::new();
        client.send(&[0; PREFACE_BYTES]);
        let head = Head { kind: HEADERS, flags: 0, stream: 1, length: 0 };
        let sent = [&head.write()[..], &update(0, 1_000)].concat();
        assert_eq!(client.send(&sent), sent.len());
        assert!(!client.frames.is_between_frames());
        assert_eq!(client.windows.give_back(), 0);
    }

    #[test]
    fn the_last_initial_window_of_the_settings_counts() {
        let setting = |name: u8, value: u32| [&[0, name][..], &value.to_be_bytes()].concat();
        assert_eq!(initial_window(&mut []), None);
        let mut some = [setting(4, 1), setting(3, 2), setting(4, 3), setting(1, 4)].concat();
        assert_eq!(initial_window(&mut some), Some(&mut [0, 0, 0, 3]));
    }
}
