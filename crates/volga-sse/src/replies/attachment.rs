//! A client of a reply: a cursor on the reply's log.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::codec::encode::EncodedMessage;
use crate::replies::counts::ReplyCounters;
use crate::replies::error::{ClaimError, ReplyError};
use crate::replies::log::LogRead;
use crate::replies::registry::{NewClient, ReplyRegistry};
use crate::replies::reply::Reply;
use crate::stream::response::{IntoSse, Sse};

/// What a client finds when it [attaches](crate::replies::claim::ReplyClaim::attach).
#[derive(Debug)]
#[must_use]
pub enum AttachOutcome {
    /// There are messages to read, or there will be.
    Open(Attachment),
    /// The client has every event, and the reply has ended with this outcome.
    ///
    /// An `EventSource` returns after every end, so it has to be told that there is nothing more to
    /// come. Respond with 204, or with [`ReplyError::status`] if the reply did not come to its
    /// proper end.
    Ended(Result<(), ReplyError>),
}

impl AttachOutcome {
    pub(crate) fn attach(
        registry: &Arc<ReplyRegistry>,
        token: &str,
        owner: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Result<Self, ClaimError> {
        Ok(match registry.attach(token, owner, last_event_id)? {
            Ok(client) => Self::Open(Attachment::new(client, registry)),
            Err(outcome) => Self::Ended(outcome),
        })
    }
}

/// A client of a reply, at its position: the messages that it missed and those that are still to
/// come are one stream.
///
/// You can give it to [`Sse::new`] or to the facade's `sse!` as it is. It is then a stream of the
/// kind [`Finite`](crate::stream::close::StreamKind::Finite), so a server that shuts down lets it
/// finish. Use [`into_sse`](Self::into_sse) for other settings. For as long as it lives, it counts
/// as a client of the reply.
pub struct Attachment {
    reply: Arc<Reply>,
    registry: Weak<ReplyRegistry>,
    counters: Arc<ReplyCounters>,
    slot: usize,
    next: usize,
    /// The name of the event that first tells the client that it gets the reply from its start.
    restart_event: Option<&'static str>,
}

impl Attachment {
    fn new(client: NewClient, registry: &Arc<ReplyRegistry>) -> Self {
        let NewClient { reply, slot, next, restart_event } = client;
        let counters = Arc::clone(&registry.counters);
        Self { reply, registry: Arc::downgrade(registry), counters, slot, next, restart_event }
    }

    /// Makes an event stream for this client, so that you can change its settings.
    pub fn into_sse(self) -> Sse<ReplyMessages> {
        Sse::new(self.messages()).finite()
    }

    /// Returns the messages alone, for a response that is not an event stream.
    pub fn messages(self) -> ReplyMessages {
        ReplyMessages { attachment: Some(self) }
    }
}

impl IntoSse for Attachment {
    type Source = ReplyMessages;

    fn into_sse(self) -> Sse<ReplyMessages> {
        self.into_sse()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.reply.lock().waiters.remove(self.slot);
        self.counters.detach();
        if let Some(registry) = self.registry.upgrade() {
            registry.detach(&self.reply);
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The messages of a reply from one client's position on, in order, each once; made by
/// [`Attachment::messages`]. If no event of the reply has the client's last event ID, the
/// [gap event](crate::replies::settings::RepliesBuilder::gap_event) comes first, and then the reply
/// from its start.
///
/// The stream ends when the reply has ended. Unless that was a proper end, its last item is the
/// error.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ReplyMessages {
    // `None` after the last message. A client that has read everything no longer counts as one,
    // even while its response body still exists.
    attachment: Option<Attachment>,
}

impl Stream for ReplyMessages {
    type Item = Result<EncodedMessage, ReplyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(attachment) = &mut self.attachment else { return Poll::Ready(None) };
        let mut state = attachment.reply.lock();
        if let Some(name) = attachment.restart_event.take()
            && let Ok(restart) = state.log.restart(name)
        {
            return Poll::Ready(Some(Ok(restart)));
        }
        let outcome = match state.log.read(attachment.next) {
            LogRead::Message(message) => {
                let position = state.log.position(attachment.next);
                drop(state);
                attachment.next += 1;
                return Poll::Ready(Some(Ok(EncodedMessage::from_log(message, position))));
            }
            LogRead::Wait => {
                state.waiters.wait(attachment.slot, cx.waker());
                return Poll::Pending;
            }
            LogRead::End(outcome) => outcome,
        };
        drop(state);
        self.attachment = None;
        Poll::Ready(outcome.err().map(Err))
    }
}
