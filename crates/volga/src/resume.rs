//! `Resume`: the last event ID of a returning client, as an argument of a handler.

use http::HeaderName;
use volga_core::{Description, Error, FromRequestParts, RequestParts};
use volga_sse::{DEFAULT_LAST_EVENT_ID_PARAMETER, LastEventId, LastEventIdSource};

/// The ID of the last event that a client has received, or `None` for a new client. Pass it to
/// [`Subscribe::resume`](crate::http::sse::Subscribe::resume).
///
/// It comes from the header `Last-Event-ID`, which a browser sends when it reconnects, or from the
/// query parameter `lastEventId`, for a page that was loaded again and for clients that cannot set
/// headers. The request is never refused: an ID that cannot be read is
/// [unreadable](LastEventId::is_unreadable), and a hub responds to it with a gap. An `EventSource`
/// that got status 400 instead would never return.
///
/// ```
/// use volga::{App, di::Dc, http::sse::{Hub, Resume}, sse};
///
/// let mut app = App::new();
/// app.add_singleton(Hub::new());
/// app.map_get("/news", async |Resume(last): Resume, hub: Dc<Hub>| {
///     sse!(hub.subscribe("news").resume(last).open()?)
/// });
/// # app.check().unwrap();
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resume(pub Option<LastEventId>);

impl FromRequestParts for Resume {
    fn describe(description: &mut Description) {
        description.reads_query();
        description.optional(|inner| {
            inner.reads_header(HeaderName::from_static("last-event-id"));
        });
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let source = LastEventIdSource::new().with_parameter(DEFAULT_LAST_EVENT_ID_PARAMETER);
        Ok(Self(source.read(&parts.headers, parts.uri.query())))
    }
}
