//! What an event stream can carry: one trait on the item, so that any stream of such items will do.

use bytes::Bytes;

use crate::codec::encode::EncodedMessage;
use crate::codec::message::Message;
use crate::stream::body::BoxError;

/// An item of an event stream: a [`Message`], an [`EncodedMessage`], a delivery of a hub, or a `Result` of one with any error.
///
/// Text and bytes are no items, because nothing in them says what they are: a text becomes a message by
/// `Message::new().data(text)`. An `Err`, or a message that cannot be encoded, ends the stream, so that the client sees a cut stream.
///
/// The trait is sealed: a type of your own becomes a [`Message`] by `stream.map(..)`.
#[diagnostic::on_unimplemented(
    message = "an event stream cannot carry `{Self}`",
    label = "the items of this stream are `{Self}`",
    note = "items are `Message`, `EncodedMessage`, a hub's `Delivery`, or a `Result` of one with an error that converts into `Box<dyn Error + Send + Sync>`",
    note = "make a message of each item: `stream.map(|text| Message::new().data(text))`, or `.json(value)`"
)]
pub trait SseItem: sealed::IntoPiece {}

impl SseItem for Message {}
impl SseItem for EncodedMessage {}
impl<T: SseItem, E: Into<BoxError>> SseItem for Result<T, E> {}

pub(crate) mod sealed {
    use super::{BoxError, Bytes, EncodedMessage, Message};

    /// An item on its way onto the wire.
    #[derive(Debug)]
    pub enum Piece {
        Own(Message),
        Shared(Bytes),
    }

    /// Public for the compiler, since it is a supertrait of a public trait; out of reach for everybody else.
    pub trait IntoPiece {
        fn into_piece(self) -> Result<Piece, BoxError>;
    }

    impl IntoPiece for Message {
        fn into_piece(self) -> Result<Piece, BoxError> {
            Ok(Piece::Own(self))
        }
    }

    impl IntoPiece for EncodedMessage {
        fn into_piece(self) -> Result<Piece, BoxError> {
            Ok(Piece::Shared(self.into_bytes()))
        }
    }

    impl<T: IntoPiece, E: Into<BoxError>> IntoPiece for Result<T, E> {
        fn into_piece(self) -> Result<Piece, BoxError> {
            self.map_err(Into::into)?.into_piece()
        }
    }
}
