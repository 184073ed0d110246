//! `LastEventId`: the last event that a reconnecting client has. Pure.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName};

use crate::codec::field::{EventId, MAX_EVENT_ID};

/// The maximum bytes of a last event ID, the same as of an event ID that is sent. Most IDs have a
/// few dozen.
pub const DEFAULT_MAX_LAST_EVENT_ID: usize = MAX_EVENT_ID;

/// The query parameter for clients that cannot set headers. Polyfills of `EventSource` use this
/// name.
pub const DEFAULT_LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

const HEADER: HeaderName = HeaderName::from_static("last-event-id");

/// The ID of the last event that a reconnecting client has, after which it wants to continue.
///
/// The client may send anything. An event could have had this ID, which does not mean that one did.
///
/// The ID is read as UTF-8. If it is not UTF-8, it is read as Latin-1, because some clients write
/// headers in it.
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

/// The text of an ID that cannot be read. It is not empty, because the client is not new, and no
/// log writes such an ID.
const UNREADABLE: EventId = EventId::from_static("\u{fffd}");

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

    /// Returns true if [`LastEventIdSource::read`] could not read the ID. Its text is then the
    /// replacement character U+FFFD, which a hub takes for an ID that it does not know.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.0 == UNREADABLE
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
/// let source = LastEventIdSource::new().with_parameter("lastEventId");
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
    pub fn with_parameter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.parameter = Some(name.into());
        self
    }

    /// Sets the maximum bytes of an ID; [`DEFAULT_MAX_LAST_EVENT_ID`] by default, which is also the
    /// most that an ID can have.
    pub const fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Finds the ID. Returns `None` if the request has none, which means that the client is new
    /// here.
    ///
    /// # Errors
    ///
    /// Returns why the ID was not accepted. An `EventSource` that gets 400 never returns, so prefer
    /// [`read`](Self::read) for its streams.
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
            // A header's value has no blanks around it. Whether a server has removed them already
            // must make no difference.
            return self.check(value.as_bytes().trim_ascii().into()).map(Some);
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

    /// Reads the ID, and never refuses a request. An ID for which [`find`](Self::find) returns an
    /// error is [unreadable](LastEventId::is_unreadable): the client is not new, but it is not
    /// known what it has. A hub tells such a client of a gap.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use volga_sse::LastEventIdSource;
    ///
    /// let source = LastEventIdSource::new().with_parameter("lastEventId");
    /// let id = source.read(&HeaderMap::new(), Some("lastEventId=7%00"));
    /// assert!(id.is_some_and(|id| id.is_unreadable()));
    /// ```
    pub fn read(&self, headers: &HeaderMap, query: Option<&str>) -> Option<LastEventId> {
        self.find(headers, query).unwrap_or(Some(LastEventId(UNREADABLE)))
    }

    fn check(&self, bytes: Cow<'_, [u8]>) -> Result<LastEventId, LastEventIdError> {
        let max = self.max_bytes.min(MAX_EVENT_ID);
        if bytes.len() > max {
            return Err(LastEventIdError::TooLong { max });
        }
        let text = String::from_utf8(bytes.into_owned())
            .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
        // In UTF-8 a text in Latin-1 is longer.
        if text.len() > MAX_EVENT_ID {
            return Err(LastEventIdError::TooLong { max });
        }
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
    /// The ID is longer than [`LastEventIdSource::with_max_bytes`] allows.
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The ID is not percent-encoded correctly in a query.
    Encoding,
    /// The ID has a control character, or a blank at its start or end. No event can have had it.
    NoEventId,
    /// The request has several IDs.
    Repeated,
}

impl fmt::Display for LastEventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(f, "the last event ID exceeds {max} bytes"),
            Self::Encoding => {
                f.write_str("the last event ID is not percent-encoded correctly in the query")
            }
            Self::NoEventId => {
                f.write_str("the last event ID has a control character or a blank at an end")
            }
            Self::Repeated => f.write_str("the request has more than one last event ID"),
        }
    }
}

impl std::error::Error for LastEventIdError {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    type IdResult<'a> = Result<Option<&'a str>, LastEventIdError>;

    #[track_caller]
    fn check(headers: &[&[u8]], query: Option<&str>, expect: IdResult<'_>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(HEADER, HeaderValue::from_bytes(value).expect("a header value"));
        }
        let found = LastEventIdSource::new()
            .with_parameter("lastEventId")
            .with_max_bytes(8)
            .find(&map, query);
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
        check(&[b" 7 "], None, Ok(Some("7")));
        check(&[b" "], None, Ok(Some("")));
        check(&[b"a\tb"], None, Err(LastEventIdError::NoEventId));
        // Latin-1, in which the bytes from 0x80 to 0x9f are control characters.
        check(&[b"caf\xe9"], None, Ok(Some("café")));
        check(&[b"\xff"], None, Ok(Some("ÿ")));
        check(&[b"\x85\xff"], None, Err(LastEventIdError::NoEventId));
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
        for value in ["%", "%4", "%g0", "%+1", "%é"] {
            check(&[], Some(&format!("lastEventId={value}")), Err(LastEventIdError::Encoding));
        }
        for value in ["%00", "a%0Ab", "%0d", "+7", "7%20", "%7f"] {
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
    fn no_id_is_longer_than_an_event_can_have() {
        let find = |value: &[u8]| {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(value).unwrap())]);
            LastEventIdSource::new().with_max_bytes(usize::MAX).find(&headers, None)
        };
        assert!(find(&[b'x'; MAX_EVENT_ID]).is_ok());
        assert!(find(&[b'x'; MAX_EVENT_ID + 1]).is_err());
        assert!(find(&[0xe9; MAX_EVENT_ID / 2]).is_ok());
        assert!(find(&[0xe9; MAX_EVENT_ID / 2 + 1]).is_err());
    }

    proptest! {
        /// An event's ID comes back from a client that writes UTF-8, and one of Latin-1 characters
        /// also from a client that writes Latin-1, unless its bytes happen to be UTF-8.
        #[test]
        fn an_accepted_id_comes_back_as_it_was_sent(text in "[ -~é\u{a0}-\u{ff}\u{feff}€]{1,8}") {
            let Ok(id) = EventId::try_from(text.as_str()) else { return Ok(()) };
            let read = |bytes: &[u8]| {
                let value = HeaderValue::from_bytes(bytes).expect("no control characters");
                let headers = HeaderMap::from_iter([(HEADER, value)]);
                LastEventIdSource::new().read(&headers, None).map(EventId::from)
            };
            prop_assert_eq!(read(text.as_bytes()), Some(id.clone()));
            let latin: Option<Vec<u8>> =
                text.chars().map(|char| u8::try_from(char as u32).ok()).collect();
            if let Some(latin) = latin && (text.is_ascii() || str::from_utf8(&latin).is_err()) {
                prop_assert_eq!(read(&latin), Some(id));
            }
        }

        #[test]
        fn whatever_comes_is_an_id_or_unreadable(
            header in proptest::option::of(vec(any::<u8>(), 0..12)),
            query in proptest::option::of("(lastEventId=|[a%&+0-9=é]){0,6}"),
        ) {
            let value = header.as_deref().map(HeaderValue::from_bytes);
            let mut headers = HeaderMap::new();
            if let Some(Ok(value)) = value {
                headers.insert(HEADER, value);
            }
            let source = LastEventIdSource::new().with_parameter("lastEventId");
            let read = source.read(&headers, query.as_deref());
            match source.find(&headers, query.as_deref()) {
                Ok(found) => prop_assert_eq!(read, found),
                Err(_) => prop_assert!(read.is_some_and(|id| id.is_unreadable() && !id.is_empty())),
            }
        }
    }

    #[test]
    fn without_a_name_no_parameter_counts() {
        let found = LastEventIdSource::new().find(&HeaderMap::new(), Some("lastEventId=7"));
        assert_eq!(found, Ok(None));
    }
}
