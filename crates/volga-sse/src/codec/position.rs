//! `Position`: where a message stands in the order of a log. Pure.

use std::{fmt, str::FromStr};

#[cfg(feature = "json")]
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a message stands in the order in which a log received its messages. A greater position is
/// a later one.
///
/// As text it is the message's event ID, so a client's last event ID says where the client stopped
/// reading. The epoch tells one lifetime of a log from another: after a restart the numbers begin
/// again, and a position of an earlier epoch is not mistaken for one of this epoch.
///
/// Positions of one epoch have an order. Positions of different epochs have one only where each
/// epoch is greater than the epochs before it. This is so for a hub with a log on a disk and for a
/// hub that several nodes share. A hub in memory has a random epoch, so do not compare its
/// positions with those of an earlier run.
///
/// To store a position, write it as text with `Display` and read it with `FromStr`. With the
/// feature `json`, serde writes and reads the same text.
///
/// ```
/// use volga_sse::{Message, Position};
///
/// let position = Position::new(0x2a, 7);
/// let message = Message::new().data("x").encode_at(position)?;
/// assert_eq!(message.as_bytes(), b"data: x\nid: 2a-7\n\n");
/// assert_eq!(message.position(), Some(position));
/// assert_eq!("2a-7".parse(), Ok(position));
/// # Ok::<(), volga_sse::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    epoch: u64,
    number: u64,
}

impl Position {
    /// Makes the position with this number in this epoch.
    #[must_use]
    pub const fn new(epoch: u64, number: u64) -> Self {
        Self { epoch, number }
    }

    /// The lifetime of the log that it belongs to.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// Its number in the epoch.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// Two hexadecimal numbers, at most 33 characters.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.epoch, self.number)
    }
}

/// A position as text, without an allocation.
pub(crate) struct PositionText {
    bytes: [u8; 33],
    start: usize,
}

impl PositionText {
    // Written by hand, because each message that a log receives needs one, and `format!` took a
    // fifth of that time.
    pub(crate) fn new(position: Position) -> Self {
        let mut text = Self { bytes: [0; 33], start: 33 };
        text.push_hex(position.number);
        text.push(b'-');
        text.push_hex(position.epoch);
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }

    /// Writes the number in front of the text so far.
    fn push_hex(&mut self, mut number: u64) {
        loop {
            self.push(b"0123456789abcdef"[(number % 16) as usize]);
            number /= 16;
            if number == 0 {
                return;
            }
        }
    }

    fn push(&mut self, byte: u8) {
        // Two numbers of 16 digits and the character between them need exactly the 33 bytes.
        self.start -= 1;
        self.bytes[self.start] = byte;
    }
}

/// A text that is not a position, because [`Position`] does not write it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PositionError(());

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position, which is two hexadecimal numbers with a `-` between them")
    }
}

impl std::error::Error for PositionError {}

impl FromStr for Position {
    type Err = PositionError;

    /// Accepts exactly what `Display` writes, so that a position has one spelling.
    fn from_str(text: &str) -> Result<Self, PositionError> {
        let number = |text: &str| {
            let canonical = text == "0" || !text.starts_with('0');
            let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            u64::from_str_radix(text, 16).ok().filter(|_| canonical && digits)
        };
        let (epoch, rest) = text.split_once('-').ok_or(PositionError(()))?;
        match (number(epoch), number(rest)) {
            (Some(epoch), Some(number)) => Ok(Self { epoch, number }),
            _ => Err(PositionError(())),
        }
    }
}

/// The same text as `Display`.
#[cfg(feature = "json")]
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(PositionText::new(*self).as_str())
    }
}

/// The same text as `FromStr`.
#[cfg(feature = "json")]
impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Position;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a position, which is two hexadecimal numbers with a `-` between them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Position, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_its_own_spelling_is_a_position() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-0x1",
            "1-+1",
            "A-1",
            "1-2-3",
            " 1-1",
            "10000000000000000-0",
        ] {
            assert_eq!(text.parse::<Position>(), Err(PositionError(())), "{text:?}");
        }
        assert_eq!("0-0".parse(), Ok(Position::new(0, 0)));
    }

    proptest! {
        #[test]
        fn text_and_position_are_each_others_inverse(epoch: u64, number: u64) {
            let position = Position::new(epoch, number);
            prop_assert_eq!(position.to_string().parse(), Ok(position));
            let text = PositionText::new(position);
            prop_assert_eq!(text.as_str(), position.to_string());
        }

        #[cfg(feature = "json")]
        #[test]
        fn json_has_the_same_text(epoch: u64, number: u64) {
            let position = Position::new(epoch, number);
            let json = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(&json, &format!("\"{position}\""));
            prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
            // A value of `serde_json` owns its text, which is another call of the visitor.
            let value = serde_json::to_value(position).unwrap();
            prop_assert_eq!(serde_json::from_value::<Position>(value).unwrap(), position);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn other_json_is_refused() {
        for json in ["\"A-1\"", "\"1\"", "\"\"", "1", "null", "[1,2]"] {
            let error = serde_json::from_str::<Position>(json).unwrap_err().to_string();
            assert!(error.contains("expected a position"), "{json}: {error}");
        }
    }

    #[test]
    fn later_is_greater_and_it_is_128_bits() {
        assert!(Position::new(1, 2) < Position::new(1, 10));
        assert_eq!(size_of::<Position>(), 16);
    }
}
