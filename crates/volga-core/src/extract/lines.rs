//! A body of lines, cut where the lines end (pure).

use bytes::{Buf, Bytes, BytesMut};

use crate::extract::error::ExtractError;

/// How many bytes a line of a body of many values may have: 1 MiB.
pub const MAX_NDJSON_LINE: usize = 1024 * 1024;

/// Bytes as they come, and the lines in them. What it holds is at most one line and one piece of
/// the body.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What has come and was not given out.
    pending: BytesMut,
    /// How much of it holds no line feed.
    searched: usize,
    /// How many lines were given out, and passed over for being empty.
    count: u64,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.pending.extend_from_slice(piece);
    }

    /// How many bytes were not given out.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The next whole line that is not empty, with its number. `None` asks for more bytes.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Bytes), ExtractError>> {
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

    /// The last line, where it has no line feed. Called when the body is at its end and
    /// [`next`](Self::next) gives no more.
    pub(super) fn last(&mut self) -> Option<Result<(u64, Bytes), ExtractError>> {
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
    fn lines_end_at_line_feeds_and_empty_ones_count_only() {
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
    fn a_line_may_have_the_limit_and_not_a_byte_more() {
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
