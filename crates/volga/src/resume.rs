//! `Resume`: the last event ID of a returning client, as an argument of a handler.

use http::{HeaderName, StatusCode};
use volga_core::{Description, Error, FromRequestParts, RequestParts};
use volga_sse::{DEFAULT_LAST_EVENT_ID_PARAMETER, LastEventId, LastEventIdSource};

/// The ID of the last event that a client has received, or `None` for a new client. Pass it to
/// [`Subscribe::resume`](crate::http::sse::Subscribe::resume).
///
/// It comes from the header `Last-Event-ID`, which a browser sends when it reconnects, or from the
/// query parameter `lastEventId`, for a page that was loaded again and for clients that cannot set
/// headers. An invalid ID is refused with status 400.
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
        description.reads_query().responds(StatusCode::BAD_REQUEST, &[]);
        description.optional(|inner| {
            inner.reads_header(HeaderName::from_static("last-event-id"));
        });
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let source = LastEventIdSource::new().or_parameter(DEFAULT_LAST_EVENT_ID_PARAMETER);
        let found = source.find(&parts.headers, parts.uri.query());
        found.map(Self).map_err(Error::client_error)
    }
}
