//! `RepliesBuilder`: the bounds of a set of replies.

use std::{fmt, sync::Arc, time::Duration};

use crate::codec::error::EncodeError;
use crate::codec::field::{GAP_EVENT, check_reserved_name};
use crate::replies::end::{EndObserver, ReplyEnd};
use crate::replies::lifecycle::AbandonPolicy;

/// The maximum number of replies, running and kept.
pub const DEFAULT_MAX_REPLIES: usize = 1_024;

/// The maximum bytes of one reply: some fifty thousand messages of a language model.
pub const DEFAULT_MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// The maximum bytes of all replies together.
pub const DEFAULT_MAX_TOTAL_REPLY_BYTES: usize = 256 * 1024 * 1024;

/// How long a reply is kept after its end. A client that lost the network has this long to return.
pub const DEFAULT_REPLY_RETENTION: Duration = Duration::from_secs(5 * 60);

/// How long a reply runs without a client before it is cancelled. A page that is reloaded has this
/// long to return.
pub const DEFAULT_ABANDON_GRACE: Duration = Duration::from_secs(30);

/// How long a reply waits for its first client.
pub const DEFAULT_FIRST_CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Builds a [`Replies`](crate::replies::handle::Replies) with bounds of its own; made by
/// [`Replies::builder`](crate::replies::handle::Replies::builder).
///
/// A message counts for the bytes that are sent plus 96, which is what it costs to hold one.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct RepliesBuilder {
    pub(crate) max_replies: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_total_bytes: usize,
    pub(crate) retention: Duration,
    pub(crate) first_client_timeout: Duration,
    pub(crate) abandon_policy: AbandonPolicy,
    /// The name of the event that tells a client that it gets the reply from its start.
    pub(crate) gap_event: &'static str,
    pub(crate) on_end: Option<EndObserver>,
}

impl RepliesBuilder {
    pub(crate) fn new() -> Self {
        Self {
            max_replies: DEFAULT_MAX_REPLIES,
            max_bytes: DEFAULT_MAX_REPLY_BYTES,
            max_total_bytes: DEFAULT_MAX_TOTAL_REPLY_BYTES,
            retention: DEFAULT_REPLY_RETENTION,
            first_client_timeout: DEFAULT_FIRST_CLIENT_TIMEOUT,
            abandon_policy: AbandonPolicy::CancelAfter(DEFAULT_ABANDON_GRACE),
            gap_event: GAP_EVENT,
            on_end: None,
        }
    }

    /// Sets the maximum number of replies, running and kept; [`DEFAULT_MAX_REPLIES`] by default.
    /// At the maximum, a reply that starts replaces the one that ended first and that no client
    /// reads. When there is no such reply, the start fails.
    pub fn max_replies(mut self, count: usize) -> Self {
        self.max_replies = count;
        self
    }

    /// Sets the maximum bytes of one reply; [`DEFAULT_MAX_REPLY_BYTES`] by default. A reply that
    /// would grow beyond them ends with an error, after the messages that it had.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the maximum bytes of all replies; [`DEFAULT_MAX_TOTAL_REPLY_BYTES`] by default. Replies
    /// are removed to make room as for [`max_replies`](Self::max_replies). When none can be
    /// removed, the reply that needs the room ends with an error.
    pub fn max_total_bytes(mut self, bytes: usize) -> Self {
        self.max_total_bytes = bytes;
        self
    }

    /// Sets how long a reply is kept after its end; [`DEFAULT_REPLY_RETENTION`] by default. A
    /// client that reads it at that moment can still read to the end.
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = time;
        self
    }

    /// Sets how long a reply waits for its first client, unless its policy is to
    /// [keep running](AbandonPolicy::KeepRunning); [`DEFAULT_FIRST_CLIENT_TIMEOUT`] by default.
    pub fn first_client_timeout(mut self, time: Duration) -> Self {
        self.first_client_timeout = time;
        self
    }

    /// Sets what happens to a running reply when its last client leaves. By default it is cancelled
    /// after [`DEFAULT_ABANDON_GRACE`]. One reply can
    /// [have a policy of its own](crate::replies::claim::NewReply::abandon_policy).
    pub fn abandon_policy(mut self, policy: AbandonPolicy) -> Self {
        self.abandon_policy = policy;
        self
    }

    /// Sets the name of the event that a client gets whose last event ID no event of the reply has.
    /// The default is `gap`. The name is reserved: a producer that sends an event of this name ends
    /// its reply with [`ReplyError::ReservedEvent`](crate::replies::error::ReplyError), so that a
    /// client cannot mistake it for the event of the replies.
    ///
    /// A hub's event for a gap has the same name by default. If a producer forwards the messages of
    /// a hub, set another name here or with `HubBuilder::gap_event`.
    ///
    /// ```
    /// use volga_sse::Replies;
    ///
    /// let replies = Replies::builder().gap_event("restart")?.build();
    /// # Ok::<(), volga_sse::EncodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid event name, or if an `EventSource` has events of
    /// its own with this name: `message`, `open` and `error`.
    pub fn gap_event(mut self, name: &'static str) -> Result<Self, EncodeError> {
        check_reserved_name(name)?;
        self.gap_event = name;
        Ok(self)
    }

    /// Sets the observer of ends. It is called once for each reply, when its end is known, in the
    /// task that ended it. Clients do not learn the cause of a failure, so this is the place to log
    /// it. The observer must not panic.
    pub fn on_end(mut self, observer: impl Fn(ReplyEnd<'_>) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Arc::new(observer));
        self
    }
}

impl fmt::Debug for RepliesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepliesBuilder")
            .field("max_replies", &self.max_replies)
            .field("max_bytes", &self.max_bytes)
            .field("max_total_bytes", &self.max_total_bytes)
            .field("retention", &self.retention)
            .field("first_client_timeout", &self.first_client_timeout)
            .field("abandon_policy", &self.abandon_policy)
            .field("gap_event", &self.gap_event)
            .finish_non_exhaustive()
    }
}
