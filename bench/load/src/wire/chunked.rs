//! Decodes the chunked transfer coding without trailers (pure): [RFC 9112, section
//! 7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1).

use super::Malformed;

/// Decodes chunks, regardless of how the network cut the bytes.
#[derive(Debug)]
pub(crate) enum Chunked {
    /// In the digits of a chunk's size, with the value so far.
    Size(usize),
    /// After the size, before the end of its line.
    Extension(usize),
    /// In the content of a chunk, with the number of bytes that are left.
    Data(usize),
    /// In the line break after a chunk, with the number of its bytes that are left.
    AfterData(u8),
    /// In the line break after the size of the last chunk, with the number of its bytes that are
    /// left.
    Last(u8),
    Complete,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl Chunked {
    /// Passes on the content in `bytes`, and returns how many of the bytes belong to the body.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut on_content: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_complete() {
            let byte = bytes[at];
            match *self {
                Self::Data(left) => {
                    let end = bytes.len().min(at + left);
                    on_content(&bytes[at..end])?;
                    let left = left - (end - at);
                    at = end;
                    if left > 0 {
                        *self = Self::Data(left);
                    } else if bytes[at..].starts_with(b"\r\n") {
                        *self = Self::Size(0);
                        at += 2;
                    } else {
                        *self = Self::AfterData(2);
                    }
                    continue;
                }
                Self::Size(0) if let Some((size, length)) = size_line(&bytes[at..]) => {
                    *self = Self::Data(size);
                    at += length;
                    continue;
                }
                Self::Size(size) => match (byte as char).to_digit(16) {
                    Some(digit) if size < usize::MAX >> 8 => {
                        *self = Self::Size(size * 16 + digit as usize);
                    }
                    None if matches!(byte, b'\r' | b';' | b' ') => *self = Self::Extension(size),
                    _ => return Err(Malformed::new("a chunk without a valid size")),
                },
                Self::Extension(0) if byte == b'\n' => *self = Self::Last(2),
                Self::Extension(size) if byte == b'\n' => *self = Self::Data(size),
                Self::Extension(_) => {}
                Self::AfterData(left) => {
                    line_break(left, byte)?;
                    *self = if left == 1 { Self::Size(0) } else { Self::AfterData(left - 1) };
                }
                Self::Last(left) => {
                    line_break(left, byte)?;
                    *self = if left == 1 { Self::Complete } else { Self::Last(left - 1) };
                }
                Self::Complete => {}
            }
            at += 1;
        }
        Ok(at)
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// The size of a chunk and the length of its line, if the whole line is there and has the form that
/// most servers write. All other lines, and lines that are cut, are decoded byte by byte. This fast
/// path matters, because some servers send each event in a chunk of its own, and then this line is
/// most of the work.
fn size_line(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut size = 0;
    for (at, &byte) in bytes.iter().enumerate().take(8) {
        match (byte as char).to_digit(16) {
            Some(digit) => size = size * 16 + digit as usize,
            None if size > 0 && bytes[at..].starts_with(b"\r\n") => return Some((size, at + 2)),
            None => return None,
        }
    }
    None
}

fn line_break(left: u8, byte: u8) -> Result<(), Malformed> {
    if byte == if left == 2 { b'\r' } else { b'\n' } {
        Ok(())
    } else {
        Err(Malformed::new("a chunk longer than its size"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content must not depend on how the network cut the bytes, so the test tries every cut.
    #[track_caller]
    fn check(wire: &str, content: &str, complete: bool) {
        for size in 1..=wire.len() {
            let mut chunked = Chunked::default();
            let mut found = Vec::new();
            for part in wire.as_bytes().chunks(size) {
                let used = chunked.feed(part, |bytes| {
                    found.extend_from_slice(bytes);
                    Ok(())
                });
                assert_eq!(used, Ok(part.len()), "in parts of {size}");
            }
            assert_eq!(String::from_utf8_lossy(&found), content, "in parts of {size}");
            assert_eq!(chunked.is_complete(), complete, "in parts of {size}");
        }
    }

    #[test]
    fn content_is_what_stands_in_the_chunks() {
        check("5\r\nhello\r\n1\r\n,\r\n0\r\n\r\n", "hello,", true);
        check("A\r\n0123456789\r\n0a;name=value\r\n0123456789\r\n", "01234567890123456789", false);
    }

    #[test]
    fn bytes_after_the_last_chunk_do_not_belong_to_the_body() {
        let mut chunked = Chunked::default();
        assert_eq!(chunked.feed(b"0\r\n\r\nHTTP/1.1", |_| Ok(())), Ok(5));
        assert_eq!(chunked.feed(b"more", |_| Ok(())), Ok(0));
    }

    #[test]
    fn a_wrong_size_is_malformed() {
        for wire in ["x\r\n", "2\r\nabc\r\n", "2\r\nab\n", "0\r\n\n", "ffffffffffffffffff\r\n"] {
            assert!(Chunked::default().feed(wire.as_bytes(), |_| Ok(())).is_err(), "{wire:?}");
        }
    }
}
