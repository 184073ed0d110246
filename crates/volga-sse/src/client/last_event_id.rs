//! `LastEventId`: the last event that a reconnecting client has. Pure.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName};

use crate::codec::field::EventId;

/// The maximum bytes of a last event ID. Most IDs have a few dozen, and servers commonly accept 8
/// KiB for all headers together.
pub const DEFAULT_MAX_LAST_EVENT_ID: usize = 4 * 1024;

/// The query parameter for clients that cannot set headers. Polyfills of `EventSource` use this
/// name.
pub const DEFAULT_LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

const HEADER: HeaderName = HeaderName::from_static("last-event-id");

/// The ID of the last event that a reconnecting client has, after which it wants to continue.
///
/// The client may send anything. An event could have had this ID, which does not mean that one did.
///
/// ```
/// use http::HeaderMap;
/// use volga_sse::LastEventId;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(LastEventId::from_headers(&headers)?, None);
///
/// headers.insert("last-event-id", "a/7".parse().expect("a header value"));
/// assert_eq!(LastEventId::from_headers(&headers)?.expect("an ID").as_str(), "a/7");
/// # Ok::<(), volga_sse::LastEventIdError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LastEventId(EventId);

impl LastEventId {
    /// Finds the ID in the header `Last-Event-ID`, with the default limit. [`LastEventIdSource`]
    /// has more options.
    ///
    /// # Errors
    ///
    /// The same as [`LastEventIdSource::find`].
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, LastEventIdError> {
        LastEventIdSource::new().find(headers, None)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns true for an ID that the client sent, but that is empty. A browser without an ID
    /// sends no header instead. In both cases the client has no event to continue after.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl From<LastEventId> for EventId {
    fn from(id: LastEventId) -> Self {
        id.0
    }
}

/// How to find the last event ID in a request.
///
/// The header takes precedence over the parameter. A browser that was given a URL with the
/// parameter reconnects with the same URL, so only the header is up to date.
///
/// ```
/// use http::Request;
/// use volga_sse::LastEventIdSource;
///
/// let request = Request::get("/events?lastEventId=a%2F7").body(()).expect("a request");
/// let source = LastEventIdSource::new().or_parameter("lastEventId");
/// let id = source.find(request.headers(), request.uri().query())?;
/// assert_eq!(id.expect("an ID").as_str(), "a/7");
/// # Ok::<(), volga_sse::LastEventIdError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LastEventIdSource {
    parameter: Option<Cow<'static, str>>,
    max_bytes: usize,
}

impl LastEventIdSource {
    /// Looks only at the header `Last-Event-ID`, with the default limit.
    pub const fn new() -> Self {
        Self { parameter: None, max_bytes: DEFAULT_MAX_LAST_EVENT_ID }
    }

    /// Also looks at a query parameter of this name. [`DEFAULT_LAST_EVENT_ID_PARAMETER`] is a
    /// common one.
    pub fn or_parameter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.parameter = Some(name.into());
        self
    }

    /// Sets the maximum bytes of an ID; [`DEFAULT_MAX_LAST_EVENT_ID`] by default.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Finds the ID. Returns `None` if the request has none, which means that the client is new
    /// here.
    ///
    /// # Errors
    ///
    /// Returns why the ID was not accepted. Respond with 400 if the stream cannot start without it,
    /// or start the stream from its beginning.
    pub fn find(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Option<LastEventId>, LastEventIdError> {
        let mut values = headers.get_all(HEADER).into_iter();
        if let Some(value) = values.next() {
            if values.next().is_some() {
                return Err(LastEventIdError::Repeated);
            }
            return self.check(value.as_bytes().into()).map(Some);
        }
        let (Some(name), Some(query)) = (&self.parameter, query) else {
            return Ok(None);
        };
        let mut values = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (*percent_decode(key)? == *name.as_bytes()).then_some(value)
        });
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(LastEventIdError::Repeated);
        }
        self.check(percent_decode(value).ok_or(LastEventIdError::Encoding)?).map(Some)
    }

    fn check(&self, bytes: Cow<'_, [u8]>) -> Result<LastEventId, LastEventIdError> {
        if bytes.len() > self.max_bytes {
            return Err(LastEventIdError::TooLong { max: self.max_bytes });
        }
        let text = String::from_utf8(bytes.into_owned()).map_err(|_| LastEventIdError::Encoding)?;
        EventId::try_from(text).map(LastEventId).map_err(|_| LastEventIdError::NoEventId)
    }
}

impl Default for LastEventIdSource {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes of a part of a query. `None` if a `%` is not followed by two hexadecimal digits.
fn percent_decode(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains(['%', '+']) {
        return Some(text.as_bytes().into());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    Some(decoded.into())
}

fn hex(digit: u8) -> Option<u8> {
    // A hexadecimal digit is less than 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Why a last event ID was not accepted. The error does not repeat the ID, which comes from outside
/// and may be long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LastEventIdError {
    /// The ID is longer than [`LastEventIdSource::max_bytes`] allows.
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The ID is not UTF-8, or is not percent-encoded correctly in a query.
    Encoding,
    /// The ID has a line break or a NUL, so no event can have had it.
    NoEventId,
    /// The request has several IDs.
    Repeated,
}

impl fmt::Display for LastEventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(f, "the last event ID exceeds {max} bytes"),
            Self::Encoding => f.write_str("the last event ID is not valid UTF-8"),
            Self::NoEventId => f.write_str("the last event ID holds a line break or a NUL"),
            Self::Repeated => f.write_str("the request has more than one last event ID"),
        }
    }
}

impl std::error::Error for LastEventIdError {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    type Found<'a> = Result<Option<&'a str>, LastEventIdError>;

    #[track_caller]
    fn check(headers: &[&[u8]], query: Option<&str>, expect: Found<'_>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(HEADER, HeaderValue::from_bytes(value).expect("a header value"));
        }
        let found =
            LastEventIdSource::new().or_parameter("lastEventId").max_bytes(8).find(&map, query);
        assert_eq!(
            found.as_ref().map(|id| id.as_ref().map(LastEventId::as_str)),
            expect.as_ref().copied()
        );
    }

    #[test]
    fn absent_empty_and_malformed_are_told_apart() {
        check(&[], None, Ok(None));
        check(&[b""], None, Ok(Some("")));
        check(&[b"7"], None, Ok(Some("7")));
        check(&["é €".as_bytes()], None, Ok(Some("é €")));
        check(&[b"\xff"], None, Err(LastEventIdError::Encoding));
        check(&[b"1", b"1"], None, Err(LastEventIdError::Repeated));
    }

    #[test]
    fn the_limit_is_reached_and_not_before() {
        let long = Err(LastEventIdError::TooLong { max: 8 });
        check(&[b"12345678"], None, Ok(Some("12345678")));
        check(&[b"123456789"], None, long);
        check(&[], Some("lastEventId=%31%32%33%34%35%36%37%38"), Ok(Some("12345678")));
        check(&[], Some("lastEventId=123456789"), long);
    }

    #[test]
    fn a_query_parameter_is_decoded() {
        check(&[], Some(""), Ok(None));
        check(&[], Some("lasteventid=1&id=2&xlastEventId=3"), Ok(None));
        check(&[], Some("a=1&lastEventId=2&b"), Ok(Some("2")));
        check(&[], Some("lastEventId"), Ok(Some("")));
        check(&[], Some("lastEventId="), Ok(Some("")));
        check(&[], Some("%6castEventId=a%2Bb+%c3%A9"), Ok(Some("a+b é")));
        check(&[], Some("lastEventId=a=b"), Ok(Some("a=b")));
        check(&[], Some("%=1&lastEventId=2"), Ok(Some("2")));
    }

    #[test]
    fn a_malformed_query_parameter_is_refused() {
        for value in ["%", "%4", "%g0", "%+1", "%ff", "%é"] {
            check(&[], Some(&format!("lastEventId={value}")), Err(LastEventIdError::Encoding));
        }
        for value in ["%00", "a%0Ab", "%0d"] {
            check(&[], Some(&format!("lastEventId={value}")), Err(LastEventIdError::NoEventId));
        }
        check(&[], Some("lastEventId=1&lastEventId=1"), Err(LastEventIdError::Repeated));
    }

    #[test]
    fn the_header_counts_before_the_parameter() {
        check(&[b"9"], Some("lastEventId=7"), Ok(Some("9")));
        check(&[b""], Some("lastEventId=7"), Ok(Some("")));
    }

    #[test]
    fn without_a_name_no_parameter_counts() {
        let found = LastEventIdSource::new().find(&HeaderMap::new(), Some("lastEventId=7"));
        assert_eq!(found, Ok(None));
    }
}
