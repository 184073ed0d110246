//! The log of one reply: its messages, and how it ended. Pure.

use std::fmt;

use bytes::Bytes;

use crate::codec::encode::EncodedMessage;
use crate::codec::error::EncodeError;
use crate::codec::message::Message;
use crate::codec::position::{Position, PositionText};
use crate::replies::error::ReplyError;
use crate::stream::item::sealed::Piece;

/// What a message costs in addition to its bytes: its entry in the log, and the bookkeeping of its
/// two blocks of memory.
pub(crate) const MESSAGE_OVERHEAD: usize = 96;

/// How a reply ended.
pub(crate) type Outcome = Result<(), ReplyError>;

/// All messages of a reply, encoded and in order.
///
/// It is both the history for clients that come later and the queue of the clients that read: a
/// client is an index into it.
pub(crate) struct ReplyLog {
    epoch: u64,
    messages: Vec<Bytes>,
    /// How many messages there were, also after they were removed.
    len: usize,
    /// The length up to the last message that is an event to a client. Comments after it have no
    /// event ID.
    events: usize,
    bytes: usize,
    outcome: Option<Outcome>,
}

/// What the log has for a client at its index.
#[derive(Debug)]
pub(crate) enum LogRead {
    Message(Bytes),
    /// There is no message yet.
    Wait,
    End(Outcome),
}

impl ReplyLog {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, messages: Vec::new(), len: 0, events: 0, bytes: 0, outcome: None }
    }

    /// Adds a message that [`write`] made. Returns false after the end, and then adds nothing.
    pub(crate) fn push(&mut self, message: Bytes) -> bool {
        let is_open = self.outcome.is_none();
        if is_open {
            self.len += 1;
            if is_event(&message) {
                self.events = self.len;
            }
            self.bytes += cost(message.len());
            self.messages.push(message);
        }
        is_open
    }

    /// Ends the reply. Only the first end counts; returns whether this is the first.
    pub(crate) fn end(&mut self, outcome: Outcome) -> bool {
        let is_first = self.outcome.is_none();
        if is_first {
            self.outcome = Some(outcome);
            self.messages.shrink_to_fit();
        }
        is_first
    }

    /// Removes the messages of a reply that has ended, and returns them with the bytes for which
    /// they counted. A client that has not read all of them gets an error in their place.
    pub(crate) fn clear(&mut self) -> (Vec<Bytes>, usize) {
        (std::mem::take(&mut self.messages), std::mem::take(&mut self.bytes))
    }

    pub(crate) fn read(&self, next: usize) -> LogRead {
        match (self.messages.get(next), &self.outcome) {
            (Some(message), _) => LogRead::Message(message.clone()),
            (None, None) => LogRead::Wait,
            (None, Some(_)) if next < self.len => LogRead::End(Err(ReplyError::Expired)),
            (None, Some(outcome)) => LogRead::End(outcome.clone()),
        }
    }

    /// The index at which a client with this last event ID goes on; the start without an ID. `None`
    /// if no event of this reply has the ID.
    pub(crate) fn resume(&self, last_event_id: Option<&str>) -> Option<usize> {
        let Some(id) = last_event_id.filter(|id| !id.is_empty()) else {
            return Some(0);
        };
        let position: Position = id.parse().ok()?;
        let next = usize::try_from(position.number()).ok()?;
        let message = self.messages.get(next.checked_sub(1)?)?;
        (position.epoch() == self.epoch && is_event(message)).then_some(next)
    }

    /// The event for a client whose last event ID is unknown: it may have any messages of this
    /// reply or of others, and the whole reply follows.
    pub(crate) fn restart(&self, name: &'static str) -> Result<EncodedMessage, EncodeError> {
        let start = Position::new(self.epoch, 0);
        let data = format!("{{\"after\":null,\"through\":\"{start}\",\"snapshot\":true}}");
        Message::new().event(name).data(data).encode()
    }

    /// How the reply ended, if it has ended and no event is left for a client at this index.
    pub(crate) fn outcome_after(&self, next: usize) -> Option<&Outcome> {
        self.outcome.as_ref().filter(|_| next >= self.events)
    }

    /// The position of a message, by its index.
    pub(crate) fn position(&self, at: usize) -> Position {
        Position::new(self.epoch, at as u64 + 1)
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Leaves the messages out, because they are for their clients only.
impl fmt::Debug for ReplyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyLog")
            .field("len", &self.len)
            .field("bytes", &self.bytes)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// The bytes for which a message of this length counts.
pub(crate) fn cost(len: usize) -> usize {
    len + MESSAGE_OVERHEAD
}

/// Returns true for a message that is an event to a client. It ends with a blank line and has an
/// ID. Comments and `retry:` end with their line.
fn is_event(message: &[u8]) -> bool {
    message.ends_with(b"\n\n")
}

/// Writes a message into `out`, in place of what `out` held, with its position as its event ID.
/// Writes nothing for a message without any field.
///
/// The ID comes last, because a client takes the last ID of an event. So a message that comes
/// encoded, with an ID of its own, gets this one instead.
pub(crate) fn write(
    piece: Piece,
    position: Position,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    out.clear();
    match piece {
        Piece::Message(message) => message.encode_into(out)?,
        Piece::Encoded(bytes) => out.extend_from_slice(&bytes),
    }
    if is_event(out) {
        out.pop();
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(PositionText::new(position).as_str().as_bytes());
        out.extend_from_slice(b"\n\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::decode::Decoder;
    use crate::codec::message::Message;

    const EPOCH: u64 = 0xe;

    fn written(message: Message) -> String {
        let mut out = b"before".to_vec();
        write(Piece::Message(message), Position::new(EPOCH, 7), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Two events with a comment after each.
    fn log() -> ReplyLog {
        let mut log = ReplyLog::new(EPOCH);
        let mut out = Vec::new();
        for text in ["a", "b"] {
            for message in [Message::new().data(text), Message::new().comment(text)] {
                write(Piece::Message(message), log.position(log.len()), &mut out).unwrap();
                assert!(log.push(Bytes::copy_from_slice(&out)));
            }
        }
        log
    }

    fn all(log: &ReplyLog, mut next: usize) -> (String, Option<Outcome>) {
        let mut text = Vec::new();
        loop {
            match log.read(next) {
                LogRead::Message(message) => text.extend_from_slice(&message),
                LogRead::Wait => return (String::from_utf8(text).unwrap(), None),
                LogRead::End(outcome) => return (String::from_utf8(text).unwrap(), Some(outcome)),
            }
            next += 1;
        }
    }

    #[test]
    fn an_event_has_its_position_as_id_and_other_messages_have_no_id() {
        assert_eq!(written(Message::new().data("x")), "data: x\nid: e-7\n\n");
        assert_eq!(written(Message::new().event("x")), "event: x\nid: e-7\n\n");
        assert_eq!(written(Message::new().comment("x")), ": x\n");
        assert_eq!(written(Message::new().retry(Duration::from_secs(1))), "retry: 1000\n");
        assert_eq!(written(Message::new()), "");
        let refused = Piece::Message(Message::new().event(""));
        assert!(write(refused, Position::new(1, 1), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_client_takes_our_id_whatever_the_message_had() {
        let encoded = Message::new().id("mine").data("\n").encode().unwrap().into_bytes();
        let mut out = Vec::new();
        write(Piece::Encoded(encoded), Position::new(EPOCH, 7), &mut out).unwrap();
        let events = Decoder::new().feed(&out).unwrap();
        let read: Vec<_> =
            events.into_iter().map(|e| (e.id().to_owned(), e.data().to_owned())).collect();
        assert_eq!(read, [("e-7".to_owned(), "\n".to_owned())]);
    }

    #[test]
    fn a_client_goes_on_after_the_id_that_it_has() {
        let log = log();
        let from = |id| log.resume(id).map(|next| all(&log, next).0);
        let whole = "data: a\nid: e-1\n\n: a\ndata: b\nid: e-3\n\n: b\n";
        assert_eq!(from(None).as_deref(), Some(whole));
        assert_eq!(from(Some("")).as_deref(), Some(whole));
        assert_eq!(from(Some("e-1")).as_deref(), Some(&whole[17..]));
        assert_eq!(from(Some("e-3")).as_deref(), Some(": b\n"));
    }

    #[test]
    fn an_id_that_no_event_of_the_reply_has_is_unknown() {
        let log = log();
        for id in
            ["e-0", "e-2", "e-4", "e-5", "e-ffffffffffffffff", "f-1", "e1", "e-01", "7", "\u{fc}"]
        {
            assert_eq!(log.resume(Some(id)), None, "{id}");
        }
    }

    #[test]
    fn it_has_ended_for_a_client_with_the_last_event() {
        let mut log = log();
        assert!(log.outcome_after(4).is_none(), "while it runs");
        assert!(log.end(Err(ReplyError::Cancelled)));
        assert!(!log.end(Ok(())), "only the first end counts");
        assert!(!log.push(Bytes::from_static(b"data: c\n\n")));
        assert!(log.outcome_after(2).is_none());
        // Only a comment is left, for which no client should return.
        assert!(matches!(log.outcome_after(3), Some(Err(ReplyError::Cancelled))));
        assert!(matches!(all(&log, 0).1, Some(Err(ReplyError::Cancelled))));
        let mut empty = ReplyLog::new(EPOCH);
        empty.end(Ok(()));
        assert!(matches!(empty.outcome_after(0), Some(Ok(()))));
    }

    #[test]
    fn a_removed_reply_is_an_error_for_clients_that_have_not_read_all_of_it() {
        let mut log = log();
        let bytes = log.bytes();
        log.end(Ok(()));
        let (messages, freed) = log.clear();
        assert_eq!((messages.len(), freed), (4, bytes));
        assert_eq!(freed, messages.iter().map(|message| cost(message.len())).sum::<usize>());
        assert_eq!(log.bytes(), 0);
        assert!(matches!(log.read(3), LogRead::End(Err(ReplyError::Expired))));
        assert!(matches!(log.read(4), LogRead::End(Ok(()))));
    }
}
