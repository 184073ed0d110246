//! The log of one answer: every message, and how it ended. Pure.

use std::fmt;

use bytes::Bytes;

use crate::codec::error::EncodeError;
use crate::codec::position::{Position, PositionText};
use crate::replies::{AnswerError, ClaimError};
use crate::stream::item::sealed::Piece;

/// What a message costs beside its bytes: its place in the log, and the two blocks of memory of a shared one.
pub(crate) const MESSAGE_OVERHEAD: usize = 96;

/// How an answer ended.
pub(crate) type Outcome = Result<(), AnswerError>;

/// All messages of an answer, encoded, in order. It is the history for those who come later and the queue of those who read: a client is an index.
pub(crate) struct Log {
    epoch: u64,
    messages: Vec<Bytes>,
    /// How many there were, also after they were given up.
    len: usize,
    /// The length up to the last message that is an event to a client. Comments after it have no ID.
    events: usize,
    bytes: usize,
    outcome: Option<Outcome>,
}

/// What there is for a client at its place.
#[derive(Debug)]
pub(crate) enum Read {
    Message(Bytes),
    /// Nothing yet.
    Wait,
    End(Outcome),
}

impl Log {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, messages: Vec::new(), len: 0, events: 0, bytes: 0, outcome: None }
    }

    /// Adds a message, as [`write`] made it. Without effect after the end.
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

    /// Ends it; only the first end counts.
    pub(crate) fn end(&mut self, outcome: Outcome) -> bool {
        let is_first = self.outcome.is_none();
        if is_first {
            self.outcome = Some(outcome);
            self.messages.shrink_to_fit();
        }
        is_first
    }

    /// Gives up the messages of an answer that has ended. Who has not read them all gets an error in their place.
    pub(crate) fn clear(&mut self) -> (Vec<Bytes>, usize) {
        (std::mem::take(&mut self.messages), std::mem::take(&mut self.bytes))
    }

    pub(crate) fn read(&self, next: usize) -> Read {
        match (self.messages.get(next), &self.outcome) {
            (Some(message), _) => Read::Message(message.clone()),
            (None, None) => Read::Wait,
            (None, Some(_)) if next < self.len => Read::End(Err(AnswerError::Expired)),
            (None, Some(outcome)) => Read::End(outcome.clone()),
        }
    }

    /// Where a client goes on that has this last event ID: at the start without one.
    pub(crate) fn resume(&self, last_event_id: Option<&str>) -> Result<usize, ClaimError> {
        let Some(id) = last_event_id.filter(|id| !id.is_empty()) else {
            return Ok(0);
        };
        let position: Position = id.parse().map_err(|_| ClaimError::LastEventId)?;
        let next = usize::try_from(position.number()).map_err(|_| ClaimError::LastEventId)?;
        let has_it = next.checked_sub(1).and_then(|at| self.messages.get(at));
        if position.epoch() == self.epoch && has_it.is_some_and(|message| is_event(message)) {
            Ok(next)
        } else {
            Err(ClaimError::LastEventId)
        }
    }

    /// How it ended, if nothing is left for a client at this place.
    pub(crate) fn over(&self, next: usize) -> Option<&Outcome> {
        self.outcome.as_ref().filter(|_| next >= self.events)
    }

    /// The place of a message, by its index.
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

/// Without the messages, which are for their clients.
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("len", &self.len)
            .field("bytes", &self.bytes)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// What a message of this length is counted as.
pub(crate) fn cost(len: usize) -> usize {
    len + MESSAGE_OVERHEAD
}

/// True for what a client dispatches: it ends with a blank line, and only that has an ID. Comments and `retry:` end with their line.
fn is_event(message: &[u8]) -> bool {
    message.ends_with(b"\n\n")
}

/// Writes a message with its place as its ID, in place of what `out` held. Nothing for a message without any field.
///
/// The ID stands last, because a client takes the last one: a message that comes encoded, with an ID of its own, gets ours too.
pub(crate) fn write(
    piece: Piece,
    position: Position,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    out.clear();
    match piece {
        Piece::Own(message) => message.encode_into(out)?,
        Piece::Shared(bytes) => out.extend_from_slice(&bytes),
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
        write(Piece::Own(message), Position::new(EPOCH, 7), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Two events with a comment after each.
    fn log() -> Log {
        let mut log = Log::new(EPOCH);
        let mut out = Vec::new();
        for text in ["a", "b"] {
            for message in [Message::new().data(text), Message::new().comment(text)] {
                write(Piece::Own(message), log.position(log.len()), &mut out).unwrap();
                assert!(log.push(Bytes::copy_from_slice(&out)));
            }
        }
        log
    }

    fn all(log: &Log, mut next: usize) -> (String, Option<Outcome>) {
        let mut text = Vec::new();
        loop {
            match log.read(next) {
                Read::Message(message) => text.extend_from_slice(&message),
                Read::Wait => return (String::from_utf8(text).unwrap(), None),
                Read::End(outcome) => return (String::from_utf8(text).unwrap(), Some(outcome)),
            }
            next += 1;
        }
    }

    #[test]
    fn an_event_has_its_place_as_id_and_what_is_none_has_no_id() {
        assert_eq!(written(Message::new().data("x")), "data: x\nid: e-7\n\n");
        assert_eq!(written(Message::new().event("x")), "event: x\nid: e-7\n\n");
        assert_eq!(written(Message::new().comment("x")), ": x\n");
        assert_eq!(written(Message::new().retry(Duration::from_secs(1))), "retry: 1000\n");
        assert_eq!(written(Message::new()), "");
        let refused = Piece::Own(Message::new().event(""));
        assert!(write(refused, Position::new(1, 1), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_client_takes_our_id_whatever_the_message_had() {
        let encoded = Message::new().id("mine").data("\n").encode().unwrap().into_bytes();
        let mut out = Vec::new();
        write(Piece::Shared(encoded), Position::new(EPOCH, 7), &mut out).unwrap();
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
        assert_eq!(from(None).as_deref(), Ok(whole));
        assert_eq!(from(Some("")).as_deref(), Ok(whole));
        assert_eq!(from(Some("e-1")).as_deref(), Ok(&whole[17..]));
        assert_eq!(from(Some("e-3")).as_deref(), Ok(": b\n"));
    }

    #[test]
    fn an_id_that_no_event_of_the_answer_has_is_refused() {
        let log = log();
        for id in
            ["e-0", "e-2", "e-4", "e-5", "e-ffffffffffffffff", "f-1", "e1", "e-01", "7", "\u{fc}"]
        {
            assert_eq!(log.resume(Some(id)), Err(ClaimError::LastEventId), "{id}");
        }
    }

    #[test]
    fn it_is_over_for_who_has_the_last_event() {
        let mut log = log();
        assert!(log.over(4).is_none(), "while it runs");
        assert!(log.end(Err(AnswerError::Cancelled)));
        assert!(!log.end(Ok(())), "only the first end counts");
        assert!(!log.push(Bytes::from_static(b"data: c\n\n")));
        assert!(log.over(2).is_none());
        // Only a comment is left, and no client is to come back for that.
        assert!(matches!(log.over(3), Some(Err(AnswerError::Cancelled))));
        assert!(matches!(all(&log, 0).1, Some(Err(AnswerError::Cancelled))));
        let mut empty = Log::new(EPOCH);
        empty.end(Ok(()));
        assert!(matches!(empty.over(0), Some(Ok(()))));
    }

    #[test]
    fn given_up_it_ends_as_it_ended_for_those_who_read_it_all_and_with_an_error_for_others() {
        let mut log = log();
        let bytes = log.bytes();
        log.end(Ok(()));
        let (messages, freed) = log.clear();
        assert_eq!((messages.len(), freed), (4, bytes));
        assert_eq!(freed, messages.iter().map(|message| cost(message.len())).sum::<usize>());
        assert_eq!(log.bytes(), 0);
        assert!(matches!(log.read(3), Read::End(Err(AnswerError::Expired))));
        assert!(matches!(log.read(4), Read::End(Ok(()))));
    }
}
