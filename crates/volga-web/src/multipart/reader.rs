//! `Multipart`: the parts of a form, as they arrive.

use std::{fmt, future::poll_fn, path::PathBuf, pin::Pin};

use bytes::Bytes;
use futures_core::Stream;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use volga_core::{
    CollectedBytes, Description, Error, ExtractError, FromRequest, HttpBody, RequestParts,
};

use crate::multipart::error::MultipartError;
use crate::multipart::fields::collect;
use crate::multipart::gate::{Gate, GatedBody};
use crate::multipart::limits::MultipartLimits;
use crate::multipart::part::Part;

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
/// | each part | none of its own | [`max_part_bytes`](Self::max_part_bytes) |
/// | the parts of one field, each | none of its own | [`limit`](Self::limit) |
/// | text and bytes in memory, together | [`DEFAULT_MAX_PART_MEMORY`](crate::DEFAULT_MAX_PART_MEMORY) | [`max_memory`](Self::max_memory) |
/// | the number of parts | [`DEFAULT_MAX_PARTS`](crate::DEFAULT_MAX_PARTS) | [`max_parts`](Self::max_parts) |
/// | the headers of a part | [`DEFAULT_MAX_PART_HEADERS`](crate::DEFAULT_MAX_PART_HEADERS), and 32 fields | [`max_part_headers`](Self::max_part_headers) |
///
/// A form beyond a limit has status 413, and the message names the field and the limit. Beside the
/// text and bytes that the handler takes, at most a few pieces of the body are in memory.
///
/// While [`Part::bytes`], [`Part::text`] and [`collect`](Self::collect) read, what they have read
/// counts for the memory that all requests of the app share,
/// [`DEFAULT_MAX_COLLECTED_BYTES`](volga_core::DEFAULT_MAX_COLLECTED_BYTES). Beyond that, the
/// status is 503.
pub struct Multipart {
    parser: multer::Multipart<'static>,
    gate: Gate,
    limits: MultipartLimits,
    /// The part whose content may not have been read yet.
    field: Option<multer::Field<'static>>,
    /// The name of the current or the last part.
    name: Option<String>,
    count: usize,
    /// How many bytes of parts were put into memory.
    memory: usize,
    /// How many bytes of the current part have come.
    part_bytes: u64,
    temp_folder: Option<PathBuf>,
    /// A count of zero, from which the counts of the app are made.
    collected: CollectedBytes,
}

impl Multipart {
    fn new(boundary: String, body: HttpBody, collected: CollectedBytes) -> Self {
        let gate = Gate::default();
        let body = GatedBody { body, gate: gate.clone() };
        Self {
            parser: multer::Multipart::new(body, boundary),
            gate,
            limits: MultipartLimits::default(),
            field: None,
            name: None,
            count: 0,
            memory: 0,
            part_bytes: 0,
            temp_folder: None,
            collected,
        }
    }

    /// Sets how many bytes each part may have. By default only the limit of the whole body counts.
    #[must_use]
    pub fn max_part_bytes(mut self, bytes: u64) -> Self {
        self.limits.part_bytes = Some(bytes);
        self
    }

    /// Sets how many bytes a part of this field may have, instead of
    /// [`max_part_bytes`](Self::max_part_bytes).
    #[must_use]
    pub fn limit(mut self, field: impl Into<String>, bytes: u64) -> Self {
        self.limits.fields.push((field.into(), bytes));
        self
    }

    /// Sets how many bytes of parts may be held in memory together, instead of
    /// [`DEFAULT_MAX_PART_MEMORY`](crate::DEFAULT_MAX_PART_MEMORY).
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Sets how many parts the form may have, instead of
    /// [`DEFAULT_MAX_PARTS`](crate::DEFAULT_MAX_PARTS).
    #[must_use]
    pub fn max_parts(mut self, count: usize) -> Self {
        self.limits.parts = count;
        self
    }

    /// Sets how many bytes the headers of a part may have, instead of
    /// [`DEFAULT_MAX_PART_HEADERS`](crate::DEFAULT_MAX_PART_HEADERS).
    #[must_use]
    pub fn max_part_headers(mut self, bytes: usize) -> Self {
        self.limits.headers = bytes;
        self
    }

    /// Sets the folder for [temporary files](crate::TempFile), instead of that of the system. In
    /// the same file system as its last place, a file need not be copied there.
    #[must_use]
    pub fn temp_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temp_folder = Some(folder.into());
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
        while self.chunk().await?.is_some() {}
        if !self.begin_part().await? {
            return Ok(None);
        }
        Ok(Some(Part::new(self)))
    }

    /// Reads the whole form into a type of your own, with the limits that were set.
    /// [`MultipartForm`](crate::MultipartForm) says what the type may have.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next); and status 422 if the fields do not fit the type.
    pub async fn collect<T: DeserializeOwned>(self) -> Result<T, Error> {
        collect(self).await
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.temp_folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    pub(crate) fn field(&self) -> Option<&multer::Field<'static>> {
        self.field.as_ref()
    }

    pub(crate) fn part_name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Returns a new count of the bytes that all requests of the app collect together.
    pub(crate) fn new_count(&self) -> CollectedBytes {
        self.collected.new_count()
    }

    /// Counts bytes that are put into memory.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.limits.memory {
            let (field, limit) = (self.part_name().to_owned(), self.limits.memory);
            return Err(MultipartError::TooMuchMemory { field, limit }.into_error());
        }
        Ok(())
    }

    /// Waits for the head of the next part. Returns false at the end of the form.
    async fn begin_part(&mut self) -> Result<bool, Error> {
        self.field = None;
        let (limits, before) = (&self.limits, self.name.clone());
        let too_large = || {
            let field = before.clone().unwrap_or_default();
            MultipartError::HeadersTooLarge { field, limit: limits.headers }.into_error()
        };
        // A boundary comes before the headers.
        let most = limits.headers + MAX_DELIMITER;
        let check = |passed| if passed > most { Err(too_large()) } else { Ok(()) };
        let (parser, gate) = (&mut self.parser, &self.gate);
        let field = poll_fn(|cx| {
            let poll = |cx: &mut std::task::Context<'_>| {
                let polled = parser.poll_next_field(cx);
                polled.map_err(|error| MultipartError::of_parser(error, before.as_deref()))
            };
            gate.poll(cx, poll, check)
        });
        let Some(field) = field.await? else { return Ok(false) };
        let header_bytes = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + ": \r\n".len()
        };
        if field.headers().iter().map(header_bytes).sum::<usize>() > limits.headers {
            return Err(too_large());
        }
        if self.count == limits.parts {
            let (field, limit) = (before.unwrap_or_default(), limits.parts);
            return Err(MultipartError::TooManyParts { field, limit }.into_error());
        }
        self.count += 1;
        self.part_bytes = 0;
        let number = self.count;
        let Some(name) = field.name() else {
            return Err(MultipartError::Unnamed { number }.into_error());
        };
        self.name = Some(name.to_owned());
        self.field = Some(field);
        Ok(true)
    }

    /// Waits for the next bytes of the current part. `None` means its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(field) = &mut self.field else { return Ok(None) };
        let (gate, name) = (&self.gate, self.name.as_deref());
        let chunk = poll_fn(|cx| {
            let poll = |cx: &mut std::task::Context<'_>| {
                let polled = Pin::new(&mut *field).poll_next(cx);
                polled.map(|chunk| {
                    chunk.transpose().map_err(|error| MultipartError::of_parser(error, name))
                })
            };
            gate.poll(cx, poll, |_| Ok(()))
        });
        let Some(chunk) = chunk.await? else {
            self.field = None;
            self.gate.reset();
            return Ok(None);
        };
        self.part_bytes += chunk.len() as u64;
        let limit = self.limits.of_part(self.part_name());
        if let Some(limit) = limit.filter(|limit| self.part_bytes > *limit) {
            let field = self.part_name().to_owned();
            return Err(MultipartError::PartTooLarge { field, limit }.into_error());
        }
        Ok(Some(chunk))
    }
}

/// The most bytes of a boundary with its dashes and line ends.
const MAX_DELIMITER: usize = 128;

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
        Ok(Self::new(boundary(&parts)?, body, parts.collected_bytes()))
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("limits", &self.limits)
            .field("part", &self.name)
            .finish_non_exhaustive()
    }
}
