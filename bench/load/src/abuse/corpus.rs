//! Writes the bytes of the attacks over HTTP/2 as inputs of the fuzz target `http2`.

use std::{fs, path::Path};

use super::attack::{Attack, Blocks};
use crate::{failure::Failure, wire::frames::PREFACE};

/// About how many bytes one input has at most, so that the fuzzer can vary all of it.
const INPUT: usize = 2 * 1024;

/// How many generated orders of frames become inputs.
const ORDERS: u64 = 24;

/// The first byte of an input: the size of the transport, and in the lowest bit whether the data of
/// long-lived bodies goes through `h2`.
const FIRST_BYTES: &[u8] = &[0, 1, 40, 41];

/// Writes the inputs into the folder, and returns how many there are.
pub(crate) fn write_corpus(folder: &Path) -> Result<usize, Failure> {
    fs::create_dir_all(folder)?;
    let mut count = 0;
    for attack in attacks() {
        let name = format!("{attack:?}").to_lowercase().replace(['(', ')'], "_");
        for &first in FIRST_BYTES {
            fs::write(folder.join(format!("{name}{first}")), input(attack, first))?;
            count += 1;
        }
    }
    Ok(count)
}

fn attacks() -> impl Iterator<Item = Attack> {
    let fixed = [
        Attack::Resets(16),
        Attack::ErrorResets(16),
        Attack::Pings,
        Attack::Settings,
        Attack::Continuations,
        Attack::Priorities,
        Attack::NarrowWindows,
        Attack::PaddedData,
        Attack::EmptyData,
    ];
    fixed.into_iter().chain((0..ORDERS).map(Attack::Generated))
}

/// The fuzz target sends the preface itself.
fn input(attack: Attack, first: u8) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut blocks = Blocks::begin(attack, &mut wire);
    while wire.len() < INPUT && blocks.write(&mut wire) {}
    wire.truncate(PREFACE.len() + INPUT);
    let frames = wire.strip_prefix(PREFACE).unwrap_or(&wire);
    [&[first], frames].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_is_small_and_another() {
        let mut inputs: Vec<Vec<u8>> = attacks().map(|attack| input(attack, 40)).collect();
        assert!(inputs.iter().all(|input| (200..=1 + INPUT).contains(&input.len())));
        let count = inputs.len();
        inputs.sort_unstable();
        inputs.dedup();
        assert_eq!(inputs.len(), count);
    }
}
