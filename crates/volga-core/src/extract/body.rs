//! The body as it comes.

use crate::{Error, FromRequest, HttpBody, RequestParts};

impl FromRequest for HttpBody {
    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(body)
    }
}
