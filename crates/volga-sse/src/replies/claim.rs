//! `NewAnswer` and `Claim`: how an answer starts, and how a client comes to it.

use std::fmt;

use futures_core::Stream;
use tokio::runtime::Handle;

use crate::client::last_event_id::LastEventId;
use crate::replies::producer::{Writer, produce};
use crate::replies::shelf::Terms;
use crate::replies::tally::Running;
use crate::replies::{Abandoned, Answers, Attached, ClaimError, StartError, Token};
use crate::stream::item::SseItem;

/// An answer about to start; from [`Answers::new_answer`].
#[derive(Debug)]
#[must_use = "an answer starts with `start`"]
pub struct NewAnswer<'a> {
    answers: &'a Answers,
    terms: Terms,
}

impl<'a> NewAnswer<'a> {
    pub(crate) fn new(answers: &'a Answers) -> Self {
        Self { answers, terms: Terms::default() }
    }

    /// Says whose it is: a name of the application's own, such as a user's number. A claim has to name the same. `None` is nobody, as without this.
    pub fn owned_by<'o>(mut self, owner: impl Into<Option<&'o str>>) -> Self {
        self.terms.owner = owner.into().map(Into::into);
        self
    }

    /// What happens when the last client leaves; otherwise [as for all](crate::replies::AnswersBuilder::when_abandoned).
    pub fn when_abandoned(mut self, policy: Abandoned) -> Self {
        self.terms.abandoned = Some(policy);
        self
    }

    /// Starts the producer, a stream as [`Sse`](crate::stream::response::Sse) takes it, in a task of the current tokio runtime.
    ///
    /// Each event gets its place in the answer as its ID, in place of any that it has.
    ///
    /// # Errors
    ///
    /// There is no room, no runtime or no randomness, or the answers are closed.
    pub fn start<S>(self, stream: S) -> Result<Token, StartError>
    where
        S: Stream<Item: SseItem> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let shelf = &self.answers.shelf;
        let answer = shelf.start(self.terms, &runtime)?;
        let writer = Writer::new(answer.clone(), shelf);
        let task = runtime.spawn(produce(stream, Running::new(&shelf.tally), writer));
        answer.set_producer(task.abort_handle());
        Ok(answer.token)
    }
}

/// A client's claim to an answer, by its token; from [`Answers::claim`].
#[must_use = "a claim does nothing until it attaches or cancels"]
pub struct Claim<'a> {
    answers: &'a Answers,
    token: &'a str,
    owner: Option<&'a str>,
    last_event_id: Option<LastEventId>,
}

impl<'a> Claim<'a> {
    pub(crate) fn new(answers: &'a Answers, token: &'a str) -> Self {
        Self { answers, token, owner: None, last_event_id: None }
    }

    /// Says who claims it. It has to be who [owns](NewAnswer::owned_by) it; an answer that nobody owns is for claims that name nobody.
    pub fn owned_by(mut self, owner: impl Into<Option<&'a str>>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Says which event the client has last, so that it gets those after it. Without an ID, or with an empty one, it gets all.
    pub fn resume(mut self, last_event_id: Option<LastEventId>) -> Self {
        self.last_event_id = last_event_id;
        self
    }

    /// Attaches a client: to what there is and to what is still to come, in one step.
    ///
    /// # Errors
    ///
    /// There is no such answer, or not for this owner, or it has no event with this ID.
    pub fn attach(self) -> Result<Attached, ClaimError> {
        let id = self.last_event_id.as_ref().map(LastEventId::as_str);
        self.answers.shelf.attach(self.token, self.owner, id)
    }

    /// Ends the answer: its producer is dropped, and its clients get what it had and then an error. Without effect on one that has ended.
    ///
    /// # Errors
    ///
    /// There is no such answer, or not for this owner.
    pub fn cancel(self) -> Result<(), ClaimError> {
        self.answers.shelf.cancel(self.token, self.owner)
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("owner", &self.owner)
            .field("last_event_id", &self.last_event_id)
            .finish_non_exhaustive()
    }
}
