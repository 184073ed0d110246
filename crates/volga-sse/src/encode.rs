//! How the fields of a message stand on the wire, and the finished bytes. Pure.
//!
//! The format is the one of the HTML standard, section 9.2.5 ("Parsing an event stream"): a line a field, a blank line after
//! an event.

use std::fmt;

use bytes::Bytes;
use memchr::memchr2;

use crate::wire::Wire;

/// A field's name as a line starts with it, with the space that a client strips: what follows may then start with a space of its own.
pub(crate) mod prefix {
    pub(crate) const DATA: &[u8] = b"data: ";
    pub(crate) const EVENT: &[u8] = b"event: ";
    pub(crate) const ID: &[u8] = b"id: ";
    pub(crate) const RETRY: &[u8] = b"retry: ";
    pub(crate) const COMMENT: &[u8] = b": ";
}

/// Writes a text as one line for each of its lines. CR, LF and CRLF each end one, because a client takes each for the end of a line:
/// a lone CR left in place would let the text start a field of its own.
pub(crate) fn write_lines(wire: &mut Wire, prefix: &[u8], text: &str) {
    let mut rest = text.as_bytes();
    // Exact for a text of one line, which is the common case, and one byte more for the blank line after the event.
    wire.reserve(prefix.len() + rest.len() + 2);
    loop {
        wire.extend(prefix);
        let Some(end) = memchr2(b'\n', b'\r', rest) else {
            wire.extend(rest);
            wire.extend(b"\n");
            return;
        };
        wire.extend(&rest[..end]);
        wire.extend(b"\n");
        rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(&rest[end + 1..]);
    }
}

/// Writes a field whose text is known to be one line.
pub(crate) fn write_line(wire: &mut Wire, prefix: &[u8], text: &str) {
    wire.reserve(prefix.len() + text.len() + 2);
    wire.extend(prefix);
    wire.extend(text.as_bytes());
    wire.extend(b"\n");
}

/// Takes out every line that starts with `prefix`.
pub(crate) fn remove_lines(wire: &mut Wire, prefix: &[u8]) {
    let kept: Vec<u8> = wire
        .as_slice()
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| !line.starts_with(prefix))
        .flatten()
        .copied()
        .collect();
    wire.truncate(0);
    wire.extend(&kept);
}

/// A message as its bytes on the wire: encoded once, shared by however many streams send it.
///
/// Cloning copies no bytes. Made by [`Message::encode`](crate::Message::encode), so it always holds whole fields: sending it
/// can not fail any more.
#[derive(Clone, Eq, PartialEq)]
pub struct EncodedMessage {
    bytes: Bytes,
}

impl EncodedMessage {
    pub(crate) fn new(wire: Wire) -> Self {
        let bytes = match wire {
            Wire::Inline { len, bytes } => Bytes::copy_from_slice(&bytes[..usize::from(len)]),
            // Without spare capacity `Bytes` takes the block over; with some it would allocate a second one for its bookkeeping.
            Wire::Heap(bytes) => Bytes::from(bytes.into_boxed_slice()),
        };
        Self { bytes }
    }

    /// The bytes as they are sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as they are sent, shared with this message.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// How many bytes are sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True for a message without any field: nothing is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for EncodedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedMessage({:?})", String::from_utf8_lossy(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let mut wire = Wire::new();
        write_lines(&mut wire, prefix::DATA, text);
        assert_eq!(std::str::from_utf8(wire.as_slice()), Ok(expect));
    }

    #[test]
    fn each_line_end_makes_a_line() {
        check("a", "data: a\n");
        check("", "data: \n");
        check("a\nb", "data: a\ndata: b\n");
        check("a\rb", "data: a\ndata: b\n");
        check("a\r\nb", "data: a\ndata: b\n");
        check("a\n\rb", "data: a\ndata: \ndata: b\n");
        check("a\r\r\nb", "data: a\ndata: \ndata: b\n");
        check("a\n", "data: a\ndata: \n");
        check("\r\n", "data: \ndata: \n");
    }

    #[test]
    fn other_separators_are_text() {
        check("a\u{2028}b\u{0b}c\u{85}", "data: a\u{2028}b\u{0b}c\u{85}\n");
        check(" a", "data:  a\n");
    }

    #[test]
    fn lines_are_taken_out_by_their_prefix_only() {
        let mut wire = Wire::new();
        wire.extend(b"id: data: 1\ndata: a\n: data: b\ndata: c\n");
        remove_lines(&mut wire, prefix::DATA);
        assert_eq!(wire.as_slice(), b"id: data: 1\n: data: b\n");
    }
}
