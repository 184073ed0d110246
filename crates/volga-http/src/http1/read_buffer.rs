//! Bytes that a client has sent and that no code has used yet.

use bytes::Bytes;

/// Bytes in the order in which they arrived. An empty buffer holds no memory.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// How many of the bytes were used.
    used: usize,
}

impl ReadBuffer {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), used: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.used += bytes;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_used_in_order_and_an_empty_buffer_holds_no_memory() {
        let mut received = ReadBuffer::new(b"abc");
        received.consume(1);
        received.push(b"de");
        assert_eq!((received.bytes(), received.len()), (&b"bcde"[..], 4));
        received.consume(4);
        assert!(received.is_empty() && received.bytes.capacity() == 0);
        received.push(b"f");
        assert_eq!(received.into_bytes(), "f");
    }
}
