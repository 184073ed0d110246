//! Texts found from the front: what the static segments of all routes become. Pure.
//!
//! A step compares up to seven bytes at once, and the byte after them chooses the next step. Each takes the same few instructions, whatever it leads to
//! and however many there are.

use crate::routing::words::{WORD, word};

/// All steps. The first one is [`DEAD_END`].
#[derive(Debug)]
pub(crate) struct Radix(Vec<Step>);

/// The number of a step that matches nothing: what leads nowhere leads here, so that nobody has to ask.
pub(crate) const DEAD_END: u32 = 0;

/// A byte less than a word, so that the byte after a text is in the same word.
const MAX_TEXT: usize = WORD - 1;

/// A piece of text, what is found at its end, and where it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    text: u64,
    mask: u64,
    /// The steps after this one are a stretch from here on.
    next: u32,
    end: u32,
    args: u32,
    /// The place of a step in that stretch: the bits of the next byte that tell them apart. The byte itself is theirs to compare.
    choice: u8,
    len: u8,
}

/// What is found at the end of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// The path of this node.
    End(u32),
    /// The path of this node and a slash, after which its arguments start.
    Args(u32),
}

const NO_NODE: u32 = u32::MAX;

impl Radix {
    pub(crate) fn new() -> Self {
        Self(vec![Step::DEAD_END])
    }

    /// Adds texts, and gives the step from which they are found.
    pub(crate) fn add(&mut self, mut texts: Vec<(Vec<u8>, Stop)>) -> u32 {
        if texts.is_empty() {
            return DEAD_END;
        }
        texts.sort_by(|(one, _), (other, _)| one.cmp(other));
        let start = self.add_steps(1);
        // Steps to make, each with its texts and where in them it starts; up to there they are the same.
        let mut open = vec![(start, &*texts, 0)];
        while let Some((number, texts, at)) = open.pop() {
            let end = at + common(texts, at);
            let mut step = Step::of(&texts[0].0[at..end]);
            let (ended, longer) =
                texts.split_at(texts.partition_point(|(text, _)| text.len() == end));
            ended.iter().for_each(|(_, stop)| step.add_stop(*stop));
            let groups: Vec<_> =
                longer.chunk_by(|(one, _), (other, _)| one[end] == other[end]).collect();
            if !groups.is_empty() {
                step.choice = telling_apart(groups.iter().map(|group| group[0].0[end]));
                step.next = self.add_steps(usize::from(step.choice) + 1);
            }
            for group in groups {
                open.push((step.after(group[0].0[end]), group, end));
            }
            self.0[number as usize] = step;
        }
        start
    }

    /// Adds steps that match nothing yet, and gives the first.
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
        // No word has a bit that the mask takes away.
        text: 1,
        mask: 0,
        next: DEAD_END,
        end: NO_NODE,
        args: NO_NODE,
        choice: 0,
        len: 0,
    };

    /// A step with this text, and nothing after it.
    fn of(text: &[u8]) -> Self {
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

    /// What is left of a path after this step's text, if that comes next, and the step that may follow; `last` is the path's last word.
    #[inline(always)]
    pub(crate) fn follow<'p>(&self, rest: &'p [u8], last: u64) -> Option<(&'p [u8], u32)> {
        let word = word(rest, last);
        if word & self.mask != self.text {
            return None;
        }
        // The zeros after a path's end are no part of it, but may be one of the text.
        let left = rest.get(usize::from(self.len)..)?;
        Some((left, self.after((word >> (8 * self.len)) as u8)))
    }

    /// The step that may go on with this byte.
    #[inline(always)]
    fn after(&self, byte: u8) -> u32 {
        self.next + u32::from(byte & self.choice)
    }

    /// The node whose path ends with this step.
    #[inline(always)]
    pub(crate) fn end(&self) -> Option<u32> {
        (self.end != NO_NODE).then_some(self.end)
    }

    /// The node whose arguments start after this step.
    #[inline(always)]
    pub(crate) fn args(&self) -> Option<u32> {
        (self.args != NO_NODE).then_some(self.args)
    }
}

/// How many bytes from this one on are the same in all these texts, which are sorted, and fit in a step.
fn common(texts: &[(Vec<u8>, Stop)], at: usize) -> usize {
    // What the first and the last have in common, all between them have.
    let (first, last) = (&texts[0].0[at..], &texts[texts.len() - 1].0[at..]);
    first.iter().zip(last).take(MAX_TEXT).take_while(|(one, other)| one == other).count()
}

/// The fewest low bits in which all these bytes differ.
fn telling_apart(bytes: impl Iterator<Item = u8> + Clone) -> u8 {
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
    use crate::routing::words::last_word;

    /// What is found at the end of a path.
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
            // `a` and `!` differ in a high bit alone; the zero is what stands after a path's end.
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
    fn zeros_in_a_text_are_not_what_stands_after_a_paths_end() {
        let mut radix = Radix::new();
        let start = radix.add(vec![(b"/a\0".to_vec(), Stop::End(7))]);
        assert_eq!(stops(&radix, start, b"/a"), (None, None));
        assert_eq!(stops(&radix, start, b"/a\0"), (Some(7), None));
    }

    #[test]
    fn bytes_are_told_apart_by_as_few_bits_as_it_takes() {
        for (bytes, bits) in [("a", 0), ("ab", 1), ("/-", 3), ("0123456789", 15), ("pP", 63)] {
            assert_eq!(telling_apart(bytes.bytes()), bits, "{bytes}");
        }
        assert_eq!(telling_apart([b'a', b'a' | 1 << 7].into_iter()), u8::MAX);
    }

    #[test]
    fn two_steps_are_a_cache_line() {
        assert_eq!(2 * size_of::<Step>(), 64);
    }
}
