//! The method, the URI, the version and the headers as arguments.

use http::{HeaderMap, Method, Uri, Version};

use crate::extract::FromRequestParts;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

macro_rules! parts {
    ($($type:ty: $field:ident $($reads:ident)*;)*) => { $(
        impl FromRequestParts for $type {
            fn describe(_description: &mut Description) {
                $( _description.$reads(); )*
            }

            async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
                Ok(parts.$field.clone())
            }
        }
    )* };
}

parts! {
    Method: method;
    Uri: uri reads_path reads_query;
    Version: version;
    HeaderMap: headers reads_headers;
}
