//! The body as it comes, all of it as bytes or text, and the whole request.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;

use crate::{Error, ExtractError, FromRequest, HttpBody, HttpRequest, RequestParts};

/// Reads a body to its end. Every extractor that needs all bytes at once reads them here.
pub(super) async fn read_all(body: HttpBody) -> Result<Bytes, ExtractError> {
    body.collect().await.map(|body| body.to_bytes()).map_err(ExtractError::of_body)
}

impl FromRequest for HttpBody {
    const SEES_EXTENSIONS: bool = false;

    fn needs(_: &mut crate::Needs) {}

    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(body)
    }
}

impl FromRequest for HttpRequest {
    fn needs(_: &mut crate::Needs) {}

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self::from_parts(parts.into_head(), body))
    }
}

/// The whole body, whatever its content type.
impl FromRequest for Bytes {
    const SEES_EXTENSIONS: bool = false;

    fn needs(_: &mut crate::Needs) {}

    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(read_all(body).await?)
    }
}

/// The whole body as text, as the last argument of a handler. Dereferences to it. A `String` is a path argument.
///
/// Any content type is taken, as long as it names no other charset than UTF-8: that is status 415. A body that is no UTF-8 is 400.
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
    const SEES_EXTENSIONS: bool = false;

    fn needs(_: &mut crate::Needs) {}

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        check_charset(&parts.headers)?;
        let bytes = read_all(body).await?;
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
    fn text_is_utf8_unless_the_client_says_otherwise() {
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
