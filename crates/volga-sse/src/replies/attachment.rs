//! A client of an answer: a cursor on its log.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::codec::encode::EncodedMessage;
use crate::replies::AnswerError;
use crate::replies::answer::Answer;
use crate::replies::log::Read;
use crate::replies::shelf::Shelf;
use crate::replies::tally::Tally;
use crate::stream::response::{IntoSse, Sse};

/// What a client that [attaches](crate::replies::Claim::attach) finds.
#[derive(Debug)]
#[must_use]
pub enum Attached {
    /// There is something to read, or there will be.
    Open(Attachment),
    /// The client has every event, and the answer has ended so. An `EventSource` comes back after
    /// every end, and here it has to be told that there is nothing to come back for: answer 204, or
    /// an error's status where the answer did not come to its proper end.
    Over(Result<(), AnswerError>),
}

/// A client of an answer, at its place: what it missed and what is still to come are one stream.
///
/// It goes into [`Sse`] or the facade's `sse!` as it is, as a stream of the kind
/// [`Answer`](crate::stream::close::StreamKind::Answer): a server that goes away lets it finish. More is set by
/// [`into_sse`](Self::into_sse). As long as it lives it counts as a client of the answer.
pub struct Attachment {
    answer: Arc<Answer>,
    shelf: Weak<Shelf>,
    tally: Arc<Tally>,
    slot: usize,
    next: usize,
}

impl Attachment {
    pub(crate) fn new(
        answer: Arc<Answer>,
        shelf: Weak<Shelf>,
        tally: Arc<Tally>,
        slot: usize,
        next: usize,
    ) -> Self {
        tally.attach();
        Self { answer, shelf, tally, slot, next }
    }

    /// The event stream of this client, for its settings.
    pub fn into_sse(self) -> Sse<AnswerMessages> {
        Sse::new(self.messages()).answer()
    }

    /// The messages alone, for what is no event stream.
    pub fn messages(self) -> AnswerMessages {
        AnswerMessages { attachment: Some(self) }
    }
}

impl IntoSse for Attachment {
    type Source = AnswerMessages;

    fn into_sse(self) -> Sse<AnswerMessages> {
        self.into_sse()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.answer.lock().waiters.remove(self.slot);
        self.tally.detach();
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.detach(&self.answer);
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The messages of an answer from one client's place on, in order, each once; from
/// [`Attachment::messages`].
///
/// It ends when the answer has ended. If that was no proper end, the last item is the error.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct AnswerMessages {
    // Given up at the end: who has read it all is no client any more, even while its body is still
    // there.
    attachment: Option<Attachment>,
}

impl Stream for AnswerMessages {
    type Item = Result<EncodedMessage, AnswerError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(attachment) = &mut self.attachment else { return Poll::Ready(None) };
        let mut state = attachment.answer.lock();
        let outcome = match state.log.read(attachment.next) {
            Read::Message(message) => {
                let position = state.log.position(attachment.next);
                drop(state);
                attachment.next += 1;
                return Poll::Ready(Some(Ok(EncodedMessage::held(message, position))));
            }
            Read::Wait => {
                state.waiters.wait(attachment.slot, cx.waker());
                return Poll::Pending;
            }
            Read::End(outcome) => outcome,
        };
        drop(state);
        self.attachment = None;
        Poll::Ready(outcome.err().map(Err))
    }
}
