//! What every web application needs, on the public traits of [`volga_core`]: files, static files,
//! multipart forms, compression and rate limits. Each part is a feature.
//!
//! | Feature | Contents |
//! |---|---|
//! | `compression` | [`Compression`] compresses responses, event streams included |
//! | `decompression` | [`Decompression`] reads compressed request bodies |
//! | `files` | [`FileResponse`] sends a file with ranges and preconditions, [`Upload`] saves a request body, [`FileName`] and [`Disposition`] are names of files |
//! | `static-files` | [`StaticFiles`] serves a folder or embedded files |
//! | `rate-limit` | [`RateLimit`] limits the rate of requests for each key |
//! | `multipart` | [`Multipart`] reads a form with files, [`MultipartForm`] into a type of your own, [`MultipartBuilder`] sends one |
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

#[cfg(any(feature = "compression", feature = "static-files"))]
mod accept_encoding;
#[cfg(feature = "compression")]
mod compression;
#[cfg(any(feature = "compression", feature = "decompression"))]
mod content_coding;
#[cfg(feature = "decompression")]
mod decompression;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "multipart")]
mod multipart;
#[cfg(feature = "rate-limit")]
mod rate_limit;
#[cfg(feature = "static-files")]
mod static_files;

#[cfg(feature = "compression")]
pub use compression::{decide::DEFAULT_MIN_COMPRESSED_SIZE, middleware::Compression};
#[cfg(any(feature = "compression", feature = "decompression"))]
pub use content_coding::ContentCoding;
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
#[cfg(feature = "static-files")]
pub use static_files::{service::StaticFiles, store::MAX_LISTED_FILES};
