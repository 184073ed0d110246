//! `Multipart`: the parts of a form, as they arrive.

use std::{fmt, path::PathBuf};

use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use volga_core::{Description, Error, ExtractError, FromRequest, HttpBody, RequestParts};

use crate::multipart::error::MultipartError;
use crate::multipart::fields::collect;
use crate::multipart::part::Part;
use crate::multipart::part_reader::PartReader;

/// A form with files, as the last argument of a handler: the parts of a `multipart/form-data` body
/// (RFC 7578), one after another, while they arrive.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::Multipart;
///
/// async fn upload(mut form: Multipart) -> Result<String, Error> {
///     let mut report = String::new();
///     while let Some(mut part) = form.next().await? {
///         if part.is_file() {
///             let saved = part.save_in("uploads").await?;
///             report += &format!("{}: {} bytes\n", saved.name, saved.size);
///         } else {
///             report += &format!("{}: {}\n", part.name().to_owned(), part.text().await?);
///         }
///     }
///     Ok(report)
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/upload", HandlerEndpoint::new(upload));
/// ```
///
/// [`MultipartForm`](crate::MultipartForm) reads the whole form into a type of your own.
///
/// # Limits
///
/// | Limit | Default | Setting |
/// |---|---|---|
/// | the whole body | 5 MiB | the [`BodyLimit`](volga_core::BodyLimit) of the route |
/// | each part | none of its own | [`with_max_part_bytes`](Self::with_max_part_bytes) |
/// | the parts of one field, each | none of its own | [`with_field_limit`](Self::with_field_limit) |
/// | text and bytes in memory, together | [`DEFAULT_MAX_PART_MEMORY`](crate::DEFAULT_MAX_PART_MEMORY) | [`with_max_memory`](Self::with_max_memory) |
/// | the number of parts | [`DEFAULT_MAX_PARTS`](crate::DEFAULT_MAX_PARTS) | [`with_max_parts`](Self::with_max_parts) |
/// | the headers of a part | [`DEFAULT_MAX_PART_HEADERS`](crate::DEFAULT_MAX_PART_HEADERS), and 32 fields | [`with_max_part_headers`](Self::with_max_part_headers) |
///
/// A form beyond a limit has status 413, and the message names the field and the limit. Beside the
/// text and bytes that the handler takes, at most a few pieces of the body are in memory.
///
/// While [`Part::bytes`], [`Part::text`] and [`collect`](Self::collect) read, what they have read
/// counts for the memory that all requests of the app share,
/// [`DEFAULT_MAX_COLLECTED_BYTES`](volga_core::DEFAULT_MAX_COLLECTED_BYTES). Beyond that, the
/// status is 503.
pub struct Multipart {
    form: PartReader,
}

impl Multipart {
    /// Sets how many bytes each part may have. By default only the limit of the whole body counts.
    #[must_use]
    pub fn with_max_part_bytes(mut self, bytes: u64) -> Self {
        self.form.limits.part_bytes = Some(bytes);
        self
    }

    /// Sets how many bytes a part of this field may have, instead of
    /// [`with_max_part_bytes`](Self::with_max_part_bytes).
    #[must_use]
    pub fn with_field_limit(mut self, field: impl Into<String>, bytes: u64) -> Self {
        self.form.limits.fields.push((field.into(), bytes));
        self
    }

    /// Sets how many bytes of parts may be held in memory together, instead of
    /// [`DEFAULT_MAX_PART_MEMORY`](crate::DEFAULT_MAX_PART_MEMORY).
    #[must_use]
    pub fn with_max_memory(mut self, bytes: usize) -> Self {
        self.form.limits.memory = bytes;
        self
    }

    /// Sets how many parts the form may have, instead of
    /// [`DEFAULT_MAX_PARTS`](crate::DEFAULT_MAX_PARTS).
    #[must_use]
    pub fn with_max_parts(mut self, count: usize) -> Self {
        self.form.limits.parts = count;
        self
    }

    /// Sets how many bytes the headers of a part may have, instead of
    /// [`DEFAULT_MAX_PART_HEADERS`](crate::DEFAULT_MAX_PART_HEADERS).
    #[must_use]
    pub fn with_max_part_headers(mut self, bytes: usize) -> Self {
        self.form.limits.headers = bytes;
        self
    }

    /// Sets the folder for [temporary files](crate::TempFile), instead of that of the system. In
    /// the same file system as its last place, a file need not be copied there.
    #[must_use]
    pub fn with_temp_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.form.temp_folder = Some(folder.into());
        self
    }

    /// Waits for the next part. `None` means the end of the form. What was not read of the part
    /// before is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error with the status of a [`MultipartError`] if the form is malformed or beyond
    /// a limit, or the error of the body.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: after the future is dropped, the next call goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, Error> {
        if !self.form.next_part().await? {
            return Ok(None);
        }
        Ok(Some(Part::new(&mut self.form)))
    }

    /// Reads the whole form into a type of your own, with the limits that were set.
    /// [`MultipartForm`](crate::MultipartForm) says what the type may have.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next); and status 422 if the fields do not fit the type.
    pub async fn collect<T: DeserializeOwned>(self) -> Result<T, Error> {
        collect(self.form).await
    }
}

/// The boundary of a `multipart/form-data` body. RFC 2046, section 5.1.1.
fn boundary(parts: &RequestParts) -> Result<String, Error> {
    let value = parts.headers.get(header::CONTENT_TYPE);
    let text = value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let essence = text.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        let found = match essence {
            "" => "but the request has no content type".to_owned(),
            other => format!("not `{other}`"),
        };
        return Err(ExtractError::ContentType { expected: "multipart/form-data", found }.into());
    }
    let boundary = multer::parse_boundary(text.unwrap_or_default()).unwrap_or_default();
    match boundary.len() {
        1..=70 => Ok(boundary),
        _ => Err(MultipartError::Boundary.into_error()),
    }
}

impl FromRequest for Multipart {
    fn describe(description: &mut Description) {
        description
            .reads_body(&["multipart/form-data"])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self { form: PartReader::new(boundary(&parts)?, body, parts.collected_bytes()) })
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("form", &self.form).finish()
    }
}
