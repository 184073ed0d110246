//! Decodes Huffman codes (RFC 7541, section 5.2 and appendix B). Pure.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols. So
//! the lengths alone say everything, and the tables are made of them when the crate is compiled.

use super::QpackError;

/// The symbol after the last byte. It never appears, but its first bits fill the last byte.
const END: usize = 256;
const LONGEST: usize = 30;

/// The length of each symbol's code in bits.
const LENGTHS: [u8; END + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    /// The first code.
    first: u32,
    count: u32,
    /// Where the symbols of these codes begin in [`SYMBOLS`].
    start: u32,
}

const SYMBOLS: [u16; END + 1] = symbols();
const GROUPS: [Group; LONGEST + 1] = groups();

const fn symbols() -> [u16; END + 1] {
    let mut symbols = [0; END + 1];
    let (mut at, mut length) = (0, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol <= END {
            if LENGTHS[symbol] as usize == length {
                symbols[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    symbols
}

const fn groups() -> [Group; LONGEST + 1] {
    let mut groups = [Group { first: 0, count: 0, start: 0 }; LONGEST + 1];
    let (mut code, mut start, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        let (mut count, mut symbol) = (0, 0);
        while symbol <= END {
            if LENGTHS[symbol] as usize == length {
                count += 1;
            }
            symbol += 1;
        }
        groups[length] = Group { first: code, count, start };
        code += count;
        start += count;
        length += 1;
    }
    groups
}

/// Decodes a text.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, QpackError> {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let group = GROUPS[length];
            let Some(within) = code.checked_sub(group.first).filter(|&at| at < group.count) else {
                if length == LONGEST {
                    return Err(QpackError::Malformed);
                }
                continue;
            };
            let symbol = SYMBOLS[(group.start + within) as usize];
            text.push(u8::try_from(symbol).map_err(|_| QpackError::Malformed)?);
            (code, length) = (0, 0);
        }
    }
    // Fewer than eight bits may be left, and all of them are 1: the first bits of the end symbol.
    let is_padding = length < 8 && code + 1 == 1 << length;
    if is_padding { Ok(text) } else { Err(QpackError::Malformed) }
}

/// Encodes a text, for tests: responses are sent without Huffman codes.
#[cfg(test)]
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for &byte in text {
        let length = LENGTHS[usize::from(byte)];
        let group = GROUPS[usize::from(length)];
        let symbols = &SYMBOLS[group.start as usize..][..group.count as usize];
        let at = symbols.iter().position(|&symbol| symbol == u16::from(byte)).expect("a symbol");
        let code = group.first + at as u32;
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    }
    while bits.len() % 8 != 0 {
        bits.push(true);
    }
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    bits.chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_decoded() {
        // RFC 7541, sections C.4.1 and C.4.3.
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&host).expect("valid"), b"www.example.com");
        let key = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f];
        assert_eq!(decode(&key).expect("valid"), b"custom-key");
        assert_eq!(encode(b"www.example.com"), host);
    }

    #[test]
    fn padding_is_shorter_than_a_byte_and_has_only_ones() {
        // `0` has the code 00000.
        assert_eq!(decode(&[0b0000_0111]).expect("valid"), b"0");
        for bytes in [&[0b0000_0110][..], &[0b0000_0111, 0xff], &[0xff]] {
            assert_eq!(decode(bytes), Err(QpackError::Malformed), "{bytes:?}");
        }
        assert_eq!(decode(&[0xff; 4]), Err(QpackError::Malformed), "the end symbol itself");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decode(&encode(&text)), Ok(text));
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}
