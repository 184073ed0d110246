//! A frame of the response body: one message as its own bytes, or several messages up to a bound.
//! Pure.

use bytes::Bytes;

use crate::codec::error::EncodeError;
use crate::stream::item::sealed::Piece;

/// The bytes at which a frame takes no further message: 16 KiB, the size of an HTTP/2 frame.
///
/// A frame that subscribers of a topic share stays within it, unless one message alone is larger. A
/// frame that is filled message by message takes another one only if one of the size of its last
/// message fits. So it exceeds these bytes only if that message is larger than the one before it.
/// Over HTTP/2 a few bytes more would need a second frame.
pub const DEFAULT_MAX_FRAME_BYTES: usize = 16 * 1024;

/// The number of messages at which a frame takes no further message, so that a stream which is
/// always ready does not keep the thread to itself.
pub const DEFAULT_MAX_FRAME_MESSAGES: usize = 256;

/// The capacity for further messages in a frame of several. A frame that needs more doubles it.
///
/// It is small, because most frames of several messages are the first frame of a stream, with two
/// messages. glibc keeps freed blocks of up to about a thousand bytes at hand; a larger block costs
/// ten times as much.
const EXTRA_CAPACITY: usize = 960;

/// A frame that reaches this size will probably become full. It gets the capacity of a full frame
/// at once, because its bytes would be copied each time the capacity doubles.
const LIKELY_FULL: usize = 4 * 1024;

/// The capacity of a full frame. It has room for the last message, if that one is small.
const FULL_CAPACITY: usize = DEFAULT_MAX_FRAME_BYTES + 1024;

/// A frame of the response body while it is put together.
#[derive(Default)]
pub(crate) struct Frame {
    /// The only message so far. It may be shared with other streams.
    one: Bytes,
    /// All messages, once there are several.
    many: Vec<u8>,
    messages: usize,
    /// The bytes of the last message.
    last: usize,
}

impl Frame {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages were pushed.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// Whether the frame takes no further message. A stream does not say in advance how large its
    /// next message is, so it is taken to be as large as the last one.
    pub(crate) fn is_full(&self) -> bool {
        self.len() + self.last > DEFAULT_MAX_FRAME_BYTES
            || self.messages >= DEFAULT_MAX_FRAME_MESSAGES
    }

    /// Adds a message. A message that cannot be encoded leaves the frame as it was.
    pub(crate) fn push(&mut self, piece: Piece) -> Result<(), EncodeError> {
        let before = self.len();
        match piece {
            Piece::Message(message) if self.is_empty() => self.one = message.encode()?.into_bytes(),
            Piece::Message(message) => message.encode_into(self.several())?,
            Piece::Encoded(bytes) => self.push_bytes(bytes),
        }
        self.messages += 1;
        self.last = self.len() - before;
        Ok(())
    }

    /// Adds this number of messages, which were joined before.
    #[cfg(feature = "hub")]
    pub(crate) fn push_joined(&mut self, bytes: Bytes, messages: usize) {
        self.push_bytes(bytes);
        self.messages += messages;
    }

    /// Adds bytes that are whole lines.
    pub(crate) fn push_bytes(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.one = bytes;
        } else {
            self.several().extend_from_slice(&bytes);
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.many.is_empty() { self.one } else { Bytes::from(self.many) }
    }

    pub(crate) fn len(&self) -> usize {
        self.one.len() + self.many.len()
    }

    /// The buffer for several messages. The only message so far is moved into it.
    fn several(&mut self) -> &mut Vec<u8> {
        if self.many.is_empty() {
            let one = std::mem::take(&mut self.one);
            self.many.reserve(one.len() + EXTRA_CAPACITY);
            self.many.extend_from_slice(&one);
        } else if self.many.len() >= LIKELY_FULL && self.many.capacity() < FULL_CAPACITY {
            self.many.reserve_exact(FULL_CAPACITY - self.many.len());
        }
        &mut self.many
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::message::Message;

    fn own(text: &str) -> Piece {
        Piece::Message(Message::new().data(text))
    }

    fn shared(text: &str) -> Piece {
        Piece::Encoded(Message::new().data(text).encode().unwrap().into_bytes())
    }

    #[test]
    fn messages_of_either_kind_join_in_order() {
        for pieces in [[own("a"), own("b"), shared("c")], [shared("a"), shared("b"), own("c")]] {
            let mut frame = Frame::default();
            assert!(frame.is_empty());
            pieces.into_iter().for_each(|piece| frame.push(piece).unwrap());
            assert_eq!(frame.into_bytes(), "data: a\n\ndata: b\n\ndata: c\n\n");
        }
    }

    #[test]
    fn one_shared_message_is_not_copied() {
        let bytes = Message::new().data("x").encode().unwrap().into_bytes();
        let mut frame = Frame::default();
        frame.push(Piece::Encoded(bytes.clone())).unwrap();
        assert_eq!(frame.into_bytes().as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn a_refused_message_leaves_the_frame_as_it_was() {
        let mut frame = Frame::default();
        assert!(frame.push(Piece::Message(Message::new().id("\n"))).is_err());
        assert!(frame.is_empty());
        frame.push(own("a")).unwrap();
        assert!(frame.push(Piece::Message(Message::new().id("\n"))).is_err());
        assert_eq!(frame.into_bytes(), "data: a\n\n");
    }

    #[test]
    fn both_bounds_are_reached() {
        let mut frame = Frame::default();
        for _ in 0..DEFAULT_MAX_FRAME_MESSAGES {
            assert!(!frame.is_full());
            frame.push(own("")).unwrap();
        }
        assert!(frame.is_full());

        for length in [1, 60, 1_000, DEFAULT_MAX_FRAME_BYTES / 2, DEFAULT_MAX_FRAME_BYTES] {
            let mut frame = Frame::default();
            let text = "x".repeat(length);
            frame.push(own(&text)).unwrap();
            let bytes = frame.len();
            while !frame.is_full() {
                frame.push(own(&text)).unwrap();
            }
            let fitting = (DEFAULT_MAX_FRAME_BYTES / bytes).clamp(1, DEFAULT_MAX_FRAME_MESSAGES);
            assert_eq!(frame.messages(), fitting, "messages of {bytes} bytes");
        }
    }

    #[test]
    fn a_frame_exceeds_its_bytes_only_by_a_message_that_is_larger_than_the_one_before() {
        let mut frame = Frame::default();
        frame.push(own(&"x".repeat(DEFAULT_MAX_FRAME_BYTES / 2))).unwrap();
        assert!(frame.is_full(), "another one does not fit");
        frame.push(own("")).unwrap();
        assert!(!frame.is_full(), "another small one fits");
        frame.push(own(&"x".repeat(DEFAULT_MAX_FRAME_BYTES))).unwrap();
        assert!(frame.is_full());
    }
}
