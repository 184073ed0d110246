//! Segments as words: where one ends, and the key it is looked up by, from one look at its bytes. Pure.
//!
//! A loop over bytes ends where no processor can foresee it, and so does a choice by length; both cost more than all the rest of a look-up.
//! Here a segment of up to seven bytes takes the same steps whatever its length, and one of up to 15 the same twice.

use std::num::NonZeroU64;

/// A segment in three words: its first 16 bytes, with zeros after the end, and its length. Up to that length equal keys are equal segments.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Key {
    first: u64,
    second: u64,
    pub(crate) len: usize,
}

/// How long a segment may be to be known by its key.
pub(crate) const EXACT: usize = 16;

const WORD: usize = size_of::<u64>();
const ONES: u64 = u64::from_le_bytes([1; WORD]);
const PERCENTS: u64 = u64::from_le_bytes([b'%'; WORD]);
const SLASHES: u64 = u64::from_le_bytes([b'/'; WORD]);

impl Key {
    /// The key of a whole segment.
    pub(crate) fn of(segment: &[u8]) -> Self {
        Self {
            first: word_at(segment, 0),
            second: word_at(segment, WORD.min(segment.len())),
            len: segment.len(),
        }
    }

    /// The key of the segment that starts at this byte of the path, which is not past its end.
    #[inline(always)]
    pub(crate) fn at(path: &[u8], at: usize) -> Self {
        let left = path.len() - at;
        let first = word_at(path, at);
        match end(first) {
            Some((len, mask)) => return Self { first: first & mask, second: 0, len },
            None if left <= WORD => return Self { first, second: 0, len: left },
            None => {}
        }
        let second = word_at(path, at + WORD);
        match end(second) {
            Some((len, mask)) => return Self { first, second: second & mask, len: WORD + len },
            None if left <= 2 * WORD => return Self { first, second, len: left },
            None => {}
        }
        let rest = &path[at + 2 * WORD..];
        let more = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        Self { first, second, len: 2 * WORD + more }
    }

    /// A number that is rarely the same for two segments.
    #[inline(always)]
    pub(crate) fn hash(self, segment: &[u8]) -> u64 {
        const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;
        let mut hash =
            (self.first ^ self.second.rotate_left(32) ^ self.len as u64).wrapping_mul(FACTOR);
        if self.len > EXACT {
            let (words, tail) = segment[EXACT..].as_chunks::<WORD>();
            for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([word_at(tail, 0)])
            {
                hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
            }
        }
        hash
    }
}

/// Whether a path has a `%` in it.
#[inline(always)]
pub(crate) fn has_percent(path: &[u8]) -> bool {
    let (words, tail) = path.as_chunks::<WORD>();
    let found = |word| equal_bytes(word, PERCENTS);
    let tail = word_at(path, path.len() - tail.len());
    words.iter().fold(found(tail), |all, word| all | found(u64::from_le_bytes(*word))) != 0
}

/// Eight bytes from this one on, with zeros for those after the end.
#[inline(always)]
pub(crate) fn word_at(bytes: &[u8], at: usize) -> u64 {
    let rest = &bytes[at..];
    if let Some(word) = rest.first_chunk::<WORD>() {
        return u64::from_le_bytes(*word);
    }
    match bytes.last_chunk::<WORD>() {
        // The last eight bytes, without those before this one.
        Some(_) if rest.is_empty() => 0,
        Some(last) => u64::from_le_bytes(*last) >> (8 * (WORD - rest.len())),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// How many bytes of a word come before its first slash, and a mask of them.
#[inline(always)]
fn end(word: u64) -> Option<(usize, u64)> {
    let found = NonZeroU64::new(equal_bytes(word, SLASHES))?;
    // The lowest bit found is the highest of its byte.
    let below = (found.get() - 1) & !found.get();
    Some((found.trailing_zeros() as usize / 8, below >> 7))
}

/// The highest bit of each byte that is the same in both words; bits after the first may be false.
#[inline(always)]
fn equal_bytes(one: u64, other: u64) -> u64 {
    // A byte that is the same becomes zero, and only from a zero byte on does a borrow reach the highest bit of a byte.
    let zeroed = one ^ other;
    zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_key_within_a_path_is_that_of_the_segment_alone(path in "[a-c/.0\u{e9}]{0,60}", start in 0_usize..60) {
            let path = path.as_bytes();
            let start = start.min(path.len());
            let segment = path[start..].split(|byte| *byte == b'/').next().unwrap();
            prop_assert_eq!(Key::at(path, start), Key::of(segment));
        }

        #[test]
        fn every_percent_is_seen(path in "[/$%&]{0,40}|[a-z]{0,30}%?[a-z]{0,30}") {
            prop_assert_eq!(has_percent(path.as_bytes()), path.contains('%'));
        }

        #[test]
        fn equal_keys_are_equal_segments(a in "[ab]{0,16}", b in "[ab]{0,16}") {
            prop_assert_eq!(Key::of(a.as_bytes()) == Key::of(b.as_bytes()), a == b);
        }
    }
}
