//! A radix tree of texts (pure). The static segments of all routes become such texts.
//!
//! A step compares up to seven bytes at once, and the byte after them chooses the next step. Every
//! step takes the same few instructions, independent of the number of routes.

use crate::routing::tree::words::{WORD, word};

/// All steps. The first one is [`DEAD_END`].
#[derive(Debug)]
pub(crate) struct Radix(Vec<Step>);

/// The number of the step that matches nothing. A text without a continuation leads here, so the
/// search needs no check for that case.
pub(crate) const DEAD_END: u32 = 0;

/// The maximum length of a step's text: one byte less than a word, so that the byte after the text
/// is in the same word.
const MAX_TEXT: usize = WORD - 1;

/// A piece of text, with the nodes at its end and the steps that may follow.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    text: u64,
    mask: u64,
    /// The number of the first of the steps that may follow.
    next: u32,
    end: u32,
    args: u32,
    /// A mask for the next byte. The masked byte is the offset of the following step from `next`.
    /// That step then compares the whole byte.
    choice: u8,
    len: u8,
}

/// The result at the end of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// The path of this node ends here.
    End(u32),
    /// The path of this node and a slash end here, and the arguments of the node start.
    Args(u32),
}

const NO_NODE: u32 = u32::MAX;

impl Radix {
    pub(crate) fn new() -> Self {
        Self(vec![Step::DEAD_END])
    }

    /// Adds texts, and returns the number of their first step.
    pub(crate) fn add(&mut self, mut texts: Vec<(Vec<u8>, Stop)>) -> u32 {
        if texts.is_empty() {
            return DEAD_END;
        }
        texts.sort_by(|(one, _), (other, _)| one.cmp(other));
        let start = self.add_steps(1);
        // The steps to create: each with its texts, which are equal up to a byte, and that byte.
        let mut open = vec![(start, &*texts, 0)];
        while let Some((number, texts, at)) = open.pop() {
            let end = at + common(texts, at);
            let mut step = Step::new(&texts[0].0[at..end]);
            let (ended, longer) =
                texts.split_at(texts.partition_point(|(text, _)| text.len() == end));
            ended.iter().for_each(|(_, stop)| step.add_stop(*stop));
            let groups: Vec<_> =
                longer.chunk_by(|(one, _), (other, _)| one[end] == other[end]).collect();
            if !groups.is_empty() {
                step.choice = distinguishing_bits(groups.iter().map(|group| group[0].0[end]));
                step.next = self.add_steps(usize::from(step.choice) + 1);
            }
            for group in groups {
                open.push((step.after(group[0].0[end]), group, end));
            }
            self.0[number as usize] = step;
        }
        start
    }

    /// Adds steps that match nothing yet, and returns the number of the first.
    fn add_steps(&mut self, count: usize) -> u32 {
        let first = self.0.len();
        self.0.resize(first + count, Step::DEAD_END);
        first as u32
    }

    #[inline(always)]
    pub(crate) fn step(&self, number: u32) -> &Step {
        &self.0[number as usize]
    }
}

impl Step {
    const DEAD_END: Self = Self {
        // The mask is zero, so a masked word never equals this text.
        text: 1,
        mask: 0,
        next: DEAD_END,
        end: NO_NODE,
        args: NO_NODE,
        choice: 0,
        len: 0,
    };

    /// Creates a step with this text and no following steps.
    fn new(text: &[u8]) -> Self {
        Self {
            text: text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            mask: (1 << (8 * text.len())) - 1,
            len: text.len() as u8,
            ..Self::DEAD_END
        }
    }

    fn add_stop(&mut self, stop: Stop) {
        match stop {
            Stop::End(node) => self.end = node,
            Stop::Args(node) => self.args = node,
        }
    }

    /// Compares the step's text with the start of `rest`. If they are equal, returns the rest after
    /// the text, and the number of the step that may follow. `last` is the last word of the path.
    #[inline(always)]
    pub(crate) fn follow<'p>(&self, rest: &'p [u8], last: u64) -> Option<(&'p [u8], u32)> {
        let word = word(rest, last);
        if word & self.mask != self.text {
            return None;
        }
        // Zeros after the end of the path are not part of it, but a text may contain zeros.
        let left = rest.get(usize::from(self.len)..)?;
        Some((left, self.after((word >> (8 * self.len)) as u8)))
    }

    /// The number of the step that may follow with this byte.
    #[inline(always)]
    fn after(&self, byte: u8) -> u32 {
        self.next + u32::from(byte & self.choice)
    }

    /// The node whose path ends with this step, if there is one.
    #[inline(always)]
    pub(crate) fn end(&self) -> Option<u32> {
        (self.end != NO_NODE).then_some(self.end)
    }

    /// The node whose arguments start after this step, if there is one.
    #[inline(always)]
    pub(crate) fn args(&self) -> Option<u32> {
        (self.args != NO_NODE).then_some(self.args)
    }
}

/// Returns how many bytes from `at` on are equal in all of these sorted texts, and fit into a step.
fn common(texts: &[(Vec<u8>, Stop)], at: usize) -> usize {
    // A prefix that the first and the last text share is shared by all texts between them.
    let (first, last) = (&texts[0].0[at..], &texts[texts.len() - 1].0[at..]);
    first.iter().zip(last).take(MAX_TEXT).take_while(|(one, other)| one == other).count()
}

/// Returns the mask of the fewest low bits in which all of these bytes differ.
fn distinguishing_bits(bytes: impl Iterator<Item = u8> + Clone) -> u8 {
    let all_differ = |bits: &u8| {
        let mut seen = [false; 256];
        bytes.clone().all(|byte| !std::mem::replace(&mut seen[usize::from(byte & bits)], true))
    };
    (0..8).map(|count| (1 << count) - 1).find(all_differ).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::tree::words::last_word;

    /// The nodes at the end of a path.
    fn stops(radix: &Radix, start: u32, path: &[u8]) -> (Option<u32>, Option<u32>) {
        let (mut rest, mut number) = (path, start);
        loop {
            let step = radix.step(number);
            let Some(next) = step.follow(rest, last_word(path)) else { return (None, None) };
            if next.0.is_empty() {
                return (step.end(), step.args());
            }
            (rest, number) = next;
        }
    }

    proptest! {
        #[test]
        fn each_text_is_found_and_no_other(
            // `a` and `!` differ in a high bit only. Bytes after the end of a path are zero.
            texts in prop::collection::btree_set("[ab\u{21}\0/]{1,20}", 0..20),
            others in prop::collection::vec("[ab\u{21}\0/]{1,20}", 0..20),
        ) {
            let mut radix = Radix::new();
            radix.add(vec![(b"before".to_vec(), Stop::End(99))]);
            let both = |(text, node): (&String, u32)| {
                let text = text.clone().into_bytes();
                [(text.clone(), Stop::End(node)), (text, Stop::Args(node + 1))]
            };
            let start = radix.add(texts.iter().zip(0..).flat_map(both).collect());
            for (text, node) in texts.iter().zip(0..) {
                prop_assert_eq!(stops(&radix, start, text.as_bytes()), (Some(node), Some(node + 1)));
            }
            for other in others {
                let found = stops(&radix, start, other.as_bytes()) != (None, None);
                prop_assert_eq!(found, texts.contains(&other), "{:?}", other);
            }
        }
    }

    #[test]
    fn zeros_in_a_text_do_not_match_beyond_the_end_of_a_path() {
        let mut radix = Radix::new();
        let start = radix.add(vec![(b"/a\0".to_vec(), Stop::End(7))]);
        assert_eq!(stops(&radix, start, b"/a"), (None, None));
        assert_eq!(stops(&radix, start, b"/a\0"), (Some(7), None));
    }

    #[test]
    fn the_mask_has_as_few_bits_as_possible() {
        for (bytes, bits) in [("a", 0), ("ab", 1), ("/-", 3), ("0123456789", 15), ("pP", 63)] {
            assert_eq!(distinguishing_bits(bytes.bytes()), bits, "{bytes}");
        }
        assert_eq!(distinguishing_bits([b'a', b'a' | 1 << 7].into_iter()), u8::MAX);
    }

    #[test]
    fn two_steps_are_a_cache_line() {
        assert_eq!(2 * size_of::<Step>(), 64);
    }
}
