//! `Problem`: problem details for HTTP APIs (RFC 9457).

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use serde::{Serialize, ser::SerializeMap};

use crate::headers::typed::IntoHeader;

/// Problem details as in [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457). A handler may return a
/// problem, and an [`Error`](crate::Error) can be created from one. A problem that is a server
/// error always becomes an `Error`, so that it is reported.
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
/// The default title is the name of the status. Without a type the member is left out, which means
/// `about:blank`.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a problem does nothing until it is returned"]
pub struct Problem {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    extensions: Vec<(Cow<'static, str>, serde_json::Value)>,
    headers: Option<Box<HeaderMap>>,
    /// Why a header that was added is not valid.
    header_fault: Option<String>,
}

/// The members that RFC 9457 defines. An extension must not have one of these names.
const OWN_MEMBERS: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// The member with the reference number, which is also in the server's log.
const REFERENCE: &str = "reference";

impl Problem {
    /// Creates a problem with this status. An invalid status becomes 500.
    pub fn new(status: u16) -> Self {
        Self::of(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// Creates a problem with this status.
    pub fn of(status: StatusCode) -> Self {
        Self {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            extensions: Vec::new(),
            headers: None,
            header_fault: None,
        }
    }

    /// Sets the URI that identifies the type of the problem.
    pub fn with_type(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.kind = Some(uri.into());
        self
    }

    /// Sets the summary, which is the same for every problem of this type.
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the explanation of this occurrence of the problem.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Sets the URI that identifies this occurrence of the problem.
    pub fn with_instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.instance = Some(uri.into());
        self
    }

    /// Adds an extension member. It is left out if the RFC defines a member with this name, or if
    /// the value cannot be written as JSON.
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

    /// Adds a header to the response: a pair of name and value, or a [typed
    /// header](mod@crate::headers). Several headers with one name are all sent. The `Content-Type`
    /// of the problem is not replaced.
    ///
    /// If HTTP does not allow the name or the value, the problem becomes a server error that says
    /// so.
    ///
    /// ```
    /// use volga_core::{IntoResponse, Problem, headers::RetryAfter};
    ///
    /// let problem = Problem::new(429).with_header(RetryAfter::from_static("30"));
    /// assert_eq!(problem.into_response().unwrap().headers()["retry-after"], "30");
    /// ```
    pub fn with_header(mut self, header: impl IntoHeader) -> Self {
        match header.into_header() {
            Ok((name, value)) => {
                self.headers.get_or_insert_default().append(name, value);
            }
            Err(fault) => self.header_fault = Some(fault.to_string()),
        }
        self
    }

    pub(crate) fn with_header_map(mut self, headers: HeaderMap) -> Self {
        self.headers = Some(Box::new(headers));
        self
    }

    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        self.headers.as_deref()
    }

    /// Why a header that was added is not valid.
    pub(crate) fn header_fault(&self) -> Option<&str> {
        self.header_fault.as_deref()
    }

    /// Takes the headers out of the problem.
    pub(crate) fn take_headers(&mut self) -> Option<Box<HeaderMap>> {
        self.headers.take()
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds the reference number, unless the application has set one.
    pub(crate) fn with_reference(mut self, reference: String) -> Self {
        if self.reference().is_none() {
            self.extensions.push((Cow::Borrowed(REFERENCE), reference.into()));
        }
        self
    }

    pub(crate) fn reference(&self) -> Option<&serde_json::Value> {
        let found = self.extensions.iter().find(|(name, _)| name == REFERENCE);
        found.map(|(_, value)| value)
    }

    fn title(&self) -> Option<&str> {
        self.title.as_deref().or_else(|| self.status.canonical_reason())
    }

    /// The problem as one sentence: the detail, or else the title.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_are_those_of_the_rfc_and_the_extensions() {
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
}
