//! Why a request body ended early.

use std::error::Error;
use std::io;

use crate::exchange::body_channel::BodyFault;
use crate::exchange::body_pace::PaceError;

/// Why a request body ended early.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client disconnected or reset its stream. Stop working: nobody receives a response.
    #[error("the client disconnected before the end of the request body")]
    Incomplete(#[source] Box<dyn Error + Send + Sync>),
    /// The framing of the body breaks the rules of HTTP. Respond with 400.
    #[error("the framing of the request body is malformed")]
    Malformed(#[source] Box<dyn Error + Send + Sync>),
    /// The client sent nothing for [too long](crate::Server::body_read_timeout), or sent [too
    /// slowly](crate::Server::min_body_rate). Respond with 408.
    ///
    /// The source is an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), and says
    /// which of the two. On HTTP/1 the connection closes after the response. On HTTP/2 the stream
    /// is reset after it.
    #[error("the client took too long to send the request body")]
    TimedOut(#[source] Box<dyn Error + Send + Sync>),
    /// A [body of another type](crate::RequestBody::new) failed for a reason of its own.
    #[error("the request body failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl RequestBodyError {
    pub(crate) fn from_fault(fault: BodyFault) -> Self {
        let source = io::Error::from(fault).into();
        match fault {
            BodyFault::Incomplete => Self::Incomplete(source),
            BodyFault::Malformed(_) => Self::Malformed(source),
            BodyFault::TooSlow(_) => Self::TimedOut(source),
        }
    }

    pub(crate) fn too_slow(reason: PaceError) -> Self {
        Self::from_fault(BodyFault::TooSlow(reason))
    }

    pub(crate) fn http2(error: h2::Error) -> Self {
        // An error that `h2` itself has found is a breach of the protocol, such as DATA frames that
        // contradict `content-length`.
        if error.is_library() {
            Self::Malformed(error.into())
        } else {
            Self::Incomplete(error.into())
        }
    }
}
