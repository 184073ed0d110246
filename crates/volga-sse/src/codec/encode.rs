//! How the fields of a message are written, and the encoded message. Pure.
//!
//! The format is the one of the HTML standard, section 9.2.5 ("Parsing an event stream"): one line
//! for each field, and a blank line after an event.

use std::fmt;

use bytes::Bytes;
use memchr::memchr2;

use crate::codec::position::Position;
use crate::codec::wire::Wire;
#[cfg(feature = "json")]
use crate::pool;

/// The start of a line for each field. It ends with the space that a client strips, so a value may
/// start with a space of its own.
pub(crate) mod prefix {
    pub(crate) const DATA: &[u8; 6] = b"data: ";
    pub(crate) const EVENT: &[u8; 7] = b"event: ";
    pub(crate) const ID: &[u8; 4] = b"id: ";
    pub(crate) const RETRY: &[u8; 7] = b"retry: ";
    pub(crate) const COMMENT: &[u8; 2] = b": ";
}

/// The event name among the encoded lines of one message.
#[cfg(any(feature = "hub", feature = "replies"))]
pub(crate) fn event_name_in(mut lines: &[u8]) -> Option<&[u8]> {
    loop {
        let end = memchr::memchr(b'\n', lines)?;
        match lines[..end].strip_prefix(prefix::EVENT) {
            Some(name) => return Some(name),
            None => lines = &lines[end + 1..],
        }
    }
}

/// The first CR or LF of a text, at which a client ends the line.
// Not inlined into applications along with `push_lines`: the code is long, and the call costs
// nothing that can be measured.
#[inline(never)]
pub(crate) fn line_end(text: &[u8]) -> Option<usize> {
    if is_short_line(text) { None } else { memchr2(b'\n', b'\r', text) }
}

/// Returns true for a text that is short and has no line end.
///
/// Names, IDs and tokens are a few bytes long. For those, two words that may overlap are checked
/// before a search with larger registers has begun.
#[inline]
fn is_short_line(text: &[u8]) -> bool {
    const WORD: usize = size_of::<u64>();
    match (text.first_chunk::<WORD>(), text.last_chunk::<WORD>()) {
        (Some(first), Some(last)) if text.len() <= 2 * WORD => {
            line_end_bits(u64::from_ne_bytes(*first)) | line_end_bits(u64::from_ne_bytes(*last))
                == 0
        }
        (Some(_), _) => false,
        (None, _) => !text.iter().any(|&byte| byte == b'\n' || byte == b'\r'),
    }
}

/// Not zero if a byte of the word is CR or LF. Such a byte is zero after the exclusive or, and then
/// a borrow reaches its highest bit.
#[inline]
fn line_end_bits(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let zero_bits = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    zero_bits(word ^ (ONES * b'\n' as u64)) | zero_bits(word ^ (ONES * b'\r' as u64))
}

/// Writes a text as one field line for each of its lines.
///
/// CR, LF and CRLF each end a line, because a client takes each of them for the end of a line. A
/// lone CR that was left in place would let the text start a field of its own.
#[inline]
pub(crate) fn write_lines<const N: usize>(wire: &mut Wire, prefix: &[u8; N], text: &str) {
    let bytes = text.as_bytes();
    match line_end(bytes) {
        None => wire.push_line(prefix, bytes),
        Some(end) => {
            let mut heap = wire.take_heap(line_capacity(prefix, text));
            heap.extend_from_slice(prefix);
            write_more_lines(&mut heap, prefix, bytes, end);
            *wire = Wire::Heap(heap);
        }
    }
}

/// The same as `write_lines`, to the end of a heap block. Always inlined, because in most callers
/// the block is new, and the compiler then drops the check for its capacity.
#[inline(always)]
pub(crate) fn push_lines<const N: usize>(heap: &mut Vec<u8>, prefix: &[u8; N], text: &str) {
    heap.reserve(line_capacity(prefix, text));
    heap.extend_from_slice(prefix);
    let text = text.as_bytes();
    match line_end(text) {
        None => {
            heap.extend_from_slice(text);
            heap.push(b'\n');
        }
        Some(end) => write_more_lines(heap, prefix, text, end),
    }
}

/// The bytes of a text of one line with its prefix and the blank line after the message. Longer
/// texts need more; one line is the common case.
#[inline(always)]
pub(crate) fn line_capacity<const N: usize>(_: &[u8; N], text: &str) -> usize {
    N + text.len() + 2
}

#[cold]
fn write_more_lines(heap: &mut Vec<u8>, prefix: &[u8], mut rest: &[u8], mut end: usize) {
    loop {
        heap.extend_from_slice(&rest[..end]);
        heap.push(b'\n');
        if end == rest.len() {
            return;
        }
        rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(&rest[end + 1..]);
        end = line_end(rest).unwrap_or(rest.len());
        heap.extend_from_slice(prefix);
    }
}

/// Removes every line that starts with `prefix`.
#[cold]
pub(crate) fn remove_lines(wire: &mut Wire, prefix: &[u8]) {
    let kept: Vec<u8> = wire
        .as_slice()
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| !line.starts_with(prefix))
        .flatten()
        .copied()
        .collect();
    *wire = Wire::Heap(kept);
}

/// Copies the bytes into a block of exactly their size.
#[inline(never)]
fn fitted(wire: Vec<u8>) -> Box<[u8]> {
    #[cfg(feature = "json")]
    if pool::is_kept(&wire) {
        let bytes = Box::from(wire.as_slice());
        pool::keep(wire);
        return bytes;
    }
    wire.into_boxed_slice()
}

/// An encoded message: its bytes as they are sent, shared by all streams that send it.
///
/// Cloning it copies no bytes. [`Message::encode`](crate::codec::message::Message::encode) makes
/// it, so it always holds whole fields, and sending it cannot fail any more.
#[derive(Clone, Eq, PartialEq)]
pub struct EncodedMessage {
    bytes: Bytes,
    position: Option<Position>,
}

impl EncodedMessage {
    #[inline(always)]
    pub(crate) fn new(wire: Vec<u8>) -> Self {
        // Without spare capacity, `Bytes` takes over the block. With spare capacity it would
        // allocate a second block for its bookkeeping.
        let wire =
            if wire.len() == wire.capacity() { wire.into_boxed_slice() } else { fitted(wire) };
        Self { bytes: Bytes::from(wire), position: None }
    }

    pub(crate) fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    /// Makes a message of bytes that a log holds at this position.
    #[cfg(any(feature = "replies", feature = "hub"))]
    pub(crate) fn from_log(bytes: Bytes, position: Position) -> Self {
        Self { bytes, position: Some(position) }
    }

    /// Makes a message of bytes that a log holds, without the ID, which is their last line.
    #[cfg(feature = "hub")]
    pub(crate) fn without_id(bytes: &[u8], position: Position) -> Self {
        let fields = bytes.strip_suffix(b"\n\n").unwrap_or(bytes);
        let end = memchr::memrchr(b'\n', fields).map_or(0, |end| end + 1);
        Self::new([&bytes[..end], b"\n"].concat()).at(position)
    }

    /// The position in its log, if the message was
    /// [encoded for one](crate::codec::message::Message::encode_at).
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
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

    /// The number of bytes that are sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true for a message without any field, for which nothing is sent.
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
        let mut wire = Wire::Empty;
        write_lines(&mut wire, prefix::DATA, text);
        assert_eq!(std::str::from_utf8(wire.as_slice()), Ok(expect));
        let mut heap = Vec::new();
        push_lines(&mut heap, prefix::DATA, text);
        assert_eq!(std::str::from_utf8(&heap), Ok(expect));
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
    fn a_line_end_is_found_wherever_it_stands() {
        for len in 0..100 {
            // Neighbours of CR and LF, and bytes that differ from them in the highest bit only.
            for filler in [0x0b, 0x0c, 0x0e, 0x09, 0x8a, 0x8d, 0x00, 0xff] {
                let mut text = vec![filler; len];
                assert_eq!(line_end(&text), None);
                for at in 0..len {
                    for end in [b'\n', b'\r'] {
                        text[at] = end;
                        assert_eq!(line_end(&text), Some(at), "of {len}");
                        text[at] = filler;
                    }
                }
            }
        }
    }

    #[test]
    fn other_separators_are_text() {
        check("a\u{2028}b\u{0b}c\u{85}", "data: a\u{2028}b\u{0b}c\u{85}\n");
        check(" a", "data:  a\n");
    }

    #[test]
    fn lines_are_taken_out_by_their_prefix_only() {
        let mut wire = Wire::Heap(b"id: data: 1\ndata: a\n: data: b\ndata: c\n".to_vec());
        remove_lines(&mut wire, prefix::DATA);
        assert_eq!(wire.as_slice(), b"id: data: 1\n: data: b\n");
    }
}
