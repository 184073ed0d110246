//! The bounds of a set of answers, and its builder.

use std::{fmt, sync::Arc, time::Duration};

use crate::replies::{Abandoned, AnswerEnd, Answers};

/// How many answers there may be, those that run and those that are kept.
pub const DEFAULT_MAX_ANSWERS: usize = 1_024;

/// The bytes of one answer: some fifty thousand messages of a language model.
pub const DEFAULT_MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The bytes of all answers together.
pub const DEFAULT_MAX_TOTAL_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// How long an answer is kept after its end: time enough to find the network again.
pub const DEFAULT_KEEP: Duration = Duration::from_secs(5 * 60);

/// How long an answer runs without a client before it is cancelled: time enough to load a page again.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// How long an answer waits for its first client.
pub const DEFAULT_FIRST_CLIENT: Duration = Duration::from_secs(30);

/// What is told of each end.
pub(crate) type EndObserver = Arc<dyn Fn(AnswerEnd<'_>) + Send + Sync>;

/// Sets the bounds of [`Answers`]; from [`Answers::builder`].
///
/// Bytes are counted as they are sent, with 96 more for each message, which is what it costs to hold one.
#[derive(Clone)]
#[must_use = "bounds do nothing until answers are built"]
pub struct AnswersBuilder {
    pub(crate) max_answers: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_total_bytes: usize,
    pub(crate) keep: Duration,
    pub(crate) first_client: Duration,
    pub(crate) abandoned: Abandoned,
    pub(crate) on_end: Option<EndObserver>,
}

impl AnswersBuilder {
    pub(crate) fn new() -> Self {
        Self {
            max_answers: DEFAULT_MAX_ANSWERS,
            max_bytes: DEFAULT_MAX_ANSWER_BYTES,
            max_total_bytes: DEFAULT_MAX_TOTAL_ANSWER_BYTES,
            keep: DEFAULT_KEEP,
            first_client: DEFAULT_FIRST_CLIENT,
            abandoned: Abandoned::CancelAfter(DEFAULT_GRACE),
            on_end: None,
        }
    }

    /// How many answers there may be, those that run and those that are kept: [`DEFAULT_MAX_ANSWERS`]. One that starts takes the place of the one
    /// that ended first and that nobody reads; where there is none, the start is refused.
    pub fn max_answers(mut self, count: usize) -> Self {
        self.max_answers = count;
        self
    }

    /// The bytes of one answer: [`DEFAULT_MAX_ANSWER_BYTES`]. One that grows beyond it ends with an error, after the messages that it had.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The bytes of all answers: [`DEFAULT_MAX_TOTAL_ANSWER_BYTES`]. Room is made as for [`max_answers`](Self::max_answers); where there is none to
    /// make, the answer that needs it ends with an error.
    pub fn max_total_bytes(mut self, bytes: usize) -> Self {
        self.max_total_bytes = bytes;
        self
    }

    /// How long an answer is kept after its end: [`DEFAULT_KEEP`]. Who reads it then reads it to its end.
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// How long an answer waits for its first client, unless it is to [run on](Abandoned::RunOn): [`DEFAULT_FIRST_CLIENT`].
    pub fn first_client_within(mut self, time: Duration) -> Self {
        self.first_client = time;
        self
    }

    /// What happens to an answer that runs when its last client leaves: cancelled after [`DEFAULT_GRACE`]. An answer may
    /// [say otherwise](crate::replies::NewAnswer::when_abandoned) for itself.
    pub fn when_abandoned(mut self, policy: Abandoned) -> Self {
        self.abandoned = policy;
        self
    }

    /// Sets the observer of ends: it is called once for each answer, when its end is known, in the task that ended it. Clients are not told the cause of a
    /// failure, so this is the place to log it. It must not panic.
    pub fn on_end(mut self, observer: impl Fn(AnswerEnd<'_>) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Arc::new(observer));
        self
    }

    /// Answers within these bounds.
    #[must_use]
    pub fn build(self) -> Answers {
        Answers::with(self)
    }
}

impl fmt::Debug for AnswersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswersBuilder")
            .field("max_answers", &self.max_answers)
            .field("max_bytes", &self.max_bytes)
            .field("max_total_bytes", &self.max_total_bytes)
            .field("keep", &self.keep)
            .field("first_client", &self.first_client)
            .field("abandoned", &self.abandoned)
            .finish_non_exhaustive()
    }
}
