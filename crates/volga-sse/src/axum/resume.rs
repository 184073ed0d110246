//! `Resume`: the last event ID of a returning client, as an extractor.

use std::convert::Infallible;

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::client::last_event_id::{
    DEFAULT_LAST_EVENT_ID_PARAMETER, LastEventId, LastEventIdSource,
};

/// The ID of the last event that a client has received, or `None` for a new client. Pass it to
/// `resume` of a hub's subscription.
///
/// It comes from the header `Last-Event-ID`, which a browser sends when it reconnects, or from the
/// query parameter `lastEventId`, for a page that was loaded again and for clients that cannot set
/// headers.
///
/// # Errors
///
/// None: the request is never refused. An ID that cannot be read is
/// [unreadable](LastEventId::is_unreadable), and a hub responds to it with a gap. An `EventSource`
/// that got status 400 instead would never return.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resume(pub Option<LastEventId>);

impl<S: Sync> FromRequestParts<S> for Resume {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let source = LastEventIdSource::new().with_parameter(DEFAULT_LAST_EVENT_ID_PARAMETER);
        Ok(Self(source.read(&parts.headers, parts.uri.query())))
    }
}
