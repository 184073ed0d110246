//! The statuses of errors of event streams that a handler passes on by `?`.

use std::error::Error;

use http::StatusCode;
use volga_sse::{
    LastEventIdError,
    hub::{CreateTopicError, PublishError, SendError, SubscribeError, TopicError},
};

/// Returns the status of an error that the client caused, or that depends on the state of the
/// server. Other errors have the default status.
pub(crate) fn status_of(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    if error.is::<LastEventIdError>() {
        return Some(StatusCode::BAD_REQUEST);
    }
    let subscribe = error.downcast_ref().map(SubscribeError::status);
    subscribe
        .or_else(|| error.downcast_ref().map(PublishError::status))
        .or_else(|| error.downcast_ref().map(SendError::status))
        .or_else(|| error.downcast_ref().map(CreateTopicError::status))
        .or_else(|| error.downcast_ref().map(TopicError::status))
        .or_else(|| status_of_reply(error))
}

#[cfg(feature = "replies")]
fn status_of_reply(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    use volga_sse::{ClaimError, ReplyError, StartError};
    let claim = error.downcast_ref().map(ClaimError::status);
    claim
        .or_else(|| error.downcast_ref().map(StartError::status))
        .or_else(|| error.downcast_ref().map(ReplyError::status))
}

#[cfg(not(feature = "replies"))]
fn status_of_reply(_: &(dyn Error + 'static)) -> Option<StatusCode> {
    None
}
