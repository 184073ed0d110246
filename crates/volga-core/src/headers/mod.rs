//! Typed headers.
//!
//! As an argument of a handler, [`Header<T>`](crate::Header) reads a header. In a response, put a
//! header into the header list of a macro, or before the body in a tuple:
//!
//! ```
//! use std::time::Duration;
//! use volga_core::{IntoResponse, headers::{CacheControl, ETag}};
//!
//! let cache = CacheControl::new().public().max_age(Duration::from_secs(60));
//! let response = (cache, ETag::strong("v7").unwrap(), "text").into_response().unwrap();
//! assert_eq!(response.headers()["cache-control"], "public, max-age=60");
//! assert_eq!(response.headers()["etag"], "\"v7\"");
//! ```
//!
//! [`CacheControl`] and [`ETag`] are parsed. The other types hold the text of the header.

pub(crate) mod cache_control;
pub(crate) mod etag;
pub(crate) mod media_preference;
pub(crate) mod quality;
pub(crate) mod text;
pub(crate) mod typed;

pub use cache_control::CacheControl;
pub use etag::{ETag, ETagError};
pub use text::{HeaderTextError, TextHeader};
pub use typed::{IntoHeader, TypedHeader};

crate::headers! {
    (Accept, "accept"),
    (AcceptEncoding, "accept-encoding"),
    (AcceptLanguage, "accept-language"),
    (Authorization, "authorization"),
    (ContentDisposition, "content-disposition"),
    (ContentLanguage, "content-language"),
    (ContentType, "content-type"),
    (Cookie, "cookie"),
    (Forwarded, "forwarded"),
    (Host, "host"),
    (IfMatch, "if-match"),
    (IfModifiedSince, "if-modified-since"),
    (IfNoneMatch, "if-none-match"),
    (IfRange, "if-range"),
    (IfUnmodifiedSince, "if-unmodified-since"),
    (LastModified, "last-modified"),
    (Link, "link"),
    (Location, "location"),
    (Origin, "origin"),
    (Prefer, "prefer"),
    (Range, "range"),
    (Referer, "referer"),
    (RetryAfter, "retry-after"),
    (TraceParent, "traceparent"),
    (UserAgent, "user-agent"),
    (Vary, "vary"),
    (WwwAuthenticate, "www-authenticate"),
    (XForwardedFor, "x-forwarded-for"),
    (XForwardedHost, "x-forwarded-host"),
    (XForwardedProto, "x-forwarded-proto"),
    (XRequestId, "x-request-id"),
}
