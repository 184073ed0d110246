//! Reads a path eight bytes at a time (pure).
//!
//! A loop over single bytes ends at an unpredictable byte, so the processor mispredicts the branch.
//! The loop would also take more instructions than all other parts of a lookup together.

use std::num::NonZeroU64;

pub(crate) const WORD: usize = size_of::<u64>();
const ONES: u64 = u64::from_le_bytes([1; WORD]);
const PERCENTS: u64 = u64::from_le_bytes([b'%'; WORD]);
const SLASHES: u64 = u64::from_le_bytes([b'/'; WORD]);

/// Returns the last eight bytes of a path, as [`word`] needs them. If the path is shorter, its last
/// byte is still the highest byte of the word.
#[inline(always)]
pub(crate) fn last_word(path: &[u8]) -> u64 {
    match path.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => path.iter().fold(0, |word, byte| word >> 8 | u64::from(*byte) << 56),
    }
}

/// Returns the next eight bytes of a path. The first byte is the lowest, and bytes after the end of
/// the path are zero. `rest` must not be empty, and `last` is the [`last_word`] of the path.
#[inline(always)]
pub(crate) fn word(rest: &[u8], last: u64) -> u64 {
    match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => last.wrapping_shr(8 * (WORD - rest.len()) as u32),
    }
}

/// Returns the number of bytes before the next slash or `%`, or before the end.
#[inline(always)]
pub(crate) fn plain_len(rest: &[u8], last: u64) -> usize {
    let mut at = 0;
    while at < rest.len() {
        let word = word(&rest[at..], last);
        let stops = equal_bytes(word, SLASHES) | equal_bytes(word, PERCENTS);
        if let Some(stops) = NonZeroU64::new(stops) {
            // The lowest bit that is set is the highest bit of its byte.
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    rest.len()
}

/// Whether a path has a `%` in it.
pub(crate) fn has_percent(path: &[u8]) -> bool {
    let found = |word| equal_bytes(word, PERCENTS);
    let words = path.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    words.fold(found(last_word(path)), |all, word| all | found(word)) != 0
}

/// Sets the highest bit of each byte that is equal in both words. Bits after the first one that is
/// set may be wrong.
#[inline(always)]
fn equal_bytes(one: u64, other: u64) -> u64 {
    // Equal bytes become zero. The subtraction borrows through the highest bit of a byte only at a
    // zero byte, and perhaps after it.
    let zeroed = one ^ other;
    zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_is_the_next_eight_bytes_or_zeros(text in "[a-c/]{1,30}", at in 0_usize..30) {
            let at = at.min(text.len() - 1);
            let mut padded = text.as_bytes().to_vec();
            padded.resize(40, 0);
            let word = word(&text.as_bytes()[at..], last_word(text.as_bytes()));
            prop_assert_eq!(word.to_le_bytes(), &padded[at..at + WORD]);
        }

        #[test]
        fn a_slash_and_a_percent_are_found(text in "[$%&./0]{0,20}|[a-c.0\u{e9}]{0,60}[/%]?[a-z/%]{0,60}") {
            let expect = text.find(['/', '%']).unwrap_or(text.len());
            prop_assert_eq!(plain_len(text.as_bytes(), last_word(text.as_bytes())), expect);
            prop_assert_eq!(has_percent(text.as_bytes()), text.contains('%'));
        }
    }
}
