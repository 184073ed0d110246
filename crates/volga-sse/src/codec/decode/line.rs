//! One line of an event stream: the field that it sets, and the value. Pure.

use std::str;

/// The fields that have a meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FieldName {
    Data,
    Event,
    Id,
    Retry,
}

/// The field that a line sets, and the index in the line at which its value starts: after the name,
/// the colon and one space. `None` for a comment or an unknown field; both are ignored.
#[inline]
pub(crate) fn field_of(line: &[u8]) -> Option<(FieldName, usize)> {
    // The first byte decides, not a search for the colon, which may be a megabyte away or missing.
    let (field, name): (_, &[u8]) = match line.first()? {
        b'd' => (FieldName::Data, b"data"),
        b'e' => (FieldName::Event, b"event"),
        b'i' => (FieldName::Id, b"id"),
        b'r' => (FieldName::Retry, b"retry"),
        _ => return None,
    };
    let value = match line.strip_prefix(name)? {
        [] => line.len(),
        [b':', b' ', ..] => name.len() + 2,
        [b':', ..] => name.len() + 1,
        _ => return None,
    };
    Some((field, value))
}

/// The milliseconds of a `retry` field, which is ASCII digits and nothing else. A number of more
/// than 64 bits becomes the largest one.
pub(crate) fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append =
        |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(value.iter().fold(0, append))
}

/// Sets `text` to the bytes, decoded as the standard's UTF-8 decode does it: each maximal part of
/// an invalid sequence becomes one U+FFFD.
///
/// The standard decodes the stream before it looks for lines. Decoding one line, or several lines
/// joined by LF, gives the same result, because line ends, colon and space are ASCII, and ASCII
/// ends any sequence.
pub(crate) fn set_lossy(text: &mut String, bytes: &[u8]) {
    text.clear();
    if let Ok(valid) = str::from_utf8(bytes) {
        return text.push_str(valid);
    }
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        if !part.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Option<(FieldName, &str)>) {
        let found = field_of(line.as_bytes()).map(|(field, at)| (field, &line[at..]));
        assert_eq!(found, expect);
    }

    #[test]
    fn one_space_after_the_colon_is_no_part_of_the_value() {
        check("data:x", Some((FieldName::Data, "x")));
        check("event: x", Some((FieldName::Event, "x")));
        check("id:  x ", Some((FieldName::Id, " x ")));
        check("retry:\tx", Some((FieldName::Retry, "\tx")));
        check("data: ", Some((FieldName::Data, "")));
        check("data::", Some((FieldName::Data, ":")));
    }

    #[test]
    fn a_name_without_a_colon_has_an_empty_value() {
        check("data", Some((FieldName::Data, "")));
        check("id", Some((FieldName::Id, "")));
    }

    #[test]
    fn comments_and_unknown_names_set_nothing() {
        for line in [
            "",
            ":",
            ": data: x",
            "dat",
            "data ",
            "data : x",
            "Data: x",
            "date: x",
            "\u{feff}data: x",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn a_reconnection_time_is_digits_only() {
        assert_eq!(milliseconds(b"0"), Some(0));
        assert_eq!(milliseconds(b"007"), Some(7));
        assert_eq!(milliseconds(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(milliseconds(b"99999999999999999999"), Some(u64::MAX));
        for value in ["", " 1", "1 ", "+1", "-1", "1.5", "1e3", "0x10", "٣"] {
            assert_eq!(milliseconds(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn invalid_bytes_become_what_the_standard_makes_of_them() {
        let mut text = "old".to_owned();
        for bytes in [&b"a\xffb"[..], b"\xe2\x82", b"\xf0\x9f\x92\xf0", b"\xed\xa0\x80", b"ok", b""]
        {
            set_lossy(&mut text, bytes);
            assert_eq!(text, String::from_utf8_lossy(bytes));
        }
    }
}
