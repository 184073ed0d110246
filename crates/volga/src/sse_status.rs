//! The statuses of errors of event streams that a handler passes on by `?`.

use std::error::Error;

use http::StatusCode;
use volga_sse::{
    LastEventIdError,
    hub::{CreateTopicError, PublishError, SubscribeError},
};

/// Returns the status of an error that the client caused, or that depends on the state of the
/// server. Other errors have the default status.
pub(crate) fn status_of(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    if error.is::<LastEventIdError>() {
        Some(StatusCode::BAD_REQUEST)
    } else if let Some(error) = error.downcast_ref() {
        status_of_subscribe(error)
    } else if let Some(error) = error.downcast_ref() {
        status_of_publish(error)
    } else if let Some(error) = error.downcast_ref() {
        status_of_create(error)
    } else {
        status_of_reply(error)
    }
}

#[cfg(feature = "replies")]
fn status_of_reply(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    use volga_sse::{ClaimError, StartError};
    let claim = error.downcast_ref().map(ClaimError::status);
    claim.or_else(|| error.downcast_ref().map(StartError::status))
}

#[cfg(not(feature = "replies"))]
fn status_of_reply(_: &(dyn Error + 'static)) -> Option<StatusCode> {
    None
}

fn status_of_subscribe(error: &SubscribeError) -> Option<StatusCode> {
    use SubscribeError as E;
    match error {
        E::Topic(_) | E::NoTopics | E::TooManyFilters { .. } => Some(StatusCode::BAD_REQUEST),
        E::UnknownTopic { .. } => Some(StatusCode::NOT_FOUND),
        E::TooManyTopics { .. } | E::Closed => Some(StatusCode::SERVICE_UNAVAILABLE),
        // The program chooses the policy, so this is a server error.
        _ => None,
    }
}

fn status_of_publish(error: &PublishError) -> Option<StatusCode> {
    use PublishError as E;
    match error {
        E::Topic(_) | E::Message(_) | E::ReservedEvent { .. } | E::KeyTooLong { .. } => {
            Some(StatusCode::BAD_REQUEST)
        }
        E::UnknownTopic { .. } => Some(StatusCode::NOT_FOUND),
        E::MessageTooLong { .. } | E::TooManyMessages { .. } | E::TooManyBytes { .. } => {
            Some(StatusCode::PAYLOAD_TOO_LARGE)
        }
        E::TooManyKeys { .. } | E::TooManyTopics { .. } | E::Closed => {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        _ => None,
    }
}

fn status_of_create(error: &CreateTopicError) -> Option<StatusCode> {
    use CreateTopicError as E;
    match error {
        E::Topic(_) => Some(StatusCode::BAD_REQUEST),
        E::TooManyTopics { .. } | E::Closed => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None,
    }
}
