//! The bytes of a message while it is written: inside of the message while they are few, otherwise
//! in one heap block. Pure.

#[cfg(feature = "json")]
use crate::pool;

/// The number of bytes that a message holds without an allocation: enough for an event name, an ID
/// and short data. If the bytes do not fit, they get one block of exactly the size that they need.
/// With this number, a [`Message`](crate::codec::message::Message) is no larger than a cache line.
pub(crate) const INLINE: usize = 46;

/// A byte buffer that grows from the inline array to one heap block.
#[derive(Clone)]
pub(crate) enum Wire {
    /// Not the same as an empty `Inline`, so that a message which starts with its data does not
    /// clear an array. Such a message goes to the heap at once, where
    /// [`encode`](crate::codec::message::Message::encode) needs it.
    Empty,
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Heap(Vec<u8>),
}

impl Wire {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    /// Adds a line, inside of the message while it fits.
    #[inline]
    pub(crate) fn push_line<const N: usize>(&mut self, prefix: &[u8; N], text: &[u8]) {
        if let Self::Empty = self {
            *self = Self::Inline { len: 0, bytes: [0; INLINE] };
        }
        let more = N + text.len() + 1;
        if let Self::Inline { len, bytes } = self {
            let start = usize::from(*len);
            if let Some(room) = bytes.get_mut(start..start + more) {
                room[..N].copy_from_slice(prefix);
                room[N..more - 1].copy_from_slice(text);
                room[more - 1] = b'\n';
                // The sum is at most `INLINE`, which fits into `u8`.
                *len += more as u8;
                return;
            }
        }
        // One byte more, for the blank line after the message.
        let mut heap = self.take_heap(more + 1);
        heap.extend_from_slice(prefix);
        heap.extend_from_slice(text);
        heap.push(b'\n');
        *self = Self::Heap(heap);
    }

    /// Returns all bytes as a heap block, with room for the blank line after the message.
    #[inline(always)]
    pub(crate) fn into_heap(self) -> Vec<u8> {
        match self {
            Self::Heap(heap) => heap,
            inside => inside.spilled(),
        }
    }

    // By value: a reference to the array would keep every message in memory, also messages without
    // an array.
    #[inline(never)]
    fn spilled(mut self) -> Vec<u8> {
        self.take_heap(1)
    }

    /// Takes all bytes out as a heap block with room for `more` bytes. The caller puts the block
    /// back as `Heap`.
    ///
    /// A new block has exactly that size, because most messages end with the field that needs it. A
    /// block that exists grows by doubling.
    #[inline]
    pub(crate) fn take_heap(&mut self, more: usize) -> Vec<u8> {
        match self {
            Self::Empty => Vec::with_capacity(more),
            Self::Inline { len, bytes } => {
                let inside = &bytes[..usize::from(*len)];
                let mut heap = Vec::with_capacity(inside.len() + more);
                heap.extend_from_slice(inside);
                heap
            }
            Self::Heap(heap) => {
                let mut heap = std::mem::take(heap);
                heap.reserve(more);
                heap
            }
        }
    }

    /// Takes all bytes out as a heap block for data of unknown size: the block that there is, or
    /// the thread's pooled one.
    #[cfg(feature = "json")]
    #[inline]
    pub(crate) fn take_pooled(&mut self) -> Vec<u8> {
        if let Self::Heap(heap) = self {
            return std::mem::take(heap);
        }
        let mut block = pool::take();
        block.extend_from_slice(self.as_slice());
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_spill_wherever_it_comes() {
        for first in 0..=INLINE + 2 {
            for room in [None, Some(0), Some(300)] {
                let mut wire = Wire::Empty;
                let mut expect = vec![1; first];
                wire.push_line(b"", &expect);
                expect.push(b'\n');
                if let Some(room) = room {
                    wire = Wire::Heap(wire.take_heap(room));
                }
                for n in 0..4_u8 {
                    wire.push_line(b"ab", &[n; 7]);
                    expect.extend_from_slice(&[b"ab", &[n; 7][..], b"\n"].concat());
                }
                assert_eq!(wire.as_slice(), expect);
            }
        }
    }

    #[test]
    fn the_first_block_is_of_the_size_asked_for() {
        let mut wire = Wire::Empty;
        wire.push_line(b"event: ", b"e");
        assert_eq!(wire.take_heap(1000).capacity(), 1009);
    }
}
