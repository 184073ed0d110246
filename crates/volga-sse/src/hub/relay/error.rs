//! Why a message was not sent through an engine.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::box_error::BoxError;
use crate::hub::error::PublishError;

/// Why an engine did not do what it was asked for.
#[derive(Clone, Debug)]
pub struct RelayError(Arc<dyn Error + Send + Sync>);

impl RelayError {
    /// Makes an error of the error of an engine's client, or of a text.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into().into())
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for RelayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Why [`Hub::send`](crate::hub::Hub::send) does not know that a message was published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The message was not published, and sending it again fails again.
    Refused(PublishError),
    /// The message was not published, because the engine could not be reached or did not accept
    /// it. You may send it again.
    NotSent(RelayError),
    /// It is not known whether the message was published, because the connection to the engine
    /// broke after the message was sent. Send it again with the same
    /// [`retry_key`](crate::hub::SendMessage::retry_key) to publish it once. Without a key, a
    /// second call may publish it twice.
    Unknown(RelayError),
}

impl SendError {
    /// The status to respond with, if what is sent comes from a client.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(error) => error.status(),
            Self::NotSent(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("the hub refused the message"),
            Self::NotSent(_) => f.write_str("the message was not sent; send it again"),
            Self::Unknown(_) => f.write_str(
                "it is not known whether the message was published; \
                 send it again with the same `retry_key` to publish it once",
            ),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::NotSent(error) | Self::Unknown(error) => Some(error),
        }
    }
}

impl From<PublishError> for SendError {
    fn from(error: PublishError) -> Self {
        Self::Refused(error)
    }
}
