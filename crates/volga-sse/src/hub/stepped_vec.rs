//! A list that grows in one short step, however long it is. Pure.

use std::ops::{Index, IndexMut};

/// How many values a block has.
const BLOCK: usize = if cfg!(test) { 16 } else { 1_024 };

/// A list in blocks of a fixed size. A usual list doubles at some insertions, and then moves
/// everything. A publisher that creates a topic would wait for that, and all others with it.
#[derive(Debug)]
pub(crate) struct SteppedVec<T> {
    /// All blocks are full, apart from the last one.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for SteppedVec<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T> SteppedVec<T> {
    pub(crate) fn len(&self) -> usize {
        match self.blocks.last() {
            Some(last) => (self.blocks.len() - 1) * BLOCK + last.len(),
            None => 0,
        }
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(value),
            Some(_) => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(value);
                self.blocks.push(block);
            }
            // A short list needs no more memory than a usual one.
            None => self.blocks.push(vec![value]),
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }
}

impl<T> Index<usize> for SteppedVec<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.blocks[index / BLOCK][index % BLOCK]
    }
}

impl<T> IndexMut<usize> for SteppedVec<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.blocks[index / BLOCK][index % BLOCK]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_a_plain_list_does() {
        let (mut list, mut naive) = (SteppedVec::default(), Vec::new());
        for value in 0..5 * BLOCK {
            list.push(value);
            naive.push(value);
            list[value / 2] += 1;
            naive[value / 2] += 1;
            assert_eq!(list.len(), naive.len());
            let all: Vec<_> = (0..list.len()).map(|index| list[index]).collect();
            assert_eq!(all, naive);
            for index in 0..naive.len() + 2 {
                assert_eq!(list.get_mut(index), naive.get_mut(index));
            }
            assert!(list.blocks.iter().all(|block| block.capacity() <= BLOCK));
        }
    }
}
