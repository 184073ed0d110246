//! What a subscription delivers: messages, and gaps where there were some.

use crate::box_error::BoxError;
use crate::codec::encode::EncodedMessage;
use crate::codec::error::EncodeError;
use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::stream::item::SseItem;
use crate::stream::item::sealed::{IntoPiece, Piece};

/// The event name under which a client is told of a [`Gap`].
pub const GAP_EVENT: &str = "gap";

/// What a subscription delivers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// A message, in the order of positions; or, first of all, the position of a client that is new.
    Message(EncodedMessage),
    /// Messages are missing.
    Gap(Gap),
}

impl Delivery {
    /// What is sent to a client: the message as it was published, or the event that tells of the gap.
    ///
    /// For a stream that sends other messages as well; a stream of deliveries alone is taken by [`Sse`](crate::stream::response::Sse) as it is.
    ///
    /// # Errors
    ///
    /// None that is known: it is a `Result` so that it can stand where [`Message::encode`] does.
    pub fn encode(self) -> Result<EncodedMessage, EncodeError> {
        match self {
            Self::Message(message) => Ok(message),
            Self::Gap(gap) => gap.to_message().encode(),
        }
    }
}

/// Messages that the hub no longer holds stood between two positions. What it covers is at least what is missing.
///
/// A client receives it as an event named [`gap`](GAP_EVENT), with both positions as JSON: `{"after":"2a-5","through":"2a-13"}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    after: Option<Position>,
    through: Position,
    settled: bool,
}

impl Gap {
    pub(crate) fn new(after: Option<Position>, through: Position, settled: bool) -> Self {
        Self { after, through, settled }
    }

    /// Everything up to here was delivered or told before. `None` if it is not known what the client has: its last event ID was none of this hub's.
    #[must_use]
    pub fn after(&self) -> Option<Position> {
        self.after
    }

    /// The position of the last message that may be missing.
    #[must_use]
    pub fn through(&self) -> Position {
        self.through
    }

    /// The event that tells a client.
    ///
    /// It has [`through`](Self::through) as its ID only if all messages that are still to come stand behind it: else a client that resumes from there would
    /// skip some.
    pub fn to_message(&self) -> Message {
        let after = self.after.map_or_else(|| "null".to_owned(), |after| format!("\"{after}\""));
        let message = Message::new()
            .event(GAP_EVENT)
            .data(format!("{{\"after\":{after},\"through\":\"{}\"}}", self.through));
        if self.settled { message.id(self.through.to_string()) } else { message }
    }
}

impl IntoPiece for Delivery {
    fn into_piece(self) -> Result<Piece, BoxError> {
        match self {
            Self::Message(message) => message.into_piece(),
            Self::Gap(gap) => gap.to_message().into_piece(),
        }
    }
}

impl SseItem for Delivery {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_an_event_that_names_both_ends() {
        let position = |number| Position::new(0x2a, number);
        let gap = Gap::new(Some(position(5)), position(19), true);
        assert_eq!(
            gap.to_message().encode().unwrap().as_bytes(),
            b"event: gap\ndata: {\"after\":\"2a-5\",\"through\":\"2a-13\"}\nid: 2a-13\n\n"
        );
        let gap = Gap::new(None, position(19), false);
        assert_eq!(
            gap.to_message().encode().unwrap().as_bytes(),
            b"event: gap\ndata: {\"after\":null,\"through\":\"2a-13\"}\n\n"
        );
    }
}
