//! What every web application needs, on the public traits of [`volga_core`]: files, static files,
//! multipart forms, compression, rate limits, cookies, credentials, sessions, and requests of other
//! origins. Each part is a feature.
//!
//! | Feature | Contents |
//! |---|---|
//! | `auth` | [`Basic`] and [`Bearer`] are credentials as arguments, [`AuthError`] refuses a request, [`Challenge`] and [`Realm`] say what a client needs, [`Tickets`] are tokens for one request |
//! | `sessions` | [`Session`] is the session of a browser, and a [`SessionStore`] keeps it |
//! | `compression` | [`Compression`] compresses responses, event streams included |
//! | `decompression` | [`Decompression`] reads compressed request bodies |
//! | `files` | [`FileResponse`] sends a file with ranges and preconditions, [`Upload`] saves a request body, [`FileName`] and [`Disposition`] are names of files |
//! | `static-files` | [`StaticFiles`] serves a folder or embedded files |
//! | `rate-limit` | [`RateLimit`] limits the rate of requests for each key |
//! | `multipart` | [`Multipart`] reads a form with files, [`MultipartForm`] into a type of your own, [`MultipartBuilder`] sends one |
//! | `cookies` | [`Cookies`] are read from the request and written to the head of the response |
//! | `cors` | [`Cors`] says what browsers let the pages of other origins do |
//! | `csrf` | [`CrossSiteProtection`] refuses requests that pages of other sites make |
//! | `signed-cookies` | [`SignedCookies`] and [`PrivateCookies`], with [`CookieKeys`] that can be replaced |
//! | `tracing` | a log line for a cookie that is not valid |
//!
//! Without features the crate is empty. Files are read and written on the blocking threads of
//! tokio, so responses and uploads need a tokio runtime.
//!
//! ```
//! # #[cfg(feature = "files")] {
//! use volga_core::{Error, HandlerEndpoint, HttpResponse, Router};
//! use volga_web::{FileRequest, FileResponse};
//!
//! async fn report(request: FileRequest) -> Result<HttpResponse, Error> {
//!     FileResponse::open("report.pdf").await?.attachment("Report.pdf").respond(&request)
//! }
//!
//! let mut router = Router::new();
//! router.map(http::Method::GET, "/report", HandlerEndpoint::new(report));
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "compression", feature = "static-files"))]
mod accept_encoding;
#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "compression")]
mod compression;
#[cfg(any(feature = "compression", feature = "decompression"))]
mod content_coding;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "cors")]
mod cors;
#[cfg(feature = "csrf")]
mod csrf;
#[cfg(feature = "decompression")]
mod decompression;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "multipart")]
mod multipart;
#[cfg(any(feature = "cors", feature = "csrf"))]
mod origin;
#[cfg(any(feature = "auth", feature = "sessions"))]
mod random_id;
#[cfg(feature = "rate-limit")]
mod rate_limit;
#[cfg(feature = "sessions")]
mod sessions;
#[cfg(feature = "static-files")]
mod static_files;

#[cfg(feature = "auth")]
pub use auth::{
    basic::Basic,
    bearer::Bearer,
    challenge::Challenge,
    constant_time::constant_time_eq,
    error::AuthError,
    realm::{Realm, RealmError},
    tickets::{DEFAULT_MAX_TICKETS, DEFAULT_TICKET_LIFETIME, Tickets},
};
#[cfg(feature = "compression")]
pub use compression::{decide::DEFAULT_MIN_COMPRESSED_SIZE, middleware::Compression};
#[cfg(any(feature = "compression", feature = "decompression"))]
pub use content_coding::ContentCoding;
/// The crate whose types [`Cookies`] takes.
#[cfg(feature = "cookies")]
pub use cookie;
#[cfg(feature = "cookies")]
pub use cookies::{
    argument::Cookies,
    error::CookieError,
    limits::{
        MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIE_BYTES, MAX_REQUEST_COOKIES,
        MAX_RESPONSE_COOKIE_BYTES, MAX_RESPONSE_COOKIES,
    },
};
#[cfg(feature = "signed-cookies")]
pub use cookies::{
    keys::{CookieKeyError, CookieKeys},
    private::PrivateCookies,
    signed::SignedCookies,
};
#[cfg(feature = "cors")]
pub use cors::policy::Cors;
#[cfg(feature = "csrf")]
pub use csrf::protection::CrossSiteProtection;
#[cfg(feature = "decompression")]
pub use decompression::{
    chain::{DECOMPRESSION_RATIO_SLACK, DEFAULT_MAX_DECOMPRESSION_RATIO},
    codings::MAX_CONTENT_CODINGS,
    middleware::Decompression,
};
#[cfg(feature = "files")]
pub use files::{
    disposition::Disposition,
    file_name::{FileName, FileNameError, MAX_FILE_NAME},
    file_request::FileRequest,
    file_response::FileResponse,
    range::DEFAULT_MAX_RANGES,
    upload::Upload,
};
#[cfg(feature = "multipart")]
pub use multipart::{
    builder::MultipartBuilder,
    error::MultipartError,
    form::MultipartForm,
    limits::{DEFAULT_MAX_PART_HEADERS, DEFAULT_MAX_PART_MEMORY, DEFAULT_MAX_PARTS},
    part::{Part, SavedFile},
    reader::Multipart,
    temp_file::TempFile,
};
#[cfg(feature = "rate-limit")]
pub use rate_limit::{
    middleware::{DEFAULT_IPV6_PREFIX, DEFAULT_MAX_RATE_LIMIT_KEYS, RateLimit},
    quota::Quota,
};
#[cfg(feature = "sessions")]
pub use sessions::{
    file::FileSessions,
    id::SessionId,
    memory::{DEFAULT_MAX_SESSIONS, MemorySessions},
    record::SessionRecord,
    session::Session,
    settings::{
        DEFAULT_SESSION_IDLE_TIMEOUT, DEFAULT_SESSION_MAX_AGE, MAX_SESSION_BYTES, Sessions,
    },
    store::SessionStore,
};
#[cfg(feature = "static-files")]
pub use static_files::{service::StaticFiles, store::MAX_LISTED_FILES};
