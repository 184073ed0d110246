//! The format of error responses: problem details (RFC 9457) or text.

use http::{HeaderValue, Response, header};

use crate::handler::description::Description;
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

/// The format of an error response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorFormat {
    /// `application/problem+json`
    Problem,
    /// `text/plain`
    Text,
}

impl Problem {
    /// Creates the response in this format.
    pub(crate) fn respond(&self, format: ErrorFormat) -> HttpResult {
        let (content_type, body) = match format {
            ErrorFormat::Problem => {
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
    /// Returns the format that the client prefers by its `Accept`. That is text only if the client
    /// rates a text type higher than every JSON type.
    pub(crate) fn preferred<'a>(accept: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let (mut json, mut text) = (None, None);
        let fields = accept.into_iter().filter_map(|value| value.to_str().ok());
        for range in fields.flat_map(|field| field.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            let rated = match &*media {
                "application/problem+json" | "application/json" | "application/*" | "*/*" => {
                    &mut json
                }
                "text/plain" | "text/html" | "text/*" => &mut text,
                _ => continue,
            };
            *rated = Some(f32::max(quality, rated.unwrap_or(0.0)));
        }
        match (json, text) {
            (json, Some(text)) if text > json.unwrap_or(0.0) => Self::Text,
            _ => Self::Problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_prefers_text_gets_text() {
        let format =
            |accept: &'static str| ErrorFormat::preferred([&HeaderValue::from_static(accept)]);
        assert_eq!(ErrorFormat::preferred([]), ErrorFormat::Problem);
        assert_eq!(format("*/*"), ErrorFormat::Problem);
        assert_eq!(format("text/plain"), ErrorFormat::Text);
        assert_eq!(format("application/json, text/plain;q=0.5"), ErrorFormat::Problem);
        assert_eq!(format("text/html,application/xhtml+xml,*/*;q=0.8"), ErrorFormat::Text);
        assert_eq!(format("text/*;q=0.3, application/problem+json;q=0.2"), ErrorFormat::Text);
        assert_eq!(format("text/html, application/json"), ErrorFormat::Problem);
        assert_eq!(format("text/plain;q=zero"), ErrorFormat::Problem);
        assert_eq!(format("text/event-stream"), ErrorFormat::Problem);
    }
}
