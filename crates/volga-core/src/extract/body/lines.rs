//! Splits a body into lines (pure).

use bytes::{Buf, Bytes, BytesMut};

use crate::extract::error::ExtractError;

/// The maximum length of a line of an `NdJson` body: 1 MiB.
pub const MAX_NDJSON_LINE: usize = 1024 * 1024;

/// Collects the pieces of a body and returns its lines. It holds at most one line and one piece.
#[derive(Debug, Default)]
pub(in crate::extract) struct Lines {
    /// The bytes that were not returned yet.
    pending: BytesMut,
    /// The length of the start of `pending` that has no line feed.
    searched: usize,
    /// The number of lines so far, with the empty ones, which are skipped.
    count: u64,
}

impl Lines {
    pub(in crate::extract) fn push(&mut self, piece: &Bytes) {
        self.pending.extend_from_slice(piece);
    }

    /// The number of bytes that were not returned yet.
    pub(in crate::extract) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Returns the next complete line that is not empty, with its number. `None` means that more
    /// bytes are needed.
    pub(in crate::extract) fn next(&mut self) -> Option<Result<(u64, Bytes), ExtractError>> {
        loop {
            let found = self.pending[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(found) = found else {
                self.searched = self.pending.len();
                let too_long = self.searched > MAX_NDJSON_LINE;
                return too_long.then(|| Err(self.too_long()));
            };
            let end = self.searched + found;
            let line = self.pending.split_to(end).freeze();
            self.pending.advance(1);
            self.searched = 0;
            if let Some(line) = self.numbered(line) {
                return Some(line);
            }
        }
    }

    /// Returns the last line, if it has no line feed. Call this at the end of the body, after
    /// [`next`](Self::next) has returned `None`.
    pub(in crate::extract) fn last(&mut self) -> Option<Result<(u64, Bytes), ExtractError>> {
        self.searched = 0;
        let line = self.pending.split().freeze();
        self.numbered(line)
    }

    fn numbered(&mut self, line: Bytes) -> Option<Result<(u64, Bytes), ExtractError>> {
        if line.len() > MAX_NDJSON_LINE {
            return Some(Err(self.too_long()));
        }
        self.count += 1;
        let is_empty = line.iter().all(|byte| byte.is_ascii_whitespace());
        (!is_empty).then_some(Ok((self.count, line)))
    }

    fn too_long(&self) -> ExtractError {
        let error = Box::new(ExtractError::LineTooLong { limit: MAX_NDJSON_LINE });
        ExtractError::Line { line: self.count + 1, error }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(body: &[u8], size: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in body.chunks(size) {
            lines.push(&Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next() {
                all.push(line.unwrap());
            }
        }
        all.extend(lines.last().map(Result::unwrap));
        all.into_iter()
            .map(|(number, line)| (number, String::from_utf8_lossy(&line).into_owned()))
            .collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_empty_ones_are_only_counted() {
        let expect = |lines: &[(u64, &str)]| -> Vec<(u64, String)> {
            lines.iter().map(|(number, line)| (*number, (*line).to_owned())).collect()
        };
        for size in 1..12 {
            assert_eq!(cut(b"1\n\n2\r\n \n3", size), expect(&[(1, "1"), (3, "2\r"), (5, "3")]));
            assert_eq!(cut(b"", size), expect(&[]));
            assert_eq!(cut(b"\n\n", size), expect(&[]));
        }
    }

    #[test]
    fn a_line_may_have_exactly_the_limit() {
        for (length, fits) in [(MAX_NDJSON_LINE, true), (MAX_NDJSON_LINE + 1, false)] {
            for end in ["\n", ""] {
                let mut lines = Lines::default();
                lines.push(&Bytes::from(format!("\n{}{end}", "a".repeat(length))));
                let line = lines.next().or_else(|| lines.last()).unwrap();
                match line {
                    Ok((number, line)) => assert!(fits && number == 2 && line.len() == length),
                    Err(error) => {
                        assert!(!fits);
                        assert_eq!(error.status(), 413);
                        assert_eq!(error.to_string(), "line 2: longer than 1048576 bytes");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_lines_do_not_depend_on_how_the_body_was_cut(body in "[a\n\r ]{0,40}", size in 1..40_usize) {
            prop_assert_eq!(cut(body.as_bytes(), size), cut(body.as_bytes(), body.len().max(1)));
        }
    }
}
