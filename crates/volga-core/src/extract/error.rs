//! Why an argument could not be made of a request.

use std::io;

use http::{HeaderName, StatusCode};

use crate::response::box_error::BoxError;

/// Why an argument could not be made of a request. Each becomes a response with its
/// [`status`](Self::status).
///
/// It rides along as the [`cause`](crate::Error::cause) of the [`Error`](crate::Error), for whoever
/// shapes the response.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// A segment of the path is not what the handler takes.
    #[error("path argument `{name}`: {reason}")]
    PathArg {
        /// The argument's name in the pattern.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The handler asks for path arguments that its route does not have: a mistake of the server.
    #[error("path arguments of the route: {reason}")]
    PathShape {
        /// What does not fit.
        reason: String,
    },
    /// A field that the query must have is not there.
    #[error("query field `{field}` is missing")]
    MissingQueryField {
        /// Its name.
        field: String,
    },
    /// A field of the query is not what the handler takes.
    #[error("query field `{at}`: {reason}")]
    QueryField {
        /// Its name, and the place among its values where it has several: `tag[1]` is the second
        /// one.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The query as a whole is not what the handler takes.
    #[error("query: {reason}")]
    Query {
        /// What is wrong with it.
        reason: String,
    },
    /// A header that the handler needs is not there.
    #[error("header `{name}` is missing")]
    MissingHeader {
        /// Its name.
        name: HeaderName,
    },
    /// A header is not what the handler takes.
    #[error("header `{name}`: {reason}")]
    Header {
        /// Its name.
        name: HeaderName,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is of another type than the handler takes, or of none.
    #[error("the body must be `{expected}`, {found}")]
    ContentType {
        /// The type that the handler takes.
        expected: &'static str,
        /// What the request says of its body.
        found: String,
    },
    /// The body is no JSON.
    #[error("malformed JSON: {reason}")]
    JsonSyntax {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// The body is JSON, but not of the shape that the handler takes.
    #[error("JSON of another shape at `{at}`: {reason}")]
    JsonShape {
        /// The place in the value: `items[2].price`; `.` for the whole.
        at: String,
        /// What does not fit, with line and column.
        reason: String,
    },
    /// The body is longer than it may be.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// How many bytes it may have.
        limit: usize,
    },
    /// The body is no text in UTF-8.
    #[error("the body is no UTF-8")]
    NotText,
    /// A line of a body of many values is not what the handler takes.
    #[error("line {line}: {error}")]
    Line {
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// A line is longer than it may be.
    #[error("longer than {limit} bytes")]
    LineTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
    /// The client took too long to send the body.
    #[error("the client took too long to send the body")]
    BodyTimedOut(#[source] BoxError),
    /// The app collects as many bytes of request bodies already as it may.
    #[error("more than {limit} bytes of request bodies would be collected at a time")]
    TooMuchCollected {
        /// How many bytes all requests together may have.
        limit: usize,
    },
    /// The body broke off.
    #[error("the body could not be read")]
    Body(#[source] BoxError),
    /// The server was to put a value of this type into the request's extensions, and did not.
    #[error("the request has no extension of type `{type_name}`")]
    MissingExtension {
        /// The type.
        type_name: &'static str,
    },
}

impl ExtractError {
    /// The status of the response: 408 for a body that does not come, 413 for one that is too
    /// large, 415 for one of another type, 422 for JSON of another shape, 503 where too many bodies
    /// come at a time, 500 where the server is at fault, else 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::LineTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooMuchCollected { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Line { error, .. } => error.status(),
            Self::JsonShape { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PathShape { .. } | Self::MissingExtension { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Why a body gave no more: because it is too large, did not come in time, or broke off. A
    /// layer may have wrapped the cause.
    pub(crate) fn of_body(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        let first: &(dyn std::error::Error + 'static) = &*error;
        let mut causes = std::iter::successors(Some(first), |&cause| cause.source());
        let too_large = causes.clone().find_map(|cause| match cause.downcast_ref() {
            Some(Self::BodyTooLarge { limit }) => Some(Self::BodyTooLarge { limit: *limit }),
            _ => None,
        });
        // Servers say it in errors of their own, and this kind is what those have in common.
        let timed_out = causes.any(|cause| {
            let error = cause.downcast_ref::<io::Error>();
            error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        });
        match too_large {
            Some(too_large) => too_large,
            None if timed_out => Self::BodyTimedOut(error),
            None => Self::Body(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a layer")]
    struct Layer(#[source] BoxError);

    #[test]
    fn the_status_of_a_body_is_that_of_its_first_cause_however_it_is_wrapped() {
        let io = |kind: io::ErrorKind| -> BoxError { io::Error::from(kind).into() };
        for layers in 0..3 {
            for (error, status) in [
                (io(io::ErrorKind::TimedOut), 408),
                (io(io::ErrorKind::UnexpectedEof), 400),
                (ExtractError::BodyTooLarge { limit: 1 }.into(), 413),
                ("text".into(), 400),
            ] {
                let wrapped = (0..layers).fold(error, |error, _| Layer(error).into());
                assert_eq!(ExtractError::of_body(wrapped).status(), status, "{layers} layers");
            }
        }
    }
}
