//! Messages of one topic, joined into one frame. Pure.

use bytes::Bytes;

use crate::stream::frame::{DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES};

/// Consecutive messages of one topic, as the bytes of one frame.
#[derive(Clone, Debug)]
pub(crate) struct JoinedFrame {
    pub(crate) bytes: Bytes,
    pub(crate) messages: usize,
    /// The topic has no message between this number and `first`, and has dropped none.
    after: u64,
    first: u64,
    /// The number of its last message.
    pub(crate) last: u64,
    /// The next message did not fit. So the frame stays the same when more messages come.
    is_full: bool,
}

impl JoinedFrame {
    /// Joins the messages after a number, within the bounds of a frame. Only a first message that
    /// is larger than a frame exceeds them. A single message is not copied. Returns `None` without
    /// messages.
    pub(crate) fn join<'a>(
        after: u64,
        messages: impl Iterator<Item = (u64, &'a Bytes)> + Clone,
    ) -> Option<Self> {
        let mut all = messages.clone();
        let (first, only) = all.next()?;
        let (mut last, mut count, mut len, mut is_full) = (first, 1, only.len(), false);
        for (number, bytes) in all {
            is_full =
                count >= DEFAULT_MAX_FRAME_MESSAGES || len + bytes.len() > DEFAULT_MAX_FRAME_BYTES;
            if is_full {
                break;
            }
            (last, count, len) = (number, count + 1, len + bytes.len());
        }
        let bytes = if count == 1 {
            only.clone()
        } else {
            let mut joined = Vec::with_capacity(len);
            messages.take(count).for_each(|(_, bytes)| joined.extend_from_slice(bytes));
            joined.into()
        };
        Some(Self { bytes, messages: count, after, first, last, is_full })
    }

    /// Whether this frame comes next for a subscription that has everything up to `cursor`, when
    /// the topic's last message is `last`.
    pub(crate) fn is_for(&self, cursor: u64, last: u64) -> bool {
        self.after <= cursor && cursor < self.first && (self.last == last || self.is_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins messages of these sizes. Returns how many were joined, and whether the frame is full.
    fn join(sizes: &[usize]) -> (usize, bool) {
        let messages: Vec<_> = sizes.iter().map(|size| Bytes::from(vec![b'x'; *size])).collect();
        let frame = JoinedFrame::join(0, (1..).zip(&messages)).expect("a frame");
        assert_eq!(frame.last, frame.messages as u64);
        assert_eq!(frame.bytes.len(), sizes[..frame.messages].iter().sum::<usize>());
        // If another message follows, only a full frame still is the next one.
        assert_eq!(frame.is_for(0, frame.last + 1), frame.is_full);
        assert!(frame.is_for(0, frame.last));
        (frame.messages, frame.is_full)
    }

    #[test]
    fn a_frame_stops_before_the_message_that_does_not_fit() {
        const MAX: usize = DEFAULT_MAX_FRAME_BYTES;
        assert_eq!(join(&[10]), (1, false));
        assert_eq!(join(&[10, MAX - 10]), (2, false), "it fits exactly");
        assert_eq!(join(&[10, MAX - 10, 1]), (2, true));
        assert_eq!(join(&[10, MAX - 9]), (1, true));
        assert_eq!(join(&[10, MAX - 9, 1]), (1, true), "none is skipped");
        assert_eq!(join(&[MAX + 1]), (1, false), "a message is not cut");
        assert_eq!(join(&[MAX + 1, 1]), (1, true));
        assert_eq!(join(&[1; DEFAULT_MAX_FRAME_MESSAGES]), (DEFAULT_MAX_FRAME_MESSAGES, false));
        assert_eq!(join(&[1; DEFAULT_MAX_FRAME_MESSAGES + 1]), (DEFAULT_MAX_FRAME_MESSAGES, true));
    }
}
