//! `NewReply` and `ReplyClaim`: how a reply starts, and how a client comes to it.

use std::{fmt, sync::Arc};

use futures_core::Stream;
use tokio::runtime::Handle;

use crate::client::last_event_id::LastEventId;
use crate::replies::attachment::AttachOutcome;
use crate::replies::counts::ProducerGuard;
use crate::replies::error::{ClaimError, StartError};
use crate::replies::lifecycle::AbandonPolicy;
use crate::replies::producer::{ReplyWriter, produce};
use crate::replies::registry::{ReplyOptions, ReplyRegistry};
use crate::replies::token::ReplyToken;
use crate::stream::item::SseItem;

/// A reply that is about to start, made by
/// [`Replies::new_reply`](crate::replies::handle::Replies::new_reply).
#[derive(Debug)]
#[must_use = "a reply starts with `start`"]
pub struct NewReply<'a> {
    registry: &'a Arc<ReplyRegistry>,
    options: ReplyOptions,
}

impl<'a> NewReply<'a> {
    pub(crate) fn new(registry: &'a Arc<ReplyRegistry>) -> Self {
        Self { registry, options: ReplyOptions::default() }
    }

    /// Sets the owner, a name that means something to the application, such as a user's number.
    /// A claim has to name the same owner. By default, or with `None`, a reply has no owner.
    pub fn owner<'o>(mut self, owner: impl Into<Option<&'o str>>) -> Self {
        self.options.owner = owner.into().map(Into::into);
        self
    }

    /// Sets what happens when the last client leaves, in place of the
    /// [policy for all replies](crate::replies::settings::RepliesBuilder::abandon_policy).
    pub fn abandon_policy(mut self, policy: AbandonPolicy) -> Self {
        self.options.abandon_policy = Some(policy);
        self
    }

    /// Starts the producer in a task of the current tokio runtime. The producer is a stream as
    /// [`Sse`](crate::stream::response::Sse) takes it.
    ///
    /// Each event gets its position in the reply as its event ID, in place of an ID that it has.
    /// No event may have the name of the
    /// [gap event](crate::replies::settings::RepliesBuilder::gap_event).
    ///
    /// # Errors
    ///
    /// Returns [`StartError::Full`] when there are too many replies and none can be removed,
    /// [`StartError::Closed`] after [`close`](crate::replies::handle::Replies::close),
    /// [`StartError::NoRuntime`] outside of a tokio runtime, and [`StartError::NoRandomness`] when
    /// the operating system gives no random bits for the token.
    pub fn start<S>(self, stream: S) -> Result<ReplyToken, StartError>
    where
        S: Stream<Item: SseItem> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let reply = self.registry.start(self.options, &runtime)?;
        let writer = ReplyWriter::new(reply.clone(), self.registry);
        let guard = ProducerGuard::new(&self.registry.counters);
        let task = runtime.spawn(produce(stream, guard, writer));
        reply.set_producer(task.abort_handle());
        Ok(reply.token)
    }
}

/// A client's claim to a reply, by its token; made by
/// [`Replies::claim`](crate::replies::handle::Replies::claim).
#[must_use = "a claim does nothing until it attaches or cancels"]
pub struct ReplyClaim<'a> {
    registry: &'a Arc<ReplyRegistry>,
    token: &'a str,
    owner: Option<&'a str>,
    last_event_id: Option<LastEventId>,
}

impl<'a> ReplyClaim<'a> {
    pub(crate) fn new(registry: &'a Arc<ReplyRegistry>, token: &'a str) -> Self {
        Self { registry, token, owner: None, last_event_id: None }
    }

    /// Names the owner, which must be the one that the reply [started with](NewReply::owner).
    /// A reply without an owner takes only claims that name no owner.
    pub fn owner(mut self, owner: impl Into<Option<&'a str>>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Sets the last event ID that the client has, so that it gets the events after that one.
    /// Without an ID, or with an empty one, it gets all events.
    ///
    /// An ID that no event of this reply has, or that cannot be read, is never refused, because an
    /// `EventSource` would not return. The client first gets an event with `"snapshot":true`, at
    /// which a page forgets what it has, and then the reply from its start. That event is named
    /// `gap`, or as [`RepliesBuilder::gap_event`] says.
    ///
    /// [`RepliesBuilder::gap_event`]: crate::replies::settings::RepliesBuilder::gap_event
    pub fn resume(mut self, last_event_id: Option<LastEventId>) -> Self {
        self.last_event_id = last_event_id;
        self
    }

    /// Attaches a client to the messages that there are and to those that are still to come, in one
    /// step: nothing is lost or repeated between the two.
    ///
    /// # Errors
    ///
    /// Returns [`ClaimError::UnknownToken`] when there is no such reply, and
    /// [`ClaimError::WrongOwner`] when it belongs to another owner.
    pub fn attach(self) -> Result<AttachOutcome, ClaimError> {
        let id = self.last_event_id.as_ref().map(LastEventId::as_str);
        AttachOutcome::attach(self.registry, self.token, self.owner, id)
    }

    /// Cancels the reply: its producer is dropped, and its clients get the messages that it had and
    /// then an error. A reply that has ended stays as it is.
    ///
    /// # Errors
    ///
    /// Returns [`ClaimError::UnknownToken`] or [`ClaimError::WrongOwner`], as
    /// [`attach`](Self::attach) does.
    pub fn cancel(self) -> Result<(), ClaimError> {
        self.registry.cancel(self.token, self.owner)
    }
}

/// Leaves the token out, because it is a secret.
impl fmt::Debug for ReplyClaim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyClaim")
            .field("owner", &self.owner)
            .field("last_event_id", &self.last_event_id)
            .finish_non_exhaustive()
    }
}
