//! The method QUERY (RFC 10008): a safe request whose body says what to look for.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::Endpoint;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;

/// The response header with the media types that a QUERY may have.
const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");

/// The media types that a QUERY of a path may have, as the value of `Accept-Query`. In the
/// extensions of a request without a route, it goes into the response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct AcceptQuery(HeaderValue);

impl AcceptQuery {
    /// The media types of the body that an endpoint takes. `None` if it takes no body.
    pub(super) fn of(description: &Description) -> Option<Self> {
        Self::new(&description.body()?.media_types)
    }

    /// A list of tokens and strings with parameters (RFC 10008, section 3; RFC 9651).
    fn new(media_types: &[&str]) -> Option<Self> {
        let items: Vec<String> = media_types.iter().map(|media_type| item(media_type)).collect();
        HeaderValue::from_str(&items.join(", ")).ok().filter(|_| !items.is_empty()).map(Self)
    }

    pub(super) fn add_to(&self, response: &mut HttpResponse) {
        // A handler may say more than the types of its arguments.
        response.headers_mut().entry(ACCEPT_QUERY).or_insert_with(|| self.0.clone());
    }
}

/// A media type as an item of a structured field.
fn item(media_type: &str) -> String {
    let mut parts = media_type.split(';').map(str::trim);
    let mut text = bare(parts.next().unwrap_or_default());
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        text += &format!(";{}={}", name.trim().to_ascii_lowercase(), bare(value));
    }
    text
}

/// A token, or a string if the text is not a token (RFC 9651, sections 3.3.3 and 3.3.4).
fn bare(text: &str) -> String {
    let is_token = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '*')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
    if is_token {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// An endpoint for QUERY. It refuses a request that does not say what its body is.
pub(super) struct QueryEndpoint<E> {
    pub(super) endpoint: E,
    pub(super) accept: Option<AcceptQuery>,
}

impl<E: Endpoint> Endpoint for QueryEndpoint<E> {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let accept = self.accept.clone();
        let response = if parts.headers.contains_key(header::CONTENT_TYPE) {
            self.endpoint.call(parts, body)
        } else {
            let responder = parts.responder();
            let error = Error::client_error(
                "a QUERY request needs the header `content-type`, which says what its body is",
            );
            responder.respond_boxed(error)
        };
        with_accept(response, accept)
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
        description.reads_header(header::CONTENT_TYPE).responds_error();
    }

    fn catches_panics(&self) -> bool {
        self.endpoint.catches_panics()
    }
}

/// An endpoint for another method at a path that has a QUERY. Its responses tell clients of it.
pub(super) struct AcceptQueryEndpoint {
    pub(super) endpoint: Arc<dyn Endpoint>,
    pub(super) accept: AcceptQuery,
}

impl Endpoint for AcceptQueryEndpoint {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        with_accept(self.endpoint.call(parts, body), Some(self.accept.clone()))
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
    }

    fn catches_panics(&self) -> bool {
        self.endpoint.catches_panics()
    }
}

fn with_accept(
    response: BoxFuture<HttpResponse>,
    accept: Option<AcceptQuery>,
) -> BoxFuture<HttpResponse> {
    let Some(accept) = accept else { return response };
    Box::pin(async move {
        let mut response = response.await;
        accept.add_to(&mut response);
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_tokens_or_strings_with_parameters() {
        let check = |types: &[&str], expect: Option<&str>| {
            let value = AcceptQuery::new(types);
            assert_eq!(value.as_ref().map(|value| value.0.to_str().unwrap()), expect, "{types:?}");
        };
        check(&["application/json"], Some("application/json"));
        check(&["application/json", "text/*"], Some("application/json, text/*"));
        check(&["*/*"], Some("*/*"));
        check(&["text/plain; Charset=utf-8"], Some("text/plain;charset=utf-8"));
        check(&["text/plain;charset=\"UTF-8\";v=1"], Some("text/plain;charset=UTF-8;v=\"1\""));
        check(&["3gpp/x"], Some("\"3gpp/x\""));
        check(&["a/b;c=\"d e\""], Some("a/b;c=\"d e\""));
        check(&[], None);
    }
}
