//! The body as it comes, and the whole request.

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::{Error, ExtractError, FromRequest, HttpBody, HttpRequest, RequestParts};

/// Reads a body to its end. Every extractor that needs all bytes at once reads them here.
pub(super) async fn read_all(body: HttpBody) -> Result<Bytes, ExtractError> {
    body.collect().await.map(|body| body.to_bytes()).map_err(ExtractError::Body)
}

impl FromRequest for HttpBody {
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
