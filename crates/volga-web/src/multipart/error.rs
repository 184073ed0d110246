//! `MultipartError`: why a form cannot be read.

use http::StatusCode;
use volga_core::{BoxError, Error, ExtractError};

/// Why a form cannot be read. It is the [`cause`](Error::cause) of an [`Error`] with its
/// [`status`](Self::status), and the client sees its message.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum MultipartError {
    /// The content type has no boundary, or one that RFC 2046 does not allow.
    #[error("the content type `multipart/form-data` needs a `boundary` of 1 to 70 characters")]
    Boundary,
    /// The body is not a form: a boundary or a header is malformed, or the end is missing.
    #[error("the body is not a complete multipart form: {reason}")]
    Malformed {
        /// The fault.
        reason: String,
    },
    /// A part has no name.
    #[error("part {number} has no `name` in its `Content-Disposition`")]
    Unnamed {
        /// The number of the part. The first part is 1.
        number: usize,
    },
    /// A part is too large.
    #[error("the field `{field}` is larger than {limit} bytes")]
    PartTooLarge {
        /// The name of the field.
        field: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The parts that are held in memory are together too large.
    #[error("the field `{field}` makes the form larger than {limit} bytes without its files")]
    TooMuchMemory {
        /// The name of the field that reached the limit.
        field: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The form has too many parts.
    #[error("the form has more than {limit} parts; the one before is the field `{field}`")]
    TooManyParts {
        /// The name of the last field within the limit.
        field: String,
        /// The limit.
        limit: usize,
    },
    /// The headers of a part are too large.
    #[error("the headers of the part after the field `{field}` are larger than {limit} bytes")]
    HeadersTooLarge {
        /// The name of the field before. It is empty for the first part.
        field: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body failed within a part: it is too large, too slow, or broke off.
    #[error("the field `{field}`: {error}")]
    Body {
        /// The name of the field.
        field: String,
        /// The error of the body.
        error: ExtractError,
    },
    /// A field is not text in UTF-8.
    #[error("the field `{field}` is not UTF-8")]
    NotText {
        /// The name of the field.
        field: String,
    },
    /// A part that is saved under its own name has none.
    #[error("the field `{field}` has no name of a file")]
    NoFileName {
        /// The name of the field.
        field: String,
    },
    /// The fields do not fit the type of the form.
    #[error("{reason}")]
    Shape {
        /// What does not fit, with the name of the field.
        reason: String,
    },
}

impl MultipartError {
    /// The status of the response:
    ///
    /// - 413 if a limit is exceeded,
    /// - 422 if the fields do not fit the type,
    /// - that of the [body's error](ExtractError::status) if the body failed,
    /// - 400 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::PartTooLarge { .. }
            | Self::TooMuchMemory { .. }
            | Self::TooManyParts { .. }
            | Self::HeadersTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Shape { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Body { error, .. } => error.status(),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn into_error(self) -> Error {
        Error::new(self.status(), self)
    }

    /// Converts an error of the parser. `field` is the name of the current or the last part.
    pub(crate) fn of_parser(error: multer::Error, field: Option<&str>) -> Error {
        let reason = match error {
            multer::Error::StreamReadFailed(error) => return of_stream(error, field),
            error => error.to_string(),
        };
        Self::Malformed { reason }.into_error()
    }
}

/// The error of the stream that the parser reads: that of the body, or one of our limits.
fn of_stream(error: BoxError, field: Option<&str>) -> Error {
    let error = match error.downcast::<MultipartError>() {
        Ok(own) => return own.into_error(),
        Err(error) => error,
    };
    match (error.downcast::<ExtractError>(), field) {
        (Ok(error), Some(field)) => {
            MultipartError::Body { field: field.to_owned(), error: *error }.into_error()
        }
        (Ok(error), None) => (*error).into(),
        (Err(error), _) => Error::from(error),
    }
}
