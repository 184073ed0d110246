//! Which bytes a `Range` header selects (pure). RFC 9110, section 14.
//!
//! The parser is our own. `http-range-header`, the parser of tower-http, refuses leading zeros,
//! blanks before a comma and `Bytes=`, all of which the RFC allows. It also has one error for both
//! a malformed header, which is ignored, and an unsatisfiable one, which has status 416.

use std::ops::Range;

/// The default for how many ranges of a file one response may have: 16.
///
/// A request for more ranges gets the whole file, and so does a request whose ranges together are
/// longer than the file. So many small or overlapping ranges never make a response larger than the
/// file and 16 part headers (RFC 9110, section 14.2).
pub const DEFAULT_MAX_RANGES: usize = 16;

/// The bytes that a response has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Selection {
    /// The whole file: the header is malformed, has another unit, or selects too much.
    Whole,
    /// These ranges, in the order of the header. The list is not empty, and no range is.
    Ranges(Vec<Range<u64>>),
    /// No range has a byte of the file: status 416.
    Unsatisfiable,
}

/// Selects bytes of a file that has `len` bytes.
pub(crate) fn select(header: &str, len: u64, max_ranges: usize) -> Selection {
    let Some((unit, set)) = header.split_once('=') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    let mut ranges = Vec::new();
    let mut count = 0;
    let mut total = 0_u64;
    for spec in set.split(',').map(trim_blanks).filter(|spec| !spec.is_empty()) {
        count += 1;
        let Some(spec) = Spec::parse(spec) else { return Selection::Whole };
        if count > max_ranges {
            return Selection::Whole;
        }
        if let Some(range) = spec.within(len) {
            total = total.saturating_add(range.end - range.start);
            ranges.push(range);
        }
    }
    match (count, ranges.is_empty()) {
        (0, _) => Selection::Whole,
        (_, true) => Selection::Unsatisfiable,
        _ if total > len => Selection::Whole,
        _ => Selection::Ranges(ranges),
    }
}

fn trim_blanks(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// One range of the header.
enum Spec {
    /// `first-` or `first-last`.
    From { first: u64, last: u64 },
    /// `-count`: the last bytes.
    Suffix(u64),
}

impl Spec {
    /// Returns `None` if the text is malformed.
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let last = match last {
            "" => None,
            last => Some(number(last)?),
        };
        if first.is_empty() {
            return last.map(Self::Suffix);
        }
        let (first, last) = (number(first)?, last.unwrap_or(u64::MAX));
        (first <= last).then_some(Self::From { first, last })
    }

    /// The bytes of the range that a file of `len` bytes has, or `None` if it has none of them.
    fn within(&self, len: u64) -> Option<Range<u64>> {
        let range = match *self {
            Self::From { first, last } => first..last.saturating_add(1).min(len),
            Self::Suffix(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Parses digits. A number that is too large is as good as the largest one.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selected(header: &str, len: u64) -> Selection {
        select(header, len, DEFAULT_MAX_RANGES)
    }

    #[test]
    fn ranges_are_selected_as_the_rfc_says() {
        let ranges = |ranges: &[(u64, u64)]| {
            Selection::Ranges(ranges.iter().map(|(start, end)| *start..*end).collect())
        };
        for (header, len, expect) in [
            ("bytes=0-0", 10, ranges(&[(0, 1)])),
            ("bytes=0-499", 10, ranges(&[(0, 10)])),
            ("bytes=9-", 10, ranges(&[(9, 10)])),
            ("bytes=-3", 10, ranges(&[(7, 10)])),
            ("bytes=-30", 10, ranges(&[(0, 10)])),
            ("Bytes = 0-0", 10, ranges(&[(0, 1)])),
            ("bytes=007-8", 10, ranges(&[(7, 9)])),
            ("bytes= 0-1 ,\t4-5,,", 10, ranges(&[(0, 2), (4, 6)])),
            ("bytes=4-5, 0-1", 10, ranges(&[(4, 6), (0, 2)])),
            ("bytes=0-1, 90-", 10, ranges(&[(0, 2)])),
            ("bytes=0-99999999999999999999999", 10, ranges(&[(0, 10)])),
            ("bytes=10-", 10, Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Selection::Unsatisfiable),
            ("bytes=-0", 10, Selection::Unsatisfiable),
            ("bytes=0-", 0, Selection::Unsatisfiable),
            ("bytes=-5", 0, Selection::Unsatisfiable),
            ("bytes=0-5,5-9", 10, Selection::Whole),
            ("bytes=5-4", 10, Selection::Whole),
            ("bytes=", 10, Selection::Whole),
            ("bytes=-", 10, Selection::Whole),
            ("bytes=0-1, x", 10, Selection::Whole),
            ("bytes=+1-2", 10, Selection::Whole),
            ("bytes=0 - 1", 10, Selection::Whole),
            ("bytes", 10, Selection::Whole),
            ("items=0-1", 10, Selection::Whole),
        ] {
            assert_eq!(selected(header, len), expect, "{header} of {len}");
        }
    }

    #[test]
    fn more_ranges_than_the_limit_select_the_whole_file() {
        let header = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{at}-{at}")).collect();
            format!("bytes={}", specs.join(","))
        };
        let max = DEFAULT_MAX_RANGES as u64;
        assert!(matches!(selected(&header(max), 1000), Selection::Ranges(_)));
        assert_eq!(selected(&header(max + 1), 1000), Selection::Whole);
    }

    proptest! {
        /// Whatever the header is, a response is not larger than the file.
        #[test]
        fn the_ranges_are_within_the_file_and_never_larger_than_it(
            header in "bytes=([0-9]{0,2}-[0-9]{0,2}[, ]{1,2}){0,20}", len in 0_u64..100,
        ) {
            if let Selection::Ranges(ranges) = selected(&header, len) {
                prop_assert!(ranges.len() <= DEFAULT_MAX_RANGES);
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= len));
                prop_assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= len);
            }
        }
    }
}
