//! What can go wrong with an answer: at its start, at an attach, while it is produced.

use std::{any::Any, error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::stream::body::BoxError;

/// Why an answer was not started. The producer was dropped unpolled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// So many answers run or are read that none can be given up: [`AnswersBuilder::max_answers`](crate::replies::AnswersBuilder::max_answers).
    Full {
        /// The limit.
        max: usize,
    },
    /// [`Answers::close`](crate::replies::Answers::close) was called.
    Closed,
    /// There is no tokio runtime to run the producer in.
    NoRuntime,
    /// The operating system gave no random bits for the token.
    NoRandomness,
}

impl StartError {
    /// The status to answer with: 503 when there may be room later or elsewhere, 500 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Full { .. } | Self::Closed => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoRuntime | Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max } => write!(f, "{max} answers are there already"),
            Self::Closed => f.write_str("no more answers are started"),
            Self::NoRuntime => f.write_str("there is no tokio runtime to produce the answer in"),
            Self::NoRandomness => f.write_str("the operating system gave no random bits"),
        }
    }
}

impl Error for StartError {}

/// Why a claim to an answer was refused.
///
/// Its text is the same for an unknown token and a wrong owner, and so is its [`status`](Self::status): a client must not learn from the difference
/// that a token exists. The application tells them apart by the variant, and a log by `Debug`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClaimError {
    /// No answer has this token, or none has it any more.
    Unknown,
    /// The answer belongs to somebody else, or to somebody and the claim names nobody, or the other way round.
    WrongOwner,
    /// No message of this answer has this ID: it belongs to another answer, or was made up. Whatever the answer went on with could be a
    /// message lost or one twice, so the client has to say what it wants: an answer from its start is a claim without a last event ID.
    LastEventId,
}

impl ClaimError {
    /// The status to answer with: 404, or 400 for the last event ID. Either ends the returns of an `EventSource`.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unknown | Self::WrongOwner => StatusCode::NOT_FOUND,
            Self::LastEventId => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown | Self::WrongOwner => "there is no such answer",
            Self::LastEventId => "the last event ID is none of this answer's",
        })
    }
}

impl Error for ClaimError {}

/// Why an answer did not come to its proper end. Every client of the answer gets it, the later ones too, as the error that ends its stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnswerError {
    /// The producer gave an error, or a message that could not be encoded; it is the [`source`](Error::source).
    Failed(Arc<dyn Error + Send + Sync>),
    /// The producer panicked, with this message.
    Panicked(Arc<str>),
    /// Somebody [cancelled](crate::replies::Claim::cancel) it, or the runtime that it ran in is gone.
    Cancelled,
    /// No client was left: [`Abandoned`](crate::replies::Abandoned).
    Abandoned,
    /// It grew beyond [`AnswersBuilder::max_bytes`](crate::replies::AnswersBuilder::max_bytes).
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// All answers together grew beyond [`AnswersBuilder::max_total_bytes`](crate::replies::AnswersBuilder::max_total_bytes), and none could be given up
    /// for it.
    NoRoom {
        /// The limit.
        max: usize,
    },
    /// All producers [were stopped](crate::replies::Answers::stop), or the last [`Answers`](crate::replies::Answers) was dropped.
    Stopped,
    /// The answer was given up while this client still read it: it was past its time and the room was needed, or the last
    /// [`Answers`](crate::replies::Answers) was dropped.
    Expired,
}

impl AnswerError {
    pub(crate) fn failed(cause: BoxError) -> Self {
        Self::Failed(cause.into())
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "a value that is no text",
        };
        Self::Panicked(text.into())
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the producer of the answer failed"),
            Self::Panicked(message) => write!(f, "the producer of the answer panicked: {message}"),
            Self::Cancelled => f.write_str("the answer was cancelled"),
            Self::Abandoned => f.write_str("the answer was abandoned by its clients"),
            Self::TooLarge { max } => write!(f, "the answer exceeds {max} bytes"),
            Self::NoRoom { max } => write!(f, "all answers together exceed {max} bytes"),
            Self::Stopped => f.write_str("all answers were stopped"),
            Self::Expired => f.write_str("the answer is no longer kept"),
        }
    }
}

impl Error for AnswerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(cause) => Some(&**cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_tell_a_wrong_owner_from_an_unknown_token() {
        let (unknown, owner) = (ClaimError::Unknown, ClaimError::WrongOwner);
        assert_ne!(unknown, owner);
        assert_eq!(unknown.to_string(), owner.to_string());
        assert_eq!(
            (unknown.status(), owner.status()),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
        );
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        let text = |payload: Box<dyn Any + Send>| AnswerError::panicked(&*payload).to_string();
        assert_eq!(text(Box::new("one")), "the producer of the answer panicked: one");
        assert_eq!(text(Box::new("two".to_owned())), "the producer of the answer panicked: two");
        assert!(text(Box::new(3)).ends_with("no text"));
    }

    #[test]
    fn a_failure_has_its_cause_as_source_and_not_in_its_text() {
        let error = AnswerError::failed("disk full".into());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk full"));
        assert!(!error.to_string().contains("disk"));
    }
}
