//! The bytes of a message that is being written: inside the message while they are few, on the heap from then on. Pure.

/// Bytes that a message holds without an allocation. With it a [`Message`](crate::Message) is two cache lines, and a typical JSON event, with
/// its name and ID, stays inside.
pub(crate) const INLINE: usize = 110;

/// A byte buffer that grows from the inline array to one heap block.
#[derive(Clone)]
pub(crate) enum Wire {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Vec<u8>),
}

impl Wire {
    pub(crate) const fn new() -> Self {
        Self::Inline { len: 0, bytes: [0; INLINE] }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Inline { len, .. } => usize::from(*len),
            Self::Heap(bytes) => bytes.len(),
        }
    }

    /// Makes room for `more` bytes: one allocation of just that at the first spill, since most messages end with the field that is being
    /// written; amortised growth later.
    pub(crate) fn reserve(&mut self, more: usize) {
        match self {
            Self::Inline { len, bytes } => {
                let len = usize::from(*len);
                if len + more > INLINE {
                    let mut heap = Vec::with_capacity(len + more);
                    heap.extend_from_slice(&bytes[..len]);
                    *self = Self::Heap(heap);
                }
            }
            Self::Heap(bytes) => bytes.reserve(more),
        }
    }

    #[inline]
    pub(crate) fn extend(&mut self, more: &[u8]) {
        match self {
            Self::Heap(bytes) => bytes.extend_from_slice(more),
            Self::Inline { len, bytes } => {
                let start = usize::from(*len);
                match bytes.get_mut(start..start + more.len()) {
                    Some(room) => {
                        room.copy_from_slice(more);
                        // The sum is at most INLINE, which fits.
                        *len += more.len() as u8;
                    }
                    None => self.spill(more),
                }
            }
        }
    }

    #[cold]
    fn spill(&mut self, more: &[u8]) {
        // A serialiser writes in small pieces: doubling keeps the copies few.
        let mut heap = Vec::with_capacity((self.len() + more.len()).max(4 * INLINE));
        heap.extend_from_slice(self.as_slice());
        heap.extend_from_slice(more);
        *self = Self::Heap(heap);
    }

    pub(crate) fn truncate(&mut self, keep: usize) {
        match self {
            Self::Inline { len, .. } => *len = (*len).min(u8::try_from(keep).unwrap_or(u8::MAX)),
            Self::Heap(bytes) => bytes.truncate(keep),
        }
    }
}

#[cfg(feature = "json")]
impl std::io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_spill_wherever_it_comes() {
        for first in 0..=INLINE + 2 {
            for reserve in [0, 1, 300] {
                let mut wire = Wire::new();
                let mut expect = vec![1; first];
                wire.extend(&expect);
                wire.reserve(reserve);
                for n in 0..4_u8 {
                    wire.extend(&[n; 9]);
                    expect.extend_from_slice(&[n; 9]);
                }
                assert_eq!(wire.as_slice(), expect);
                assert_eq!(wire.len(), expect.len());
                wire.truncate(first);
                assert_eq!(wire.as_slice(), &expect[..first]);
            }
        }
    }
}
