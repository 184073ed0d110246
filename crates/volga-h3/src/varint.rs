//! Integers of variable length (RFC 9000, section 16). Pure.

/// The largest value that fits: 62 bits.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// Reads an integer from the front of `bytes`, and returns it with its length. `None` if bytes are
/// missing.
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    // The first two bits say how many bytes there are.
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?;
    let value =
        rest.iter().fold(u64::from(first & 0x3f), |value, &byte| value << 8 | u64::from(byte));
    Some((value, length))
}

/// Appends an integer in its shortest form. A value above [`MAX`] is cut to it.
pub(crate) fn write(value: u64, out: &mut Vec<u8>) {
    let value = value.min(MAX);
    let (length, mark) = match value {
        0..0x40 => (1, 0x00),
        0x40..0x4000 => (2, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (8, 0xc0),
    };
    let bytes = value.to_be_bytes();
    let start = out.len();
    out.extend_from_slice(&bytes[bytes.len() - length..]);
    out[start] |= mark;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 9000, section A.1. The last one is not the shortest form.
        let eight = [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c];
        for (bytes, expect) in [
            (&eight[..], (151_288_809_941_952_652, 8)),
            (&[0x9d, 0x7f, 0x3e, 0x7d], (494_878_333, 4)),
            (&[0x7b, 0xbd], (15_293, 2)),
            (&[0x25], (37, 1)),
            (&[0x40, 0x25], (37, 2)),
        ] {
            assert_eq!(read(bytes), Some(expect));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_part_of_it(value in 0..=MAX, bits in 0_u32..62) {
            let value = value >> bits;
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            prop_assert_eq!(read(&bytes), Some((value, bytes.len())));
            prop_assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        }
    }
}
