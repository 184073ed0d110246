//! `Replies`: the handle that the application holds.

use std::sync::Arc;

use futures_core::Stream;

use crate::replies::claim::{NewReply, ReplyClaim};
use crate::replies::counts::RepliesCounts;
use crate::replies::error::StartError;
use crate::replies::registry::ReplyRegistry;
use crate::replies::settings::RepliesBuilder;
use crate::replies::token::ReplyToken;
use crate::stream::item::SseItem;

/// Replies that outlive the connection on which they were requested: the output of a language
/// model, imports, reports.
///
/// [`start`](Self::start) runs a stream of messages in a task of its own and returns a
/// [`ReplyToken`]. Any number of clients [claim](Self::claim) the reply by that token, at once or
/// later. Each client gets every message once and in order: from the start, or after the last event
/// ID that it has. The messages are encoded once and kept in a log, and a client is an index into
/// that log. So a slow client costs the others nothing, and a stalled client does not hold up the
/// producer.
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use volga_sse::{AttachOutcome, Message, Replies};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga_sse::BoxError> {
/// let replies = Replies::new();
/// let words = stream::iter(["to", "be"]).map(|word| Message::new().data(word));
/// let token = replies.start(words)?;
///
/// // Elsewhere, with the token from the URL:
/// let AttachOutcome::Open(client) = replies.claim(token.as_str()).attach()? else {
///     panic!("the client has read nothing yet")
/// };
/// let response = client.into_sse().into_response();
/// # use http_body_util::BodyExt;
/// let text = response.into_body().collect().await?.to_bytes();
/// assert!(text.starts_with(b"retry: 3000\ndata: to\nid: "));
/// # Ok(())
/// # }
/// ```
///
/// **The end.** The end of the producer is the end of the reply for every client, including those
/// that attach later. It is a proper end, an error, a panic, a cancellation, or a bound that was
/// reached. In all cases but the first, a client reads the messages that there were and then an
/// error, which [`Sse`](crate::stream::response::Sse) turns into a stream that is cut short. A
/// client that returns with the last event ID is told that the reply has
/// [ended](crate::replies::attachment::AttachOutcome::Ended).
///
/// **Without clients.** When the last client leaves,
/// [`AbandonPolicy`](crate::replies::lifecycle::AbandonPolicy) decides what happens to the
/// producer.
///
/// **Bounds.** [`RepliesBuilder`] bounds the number of replies, the bytes of each and of all, and
/// the time for which a reply is kept after its end. When there is no room for a new reply, the
/// reply that ended first and that no client reads is removed. A reply that still runs is never
/// removed to make room.
///
/// **Tasks.** Each producer has a task, and one more task waits for the times of all replies, while
/// there is such a time. Clones share the same replies. When the last clone is dropped, every
/// producer is dropped too, and every client gets an error. A producer is dropped at one of its
/// `await`s, so a producer that never awaits cannot be stopped.
#[derive(Clone, Debug)]
pub struct Replies {
    registry: Arc<ReplyRegistry>,
}

impl Replies {
    /// Makes an empty set of replies with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Makes a builder, for other bounds.
    pub fn builder() -> RepliesBuilder {
        RepliesBuilder::new()
    }

    /// Starts a reply without an owner: every client that has the token may read it.
    ///
    /// # Errors
    ///
    /// The same as [`NewReply::start`].
    pub fn start<S>(&self, stream: S) -> Result<ReplyToken, StartError>
    where
        S: Stream<Item: SseItem> + Send + 'static,
    {
        self.new_reply().start(stream)
    }

    /// Prepares a reply with an owner, or with an abandon policy of its own.
    pub fn new_reply(&self) -> NewReply<'_> {
        NewReply::new(&self.registry)
    }

    /// Claims the reply with this token, as it came in the request.
    pub fn claim<'a>(&'a self, token: &'a str) -> ReplyClaim<'a> {
        ReplyClaim::new(&self.registry, token)
    }

    /// Stops starting replies. Those that run go on, and clients can still attach to them.
    pub fn close(&self) {
        self.registry.close();
    }

    /// Waits until no producer runs.
    ///
    /// Call it at the end of a process, after [`close`](Self::close), so that producers without
    /// clients can finish. It has no time limit of its own: put it into a `timeout`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future changes nothing.
    pub async fn wait_idle(&self) {
        self.registry.counters.idle().await;
    }

    /// Ends every reply that runs, with
    /// [`ReplyError::Stopped`](crate::replies::error::ReplyError::Stopped).
    pub fn stop(&self) {
        self.registry.stop();
    }

    /// Counts replies, clients and bytes at this moment.
    #[must_use]
    pub fn counts(&self) -> RepliesCounts {
        self.registry.counts()
    }
}

impl RepliesBuilder {
    /// Makes an empty set of replies with these bounds.
    #[must_use]
    pub fn build(self) -> Replies {
        Replies { registry: ReplyRegistry::new(self) }
    }
}

impl Default for Replies {
    fn default() -> Self {
        Self::new()
    }
}
