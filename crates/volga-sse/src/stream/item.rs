//! What an event stream can carry: a trait of its items, so that any stream of such items will do.

use bytes::Bytes;

use crate::box_error::BoxError;
use crate::codec::encode::EncodedMessage;
use crate::codec::message::Message;

/// An item of an event stream: a [`Message`], an [`EncodedMessage`], a delivery of a hub, or a
/// `Result` of one of these with any error.
///
/// Text and bytes are not items, because nothing in them says whether they are encoded. Make a
/// message of a text with `Message::new().data(text)`. An `Err`, or a message that cannot be
/// encoded, ends the stream, so that the client sees a stream that was cut short.
///
/// The trait is sealed. Turn a type of your own into a [`Message`] with `stream.map(..)`.
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

    /// An item on its way into a frame.
    #[derive(Debug)]
    pub enum Piece {
        Message(Message),
        Encoded(Bytes),
    }

    /// Public for the compiler, because it is a supertrait of a public trait. Users cannot name it.
    pub trait IntoPiece {
        fn into_piece(self) -> Result<Piece, BoxError>;
    }

    impl IntoPiece for Message {
        fn into_piece(self) -> Result<Piece, BoxError> {
            Ok(Piece::Message(self))
        }
    }

    impl IntoPiece for EncodedMessage {
        fn into_piece(self) -> Result<Piece, BoxError> {
            Ok(Piece::Encoded(self.into_bytes()))
        }
    }

    impl<T: IntoPiece, E: Into<BoxError>> IntoPiece for Result<T, E> {
        fn into_piece(self) -> Result<Piece, BoxError> {
            self.map_err(Into::into)?.into_piece()
        }
    }
}
