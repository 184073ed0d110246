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

/// The names of the events that an `EventSource` dispatches itself. A message without a name is a
/// `message`.
#[cfg(any(feature = "hub", feature = "replies"))]
const EVENT_SOURCE_NAMES: [&str; 3] = ["message", "open", "error"];

/// Checks the name of an event of a hub's or of replies' own, which no message may have.
#[cfg(any(feature = "hub", feature = "replies"))]
pub(crate) fn check_reserved_name(name: &'static str) -> Result<(), EncodeError> {
    check_event_name(name)?;
    if EVENT_SOURCE_NAMES.contains(&name) {
        return Err(EncodeError::EventSourceName { name });
    }
    Ok(())
}

/// The default name of the event that tells a client of a gap.
#[cfg(any(feature = "hub", feature = "replies"))]
pub(crate) const GAP_EVENT: &str = "gap";

/// The maximum bytes of an event ID that is sent. A client returns the ID in a header, and servers
/// commonly accept 8 KiB for all headers together.
pub const MAX_EVENT_ID: usize = 4 * 1024;

/// Checks the text of an event ID. The empty ID is valid: it resets the client's last event ID.
pub(crate) fn check_event_id(text: &str) -> Result<(), EncodeError> {
    if text.len() > MAX_EVENT_ID {
        return Err(EncodeError::IdTooLong { bytes: text.len(), max: MAX_EVENT_ID });
    }
    if let Some(at) = first_control(text.as_bytes()) {
        return Err(match text.as_bytes()[at] {
            b'\n' | b'\r' => EncodeError::LineBreak { field: Field::Id, at },
            0 => EncodeError::Nul { at },
            _ => EncodeError::Control { at },
        });
    }
    // Other blanks, such as a tab, are control characters.
    if text.starts_with(' ') {
        return Err(EncodeError::Blank { at: 0 });
    }
    if text.ends_with(' ') {
        return Err(EncodeError::Blank { at: text.len() - 1 });
    }
    Ok(())
}

/// The index of the first control character of a text in UTF-8. These are the characters from
/// U+0000 to U+001F and from U+007F to U+009F.
const fn first_control(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let is_c1 = byte == 0xc2 && at + 1 < text.len() && text[at + 1] < 0xa0;
        if byte < 0x20 || byte == 0x7f || is_c1 {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Checks at compile time that there is no line break; `memchr` cannot run there.
const fn is_one_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\n' || bytes[at] == b'\r' {
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
            !text.is_empty() && is_one_line(text),
            "an event name is not empty and holds no line break"
        );
        Self(Cow::Borrowed(text))
    }
}

one_line_text! {
    /// An event ID that every client reads as it was written and can return in the header
    /// `Last-Event-ID`: it has at most [`MAX_EVENT_ID`] bytes, no control character, and no blank
    /// at its start or end. It may be empty, which resets the client's last event ID.
    ///
    /// ```
    /// use volga_sse::EventId;
    ///
    /// assert_eq!(EventId::try_from("page 7").map(|id| id.to_string()).ok(), Some("page 7".into()));
    /// for refused in ["7\n", "7\t8", " 7", "7 "] {
    ///     assert!(EventId::try_from(refused).is_err());
    /// }
    /// ```
    EventId, check_event_id
}

impl EventId {
    /// Makes an ID from a literal. In a `const`, an invalid ID does not compile.
    ///
    /// # Panics
    ///
    /// Panics if the ID holds a control character, begins or ends with a blank, or has more than
    /// [`MAX_EVENT_ID`] bytes.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(bytes.len() <= MAX_EVENT_ID, "an event ID has at most 4,096 bytes");
        assert!(first_control(bytes).is_none(), "an event ID holds no control character");
        assert!(
            bytes.is_empty() || bytes[0] != b' ' && bytes[bytes.len() - 1] != b' ',
            "an event ID neither begins nor ends with a blank"
        );
        Self(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_ids_hold_what_one_line_can_hold() {
        for text in ["a", "é", "\u{2028}", "\u{feff}", "a:b", "a b", "\u{a0}"] {
            assert_eq!(EventName::try_from(text).unwrap().as_str(), text);
            assert_eq!(EventId::try_from(text).unwrap().as_str(), text);
        }
        assert_eq!(EventName::try_from(" \u{0b}").unwrap().as_str(), " \u{0b}");
        let longest = "x".repeat(MAX_EVENT_ID);
        assert_eq!(EventId::try_from(longest.as_str()).unwrap().as_str(), longest);
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
        assert!(refusal("é\u{85}").contains("control character at byte 2"));
        assert!(refusal("a\t").contains("control character at byte 1"));
        assert!(refusal(" 7").contains("blank at byte 0"));
        assert!(refusal("é ").contains("blank at byte 2"));
        assert!(refusal(&"x".repeat(MAX_EVENT_ID + 1)).contains("4097 bytes"));
    }

    proptest! {
        #[test]
        fn an_id_is_accepted_as_the_rule_says(text in "[ a\\x00-\\x1f\\x7f-\\u{a1}é\u{2028}]{0,5}") {
            let has_blank_end = text.starts_with(' ') || text.ends_with(' ');
            let is_valid = !text.contains(char::is_control) && !has_blank_end;
            prop_assert_eq!(EventId::try_from(text.as_str()).is_ok(), is_valid);
            let is_static = std::panic::catch_unwind(|| {
                let _ = EventId::from_static(text.clone().leak());
            });
            prop_assert_eq!(is_static.is_ok(), is_valid);
        }
    }
}
