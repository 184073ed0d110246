//! Answers that outlive their connection: a producer runs by itself, and clients attach to it by a token.

mod answer;
mod attachment;
mod claim;
mod error;
mod lives;
mod log;
mod producer;
mod settings;
mod shelf;
mod tally;
mod token;
mod waiters;

use std::sync::Arc;

use futures_core::Stream;

pub use answer::AnswerEnd;
pub use attachment::{AnswerMessages, Attached, Attachment};
pub use claim::{Claim, NewAnswer};
pub use error::{AnswerError, ClaimError, StartError};
pub use lives::Abandoned;
pub use settings::{
    AnswersBuilder, DEFAULT_FIRST_CLIENT, DEFAULT_GRACE, DEFAULT_KEEP, DEFAULT_MAX_ANSWER_BYTES,
    DEFAULT_MAX_ANSWERS, DEFAULT_MAX_TOTAL_ANSWER_BYTES,
};
pub use token::{Token, TokenError};

use crate::stream::item::SseItem;
use shelf::Shelf;

/// Answers that outlive the connection they were asked on: replies of a language model, imports, reports.
///
/// [`start`](Self::start) runs a stream of messages in a task of its own and gives a [`Token`]. Any number of clients [claim](Self::claim) the answer by it,
/// at once or later, and each gets all messages, in order, each once: from the start, or after the last event ID that it has. The
/// messages are encoded once and kept in a log, and a client is a place in it: a slow one costs nobody else anything, and a stalled one holds up
/// nothing.
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use volga_sse::{Answers, Attached, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga_sse::BoxError> {
/// let answers = Answers::new();
/// let words = stream::iter(["to", "be"]).map(|word| Message::new().data(word));
/// let token = answers.start(words)?;
///
/// // Elsewhere, with the token from the URL:
/// let Attached::Open(client) = answers.claim(token.as_str()).attach()? else { panic!("over") };
/// let response = client.into_sse().into_response();
/// # use http_body_util::BodyExt;
/// let text = response.into_body().collect().await?.to_bytes();
/// assert!(text.starts_with(b"retry: 3000\ndata: to\nid: "));
/// # Ok(())
/// # }
/// ```
///
/// **The end.** What ends the producer ends it for every client, those too who come after: a proper end, an error, a panic, a cancellation, a bound that was
/// reached. In the latter cases a client reads what there was and then an error, which [`Sse`](crate::stream::response::Sse) makes a cut stream of. A client that comes back with the
/// last event finds the answer [over](Attached::Over).
///
/// **When nobody listens**, [`Abandoned`] says what happens.
///
/// **Bounds** are in number, in bytes for each and for all, and in the time for which an answer is kept: [`AnswersBuilder`]. Where there is no more room, the answer
/// that ended first and that nobody reads is given up; never one that runs.
///
/// **Tasks.** There is one for each producer, and one for the times of all, while there is one to wait for. Clones are the same answers; when the last is dropped, every
/// producer is dropped too and every client gets an error. A producer is dropped at its `await`, so one that never awaits cannot be stopped.
#[derive(Clone, Debug)]
pub struct Answers {
    shelf: Arc<Shelf>,
}

impl Answers {
    /// Answers with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Answers with bounds of their own.
    pub fn builder() -> AnswersBuilder {
        AnswersBuilder::new()
    }

    pub(crate) fn with(settings: AnswersBuilder) -> Self {
        Self { shelf: Shelf::new(settings) }
    }

    /// Starts an answer that nobody owns: whoever has the token may have it.
    ///
    /// # Errors
    ///
    /// As [`NewAnswer::start`].
    pub fn start<S>(&self, stream: S) -> Result<Token, StartError>
    where
        S: Stream<Item: SseItem> + Send + 'static,
    {
        self.new_answer().start(stream)
    }

    /// An answer to be started, with an owner or a policy of its own.
    pub fn new_answer(&self) -> NewAnswer<'_> {
        NewAnswer::new(self)
    }

    /// A client's claim to the answer with this token, as it came in the request.
    pub fn claim<'a>(&'a self, token: &'a str) -> Claim<'a> {
        Claim::new(self, token)
    }

    /// Starts no more answers. Those that run go on, and clients attach to them as before.
    pub fn close(&self) {
        self.shelf.close();
    }

    /// Waits until no producer runs: at the end of a process, after [`close`](Self::close), to let those finish that run without clients. Set a time to it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn wait_idle(&self) {
        self.shelf.tally.idle().await;
    }

    /// Ends every answer that runs, with [`AnswerError::Stopped`].
    pub fn stop(&self) {
        self.shelf.stop();
    }

    /// What there is at this moment.
    #[must_use]
    pub fn facts(&self) -> AnswersFacts {
        self.shelf.facts()
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

/// What an [`Answers`] holds at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct AnswersFacts {
    /// Answers whose producers run.
    pub running: usize,
    /// Answers that have ended, and are kept or still read.
    pub kept: usize,
    /// Clients that have not read to the end.
    pub attached: usize,
    /// The bytes that all of them are counted as.
    pub bytes: usize,
}
