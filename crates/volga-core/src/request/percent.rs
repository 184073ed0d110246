//! Percent-decoding (pure).

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn is_well_formed(raw: &str) -> bool {
    let mut parts = raw.as_bytes().split(|byte| *byte == b'%');
    parts.next();
    parts.all(|after| after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit))
}

/// Decodes a text once. Returns `None` if it is malformed, or if the decoded bytes are not UTF-8.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    // Most texts have nothing to decode.
    if !raw.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(raw));
    }
    if is_well_formed(raw) { percent_decode_str(raw).decode_utf8().ok() } else { None }
}

/// Decodes the bytes of a well-formed text.
pub(crate) fn decode_bytes(raw: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(raw).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once_and_plus_is_a_plus() {
        assert_eq!(decode("a%20b+c").as_deref(), Some("a b+c"));
        assert_eq!(decode("%2525").as_deref(), Some("%25"));
        assert_eq!(decode("a%2Fb").as_deref(), Some("a/b"));
        assert_eq!(decode("%C3%A9").as_deref(), Some("é"));
    }

    #[test]
    fn malformed_text_is_refused() {
        for raw in ["%", "a%2", "%zz", "%é", "%ff", "%41%"] {
            assert_eq!(decode(raw), None, "{raw}");
        }
    }
}
