//! Decodes the head of a request.

use std::borrow::Cow;

use super::QpackError;
use super::huffman;
use super::static_table::STATIC_TABLE;

/// Decodes a field section, and calls `field` with the name and the value of each field, in order.
/// The first error of `field` ends it.
///
/// Only the memory of one field is used, so the caller can limit the total.
pub(crate) fn decode<E>(
    section: &[u8],
    mut field: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<Result<(), E>, QpackError> {
    let mut reader = Reader(section);
    // The prefix: how much of the dynamic table the section needs, and where its indices begin.
    let (required, _) = reader.integer(8)?;
    let _base = reader.integer(7)?;
    if required != 0 {
        return Err(QpackError::DynamicTable);
    }
    while let Some(&first) = reader.0.first() {
        let result = if first & 0x80 != 0 {
            // 1 T index: a field of a table.
            let (index, is_static) = (reader.integer(6)?.0, first & 0x40 != 0);
            let (name, value) = table_entry(index, is_static)?;
            field(name.as_bytes(), value.as_bytes())
        } else if first & 0x40 != 0 {
            // 01 N T index: a name of a table, and a value.
            let (index, is_static) = (reader.integer(4)?.0, first & 0x10 != 0);
            let (name, _) = table_entry(index, is_static)?;
            let value = reader.text(7)?;
            field(name.as_bytes(), &value)
        } else if first & 0x20 != 0 {
            // 001 N H length: a name and a value.
            let name = reader.text(3)?;
            let value = reader.text(7)?;
            field(&name, &value)
        } else {
            // 0001 and 0000 are indices that only the dynamic table has.
            return Err(QpackError::DynamicTable);
        };
        if let Err(error) = result {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn table_entry(index: u64, is_static: bool) -> Result<(&'static str, &'static str), QpackError> {
    if !is_static {
        return Err(QpackError::DynamicTable);
    }
    let entry = usize::try_from(index).ok().and_then(|index| STATIC_TABLE.get(index));
    entry.copied().ok_or(QpackError::Malformed)
}

/// The bytes that are not decoded yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads an integer whose first byte has this many bits for it (RFC 7541, section 5.1). Also
    /// returns the first byte.
    fn integer(&mut self, bits: u32) -> Result<(u64, u8), QpackError> {
        let (&first, mut rest) = self.0.split_first().ok_or(QpackError::Malformed)?;
        let most = (1_u64 << bits) - 1;
        let mut value = u64::from(first) & most;
        if value == most {
            let mut shift = 0;
            loop {
                let (&byte, after) = rest.split_first().ok_or(QpackError::Malformed)?;
                rest = after;
                // Nothing in a field section is larger than 2^35, so an attacker learns nothing
                // from larger ones, and the value cannot overflow.
                if shift > 28 {
                    return Err(QpackError::Malformed);
                }
                value += u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        self.0 = rest;
        Ok((value, first))
    }

    /// Reads a text whose length has this many bits in the first byte. The bit before says whether
    /// it is in Huffman codes.
    fn text(&mut self, bits: u32) -> Result<Cow<'a, [u8]>, QpackError> {
        let (length, first) = self.integer(bits)?;
        let length = usize::try_from(length).map_err(|_| QpackError::Malformed)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(QpackError::Malformed)?;
        self.0 = rest;
        let is_huffman = u32::from(first) >> bits & 1 == 1;
        Ok(if is_huffman { huffman::decode(text)?.into() } else { text.into() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fields = Vec<(String, String)>;

    fn fields(section: &[u8]) -> Result<Fields, QpackError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = Vec::new();
        let decoded = decode(section, |name, value| {
            fields.push((text(name), text(value)));
            Ok::<_, ()>(())
        });
        decoded.map(|_| fields)
    }

    fn expect(fields: &[(&str, &str)]) -> Result<Fields, QpackError> {
        Ok(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn the_example_of_the_rfc_is_decoded() {
        // RFC 9204, section B.1.
        let section = [&[0, 0, 0x51, 0x0b][..], b"/index.html"].concat();
        assert_eq!(fields(&section), expect(&[(":path", "/index.html")]));
    }

    #[test]
    fn each_form_of_a_field_is_decoded_with_and_without_huffman_codes() {
        let name = huffman::encode(b"x-name");
        let value = huffman::encode(b"value");
        let huffman_field =
            [&[0x20 | 0x08 | name.len() as u8][..], &name, &[0x80 | value.len() as u8], &value]
                .concat();
        let section = [
            // `:method: GET` has index 17.
            &[0, 0, 0xc0 | 17][..],
            // A long name: 7 in the three bits, and 3 in the next byte.
            &[0x27, 3],
            b"x-long-nam",
            &[0],
            &huffman_field,
        ]
        .concat();
        let found = fields(&section);
        assert_eq!(found, expect(&[(":method", "GET"), ("x-long-nam", ""), ("x-name", "value")]));
    }

    #[test]
    fn the_dynamic_table_is_refused() {
        for section in [&[1, 0][..], &[0, 0, 0x80], &[0, 0, 0x40, 0], &[0, 0, 0x10], &[0, 0, 0]] {
            assert_eq!(fields(section), Err(QpackError::DynamicTable), "{section:?}");
        }
    }

    #[test]
    fn what_is_cut_or_too_large_is_malformed() {
        let section = [&[0, 0, 0x51, 0x0b][..], b"/index.html"].concat();
        for end in (0..2).chain(3..section.len()) {
            assert_eq!(fields(&section[..end]), Err(QpackError::Malformed), "{end} bytes");
        }
        // An index that the table does not have, and integers of many bytes.
        for section in [&[0, 0, 0xff, 40][..], &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]
        {
            assert_eq!(fields(section), Err(QpackError::Malformed), "{section:?}");
        }
    }

    #[test]
    fn the_first_error_of_the_caller_ends_it() {
        let mut count = 0;
        let result = decode(&[0, 0, 0xd1, 0xd1, 0xd1], |_, _| {
            count += 1;
            if count == 2 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((result, count), (Ok(Err("enough")), 2));
    }

    proptest! {
        #[test]
        fn no_input_panics(section in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = fields(&section);
        }
    }
}
