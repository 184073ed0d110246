//! Errors as RFC 9457 problem details, and which form a client prefers.

use std::borrow::Cow;

use http::{HeaderValue, Response, StatusCode, header};
use serde::{Serialize, ser::SerializeMap};

use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse};

/// What went wrong, in the form of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457): a handler
/// may return it, or an [`Error`] be made of it.
///
/// ```
/// use volga_core::{IntoResponse, Problem};
///
/// let problem = Problem::new(409)
///     .with_title("out of stock")
///     .with_detail("there are 3 left")
///     .with_extension("left", 3);
/// let response = problem.into_response().unwrap();
/// assert_eq!(response.status(), 409);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
///
/// The title is the status's own unless it is set; the type is left out unless it is set, which
/// means `about:blank`.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a problem does nothing until it is returned"]
pub struct Problem {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    extensions: Vec<(Cow<'static, str>, serde_json::Value)>,
}

/// The members that RFC 9457 defines, which no extension may take.
const OWN_MEMBERS: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// The member of a problem that the server's log names the error by.
const REFERENCE: &str = "reference";

impl Problem {
    /// A problem with this status. A number that is no status becomes 500.
    pub fn new(status: u16) -> Self {
        Self::of(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// A problem with this status.
    pub fn of(status: StatusCode) -> Self {
        Self {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            extensions: Vec::new(),
        }
    }

    /// Sets the URI that identifies the kind of problem.
    pub fn with_type(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.kind = Some(uri.into());
        self
    }

    /// Sets what is the same for every problem of this kind.
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what is particular to this one.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Sets the URI that identifies this occurrence.
    pub fn with_instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.instance = Some(uri.into());
        self
    }

    /// Adds a member of the application's own. One named as a member that the RFC defines is left
    /// out, and so is a value that is no JSON.
    pub fn with_extension(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Serialize,
    ) -> Self {
        let name = name.into();
        if !OWN_MEMBERS.contains(&&*name)
            && let Ok(value) = serde_json::to_value(value)
        {
            self.extensions.push((name, value));
        }
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds what the server's log names the error by.
    pub(crate) fn with_reference(mut self, reference: String) -> Self {
        if self.reference().is_none() {
            self.extensions.push((Cow::Borrowed(REFERENCE), reference.into()));
        }
        self
    }

    fn reference(&self) -> Option<&serde_json::Value> {
        let found = self.extensions.iter().find(|(name, _)| name == REFERENCE);
        found.map(|(_, value)| value)
    }

    fn title(&self) -> Option<&str> {
        self.title.as_deref().or_else(|| self.status.canonical_reason())
    }

    /// The same in a sentence: the detail, or else the title.
    pub(crate) fn message(&self) -> String {
        self.detail.as_deref().or_else(|| self.title()).unwrap_or("unknown problem").to_owned()
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let members = [
            ("type", self.kind.as_deref()),
            ("title", self.title()),
            ("detail", self.detail.as_deref()),
            ("instance", self.instance.as_deref()),
        ];
        map.serialize_entry("status", &self.status.as_u16())?;
        for (name, value) in members {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn describe(description: &mut Description) {
        description.responds_error();
    }

    fn into_response(self) -> HttpResult {
        self.respond(Form::Problem)
    }
}

/// The form of an error's response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// `application/problem+json`
    Problem,
    /// `text/plain`
    Text,
}

impl Problem {
    pub(crate) fn respond(&self, form: Form) -> HttpResult {
        let (content_type, body) = match form {
            Form::Problem => {
                let json = serde_json::to_vec(self).map_err(Error::server_error)?;
                ("application/problem+json", HttpBody::full(json))
            }
            Form::Text => {
                let mut text = self.message();
                if let Some(serde_json::Value::String(reference)) = self.reference() {
                    text.push_str(&format!(" (reference {reference})"));
                }
                ("text/plain; charset=utf-8", HttpBody::full(text))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(response)
    }
}

impl Form {
    /// The form that the client prefers by its `Accept`: text only if it rates some text above
    /// every JSON.
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
    fn members_are_those_of_the_rfc_and_the_applications_own() {
        let problem = Problem::new(404)
            .with_type("https://example.org/no-user")
            .with_detail("no user 7")
            .with_instance("/users/7")
            .with_extension("user", 7)
            .with_extension("status", 200);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "https://example.org/no-user", "title": "Not Found", "status": 404,
                "detail": "no user 7", "instance": "/users/7", "user": 7,
            })
        );
        assert_eq!(Problem::new(9999).status(), 500);
    }

    #[test]
    fn text_goes_to_those_who_rate_it_higher() {
        let form = |accept: &'static str| Form::preferred([&HeaderValue::from_static(accept)]);
        assert_eq!(Form::preferred([]), Form::Problem);
        assert_eq!(form("*/*"), Form::Problem);
        assert_eq!(form("text/plain"), Form::Text);
        assert_eq!(form("application/json, text/plain;q=0.5"), Form::Problem);
        assert_eq!(form("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Text);
        assert_eq!(form("text/*;q=0.3, application/problem+json;q=0.2"), Form::Text);
        assert_eq!(form("text/html, application/json"), Form::Problem);
        assert_eq!(form("text/plain;q=zero"), Form::Problem);
        assert_eq!(form("text/event-stream"), Form::Problem);
    }
}
