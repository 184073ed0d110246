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

    /// Counts the requests among these bytes. The bytes have arrived, and nothing of them has
    /// passed.
    pub(in crate::http2) fn look_ahead(&self, bytes: &[u8]) -> LookAhead {
        let mut rest = bytes.get(self.skip..).unwrap_or_default();
        let mut seen = LookAhead::default();
        while let Some(head) = rest.first_chunk().map(Head::read) {
            if head.stream > self.newest {
                match head.kind {
                    HEADERS => seen.requests += 1,
                    RST_STREAM => seen.abandoned += 1,
                    _ => {}
                }
            }
            rest = rest.get(HEAD_BYTES + head.length..).unwrap_or_default();
        }
        seen
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

/// The requests among bytes that have arrived and not passed.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http2) struct LookAhead {
    /// How many heads of requests there are.
    pub(in crate::http2) requests: usize,
    /// How many resets of such requests there are.
    pub(in crate::http2) abandoned: usize,
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
mod tests;
