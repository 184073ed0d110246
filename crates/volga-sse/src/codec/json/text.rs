//! Texts in quotes.

use serde_json::Error;

/// The number of bytes that are checked at once.
const WORD: usize = size_of::<u64>();

/// Writes a text in quotes.
#[inline]
pub(super) fn write_text(bytes: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    if !is_plain(text.as_bytes()) {
        return serde_json::to_writer(bytes, text);
    }
    bytes.reserve(text.len() + 2);
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
    Ok(())
}

/// Writes a key with the byte before it, a brace or a comma, and its colon.
// Always inlined: where the key is known, the compiler does the check for escapes, and what remains
// is a copy.
#[inline(always)]
pub(super) fn write_key(bytes: &mut Vec<u8>, before: u8, key: &'static str) -> Result<(), Error> {
    if !is_plain(key.as_bytes()) {
        bytes.push(before);
        serde_json::to_writer(&mut *bytes, key)?;
        bytes.push(b':');
        return Ok(());
    }
    bytes.reserve(key.len() + 4);
    bytes.extend_from_slice(&[before, b'"']);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(b"\":");
    Ok(())
}

/// Returns true for a text that needs no escape in JSON: it has no quote, backslash or control
/// character.
#[inline(always)]
fn is_plain(text: &[u8]) -> bool {
    const HALF: usize = WORD / 2;
    let (words, _) = text.as_chunks::<WORD>();
    // The last word may overlap the others, so that no byte is left over.
    let end =
        match (text.last_chunk::<WORD>(), text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
            (Some(last), _, _) => *last,
            (None, Some([a, b, c, d]), Some([e, f, g, h])) => [*a, *b, *c, *d, *e, *f, *g, *h],
            _ => match *text {
                [] => [b' '; WORD],
                [a] => [a; WORD],
                [a, b] => [a, a, a, a, a, a, a, b],
                [a, b, c, ..] => [a, a, a, a, a, a, b, c],
            },
        };
    words.iter().fold(special(end), |found, word| found | special(*word)) == 0
}

/// Not zero if a byte of the word needs an escape. Bytes of characters outside of ASCII need none.
#[inline(always)]
fn special(word: [u8; WORD]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; WORD]);
    const HIGH: u64 = ONES << 7;
    let word = u64::from_ne_bytes(word);
    // A byte below the limit borrows from its highest bit.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & HIGH
}
