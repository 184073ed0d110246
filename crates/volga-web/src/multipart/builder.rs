//! `MultipartBuilder`: sends a form with files.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use volga_core::{Description, Error, HttpBody, HttpResponse, HttpResult, IntoResponse};

use crate::files::file_response::{content_type_of, random_boundary};
use crate::files::open::open;
use crate::files::segments::{Segment, SegmentBody};

/// Builds a `multipart/form-data` body, to respond with or to send in a request.
///
/// The length of the body is known. Files are opened when they are added, and read while the body
/// is sent.
///
/// ```
/// use volga_core::{Error, HttpResponse, IntoResponse};
/// use volga_web::MultipartBuilder;
///
/// async fn send() -> Result<HttpResponse, Error> {
///     MultipartBuilder::new()
///         .text("title", "Holiday")
///         .bytes("table", "table.csv", "a,b\n1,2\n")
///         .file("photo", "photos/sea.jpg")
///         .await?
///         .into_response()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a form is sent as a response, or by `into_content_type_and_body`"]
pub struct MultipartBuilder {
    boundary: String,
    segments: Vec<Segment>,
}

impl MultipartBuilder {
    /// Creates a form without parts. Its boundary is random.
    pub fn new() -> Self {
        Self { boundary: random_boundary(), segments: Vec::new() }
    }

    /// Adds a field with a text.
    pub fn text(self, name: impl AsRef<str>, text: impl Into<String>) -> Self {
        let text = text.into();
        self.part(name.as_ref(), None, None, Segment::Bytes(text.into()))
    }

    /// Adds a file from memory. Its content type follows from the name.
    pub fn bytes(
        self,
        name: impl AsRef<str>,
        file_name: impl AsRef<str>,
        bytes: impl Into<Bytes>,
    ) -> Self {
        let content_type = content_type_of(file_name.as_ref().as_ref());
        let bytes = Segment::Bytes(bytes.into());
        self.part(name.as_ref(), Some(file_name.as_ref()), Some(&content_type), bytes)
    }

    /// Adds a file from the disk, with its own name.
    ///
    /// # Errors
    ///
    /// Returns an error with status 404 if the path names no regular file, and a server error if
    /// the file cannot be read.
    pub async fn file(self, name: impl AsRef<str>, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content_type = content_type_of(path);
        let open = open(path.to_owned()).await?;
        let content = Segment::File { file: Arc::new(open.file), start: 0, len: open.len };
        Ok(self.part(name.as_ref(), Some(&file_name), Some(&content_type), content))
    }

    fn part(
        mut self,
        name: &str,
        file_name: Option<&str>,
        content_type: Option<&HeaderValue>,
        content: Segment,
    ) -> Self {
        let line_end = if self.segments.is_empty() { "" } else { "\r\n" };
        let mut head = format!(
            "{line_end}--{}\r\ncontent-disposition: form-data; name=\"{}\"",
            self.boundary,
            escape(name)
        );
        if let Some(file_name) = file_name {
            head += &format!("; filename=\"{}\"", escape(file_name));
        }
        if let Some(content_type) = content_type.and_then(|value| value.to_str().ok()) {
            head += &format!("\r\ncontent-type: {content_type}");
        }
        head += "\r\n\r\n";
        self.segments.push(Segment::Bytes(head.into()));
        self.segments.push(content);
        self
    }

    /// Returns the value of `Content-Type`, which has the boundary, and the body.
    #[must_use]
    pub fn into_content_type_and_body(mut self) -> (HeaderValue, HttpBody) {
        let line_end = if self.segments.is_empty() { "" } else { "\r\n" };
        let end = format!("{line_end}--{}--\r\n", self.boundary);
        self.segments.push(Segment::Bytes(end.into()));
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        // The boundary is letters, digits and dashes.
        let content_type = HeaderValue::try_from(content_type)
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/form-data"));
        (content_type, HttpBody::new(SegmentBody::new(self.segments)))
    }
}

/// Escapes a name as browsers do (HTML standard, "multipart form data").
fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

impl Default for MultipartBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IntoResponse for MultipartBuilder {
    fn into_response(self) -> HttpResult {
        let (content_type, body) = self.into_content_type_and_body();
        let mut response = HttpResponse::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &["multipart/form-data"]);
    }
}
