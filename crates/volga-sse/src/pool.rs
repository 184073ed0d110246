//! A block for the next message whose size nobody knows before it is written.
//!
//! A message that is copied into a frame, or into bytes of its own, leaves its block behind. Each thread keeps one.

use std::cell::Cell;

/// The capacity of a new block: what `serde_json` itself would start with.
pub(crate) const ROOM: usize = 128;

/// The largest block that is kept. A message that waits in a queue may hold one, however short it is.
pub(crate) const MAX: usize = 4 * ROOM;

thread_local! {
    static BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty block with room.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    // While the thread ends there may be none.
    let block = BLOCK.try_with(Cell::take).unwrap_or_default();
    if block.capacity() == 0 { Vec::with_capacity(ROOM) } else { block }
}

/// Keeps a block, unless it is too small or too large to be of use.
#[inline]
pub(crate) fn keep(mut block: Vec<u8>) {
    if is_kept(&block) {
        block.clear();
        // While the thread ends it is freed.
        let _ = BLOCK.try_with(|spare| spare.set(block));
    }
}

/// Whether it would be kept.
#[inline]
pub(crate) fn is_kept(block: &Vec<u8>) -> bool {
    (ROOM..=MAX).contains(&block.capacity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_lent_once_without_what_was_in_it() {
        for capacity in [ROOM, MAX] {
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
        for capacity in [ROOM - 1, MAX + 1] {
            keep(Vec::with_capacity(capacity));
            assert_eq!(take().capacity(), ROOM);
        }
    }
}
