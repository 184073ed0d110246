//! What a subscription delivers: messages, and gaps where messages are missing.

use crate::box_error::BoxError;
use crate::codec::encode::EncodedMessage;
use crate::codec::error::EncodeError;
use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::stream::item::SseItem;
use crate::stream::item::sealed::{IntoPiece, Piece};

/// The default name of the event that tells a client of a [`Gap`]. See
/// [`HubBuilder::gap_event`](crate::hub::HubBuilder::gap_event).
pub const GAP_EVENT: &str = crate::codec::field::GAP_EVENT;

/// What a subscription delivers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// A message, in the order of positions. The first one may have only an ID, which gives a new
    /// client its position. A message without a position is about the node, if you have set
    /// [`HubBuilder::relay_event`](crate::hub::HubBuilder::relay_event).
    Message(EncodedMessage),
    /// Messages that the subscriber has missed.
    Gap(Gap),
}

impl Delivery {
    /// Encodes what is sent to the client: the message as it was published, or the event that
    /// reports the gap.
    ///
    /// Use it for a stream that sends other messages as well. [`Sse`](crate::stream::response::Sse)
    /// takes a subscription or a stream of deliveries as it is.
    ///
    /// # Errors
    ///
    /// Never fails today. It returns a `Result` so that you can use it in place of
    /// [`Message::encode`].
    pub fn encode(self) -> Result<EncodedMessage, EncodeError> {
        match self {
            Self::Message(message) => Ok(message),
            Self::Gap(gap) => gap.to_message().encode(),
        }
    }
}

/// A range of positions from which the hub has dropped messages. The range covers at least what is
/// missing.
///
/// The client receives it as an event named [`gap`](GAP_EVENT) with both positions as JSON:
/// `{"after":"2a-5","through":"2a-13"}`. With `"snapshot":true` in it,
/// [a snapshot follows](Self::has_snapshot).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// Counts only if it is known what the client has.
    // An `Option` would make every delivery larger.
    pub(crate) after: Position,
    pub(crate) is_known: bool,
    pub(crate) through: Position,
    pub(crate) is_settled: bool,
    pub(crate) has_snapshot: bool,
    /// The name of the event.
    pub(crate) event: &'static str,
}

impl Gap {
    /// Everything up to this position was delivered or reported before. `None` if it is not known
    /// what the client has, because its last event ID is not one of this hub.
    #[must_use]
    pub fn after(&self) -> Option<Position> {
        self.is_known.then_some(self.after)
    }

    /// The position of the last message that may be missing.
    #[must_use]
    pub fn through(&self) -> Position {
        self.through
    }

    /// Returns true if messages of a keyed topic may be missing, so that the client may not know of
    /// a key that was removed. The newest value of each key of the subscription's keyed topics
    /// follows. So a page forgets all of these values now and then has the right picture. Never
    /// true for a subscription whose names and patterns cannot match a keyed topic.
    ///
    /// A value that the client has received before this gap comes again without an ID, so that its
    /// last event ID does not go back.
    #[must_use]
    pub fn has_snapshot(&self) -> bool {
        self.has_snapshot
    }

    /// The event that tells a client of the gap.
    ///
    /// The event has [`through`](Self::through) as its ID only if no message before that position
    /// is still to come. Otherwise a client that resumes from this ID would miss such messages.
    pub fn to_message(&self) -> Message {
        let after = self.after().map_or_else(|| "null".to_owned(), |after| format!("\"{after}\""));
        let snapshot = if self.has_snapshot { ",\"snapshot\":true" } else { "" };
        let message = Message::new()
            .event(self.event)
            .data(format!("{{\"after\":{after},\"through\":\"{}\"{snapshot}}}", self.through));
        if self.is_settled { message.id(self.through.to_string()) } else { message }
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
        let gap = Gap {
            after: Position::new(0x2a, 5),
            is_known: true,
            through: Position::new(0x2a, 19),
            is_settled: true,
            has_snapshot: false,
            event: GAP_EVENT,
        };
        assert_eq!(
            gap.to_message().encode().unwrap().as_bytes(),
            b"event: gap\ndata: {\"after\":\"2a-5\",\"through\":\"2a-13\"}\nid: 2a-13\n\n"
        );
        let gap =
            Gap { is_known: false, is_settled: false, has_snapshot: true, event: "missed", ..gap };
        assert_eq!(
            gap.to_message().encode().unwrap().as_bytes(),
            b"event: missed\ndata: {\"after\":null,\"through\":\"2a-13\",\"snapshot\":true}\n\n"
        );
    }
}
