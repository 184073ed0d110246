//! What can be wrong with a stream of events: only that it holds more than its reader is ready to.

use std::fmt;

/// Which limit a stream exceeded. Everything else that a stream may hold, the standard gives a meaning.
///
/// Limits count bytes as they were received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line was longer than [`Decoder::max_line`](crate::codec::decode::Decoder::max_line) allows, whatever it held. Raise the limit, or take the server for
    /// one that does not speak this format.
    LineTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The data of an event was longer than [`Decoder::max_event`](crate::codec::decode::Decoder::max_event) allows. Raise the limit, or have the server send
    /// smaller events.
    EventTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// An event ID was longer than [`Decoder::max_id`](crate::codec::decode::Decoder::max_id) allows. Raise the limit if the ID is never sent back; no server
    /// would take it in a header.
    IdTooLong {
        /// The limit in bytes.
        max: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, max, builder) = match self {
            Self::LineTooLong { max } => ("a line", max, "max_line"),
            Self::EventTooLong { max } => ("the data of an event", max, "max_event"),
            Self::IdTooLong { max } => ("an event ID", max, "max_id"),
        };
        write!(f, "{what} exceeds {max} bytes; raise the limit with `Decoder::{builder}`")
    }
}

impl std::error::Error for DecodeError {}
