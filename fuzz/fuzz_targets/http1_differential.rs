//! Any bytes on an HTTP/1 connection, cut anywhere: if our server accepts a request, hyper reads it
//! in the same way.
//!
//! The first byte of the input chooses the cuts, and the rest is what the client sends. The
//! comparison is the one of the property test in `volga-http`, which also runs over the corpus of
//! this target.

#![no_main]

#[path = "../../crates/volga-http/src/http1/differential/comparison.rs"]
mod comparison;

use comparison::{both, compare};
use libfuzzer_sys::fuzz_target;
use volga_http::{fuzzing::serve_http1, limits};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, sent)) = input.split_first() else {
        return;
    };
    let (ours, hypers) = both(sent, usize::from(cut) + 1, serve_http1);
    if let Err(difference) = compare(&ours, &hypers) {
        panic!("{difference}\n\nsent: {:?}", String::from_utf8_lossy(sent));
    }
});
