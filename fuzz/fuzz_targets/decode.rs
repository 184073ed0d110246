//! The decoder reads any bytes, cut anywhere, as the standard says.
//!
//! The first byte of the input chooses the cuts, and the rest is the stream.

#![no_main]

#[path = "../../crates/volga-sse/tests/it/naive.rs"]
mod naive;

use libfuzzer_sys::fuzz_target;
use naive::{Parsed, parse};
use volga_sse::Decoder;

fuzz_target!(|input: &[u8]| {
    let Some((&cuts, wire)) = input.split_first() else {
        return;
    };
    assert_eq!(decode(wire, Cuts(u64::from(cuts))), parse(wire));
});

fn decode(wire: &[u8], mut cuts: Cuts) -> Parsed {
    let mut decoder = Decoder::new();
    let mut parsed = Parsed::default();
    let mut rest = wire;
    while !rest.is_empty() {
        let (mut chunk, after) = rest.split_at(cuts.next().min(rest.len()));
        rest = after;
        while let Some(event) = decoder.next(&mut chunk).expect("within limits") {
            parsed.events.push((event.event().into(), event.data().into(), event.id().into()));
        }
    }
    decoder.last_event_id().clone_into(&mut parsed.last_event_id);
    parsed.retry = decoder.retry().map(|time| u64::try_from(time.as_millis()).expect("64 bits"));
    parsed
}

/// The sizes of the chunks: all of the same size for small seeds, mixed for the others.
struct Cuts(u64);

impl Cuts {
    fn next(&mut self) -> usize {
        if self.0 < 16 {
            return self.0 as usize + 1;
        }
        // Marsaglia's xorshift: 64 bits that never become zero.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 = self.0.max(16);
        (self.0 % 24) as usize
    }
}
