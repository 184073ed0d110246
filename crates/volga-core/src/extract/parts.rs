//! What a request's head holds, as it is.

use http::{HeaderMap, Method, Uri, Version};

use crate::{Error, FromRequestParts, RequestParts};

macro_rules! parts {
    ($($type:ty: $field:ident;)*) => { $(
        impl FromRequestParts for $type {
            const SEES_EXTENSIONS: bool = false;

            fn needs(_: &mut crate::Needs) {}

            async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
                Ok(parts.$field.clone())
            }
        }
    )* };
}

parts! {
    Method: method;
    Uri: uri;
    Version: version;
    HeaderMap: headers;
}
