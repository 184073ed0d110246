//! `FileResponse`: a file as a response, or the part of it that the client needs.
//!
//! tower-http's `ServeFile` is not used here: it knows neither `If-Match` nor `If-Range`, refuses
//! several ranges, and serves only what has a path.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    ops::Range,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use volga_core::headers::{CacheControl, ETag, IntoHeader};
use volga_core::{Error, HttpBody, HttpResponse, HttpResult};

use crate::files::disposition::Disposition;
use crate::files::file_request::FileRequest;
use crate::files::open::{OpenFile, open};
use crate::files::preconditions::{Verdict, check};
use crate::files::range::{DEFAULT_MAX_RANGES, Selection, select};
use crate::files::segments::{Segment, SegmentBody};
use crate::files::validators::{Validators, whole_seconds};

/// A file as a response.
///
/// [`respond`](Self::respond) compares the file with the [request](FileRequest) and creates the
/// response:
///
/// | Status | When |
/// |---|---|
/// | 200 | the whole file |
/// | 206 | the ranges of `Range`; several ranges come as `multipart/byteranges` |
/// | 304 | the client has this version: `If-None-Match`, or else `If-Modified-Since` |
/// | 412 | `If-Match`, or else `If-Unmodified-Since`, names another version |
/// | 416 | the file has none of the bytes of `Range` |
///
/// So a client can resume a download, and a browser can seek in a video. The response has
/// `Content-Type` by the extension of the path, `ETag`, `Last-Modified`, `Accept-Ranges` and
/// `X-Content-Type-Options: nosniff`. `HEAD` gets the same headers without the body.
///
/// The tag of a file follows from its times of modification and change, its number in the file
/// system, and its length. A file that was changed a moment ago has no tag yet, because a second
/// change in the same moment could not be told from the first: for 20 ms, or for 2 s on file
/// systems without fractions of seconds. `Last-Modified` is missing for the rest of the second. Two
/// servers with copies of a file have different tags for it; use [`etag`](Self::etag) if
/// they must be the same.
///
/// A file is opened and read on blocking threads, in blocks of 64 KiB, as fast as the client takes
/// them. If it becomes shorter meanwhile, the response is cut off, and the client can tell.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, HttpResponse, Router};
/// use volga_web::{FileName, FileRequest, FileResponse};
///
/// async fn download(name: FileName, request: FileRequest) -> Result<HttpResponse, Error> {
///     let file = FileResponse::open(name.within("uploads")).await?;
///     file.attachment(&name).respond(&request)
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/files/{name}", HandlerEndpoint::new(download));
/// ```
#[must_use = "a file is sent by `respond`"]
pub struct FileResponse {
    content: Content,
    len: u64,
    content_type: HeaderValue,
    validators: Validators,
    headers: HeaderMap,
    max_ranges: usize,
}

enum Content {
    File(std::fs::File),
    Bytes(Bytes),
}

impl FileResponse {
    /// Opens a file. Its content type follows from the extension of the path.
    ///
    /// The path is used as it is. If a part of it comes from a client, make that part a
    /// [`FileName`](crate::FileName).
    ///
    /// # Errors
    ///
    /// Returns an error with status 404 if the path names no regular file. Any other fault, such as
    /// a missing permission, is a server error.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let content_type = content_type_of(path);
        let open = open(path.to_owned()).await?;
        Ok(Self::of_open(open, content_type))
    }

    /// Creates a response from bytes in memory. The name gives the content type, and the entity tag
    /// is a hash of the bytes.
    pub fn from_bytes(name: impl AsRef<Path>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let validators = Validators::of_bytes(&bytes);
        Self::of_bytes(bytes, content_type_of(name.as_ref()), validators)
    }

    pub(crate) fn of_open(open: OpenFile, content_type: HeaderValue) -> Self {
        let content = Content::File(open.file);
        Self::new(content, open.len, content_type, open.validators)
    }

    pub(crate) fn of_bytes(bytes: Bytes, content_type: HeaderValue, own: Validators) -> Self {
        let len = bytes.len() as u64;
        Self::new(Content::Bytes(bytes), len, content_type, own)
    }

    fn new(content: Content, len: u64, content_type: HeaderValue, validators: Validators) -> Self {
        let headers = HeaderMap::new();
        Self { content, len, content_type, validators, headers, max_ranges: DEFAULT_MAX_RANGES }
    }

    /// The length of the whole file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Lets a browser save the file under this name instead of showing it. The name may be any
    /// text.
    pub fn attachment(self, name: impl AsRef<str>) -> Self {
        self.disposition(&Disposition::attachment(name))
    }

    /// Sets `Content-Disposition`.
    pub fn disposition(mut self, disposition: &Disposition) -> Self {
        self.headers.insert(header::CONTENT_DISPOSITION, disposition.to_value());
        self
    }

    /// Sets the content type.
    pub fn content_type(mut self, content_type: HeaderValue) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets the entity tag. It must change whenever the bytes change.
    pub fn etag(mut self, etag: ETag) -> Self {
        self.validators.etag = Some(etag);
        self
    }

    /// Sets the time of the last modification.
    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.validators.modified = Some(whole_seconds(time));
        self.validators.hides_modified = false;
        self
    }

    /// Sets `Cache-Control`, which a response with status 304 has, too.
    pub fn cache_control(mut self, control: CacheControl) -> Self {
        if let Ok((name, value)) = control.into_header() {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sets how many ranges a response may have, instead of [`DEFAULT_MAX_RANGES`]. A request for
    /// more gets the whole file. 0 turns ranges off.
    pub fn max_ranges(mut self, count: usize) -> Self {
        self.max_ranges = count;
        self
    }

    /// Sets a header of responses with the status 200, 206 and 304.
    #[cfg(feature = "static-files")]
    pub(crate) fn with_header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Creates the response to a request. The preconditions are evaluated in the order of RFC 9110,
    /// section 13.2.2.
    ///
    /// # Errors
    ///
    /// Returns an error with status 412 or 416, as the table above says.
    pub fn respond(self, request: &FileRequest) -> HttpResult {
        match check(request, &self.validators, SystemTime::now()) {
            Verdict::Failed => {
                let text = "the file is not the version that the request is for";
                Err(Error::new(StatusCode::PRECONDITION_FAILED, text))
            }
            Verdict::NotModified => Ok(self.not_modified()),
            Verdict::Proceed { use_range } => self.respond_with_content(request, use_range),
        }
    }

    fn not_modified(self) -> HttpResponse {
        let mut response = HttpResponse::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = self.headers;
        response.headers_mut().remove(header::CONTENT_DISPOSITION);
        response.headers_mut().remove(header::CONTENT_ENCODING);
        self.validators.write(response.headers_mut());
        response
    }

    fn respond_with_content(self, request: &FileRequest, use_range: bool) -> HttpResult {
        let selection = match request.headers.get(header::RANGE) {
            Some(range) if use_range => {
                select(range.to_str().unwrap_or_default(), self.len, self.max_ranges)
            }
            _ => Selection::Whole,
        };
        let mut headers = self.headers;
        self.validators.write(&mut headers);
        let ranges_taken = if self.max_ranges == 0 { "none" } else { "bytes" };
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ranges_taken));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let mut content_type = self.content_type;
        let source = Source::new(self.content);
        let (status, segments) = match selection {
            Selection::Unsatisfiable => {
                let text = format!("the file has {} bytes, and none of those in `Range`", self.len);
                let error = Error::new(StatusCode::RANGE_NOT_SATISFIABLE, text);
                return Err(error.with_header(("content-range", format!("bytes */{}", self.len))));
            }
            Selection::Whole => (StatusCode::OK, vec![source.slice(0..self.len)]),
            Selection::Ranges(ranges) if ranges.len() == 1 => {
                let content_range = content_range(&ranges[0], self.len);
                headers.insert(header::CONTENT_RANGE, HeaderValue::try_from(content_range)?);
                let segments = ranges.into_iter().map(|range| source.slice(range)).collect();
                (StatusCode::PARTIAL_CONTENT, segments)
            }
            Selection::Ranges(ranges) => {
                let boundary = random_boundary();
                let parts = byte_ranges(&source, &ranges, self.len, &content_type, &boundary);
                let multipart = format!("multipart/byteranges; boundary={boundary}");
                content_type = HeaderValue::try_from(multipart)?;
                (StatusCode::PARTIAL_CONTENT, parts)
            }
        };
        headers.insert(header::CONTENT_TYPE, content_type);
        let mut response = HttpResponse::new(HttpBody::new(SegmentBody::new(segments)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl fmt::Debug for FileResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileResponse")
            .field("size", &self.len)
            .field("content_type", &self.content_type)
            .field("validators", &self.validators)
            .finish_non_exhaustive()
    }
}

/// The content of a file, of which any ranges can be taken.
enum Source {
    File(Arc<std::fs::File>),
    Bytes(Bytes),
}

impl Source {
    fn new(content: Content) -> Self {
        match content {
            Content::File(file) => Self::File(Arc::new(file)),
            Content::Bytes(bytes) => Self::Bytes(bytes),
        }
    }

    fn slice(&self, range: Range<u64>) -> Segment {
        match self {
            Self::File(file) => Segment::File {
                file: Arc::clone(file),
                start: range.start,
                len: range.end - range.start,
            },
            Self::Bytes(bytes) => {
                let at = |at: u64| usize::try_from(at).unwrap_or(bytes.len()).min(bytes.len());
                Segment::Bytes(bytes.slice(at(range.start)..at(range.end)))
            }
        }
    }
}

fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}

/// The segments of a `multipart/byteranges` body. RFC 9110, section 14.6.
fn byte_ranges(
    source: &Source,
    ranges: &[Range<u64>],
    len: u64,
    content_type: &HeaderValue,
    boundary: &str,
) -> Vec<Segment> {
    let content_type = content_type.to_str().unwrap_or("application/octet-stream");
    let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
    let mut line_end = "";
    for range in ranges {
        let content_range = content_range(range, len);
        segments.push(Segment::Bytes(Bytes::from(format!(
            "{line_end}--{boundary}\r\ncontent-type: {content_type}\r\ncontent-range: {content_range}\r\n\r\n"
        ))));
        segments.push(source.slice(range.clone()));
        line_end = "\r\n";
    }
    segments.push(Segment::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    segments
}

/// A boundary that nobody can guess, so no content can contain it on purpose.
pub(crate) fn random_boundary() -> String {
    let random = || RandomState::new().hash_one(0_u8);
    format!("volga-{:016x}{:016x}", random(), random())
}

/// The content type by the extension of a name. Text is in UTF-8.
pub(crate) fn content_type_of(name: &Path) -> HeaderValue {
    let Some(kind) = mime_guess::from_path(name).first_raw() else {
        return HeaderValue::from_static("application/octet-stream");
    };
    if !kind.starts_with("text/") {
        return HeaderValue::from_static(kind);
    }
    HeaderValue::try_from(format!("{kind}; charset=utf-8"))
        .unwrap_or_else(|_| HeaderValue::from_static(kind))
}
