//! A queue that grows, and gives up many values, in one short step, however long it is. Pure.
//!
//! A usual queue doubles at some insertions, and then moves everything. With a log of a million
//! messages, a publisher would wait for that, and all other publishers with it. This queue consists
//! of blocks of a fixed size. It moves the values of one block at most, and leaves the others where
//! they are.

use std::collections::VecDeque;

/// How many values a block has. A queue that is not longer is a usual queue.
pub(crate) const BLOCK: usize = if cfg!(test) { 16 } else { 2_048 };

/// Values in the order in which they came.
#[derive(Debug)]
pub(crate) struct SteppedQueue<T> {
    /// The blocks before the newest one. All of them have [`BLOCK`] values, apart from the first
    /// one, which may have fewer. `None` if there are no such blocks, so that a short queue needs
    /// no more memory than a usual one.
    older: Option<Box<Blocks<T>>>,
    newest: VecDeque<T>,
}

type Blocks<T> = VecDeque<VecDeque<T>>;

impl<T> Default for SteppedQueue<T> {
    fn default() -> Self {
        Self { older: None, newest: VecDeque::new() }
    }
}

impl<T> SteppedQueue<T> {
    pub(crate) fn len(&self) -> usize {
        self.len_of_older() + self.newest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.older.is_none() && self.newest.is_empty()
    }

    /// Whether it has memory.
    pub(crate) fn has_capacity(&self) -> bool {
        self.older.is_some() || self.newest.capacity() > 0
    }

    pub(crate) fn push_back(&mut self, value: T) {
        if self.newest.len() == BLOCK {
            let full = std::mem::replace(&mut self.newest, VecDeque::with_capacity(BLOCK));
            self.older.get_or_insert_default().push_back(full);
        }
        self.newest.push_back(value);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        match &mut self.older {
            None => self.newest.pop_front(),
            Some(older) => {
                let value = older.front_mut().and_then(VecDeque::pop_front);
                self.remove_empty_front();
                value
            }
        }
    }

    pub(crate) fn pop_back(&mut self) -> Option<T> {
        let value = self.newest.pop_back();
        self.refill_newest();
        value
    }

    pub(crate) fn front(&self) -> Option<&T> {
        let older = self.older.as_deref().and_then(|older| older.front()?.front());
        older.or_else(|| self.newest.front())
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let (block, index) = self.place(index);
        self.block(block)?.get(index)
    }

    /// The values from this index on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &T> + Clone {
        let (first, index) = self.place(index);
        let older = self.older.as_deref();
        let blocks = older.into_iter().flat_map(move |older| older.range(first.min(older.len())..));
        let is_in_newest = first == self.older_blocks();
        let older = (0..).zip(blocks).flat_map(move |(block, values): (usize, &VecDeque<T>)| {
            values.range(if block == 0 { index } else { 0 }..)
        });
        let start = if is_in_newest { index.min(self.newest.len()) } else { 0 };
        older.chain(self.newest.range(start..))
    }

    /// The number of values at the start for which the predicate is true. It is false for all
    /// values after those.
    pub(crate) fn partition_point(&self, mut is_before: impl FnMut(&T) -> bool) -> usize {
        let Some(older) = self.older.as_deref() else {
            return self.newest.partition_point(is_before);
        };
        let block = older.partition_point(|block| block.back().is_some_and(&mut is_before));
        let values = older.get(block).unwrap_or(&self.newest);
        self.start_of(block) + values.partition_point(is_before)
    }

    /// Takes so many values from the front.
    pub(crate) fn take_front(&mut self, count: usize) -> Self {
        let (block, index) = self.place(count.min(self.len()));
        let mut taken = Self::default();
        if block > 0 {
            let older = self.older.iter_mut().flat_map(|older| older.drain(..block));
            taken.older = Some(Box::new(older.collect()));
        }
        let first = self.older.as_mut().and_then(|older| older.front_mut());
        taken.newest = first.unwrap_or(&mut self.newest).drain(..index).collect();
        self.remove_empty_front();
        taken
    }

    /// Takes the values from this index on.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        let (block, index) = self.place(index.min(self.len()));
        let mut taken = Self::default();
        if block == self.older_blocks() {
            taken.newest = self.newest.split_off(index);
        } else if let Some(older) = &mut self.older {
            taken.newest = std::mem::take(&mut self.newest);
            let mut rest = older.split_off(block);
            self.newest = rest.pop_front().unwrap_or_default();
            rest.push_front(self.newest.split_off(index));
            taken.older = Some(Box::new(rest));
        }
        self.refill_newest();
        taken
    }

    /// After the blocks of `older`, the newest block counts as one.
    fn block(&self, block: usize) -> Option<&VecDeque<T>> {
        match self.older.as_deref() {
            Some(older) if block < older.len() => older.get(block),
            _ => (block == self.older_blocks()).then_some(&self.newest),
        }
    }

    fn older_blocks(&self) -> usize {
        self.older.as_deref().map_or(0, VecDeque::len)
    }

    fn len_of_older(&self) -> usize {
        self.start_of(self.older_blocks())
    }

    /// The index of the first value of a block.
    fn start_of(&self, block: usize) -> usize {
        let first = self.older.as_deref().and_then(VecDeque::front);
        match first {
            Some(first) if block > 0 => first.len() + (block - 1) * BLOCK,
            _ => 0,
        }
    }

    /// The block of an index, and the index in the block.
    fn place(&self, index: usize) -> (usize, usize) {
        let Some(first) = self.older.as_deref().and_then(VecDeque::front) else {
            return (0, index);
        };
        if index < first.len() {
            return (0, index);
        }
        let after = index - first.len();
        let block = (1 + after / BLOCK).min(self.older_blocks());
        (block, index - self.start_of(block))
    }

    /// The newest block is empty only if the queue is.
    fn refill_newest(&mut self) {
        if self.newest.is_empty()
            && let Some(older) = &mut self.older
        {
            self.newest = older.pop_back().unwrap_or_default();
        }
        self.older.take_if(|older| older.is_empty());
    }

    fn remove_empty_front(&mut self) {
        if let Some(older) = &mut self.older {
            older.pop_front_if(|first| first.is_empty());
            self.older.take_if(|older| older.is_empty());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        PopFront(usize),
        PopBack(usize),
        TakeFront(usize),
        SplitOff(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let count = 0..3 * BLOCK;
        prop_oneof![
            4 => count.clone().prop_map(Step::Push),
            1 => count.clone().prop_map(Step::PopFront),
            1 => count.clone().prop_map(Step::PopBack),
            1 => count.clone().prop_map(Step::TakeFront),
            1 => count.prop_map(Step::SplitOff),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_queue_does(steps in vec(step(), 0..40)) {
            let (mut queue, mut naive) = (SteppedQueue::default(), VecDeque::new());
            let mut last = 0;
            let check_taken = |taken: SteppedQueue<usize>, expect: VecDeque<usize>| {
                prop_assert_eq!(taken.len(), expect.len());
                prop_assert!(taken.iter_from(0).eq(&expect));
                let blocks = taken.older.iter().flat_map(|older| older.iter());
                let mut blocks = blocks.chain([&taken.newest]);
                prop_assert!(blocks.all(|block| block.len() <= BLOCK));
                Ok(())
            };
            for step in steps {
                match step {
                    Step::Push(count) => for _ in 0..count {
                        last += 1;
                        queue.push_back(last);
                        naive.push_back(last);
                    },
                    Step::PopFront(count) => for _ in 0..count {
                        prop_assert_eq!(queue.pop_front(), naive.pop_front());
                    },
                    Step::PopBack(count) => for _ in 0..count {
                        prop_assert_eq!(queue.pop_back(), naive.pop_back());
                    },
                    Step::TakeFront(count) => {
                        let expect = naive.drain(..count.min(naive.len())).collect();
                        check_taken(queue.take_front(count), expect)?;
                    }
                    Step::SplitOff(index) => {
                        let expect = naive.split_off(index.min(naive.len()));
                        check_taken(queue.split_off(index), expect)?;
                    }
                }
                prop_assert_eq!(queue.len(), naive.len());
                prop_assert_eq!(queue.is_empty(), naive.is_empty());
                prop_assert_eq!(queue.front(), naive.front());
                prop_assert_eq!(queue.older.is_some(), queue.older_blocks() > 0);
                for index in 0..naive.len() + 2 {
                    prop_assert_eq!(queue.get(index), naive.get(index));
                    let start = index.min(naive.len());
                    prop_assert!(queue.iter_from(start).eq(naive.range(start..)));
                    let value = naive.get(index).copied().unwrap_or(last + 1);
                    let found = queue.partition_point(|other| *other < value);
                    prop_assert_eq!(found, start);
                }
            }
        }
    }
}
