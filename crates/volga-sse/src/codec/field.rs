//! Event names and event IDs: text that is proven to fit on one line. Pure.

use std::{borrow::Cow, fmt};

use crate::codec::encode::line_end;
use crate::codec::error::{EncodeError, Field};

/// Checks the text of an event name.
pub(crate) fn check_event_name(text: &str) -> Result<(), EncodeError> {
    if text.is_empty() {
        return Err(EncodeError::EmptyEventName);
    }
    match line_end(text.as_bytes()) {
        None => Ok(()),
        Some(at) => Err(EncodeError::LineBreak { field: Field::Event, at }),
    }
}

/// Checks the text of an event ID. The empty ID is valid: it resets the client's last event ID.
pub(crate) fn check_event_id(text: &str) -> Result<(), EncodeError> {
    match memchr::memchr3(b'\n', b'\r', 0, text.as_bytes()) {
        None => Ok(()),
        Some(at) if text.as_bytes()[at] == 0 => Err(EncodeError::Nul { at }),
        Some(at) => Err(EncodeError::LineBreak { field: Field::Id, at }),
    }
}

/// Checks the same rules at compile time, where `memchr` cannot run.
const fn is_one_line(text: &str, nul_allowed: bool) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\n' || bytes[at] == b'\r' || (bytes[at] == 0 && !nul_allowed) {
            return false;
        }
        at += 1;
    }
    true
}

macro_rules! one_line_text {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = EncodeError;

            fn try_from(text: String) -> Result<Self, EncodeError> {
                $check(&text)?;
                Ok(Self(Cow::Owned(text)))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = EncodeError;

            fn try_from(text: &str) -> Result<Self, EncodeError> {
                Self::try_from(text.to_owned())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

one_line_text! {
    /// An event name that every client reads as it was written: it is not empty and has no line
    /// break.
    ///
    /// ```
    /// use volga_sse::{EventName, Message};
    ///
    /// const PRICE: EventName = EventName::from_static("price");
    /// let wire = Message::new().event(PRICE).data("7").encode()?;
    /// assert_eq!(wire.as_bytes(), b"event: price\ndata: 7\n\n");
    ///
    /// assert!(EventName::try_from("price\nid: forged").is_err());
    /// # Ok::<(), volga_sse::EncodeError>(())
    /// ```
    EventName, check_event_name
}

impl EventName {
    /// Makes a name from a literal. In a `const`, an invalid name does not compile.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty or holds a line break.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            !text.is_empty() && is_one_line(text, true),
            "an event name is not empty and holds no line break"
        );
        Self(Cow::Borrowed(text))
    }
}

one_line_text! {
    /// An event ID that every client reads as it was written: it has no line break and no NUL. It
    /// may be empty, which resets the client's last event ID.
    EventId, check_event_id
}

impl EventId {
    /// Makes an ID from a literal. In a `const`, an invalid ID does not compile.
    ///
    /// # Panics
    ///
    /// Panics if the ID holds a line break or a NUL.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_one_line(text, false), "an event ID holds no line break and no NUL");
        Self(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_hold_what_one_line_can_hold() {
        for text in ["a", " a", "é", "\u{2028}", "\u{feff}", "a:b", "\u{0b}\u{0c}"] {
            assert_eq!(EventName::try_from(text).unwrap().as_str(), text);
            assert_eq!(EventId::try_from(text).unwrap().as_str(), text);
        }
        assert_eq!(EventId::try_from("").unwrap().as_str(), "");
        assert_eq!(EventName::try_from("a\0b").unwrap().as_str(), "a\0b");
    }

    #[test]
    fn a_refusal_names_the_field_and_the_byte() {
        let refusal = |text: &str| EventName::try_from(text).unwrap_err().to_string();
        assert!(refusal("ab\rc").contains("event name holds a line break at byte 2"));
        assert!(refusal("").contains("event name is empty"));

        let refusal = |text: &str| EventId::try_from(text).unwrap_err().to_string();
        assert!(refusal("\n").contains("event ID holds a line break at byte 0"));
        assert!(refusal("7\0").contains("event ID holds a NUL at byte 1"));
    }
}
