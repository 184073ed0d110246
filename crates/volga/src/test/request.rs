//! `TestRequest`: builds a request.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use volga_core::{__private::to_json, Form, HttpBody, HttpRequest, IntoResponse};

use crate::test::response::TestResponse;
use crate::test::transport::Transport;
use crate::test::wire;

/// A request of a [`TestClient`](super::TestClient). [`send`](Self::send) sends it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use volga::{App, Form, Query, ok, test::TestClient};
///
/// type Fields = Vec<(String, String)>;
///
/// let mut app = App::new();
/// app.map_post("/users", async |Query(query): Query<Fields>, Form(form): Form<Fields>| {
///     ok!("{} and {}", query[0].1, form[0].1)
/// });
/// let client = TestClient::new(app);
///
/// let request = client.post("/users").query("team", "blue & red").header("x-id", "7");
/// let response = request.form(&[("name", "Anna")]).send().await;
/// assert_eq!(response.text().await, "blue & red and Anna");
/// # }
/// ```
#[must_use = "a request does nothing until it is sent"]
pub struct TestRequest<'a> {
    transport: &'a Transport,
    target: String,
    request: HttpRequest,
}

impl<'a> TestRequest<'a> {
    #[track_caller]
    pub(super) fn new(transport: &'a Transport, method: Method, path: &str) -> Self {
        if let Err(advice) = wire::target(&method, path) {
            panic!("{advice}");
        }
        // A client does not send the fragment. A query that is added must not become a part of it.
        let path = path.split('#').next().unwrap_or_default();
        let mut request = HttpRequest::default();
        *request.method_mut() = method;
        Self { transport, target: path.to_owned(), request }
    }

    /// Adds a header.
    ///
    /// # Panics
    ///
    /// Panics if the name or the value is not valid.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
        let value = HeaderValue::from_str(value).expect("a valid header value");
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds a field to the query, and encodes it. Call it again for further fields.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        let pair = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, &value.to_string())
            .finish();
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(&pair);
        self
    }

    /// Sets the body: text, bytes, or any [`HttpBody`], also a stream. It does not set a content
    /// type.
    pub fn body(mut self, body: impl Into<HttpBody>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sets the body to a value as JSON, and the content type to `application/json` unless you have
    /// set another.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be serialized.
    #[track_caller]
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        let json = to_json(value).expect("a value that can be serialized");
        let content_type = HeaderValue::from_static("application/json");
        self.request.headers_mut().entry(header::CONTENT_TYPE).or_insert(content_type);
        self.body(json)
    }

    /// Sets the body to a value as the fields of a form, and the content type to
    /// `application/x-www-form-urlencoded` unless you have set another.
    ///
    /// # Panics
    ///
    /// Panics if the value is not a struct, a map or a list of pairs.
    #[track_caller]
    pub fn form(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        let (head, body) = match Form(value).into_response() {
            Ok(response) => response.into_parts(),
            Err(error) => panic!("{error}"),
        };
        for (name, value) in &head.headers {
            self.request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        self.body(body)
    }

    /// Sends the request, and waits for the head of the response. If the length of the body is
    /// known, waits for the body, too.
    ///
    /// # Panics
    ///
    /// Panics if the server cannot be reached, or if `content-length` is set to another length than
    /// the one of the body.
    pub async fn send(mut self) -> TestResponse {
        // The query may have made it too long.
        *self.request.uri_mut() = match wire::target(self.request.method(), &self.target) {
            Ok(uri) => uri,
            Err(advice) => panic!("{advice}"),
        };
        self.transport.send(self.request).await
    }
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", self.request.method())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
