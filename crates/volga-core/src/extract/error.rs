//! `ExtractError`: why an argument could not be extracted.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use http_body_util::LengthLimitError;

use crate::extract::valid::field_errors::FieldErrors;
use crate::response::box_error::BoxError;
use crate::response::causes;

/// The `Retry-After` for a client whose body was refused because the memory is used up: 5 seconds.
pub const COLLECTED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why an argument could not be extracted from a request. It becomes a response with its
/// [`status`](Self::status).
///
/// It is the [`cause`](crate::Error::cause) of an [`Error`](crate::Error), so an error mapper can
/// look for it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// A segment of the path cannot be converted to the type of the argument.
    #[error("path argument `{name}`: {reason}")]
    PathArg {
        /// The name of the argument in the pattern.
        name: String,
        /// The fault of the segment.
        reason: String,
    },
    /// The path arguments together cannot be converted to the type of the argument.
    #[error("path arguments {names}: {reason}")]
    PathArgs {
        /// The names of the arguments in the pattern, in backticks: `` `user`, `number` ``.
        names: String,
        /// The fault of the arguments.
        reason: String,
    },
    /// The handler takes path arguments that its route does not have. This is a server error.
    #[error("path arguments of the route: {reason}")]
    PathShape {
        /// What does not fit.
        reason: String,
    },
    /// The query does not have a required field.
    #[error("query field `{field}` is missing")]
    MissingQueryField {
        /// The name of the field.
        field: String,
    },
    /// A field of the query cannot be converted to the type of the argument.
    #[error("query field `{at}`: {reason}")]
    QueryField {
        /// The name of the field. For a field with several values, the index of the value follows:
        /// `tag[1]` is the second value.
        at: String,
        /// The fault of the field.
        reason: String,
    },
    /// The query as a whole cannot be converted to the type of the argument.
    #[error("query: {reason}")]
    Query {
        /// The fault.
        reason: String,
    },
    /// A name or a text of a form is not UTF-8 after percent-decoding.
    #[error("form field `{at}`: {reason}")]
    FormSyntax {
        /// The name of the field, as the client has sent it.
        at: String,
        /// The fault.
        reason: String,
    },
    /// The form does not have a required field.
    #[error("form field `{field}` is missing")]
    MissingFormField {
        /// The path of the field, such as `address[city]`.
        field: String,
    },
    /// A form cannot be converted to the type of the argument.
    #[error("{}: {reason}", form_place(at))]
    FormField {
        /// The path of the field, such as `address[city]` or `tag[1]`. Empty for the whole form.
        at: String,
        /// The fault.
        reason: String,
    },
    /// The value of a [`Valid`](crate::Valid) argument has errors.
    #[error("{errors}")]
    Invalid {
        /// The errors of the fields.
        errors: FieldErrors,
    },
    /// The form has too many fields.
    #[error("the form has more than {limit} fields")]
    TooManyFormFields {
        /// The limit.
        limit: usize,
    },
    /// The request does not have a required header.
    #[error("header `{name}` is missing")]
    MissingHeader {
        /// The name of the header.
        name: HeaderName,
    },
    /// A header cannot be converted to the type of the argument.
    #[error("header `{name}`: {reason}")]
    Header {
        /// The name of the header.
        name: HeaderName,
        /// The fault.
        reason: String,
    },
    /// The body has another content type than the handler takes, or none.
    #[error("the body must be `{expected}`, {found}")]
    ContentType {
        /// The content type that the handler takes.
        expected: &'static str,
        /// The content type of the request, or that it has none.
        found: String,
    },
    /// The body is not JSON.
    #[error("malformed JSON: {reason}")]
    JsonSyntax {
        /// The fault, with its line and column.
        reason: String,
    },
    /// The body is JSON, but does not fit the type of the argument.
    #[error("the JSON does not fit at `{at}`: {reason}")]
    JsonShape {
        /// The path in the value, such as `items[2].price`. `.` is the whole value.
        at: String,
        /// What does not fit, with line and column.
        reason: String,
    },
    /// The body exceeds its limit.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body exceeds the limit of a tower layer.
    #[error("the body is larger than a layer of the server allows")]
    BodyTooLargeForLayer(#[source] BoxError),
    /// The body cannot be decompressed.
    #[error("the body cannot be decompressed as `{coding}`: {reason}")]
    Decompression {
        /// The content coding of the body.
        coding: &'static str,
        /// The fault of the body.
        reason: String,
    },
    /// The body becomes too many times larger by decompression.
    #[error("the body becomes more than {limit} times larger by decompression")]
    DecompressionRatio {
        /// The limit: how many times larger it may become.
        limit: u32,
    },
    /// The body is not UTF-8 text.
    #[error("the body is not UTF-8")]
    NotText,
    /// A line of an `NdJson` body cannot be converted to the type of a value.
    #[error("line {line}: {error}")]
    Line {
        /// The number of the line. The first line is 1.
        line: u64,
        /// The fault of the line.
        error: Box<Self>,
    },
    /// A line exceeds its limit.
    #[error("longer than {limit} bytes")]
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The client took too long to send the body.
    #[error("the client took too long to send the body")]
    BodyTimedOut(#[source] BoxError),
    /// All requests together would collect more bytes of request bodies than the app allows.
    #[error("all requests together would collect more than {limit} bytes of request bodies")]
    TooMuchCollected {
        /// The limit for all requests together, in bytes.
        limit: usize,
    },
    /// The body could not be read to its end.
    #[error("the body could not be read")]
    Body(#[source] BoxError),
    /// A body that is not the one of the request could not be read, such as the body of another
    /// server's response. This is a server error.
    #[error("a body that does not belong to the request could not be read")]
    OtherBody(#[source] BoxError),
    /// Neither the server nor middleware has put a value of this type into the request's
    /// extensions.
    #[error("the request has no extension of type `{type_name}`")]
    MissingExtension {
        /// The type of the value.
        type_name: &'static str,
    },
}

impl ExtractError {
    /// The status of the response:
    ///
    /// - 408 if the client took too long to send the body,
    /// - 413 if the body or a line is too long, the body becomes too many times larger by
    ///   decompression, or a form has too many fields,
    /// - 415 if the body has another content type,
    /// - 422 if the body is JSON or a form that does not fit the type, or a value is not valid,
    /// - 500 if the handler does not fit its route, an extension is missing, or a body that is not
    ///   the request's could not be read,
    /// - 503 if all requests together would collect too many bytes,
    /// - 504 if a body that is not the request's took too long,
    /// - 400 otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. }
            | Self::BodyTooLargeForLayer(_)
            | Self::DecompressionRatio { .. }
            | Self::TooManyFormFields { .. }
            | Self::LineTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooMuchCollected { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::OtherBody(error) if causes::is_timeout(&**error) => StatusCode::GATEWAY_TIMEOUT,
            Self::Line { error, .. } => error.status(),
            Self::JsonShape { .. }
            | Self::MissingFormField { .. }
            | Self::FormField { .. }
            | Self::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PathShape { .. } | Self::MissingExtension { .. } | Self::OtherBody(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Converts the error of a body: the body is too large, did not arrive in time, or could not be
    /// read. A tower layer may have wrapped the error, so its causes are searched, too.
    pub(crate) fn of_body(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        let known = causes::causes(&*error).find_map(|cause| match cause.downcast_ref() {
            Some(Self::BodyTooLarge { limit }) => Some(Self::BodyTooLarge { limit: *limit }),
            Some(Self::DecompressionRatio { limit }) => {
                Some(Self::DecompressionRatio { limit: *limit })
            }
            Some(Self::Decompression { coding, reason }) => {
                Some(Self::Decompression { coding, reason: reason.clone() })
            }
            _ => None,
        });
        if let Some(known) = known {
            return known;
        }
        if causes::causes(&*error).any(<dyn std::error::Error>::is::<LengthLimitError>) {
            Self::BodyTooLargeForLayer(error)
        } else if causes::is_timeout(&*error) || is_body_timeout(&*error) {
            Self::BodyTimedOut(error)
        } else {
            Self::Body(error)
        }
    }
}

impl ExtractError {
    /// Converts the error of a body of any origin. It is the client's fault only if the body of the
    /// request has failed, whose error may be wrapped in others.
    pub(crate) fn of_any_body(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        let is_of_request = causes::causes(&*error).any(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(
                    Self::BodyTooLarge { .. }
                        | Self::BodyTooLargeForLayer(_)
                        | Self::BodyTimedOut(_)
                        | Self::Decompression { .. }
                        | Self::DecompressionRatio { .. }
                        | Self::Body(_)
                )
            )
        });
        if is_of_request { Self::of_body(error) } else { Self::OtherBody(error) }
    }
}

/// Where a form has a fault.
fn form_place(at: &str) -> String {
    if at.is_empty() { "form".to_owned() } else { format!("form field `{at}`") }
}

/// Whether this is the error of `RequestBodyTimeoutLayer` in tower-http. Its type cannot be named
/// without a dependency on that crate, so it is known by its text. A test uses the real layer.
fn is_body_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    const TEXT: &str = "data was not received within the designated timeout";
    causes::causes(error).any(|cause| cause.to_string() == TEXT)
}

#[cfg(test)]
mod tests {
    use std::io;

    use http_body_util::BodyExt;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a layer")]
    struct Layer(#[source] BoxError);

    /// The error of a body that `http_body_util::Limited` cuts.
    async fn length_limit() -> BoxError {
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"long"));
        http_body_util::Limited::new(body, 1).collect().await.unwrap_err()
    }

    #[tokio::test]
    async fn a_wrapped_error_of_a_body_keeps_its_status() {
        let io = |kind: io::ErrorKind| -> BoxError { io::Error::from(kind).into() };
        for layers in 0..5 {
            for (error, status) in [
                (io(io::ErrorKind::TimedOut), 408),
                (io(io::ErrorKind::UnexpectedEof), 400),
                (ExtractError::BodyTooLarge { limit: 1 }.into(), 413),
                (length_limit().await, 413),
                ("data was not received within the designated timeout".into(), 408),
                ("text".into(), 400),
            ] {
                let wrapped = (0..layers).fold(error, |error, layer| match layer % 2 {
                    0 => Layer(error).into(),
                    _ => io::Error::other(error).into(),
                });
                assert_eq!(ExtractError::of_body(wrapped).status(), status, "{layers} layers");
            }
        }
    }
}
