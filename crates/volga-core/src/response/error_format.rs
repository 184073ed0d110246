//! The format of error responses: problem details (RFC 9457) or text.

use http::{HeaderValue, Response, header};

use crate::handler::description::Description;
use crate::headers::media_preference::preferred_of;
use crate::request::body::HttpBody;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse};
use crate::response::missing_headers::add_missing_headers;
use crate::response::problem::Problem;

/// A problem that is a server error becomes an [`Error`], so that it is reported and has a
/// reference. So does a problem with a status below 400, which is a mistake.
impl IntoResponse for Problem {
    fn describe(description: &mut Description) {
        description.responds_error();
    }

    fn into_response(self) -> HttpResult {
        if self.status().is_client_error() && self.header_fault().is_none() {
            return self.respond(ErrorFormat::Problem);
        }
        Err(self.into())
    }

    fn into_error_result(self) -> HttpResult {
        Err(self.into())
    }
}

/// The format of the responses that are made of errors without an [error mapper](crate::MapError).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ErrorFormat {
    /// [`Text`](Self::Text) if the client rates a text type higher than every JSON type by its
    /// `Accept`, as a browser does, and else [`Problem`](Self::Problem).
    #[default]
    ByAccept,
    /// Problem details, `application/problem+json` (RFC 9457), for every client.
    Problem,
    /// The message, as `text/plain`, for every client.
    Text,
}

/// The types that the client can prefer. An error for a client that wants HTML is sent as text.
const OFFERS: [&str; 4] =
    ["application/problem+json", "application/json", "text/plain", "text/html"];

impl Problem {
    /// Creates the response in this format.
    pub(crate) fn respond(&self, format: ErrorFormat) -> HttpResult {
        let (content_type, body) = match format {
            ErrorFormat::Problem | ErrorFormat::ByAccept => {
                let json = serde_json::to_vec(self).map_err(Error::server_error)?;
                ("application/problem+json", HttpBody::full(json))
            }
            ErrorFormat::Text => {
                let mut text = self.message();
                if let Some(serde_json::Value::String(reference)) = self.reference() {
                    text.push_str(&format!(" (reference {reference})"));
                }
                ("text/plain; charset=utf-8", HttpBody::full(text))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(match self.headers() {
            Some(headers) => add_missing_headers(response, headers, |_| true),
            None => response,
        })
    }
}

impl ErrorFormat {
    /// Decides between the problem and the text.
    pub(crate) fn decide<'a>(self, accept: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        match self {
            Self::ByAccept => match preferred_of(accept, &OFFERS) {
                Some(text) if text.starts_with("text/") => Self::Text,
                _ => Self::Problem,
            },
            decided => decided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_prefers_text_gets_text() {
        let format = |accept: &'static str| {
            ErrorFormat::ByAccept.decide([&HeaderValue::from_static(accept)])
        };
        assert_eq!(ErrorFormat::ByAccept.decide([]), ErrorFormat::Problem);
        assert_eq!(format("*/*"), ErrorFormat::Problem);
        assert_eq!(format("text/plain"), ErrorFormat::Text);
        assert_eq!(format("application/json, text/plain;q=0.5"), ErrorFormat::Problem);
        assert_eq!(format("text/html,application/xhtml+xml,*/*;q=0.8"), ErrorFormat::Text);
        assert_eq!(format("text/*;q=0.3, application/problem+json;q=0.2"), ErrorFormat::Text);
        assert_eq!(format("text/html, application/json"), ErrorFormat::Problem);
        assert_eq!(format("text/plain;q=zero"), ErrorFormat::Problem);
        assert_eq!(format("text/event-stream"), ErrorFormat::Problem);
        assert_eq!(format("text/plain;q=inf, application/json;q=0.1"), ErrorFormat::Problem);
        assert_eq!(format("application/json;q=0.1, text/html;q=0.5, */*"), ErrorFormat::Problem);
        assert_eq!(format("application/*;q=0.1, text/html;q=0.5, */*"), ErrorFormat::Text);
        for decided in [ErrorFormat::Problem, ErrorFormat::Text] {
            for accept in ["text/html", "application/json"] {
                assert_eq!(decided.decide([&HeaderValue::from_static(accept)]), decided);
            }
        }
    }
}
