//! Encodes the head of a response, with the static table and without Huffman codes.

use http::{HeaderMap, StatusCode};

use super::static_table::STATIC_TABLE;

/// Appends a field section: the status, if there is one, and the fields. Without a status it is
/// that of trailers.
pub(crate) fn encode(status: Option<StatusCode>, fields: &HeaderMap, out: &mut Vec<u8>) {
    // The section needs nothing of the dynamic table.
    out.extend_from_slice(&[0, 0]);
    if let Some(status) = status {
        field(":status", status.as_str().as_bytes(), false, out);
    }
    for (name, value) in fields {
        field(name.as_str(), value.as_bytes(), value.is_sensitive(), out);
    }
}

fn field(name: &str, value: &[u8], is_sensitive: bool, out: &mut Vec<u8>) {
    let mut same_name = None;
    for (index, &(known, known_value)) in STATIC_TABLE.iter().enumerate() {
        if known != name {
            continue;
        }
        if known_value.as_bytes() == value && !is_sensitive {
            return integer(0xc0, 6, index, out);
        }
        same_name.get_or_insert(index);
    }
    // A proxy must not put a sensitive value into a table either (the bit N).
    match same_name {
        Some(index) => integer(if is_sensitive { 0x70 } else { 0x50 }, 4, index, out),
        None => {
            integer(if is_sensitive { 0x30 } else { 0x20 }, 3, name.len(), out);
            out.extend_from_slice(name.as_bytes());
        }
    }
    integer(0, 7, value.len(), out);
    out.extend_from_slice(value);
}

/// Appends an integer whose first byte has this many bits for it, after the `mark` (RFC 7541,
/// section 5.1).
fn integer(mark: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1_usize << bits) - 1;
    if value < most {
        out.push(mark | value as u8);
        return;
    }
    out.push(mark | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::super::decode;
    use super::*;

    fn decoded(section: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut fields = Vec::new();
        let result = decode(section, |name, value| {
            fields.push((String::from_utf8(name.to_vec()).expect("ASCII"), value.to_vec()));
            Ok::<_, ()>(())
        });
        result.expect("valid").expect("no error");
        fields
    }

    #[test]
    fn usual_fields_take_a_byte_each() {
        let mut fields = HeaderMap::new();
        fields.insert("cache-control", HeaderValue::from_static("no-cache"));
        let mut out = Vec::new();
        encode(Some(StatusCode::OK), &fields, &mut out);
        assert_eq!(out, [0, 0, 0xc0 | 25, 0xc0 | 39]);
    }

    #[test]
    fn a_sensitive_value_is_marked() {
        for (name, mark) in [("set-cookie", 0x70), ("x-secret", 0x30)] {
            let mut value = HeaderValue::from_static("secret");
            value.set_sensitive(true);
            let mut out = Vec::new();
            encode(None, &HeaderMap::from_iter([(HeaderName::from_static(name), value)]), &mut out);
            assert_eq!(out[2] & 0xf0, mark, "{name}");
            assert_eq!(decoded(&out), [(name.to_owned(), b"secret".to_vec())]);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            status in 200_u16..600,
            fields in prop::collection::vec(("[a-z-]{1,200}", "[!-~]{0,300}"), 0..10),
        ) {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut map = HeaderMap::new();
            for (name, value) in &fields {
                let name: HeaderName = name.parse().expect("a name");
                map.append(name, value.parse().expect("a value"));
            }
            let mut out = Vec::new();
            encode(Some(status), &map, &mut out);
            let mut expect = vec![(":status".to_owned(), status.as_str().into())];
            let of_map = map.iter();
            expect.extend(of_map.map(|(name, value)| (name.to_string(), value.as_bytes().into())));
            prop_assert_eq!(decoded(&out), expect);
        }
    }
}
