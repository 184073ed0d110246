//! The names of topics. Pure.

use std::fmt;

use http::StatusCode;

use crate::hub::plural::Plural;

/// Why a text is not a valid topic name or pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is longer than
    /// [`HubBuilder::max_topic_name`](crate::hub::HubBuilder::max_topic_name) allows.
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// A segment is empty: the text is empty, begins or ends with `.`, or contains `..`.
    EmptySegment {
        /// The byte at which the segment would start.
        at: usize,
    },
    /// The text contains a character that is not printable ASCII.
    Character {
        /// The byte offset of the character.
        at: usize,
    },
    /// A `*` or `>` in a name. In a pattern, a `*` that is not a whole segment, or a `>` that is
    /// not the last segment.
    Wildcard {
        /// The byte offset of the wildcard.
        at: usize,
    },
}

impl TopicError {
    /// The status to respond with, if the name comes from a client: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => {
                let max = Plural(*max, "byte");
                write!(
                    f,
                    "the topic name is longer than {max}; shorten it, or raise `max_topic_name`"
                )
            }
            Self::EmptySegment { at } => {
                write!(f, "the topic name has an empty segment at byte {at}")
            }
            Self::Character { at } => {
                write!(f, "the topic name has a character at byte {at} that is not printable ASCII")
            }
            Self::Wildcard { at } => write!(
                f,
                "the wildcard at byte {at} is not allowed there; in subscriptions, \
                 `*` stands for one whole segment, and `>` at the end for all that follow"
            ),
        }
    }
}

impl std::error::Error for TopicError {}

/// Checks a name: segments of printable ASCII characters, separated by `.`, without wildcards.
///
/// Names are ASCII only, so two names that look the same are the same, and no invisible character
/// hides in a log line or in the label of a metric.
pub(crate) fn check_name(text: &str, max: usize) -> Result<(), TopicError> {
    check_segments(text, max)?;
    match text.find(['*', '>']) {
        None => Ok(()),
        Some(at) => Err(TopicError::Wildcard { at }),
    }
}

/// Checks what names and patterns have in common.
pub(crate) fn check_segments(text: &str, max: usize) -> Result<(), TopicError> {
    if text.len() > max {
        return Err(TopicError::TooLong { max });
    }
    let mut segment = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if at == segment => return Err(TopicError::EmptySegment { at }),
            b'.' => segment = at + 1,
            byte if byte.is_ascii_graphic() => {}
            _ => return Err(TopicError::Character { at }),
        }
    }
    if segment == text.len() { Err(TopicError::EmptySegment { at: segment }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(), TopicError>) {
        assert_eq!(check_name(text, 20), expect, "{text:?}");
    }

    #[test]
    fn segments_of_printable_ascii_are_a_name() {
        for text in ["a", "orders.7", "a.b.c", "user:7/x@y", "A-b_c", "#!$", "12345678901234567890"]
        {
            check(text, Ok(()));
        }
    }

    #[test]
    fn other_texts_are_refused_with_their_byte_offset() {
        check("123456789012345678901", Err(TopicError::TooLong { max: 20 }));
        check("", Err(TopicError::EmptySegment { at: 0 }));
        check(".a", Err(TopicError::EmptySegment { at: 0 }));
        check("a.", Err(TopicError::EmptySegment { at: 2 }));
        check("a..b", Err(TopicError::EmptySegment { at: 2 }));
        check("a b", Err(TopicError::Character { at: 1 }));
        check("a\n", Err(TopicError::Character { at: 1 }));
        check("caf\u{e9}", Err(TopicError::Character { at: 3 }));
        check("orders.*", Err(TopicError::Wildcard { at: 7 }));
        check("orders.>", Err(TopicError::Wildcard { at: 7 }));
    }
}
