//! `TestResponse`: a response of the app.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use volga_core::{BoxError, HttpBody, HttpResponse};
use volga_sse::EventStream;

/// The maximum number of bytes of a body in a panic message.
const SHOWN: usize = 4096;

/// The response to a [`TestRequest`](super::TestRequest). A body of unknown length is read only
/// when you ask for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use volga::{App, HttpBody, created, http::sse::{EventStream, Message}, sse_stream, test::TestClient};
///
/// let mut app = App::new();
/// app.map_post("/users", || created!({ "id": 7 }; [("location", "/users/7")]));
/// app.map_get("/events", async || sse_stream! { yield Message::new().data("one"); });
/// let client = TestClient::new(app);
///
/// let response = client.post("/users").send().await;
/// response.assert_status(201).assert_header("location", "/users/7");
/// assert_eq!(response.headers()["content-type"], "application/json");
///
/// let mut events: EventStream<HttpBody> = client.get("/events").send().await.events();
/// let event = events.next().await.expect("an event").expect("a whole event");
/// assert_eq!(event.data(), "one");
/// # }
/// ```
pub struct TestResponse {
    /// The method and the target of the request, for panic messages.
    request_line: String,
    head: response::Parts,
    body: TestBody,
}

enum TestBody {
    Whole(Bytes),
    Stream(HttpBody),
}

impl TestResponse {
    pub(super) async fn read(request_line: String, response: HttpResponse) -> Self {
        let (head, body) = response.into_parts();
        let body = if body.size_hint().exact().is_some() {
            TestBody::Whole(collect(&request_line, body).await)
        } else {
            TestBody::Stream(body)
        };
        Self { request_line, head, body }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// A header as text, or `None` if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Checks the status.
    ///
    /// # Panics
    ///
    /// Panics if the response has another status. The message shows the response.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert!(self.status().as_u16() == status, "expected the status {status} of {self:?}");
        self
    }

    /// Checks the value of a header.
    ///
    /// # Panics
    ///
    /// Panics if the response does not have the header with this value. The message shows the
    /// response.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        assert!(self.header(name) == Some(value), "expected `{name}: {value}` of {self:?}");
        self
    }

    /// Returns the whole body.
    ///
    /// # Panics
    ///
    /// Panics if the body cannot be read to its end.
    pub async fn bytes(self) -> Bytes {
        match self.body {
            TestBody::Whole(bytes) => bytes,
            TestBody::Stream(body) => collect(&self.request_line, body).await,
        }
    }

    /// Returns the whole body as text.
    ///
    /// # Panics
    ///
    /// Panics if the body cannot be read to its end, or is not UTF-8.
    pub async fn text(self) -> String {
        let request_line = self.request_line.clone();
        match String::from_utf8(self.bytes().await.into()) {
            Ok(text) => text,
            Err(error) => panic!("{request_line}: the body is not UTF-8: {error}"),
        }
    }

    /// Parses the body as JSON.
    ///
    /// # Panics
    ///
    /// Panics if the body is not JSON of this type. The message shows the body.
    pub async fn json<T: DeserializeOwned>(self) -> T {
        let (request_line, status) = (self.request_line.clone(), self.head.status);
        let body = self.bytes().await;
        match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(error) => panic!("{request_line} {status}: {error}: {}", shown(&body)),
        }
    }

    /// Returns the events of the body, as a client reads them.
    ///
    /// # Panics
    ///
    /// Panics if the response is not an event stream. The message shows the response.
    #[track_caller]
    #[must_use]
    pub fn events(self) -> EventStream<HttpBody> {
        let is_stream =
            self.header("content-type").is_some_and(|text| text.starts_with("text/event-stream"));
        assert!(is_stream, "expected an event stream of {self:?}");
        EventStream::new(self.into_body())
    }

    /// Returns the body as a stream.
    #[must_use]
    pub fn into_body(self) -> HttpBody {
        match self.body {
            TestBody::Whole(bytes) => HttpBody::full(bytes),
            TestBody::Stream(body) => body,
        }
    }
}

/// Prints the request, the status, the headers, and the body if it was read.
impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.request_line, self.head.status)?;
        for (name, value) in &self.head.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &self.body {
            TestBody::Whole(bytes) => write!(f, "\n{}", shown(bytes)),
            TestBody::Stream(_) => write!(f, "\n(a stream)"),
        }
    }
}

async fn collect(request_line: &str, body: HttpBody) -> Bytes {
    match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => panic!("{request_line}: the body could not be read: {error}"),
    }
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
    let more = body.len().saturating_sub(SHOWN);
    if more > 0 { format!("{text}… and {more} bytes more") } else { text }
}

/// A body, and a value that must live as long as the body.
pub(super) struct GuardedBody<B, H> {
    pub(super) body: B,
    pub(super) _guard: H,
}

impl<B, H> Body for GuardedBody<B, H>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    H: Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
