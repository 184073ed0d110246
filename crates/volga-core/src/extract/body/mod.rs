//! The body as an argument: as a stream, as bytes or as text; and the whole request.

pub(crate) mod form;
mod form_text;
#[cfg(test)]
mod form_text_tests;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod ndjson;

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body;

use crate::extract::FromRequest;
use crate::extract::error::ExtractError;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::body_budget::CollectedBytes;
use crate::request::parts::{HttpRequest, RequestParts};
use crate::response::error::Error;

/// All bytes of a body. They count for the app's memory for request bodies until this is dropped.
pub(super) struct CollectedBody {
    bytes: Bytes,
    _share: CollectedBytes,
}

impl CollectedBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes, as the argument of a handler. They do not count any more.
    fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Reads a body to its end. Every extractor that needs all bytes at once uses this function.
///
/// The pieces are copied into one block. A piece of one byte may hold the whole buffer into which
/// it was read, so many small pieces would use more memory than is counted.
pub(super) async fn read_all(
    parts: &RequestParts,
    mut body: HttpBody,
) -> Result<CollectedBody, Error> {
    let mut share = parts.collected_bytes();
    let Some(first) = body.next().await.transpose()? else {
        return Ok(CollectedBody { bytes: Bytes::new(), _share: share });
    };
    if body.is_end_stream() {
        share.check(first.len())?;
        return Ok(CollectedBody { bytes: first, _share: share });
    }
    let most = body.size_hint().upper().and_then(|rest| usize::try_from(rest).ok());
    let most = most.map(|rest| rest.saturating_add(first.len()));
    let mut all = Vec::new();
    let mut next = Some(first);
    while let Some(piece) = next {
        share.resize(all.len() + piece.len())?;
        make_room(&mut all, piece.len(), most);
        all.extend_from_slice(&piece);
        next = body.next().await.transpose()?;
    }
    all.shrink_to_fit();
    Ok(CollectedBody { bytes: all.into(), _share: share })
}

/// Reserves memory for a piece: twice the previous capacity, but no more than the body can need.
fn make_room(all: &mut Vec<u8>, piece: usize, most: Option<usize>) {
    let needed = all.len() + piece;
    if needed > all.capacity() {
        let capacity = (2 * all.capacity()).min(most.unwrap_or(usize::MAX)).max(needed);
        all.reserve_exact(capacity - all.len());
    }
}

impl FromRequest for HttpBody {
    fn describe(description: &mut Description) {
        description.reads_body(&["*/*"]).responds(StatusCode::PAYLOAD_TOO_LARGE, &[]);
    }

    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(body)
    }
}

impl FromRequest for HttpRequest {
    fn describe(description: &mut Description) {
        description.reads_head().reads_body(&["*/*"]).responds(StatusCode::PAYLOAD_TOO_LARGE, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self::from_parts(parts.into_head(), body))
    }
}

/// The whole body, of any content type.
impl FromRequest for Bytes {
    fn describe(description: &mut Description) {
        description.reads_body(&["*/*"]).responds(StatusCode::PAYLOAD_TOO_LARGE, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(read_all(&parts, body).await?.into_bytes())
    }
}

/// The whole body as text, as the last argument of a handler. It dereferences to the text. (A
/// `String` is a path argument.)
///
/// The content type may be any. The status is 415 if it names a charset other than UTF-8, and 400
/// if the body is not UTF-8.
///
/// ```
/// use volga_core::{HandlerEndpoint, Router, Text};
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/shout", HandlerEndpoint::new(async |Text(text): Text| {
///     text.to_uppercase()
/// }));
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Text(pub String);

impl FromRequest for Text {
    fn describe(description: &mut Description) {
        description
            .reads_body(&["*/*"])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        check_charset(&parts.headers)?;
        let bytes = read_all(&parts, body).await?.into_bytes();
        String::from_utf8(bytes.into()).map(Self).map_err(|_| ExtractError::NotText.into())
    }
}

impl Deref for Text {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl DerefMut for Text {
    fn deref_mut(&mut self) -> &mut String {
        &mut self.0
    }
}

fn check_charset(headers: &HeaderMap) -> Result<(), ExtractError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let other = text.split(';').skip(1).find_map(|parameter| {
        let (name, charset) = parameter.split_once('=')?;
        let charset = charset.trim().trim_matches('"').to_ascii_lowercase();
        let known = ["utf-8", "utf8", "us-ascii"].contains(&&*charset);
        (name.trim().eq_ignore_ascii_case("charset") && !known).then_some(charset)
    });
    match other {
        None => Ok(()),
        Some(charset) => Err(ExtractError::ContentType {
            expected: "text in UTF-8",
            found: format!("not in `{charset}`"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_charset_other_than_utf8_is_refused() {
        for (content_type, is_taken) in [
            ("text/plain", true),
            ("text/plain; charset=utf-8", true),
            ("text/plain; charset=\"UTF-8\"", true),
            ("text/plain; format=flowed; charset=us-ascii", true),
            ("text/plain; charset=iso-8859-1", false),
            ("application/x", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(content_type));
            assert_eq!(check_charset(&headers).is_ok(), is_taken, "{content_type}");
        }
    }
}
