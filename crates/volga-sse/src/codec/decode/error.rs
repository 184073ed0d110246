//! `DecodeError`: the stream exceeds a limit. Nothing else about a stream can be wrong.

use std::fmt;

/// The limit that a stream exceeded. The standard gives a meaning to everything else that a stream
/// may hold.
///
/// Limits count bytes as they were received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line was longer than
    /// [`Decoder::with_max_line`](crate::codec::decode::Decoder::with_max_line) allows, whatever it
    /// held. Raise the limit, or check whether the server sends this format at all.
    LineTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The data of an event was longer than
    /// [`Decoder::with_max_event`](crate::codec::decode::Decoder::with_max_event) allows. Raise the
    /// limit, or have the server send smaller events.
    EventTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// An event ID was longer than
    /// [`Decoder::with_max_id`](crate::codec::decode::Decoder::with_max_id) allows. Raise the limit
    /// only if you never send the ID back: no server would accept it in a header.
    IdTooLong {
        /// The limit in bytes.
        max: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, max, builder) = match self {
            Self::LineTooLong { max } => ("a line", max, "with_max_line"),
            Self::EventTooLong { max } => ("the data of an event", max, "with_max_event"),
            Self::IdTooLong { max } => ("an event ID", max, "with_max_id"),
        };
        write!(f, "{what} exceeds {max} bytes; raise the limit with `Decoder::{builder}`")
    }
}

impl std::error::Error for DecodeError {}
