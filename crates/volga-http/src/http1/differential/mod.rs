//! This server compared with hyper as the oracle: hyper reads every accepted request in the same
//! way, and hyper's client reads every response as it was meant.

mod client;
mod comparison;
mod generate;
mod intended_differences;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::io::DuplexStream;

use self::comparison::{ObservedRequest, RecordingService, compare};
use self::generate::{mutate, mutations, request, size};
use super::NextStage;
use super::testing::{connection_service, http1};
use crate::drain::handle::Drain;
use crate::limits;

fn both(sent: &[u8], size: usize) -> (Vec<ObservedRequest>, Vec<ObservedRequest>) {
    let http1 = http1(&Drain::new());
    comparison::both(sent, size, async move |io: DuplexStream, service: RecordingService| {
        let next = http1.serve(io, Bytes::new(), connection_service(service)).await;
        if let NextStage::Linger(io) = next {
            http1.linger(io).await;
        }
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn hyper_reads_accepted_requests_in_the_same_way(
        sent in prop::collection::vec(request(), 1..4),
        mutations in mutations(),
        size in size(),
    ) {
        let mut sent = sent.concat();
        mutate(&mut sent, &mutations);
        let (ours, hypers) = both(&sent, size);
        prop_assert_eq!(compare(&ours, &hypers), Ok(()));
    }

    #[test]
    fn valid_requests_are_accepted(
        sent in prop::collection::vec(request(), 1..4),
        size in size(),
    ) {
        let (ours, hypers) = both(&sent.concat(), size);
        prop_assert_eq!(ours.len(), sent.len());
        prop_assert_eq!(ours, hypers);
    }
}

/// The seeds of the fuzz target. The first byte of a seed chooses the size of the pieces.
fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/http1_differential"))
}

/// The corpus also holds what the fuzz target has found, so that no fixed fault comes back.
#[test]
fn the_seeds_of_the_fuzz_target_hold() {
    let mut seeds = 0;
    for entry in fs::read_dir(corpus()).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let seed = fs::read(&path).expect("a seed");
        let (&cut, sent) = seed.split_first().expect("not empty");
        let (ours, hypers) = both(sent, usize::from(cut) + 1);
        assert_eq!(compare(&ours, &hypers), Ok(()), "{}", path.display());
        seeds += 1;
    }
    assert!(seeds >= SEEDS, "{seeds} seeds");
}

const SEEDS: usize = 48;

#[test]
#[ignore = "it writes the seeds of the fuzz target anew, after a change of the generator"]
fn write_the_seeds_of_the_fuzz_target() {
    let mut runner = TestRunner::new(config(0));
    let input = (prop::collection::vec(request(), 1..3), mutations(), 0..=255_u8);
    for number in 0..SEEDS {
        let (sent, mutations, cut) = input.new_tree(&mut runner).expect("a value").current();
        let mut sent = sent.concat();
        // Every fourth seed is proper.
        if number % 4 > 0 {
            mutate(&mut sent, &mutations);
        }
        sent.insert(0, cut);
        fs::write(corpus().join(format!("generated_{number:02}")), sent).expect("written");
    }
}
