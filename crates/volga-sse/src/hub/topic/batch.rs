//! The messages that a subscription takes from its topics at once. Pure.

use bytes::Bytes;

use crate::hub::topic::short_id::ShortId;

/// How many messages a subscription takes at once. In a burst, one lock then serves that many
/// messages.
pub(crate) const MAX_MESSAGES: usize = 64;
/// A batch that has this many bytes takes no more messages. So when a client stops reading, its
/// subscription holds at most these bytes and one more message.
const MAX_BYTES: usize = 16 * 1024;

/// A message that was read from a log and is not delivered yet.
#[derive(Clone, Debug)]
pub(crate) struct QueuedMessage {
    /// Its topic, if the subscription has several.
    // Not a reference to the topic, because a message then takes more code to drop. The compiler
    // keeps a message with that code in memory, and copying it there made each message 20% slower.
    pub(crate) topic: ShortId,
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
}

/// The messages with the smallest numbers among all that are offered.
///
/// The messages of one topic are offered in order, those of different topics in any order. A single
/// message, which is the common case, needs no allocation.
#[derive(Debug)]
pub(crate) struct Batch {
    max: usize,
    first: Option<QueuedMessage>,
    more: Vec<QueuedMessage>,
    bytes: usize,
}

impl Batch {
    /// Creates a batch of at most this many messages.
    pub(crate) fn of(max: usize) -> Self {
        Self { max, first: None, more: Vec::new(), bytes: 0 }
    }

    /// Takes the message if it is among the first. Returns false if it is not; later messages of
    /// the same topic won't be either.
    pub(crate) fn offer(&mut self, topic: ShortId, number: u64, bytes: &Bytes) -> bool {
        if self.is_full() && self.last_number().is_some_and(|last| number > last) {
            return false;
        }
        let message = QueuedMessage { topic, number, bytes: bytes.clone() };
        self.bytes += bytes.len();
        match &mut self.first {
            None => self.first = Some(message),
            Some(first) if number < first.number => {
                let second = std::mem::replace(first, message);
                self.more.insert(0, second);
            }
            Some(_) => {
                let place = match self.more.last() {
                    Some(last) if last.number > number => {
                        self.more.partition_point(|other| other.number < number)
                    }
                    _ => self.more.len(),
                };
                self.more.insert(place, message);
            }
        }
        self.trim();
        true
    }

    /// The number of the first message.
    pub(crate) fn first_number(&self) -> Option<u64> {
        self.first.as_ref().map(|first| first.number)
    }

    /// The first message, and the others in reverse order, so that the next one can be popped.
    pub(crate) fn into_parts(mut self) -> (Option<QueuedMessage>, Vec<QueuedMessage>) {
        self.more.reverse();
        (self.first, self.more)
    }

    pub(crate) fn last_number(&self) -> Option<u64> {
        self.more.last().or(self.first.as_ref()).map(|last| last.number)
    }

    /// How many messages there may be room for.
    pub(crate) fn room(&self) -> usize {
        self.max - usize::from(self.first.is_some()) - self.more.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.first.is_some() && (self.more.len() + 1 >= self.max || self.bytes >= MAX_BYTES)
    }

    /// Removes the last messages of a batch that was full before an insertion. The batch stays
    /// full, so messages that it refused before still come after it.
    fn trim(&mut self) {
        while let Some(last) = self.more.last()
            && (self.more.len() + 1 > self.max || self.bytes - last.bytes.len() >= MAX_BYTES)
        {
            self.bytes -= last.bytes.len();
            self.more.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_batch_is_the_first_part_of_all_offers_in_order(
            topics in vec(vec((1..20_u64, 0..4_000_usize), 0..80), 1..5),
        ) {
            let mut batch = Batch::of(MAX_MESSAGES);
            let mut all = Vec::new();
            for (index, topic) in topics.iter().enumerate() {
                // Numbers of different topics never coincide.
                let mut number = index as u64;
                let mut refused = false;
                for (skip, len) in topic {
                    number += skip * topics.len() as u64;
                    let bytes = Bytes::from(vec![b'x'; *len]);
                    all.push((number, bytes.clone()));
                    refused = refused || !batch.offer(ShortId::NONE, number, &bytes);
                }
            }
            all.sort_unstable_by_key(|(number, _)| *number);
            let (first, mut rest) = batch.into_parts();
            rest.reverse();
            let found: Vec<_> = first
                .into_iter()
                .chain(rest)
                .map(|message| (message.number, message.bytes))
                .collect();
            prop_assert_eq!(&found[..], &all[..found.len()]);
            let bytes: usize = found.iter().map(|(_, bytes)| bytes.len()).sum();
            prop_assert!(found.len() == all.len() || found.len() == MAX_MESSAGES || bytes >= MAX_BYTES);
            prop_assert!(found.len() <= MAX_MESSAGES && bytes < MAX_BYTES + 4_000);
        }
    }

    #[test]
    fn a_single_message_needs_no_allocation() {
        let mut batch = Batch::of(MAX_MESSAGES);
        assert!(batch.offer(ShortId::NONE, 1, &Bytes::from_static(b"x")));
        assert_eq!(batch.into_parts().1.capacity(), 0);
    }
}
