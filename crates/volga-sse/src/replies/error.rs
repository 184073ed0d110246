//! The errors of a reply: when it starts, when a client attaches, and while it is produced.

use std::{any::Any, error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::box_error::BoxError;

/// Why a reply was not started. The producer was dropped before it was polled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// There are as many replies as
    /// [`RepliesBuilder::max_replies`](crate::replies::settings::RepliesBuilder::max_replies)
    /// allows, and all of them run or are read, so none can be removed.
    Full {
        /// The limit.
        max: usize,
    },
    /// [`Replies::close`](crate::replies::handle::Replies::close) was called.
    Closed,
    /// There is no tokio runtime in which the producer could run.
    NoRuntime,
    /// The operating system gave no random bits for the token.
    NoRandomness,
}

impl StartError {
    /// The status to respond with: 503 when a later start, or another server, may succeed; 500
    /// otherwise.
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
            Self::Full { max: 1 } => f.write_str("the limit of 1 reply is reached"),
            Self::Full { max } => write!(f, "the limit of {max} replies is reached"),
            Self::Closed => f.write_str("replies are closed, no more of them start"),
            Self::NoRuntime => {
                f.write_str("there is no tokio runtime for the reply; call `start` inside of one")
            }
            Self::NoRandomness => {
                f.write_str("the operating system gave no random bits for the token")
            }
        }
    }
}

impl Error for StartError {}

/// Why a claim to a reply was refused.
///
/// An unknown token and a wrong owner have the same text and the same [`status`](Self::status): a
/// client must not learn from the difference that a token exists. The application can tell them
/// apart by the variant, and a log by `Debug`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClaimError {
    /// No reply has this token, or the reply that had it is no longer kept.
    UnknownToken,
    /// The reply has another owner than the claim names. No owner counts as an owner of its own.
    WrongOwner,
}

impl ClaimError {
    /// The status to respond with: 404. An `EventSource` does not return after it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownToken | Self::WrongOwner => StatusCode::NOT_FOUND,
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownToken | Self::WrongOwner => "there is no such reply",
        })
    }
}

impl Error for ClaimError {}

/// Why a reply did not come to its proper end. Every client of the reply gets this error, also one
/// that attaches later. It ends the client's stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReplyError {
    /// The producer returned an error, or a message that could not be encoded. It is the
    /// [`source`](Error::source).
    Failed(Arc<dyn Error + Send + Sync>),
    /// The producer sent an event with the name of the event that tells a client of a gap. Clients
    /// could not tell the two apart. See
    /// [`RepliesBuilder::gap_event`](crate::replies::settings::RepliesBuilder::gap_event).
    ReservedEvent {
        /// The name.
        name: &'static str,
    },
    /// The producer panicked with this message.
    Panicked(Arc<str>),
    /// The reply was [cancelled](crate::replies::claim::ReplyClaim::cancel), or its runtime has
    /// shut down.
    Cancelled,
    /// The last client left; see [`AbandonPolicy`](crate::replies::lifecycle::AbandonPolicy).
    Abandoned,
    /// The reply grew beyond
    /// [`RepliesBuilder::max_bytes`](crate::replies::settings::RepliesBuilder::max_bytes).
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// All replies together grew beyond
    /// [`RepliesBuilder::max_total_bytes`](crate::replies::settings::RepliesBuilder::max_total_bytes),
    /// and none could be removed to make room.
    TotalTooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// [`Replies::stop`](crate::replies::handle::Replies::stop) was called, or the last
    /// [`Replies`](crate::replies::handle::Replies) was dropped.
    Stopped,
    /// The reply was removed while this client still read it. It was kept for longer than
    /// [`RepliesBuilder::retention`](crate::replies::settings::RepliesBuilder::retention) and the
    /// room was needed, or the last [`Replies`](crate::replies::handle::Replies) was dropped.
    Expired,
}

impl ReplyError {
    /// The status with which to respond to a client that has all events of the reply. An
    /// `EventSource` does not return after it.
    ///
    /// It is 500 if the producer is at fault, 503 if all replies were stopped or took too much
    /// memory, and 410 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Failed(_) | Self::ReservedEvent { .. } | Self::Panicked(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::TotalTooLarge { .. } | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::Cancelled | Self::Abandoned | Self::TooLarge { .. } | Self::Expired => {
                StatusCode::GONE
            }
        }
    }

    pub(crate) fn failed(cause: BoxError) -> Self {
        Self::Failed(cause.into())
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "a value that is not text",
        };
        Self::Panicked(text.into())
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the producer of the reply failed"),
            Self::ReservedEvent { name } => write!(
                f,
                "the event name `{name}` is reserved for the gap event of replies; use another \
                 name, or set another one with `RepliesBuilder::gap_event`"
            ),
            Self::Panicked(message) => write!(f, "the producer of the reply panicked: {message}"),
            Self::Cancelled => f.write_str("the reply was cancelled"),
            Self::Abandoned => f.write_str("the reply was abandoned by its clients"),
            Self::TooLarge { max } => write!(f, "the reply exceeds {max} bytes"),
            Self::TotalTooLarge { max } => write!(f, "all replies together exceed {max} bytes"),
            Self::Stopped => f.write_str("all replies were stopped"),
            Self::Expired => f.write_str("the reply is no longer kept"),
        }
    }
}

impl Error for ReplyError {
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
        let (unknown, owner) = (ClaimError::UnknownToken, ClaimError::WrongOwner);
        assert_ne!(unknown, owner);
        assert_eq!(unknown.to_string(), owner.to_string());
        assert_eq!(
            (unknown.status(), owner.status()),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
        );
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        let text = |payload: Box<dyn Any + Send>| ReplyError::panicked(&*payload).to_string();
        assert_eq!(text(Box::new("one")), "the producer of the reply panicked: one");
        assert_eq!(text(Box::new("two".to_owned())), "the producer of the reply panicked: two");
        assert!(text(Box::new(3)).ends_with("not text"));
    }

    #[test]
    fn a_failure_has_its_cause_as_source_and_not_in_its_text() {
        let error = ReplyError::failed("disk full".into());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk full"));
        assert!(!error.to_string().contains("disk"));
    }
}
