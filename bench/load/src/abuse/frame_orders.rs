//! Generates frames of all kinds in any order (pure).
//!
//! Most of the frames are well-formed for themselves, so a server gets past the first one: what is
//! wrong with them is the order, the stream or a number.

use crate::wire::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PADDED,
    PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, get_block, post_block, write_frame,
    write_settings,
};

/// How many streams the frames of a connection are about at a time.
const STREAMS: u64 = 16;

/// One order of frames. The same seed gives the same order.
#[derive(Debug)]
pub(crate) struct FrameOrder {
    state: u64,
    /// The number of the newest stream.
    newest: u32,
}

impl FrameOrder {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, newest: 1 }
    }

    /// Writes the next frame into `to`.
    pub(crate) fn write(&mut self, to: &mut Vec<u8>) {
        let paths = ["/plaintext", "/large", "/events", "/firehose?n=1000"];
        let path = paths[self.below(4) as usize];
        let stream = self.stream();
        match self.below(16) {
            0..4 => {
                self.newest = self.newest.wrapping_add(2) & 0x7FFF_FFFF;
                let flags = [END_HEADERS | END_STREAM, END_HEADERS][self.below(2) as usize];
                write_frame(to, HEADERS, flags, self.newest, &get_block(path));
            }
            4 => {
                self.newest = self.newest.wrapping_add(2) & 0x7FFF_FFFF;
                write_frame(to, HEADERS, END_HEADERS, self.newest, &post_block("/publish"));
            }
            5 => {
                // A head in two frames, and often a third one that does not belong there.
                self.newest = self.newest.wrapping_add(2) & 0x7FFF_FFFF;
                let block = get_block(path);
                let (first, second) = block.split_at(self.below(block.len() as u64) as usize);
                write_frame(to, HEADERS, END_STREAM, self.newest, first);
                write_frame(to, CONTINUATION, END_HEADERS, self.newest, second);
            }
            6 => {
                let data = vec![b'.'; self.below(64) as usize];
                let flags = [0, 0, 0, END_STREAM][self.below(4) as usize];
                write_frame(to, DATA, flags, stream, &data);
            }
            7 => {
                let padding = self.below(32) as u8;
                let mut data = vec![padding, b'.'];
                data.resize(2 + usize::from(padding), 0);
                write_frame(to, DATA, PADDED, stream, &data);
            }
            8 => write_frame(to, RST_STREAM, 0, stream, &CANCEL.to_be_bytes()),
            9 | 10 => {
                let increment = [1, 1, 16 * 1024, 0x7FFF_FFFF][self.below(4) as usize];
                let stream = if self.below(4) == 0 { 0 } else { stream };
                write_frame(to, WINDOW_UPDATE, 0, stream, &u32::to_be_bytes(increment));
            }
            11 => write_frame(to, PRIORITY, 0, stream, &[0, 0, 0, 0, 7]),
            12 => write_frame(to, PING, [0, ACK][self.below(2) as usize], 0, &[0; 8]),
            13 => {
                let window = [0, 1, 65_535, 0x7FFF_FFFF][self.below(4) as usize];
                write_settings(to, &[(INITIAL_WINDOW_SIZE, window)]);
            }
            14 => write_frame(to, SETTINGS, ACK, 0, &[]),
            // A type that HTTP/2 does not define.
            _ => write_frame(to, 0xBE, 0xFF, stream, &[0; 5]),
        }
    }

    /// The number of one of the newest streams.
    fn stream(&mut self) -> u32 {
        let back = 2 * self.below(STREAMS) as u32;
        self.newest.saturating_sub(back).max(1)
    }

    /// A number below `end`, from the generator of Knuth's MMIX.
    fn below(&mut self, end: u64) -> u64 {
        let constants = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.state = self.state.wrapping_mul(constants.0).wrapping_add(constants.1);
        (self.state >> 33) % end
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::wire::frames::Frames;

    fn frames(seed: u64, count: usize) -> Vec<u8> {
        let (mut order, mut wire) = (FrameOrder::new(seed), Vec::new());
        (0..count).for_each(|_| order.write(&mut wire));
        wire
    }

    #[test]
    fn a_seed_gives_one_order_with_frames_of_all_kinds() {
        assert_eq!(frames(1, 50), frames(1, 50));
        assert_ne!(frames(1, 50), frames(2, 50));
        let mut kinds = BTreeSet::new();
        let wire = frames(3, 1_000);
        Frames::default().feed(&wire, |frame| _ = kinds.insert(frame.kind)).expect("frames");
        let expected = [
            DATA,
            HEADERS,
            PRIORITY,
            RST_STREAM,
            SETTINGS,
            PING,
            WINDOW_UPDATE,
            CONTINUATION,
            0xBE,
        ];
        assert_eq!(kinds, BTreeSet::from(expected));
    }
}
