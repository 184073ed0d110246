//! `FileNumber`: what a file of a form is for serde (pure).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The number that stands for a file while a form is deserialized. See
/// [`FormFields::add_file`](crate::FormFields::add_file).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FileNumber(pub u64);

/// For serde, a file is bytes that no UTF-8 text has, so it never becomes a text or a number.
const FIRST_BYTE: u8 = 0xff;

impl FileNumber {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![FIRST_BYTE];
        bytes.extend_from_slice(&self.0.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = bytes.strip_prefix(&[FIRST_BYTE])?;
        Some(Self(u64::from_be_bytes(number.try_into().ok()?)))
    }
}

impl<'de> Deserialize<'de> for FileNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = FileNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<FileNumber, E> {
                let number = FileNumber::from_bytes(bytes);
                number.ok_or_else(|| E::custom("a file is needed, not bytes"))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
