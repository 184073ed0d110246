//! The pool of memory blocks for messages whose size is not known before they are written.
//!
//! A message that is copied into a frame, or into bytes of exactly its size, no longer needs the
//! block in which it was built. Each thread keeps one such block for its next message, so that a
//! message with JSON data costs one allocation less. `tests/allocations.rs` counts the allocations,
//! and fails when the pool no longer saves one.
//!
//! All pools of this crate are here. The hub keeps a cache of joined frames per thread, which is
//! not a pool: its entries are shared, not lent.

use std::cell::Cell;

/// The capacity of a new block. `serde_json` itself would start with this capacity.
pub(crate) const NEW_CAPACITY: usize = 128;

/// The capacity of the largest block that is kept. A message that waits in a queue may hold such a
/// block, however short the message is.
pub(crate) const MAX_CAPACITY: usize = 4 * NEW_CAPACITY;

thread_local! {
    static BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes the thread's block, or makes a new one. The block is empty.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    // While the thread ends, its block may be gone already.
    let block = BLOCK.try_with(Cell::take).unwrap_or_default();
    if block.capacity() == 0 { Vec::with_capacity(NEW_CAPACITY) } else { block }
}

/// Keeps a block for the thread's next message, unless it is too small or too large.
#[inline]
pub(crate) fn keep(mut block: Vec<u8>) {
    if is_kept(&block) {
        block.clear();
        // While the thread ends, there is no place to keep the block, and it is freed.
        let _ = BLOCK.try_with(|slot| slot.set(block));
    }
}

/// Returns true for a block that `keep` would keep.
#[inline]
pub(crate) fn is_kept(block: &Vec<u8>) -> bool {
    (NEW_CAPACITY..=MAX_CAPACITY).contains(&block.capacity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_lent_once_without_what_was_in_it() {
        for capacity in [NEW_CAPACITY, MAX_CAPACITY] {
            let mut block = Vec::with_capacity(capacity);
            block.push(1);
            let place = block.as_ptr();
            keep(block);
            let lent = take();
            assert_eq!((lent.as_ptr(), lent.len(), lent.capacity()), (place, 0, capacity));
            let another = take();
            assert_ne!(another.as_ptr(), lent.as_ptr());
        }
    }

    #[test]
    fn a_block_of_no_use_is_not_kept() {
        for capacity in [NEW_CAPACITY - 1, MAX_CAPACITY + 1] {
            keep(Vec::with_capacity(capacity));
            assert_eq!(take().capacity(), NEW_CAPACITY);
        }
    }
}
