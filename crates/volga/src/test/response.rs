//! `TestResponse`: a response of the app.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
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
/// assert_eq!(response.text().await, "{\"id\":7}");
///
/// let response = client.get("/events").send().await;
/// let mut events: EventStream<HttpBody> = response.assert_status(200).events();
/// let event = events.next().await.expect("an event").expect("a whole event");
/// assert_eq!(event.data(), "one");
/// # }
/// ```
pub struct TestResponse {
    /// The method and the target of the request, for panic messages.
    request_line: String,
    head: response::Parts,
    /// Behind a lock, so that an assertion can be followed by `text`, `json` or `events`.
    body: Mutex<TestBody>,
}

enum TestBody {
    Whole(Bytes),
    Stream(HttpBody),
    /// `events` has the stream, or a call to `bytes` has not read it to its end.
    Taken,
}

impl TestResponse {
    pub(super) async fn read(request_line: String, response: HttpResponse) -> Self {
        let (head, body) = response.into_parts();
        let body = if body.size_hint().exact().is_some() {
            TestBody::Whole(collect(&request_line, body).await)
        } else {
            TestBody::Stream(body)
        };
        Self { request_line, head, body: Mutex::new(body) }
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

    /// Returns the whole body. The response keeps it, so you can call this and the other methods
    /// that read the body again.
    ///
    /// # Panics
    ///
    /// Panics if the body cannot be read to its end, and if [`events`](Self::events) has taken it.
    pub async fn bytes(&self) -> Bytes {
        let body = match self.take_body() {
            TestBody::Whole(bytes) => return bytes,
            TestBody::Stream(body) => body,
            TestBody::Taken => panic!("{}", self.taken()),
        };
        let bytes = collect(&self.request_line, body).await;
        *self.body() = TestBody::Whole(bytes.clone());
        bytes
    }

    /// Returns the whole body as text.
    ///
    /// # Panics
    ///
    /// Panics as [`bytes`](Self::bytes) does, and if the body is not UTF-8.
    pub async fn text(&self) -> String {
        match String::from_utf8(self.bytes().await.into()) {
            Ok(text) => text,
            Err(error) => panic!("{}: the body is not UTF-8: {error}", self.request_line),
        }
    }

    /// Parses the body as JSON.
    ///
    /// # Panics
    ///
    /// Panics as [`bytes`](Self::bytes) does, and if the body is not JSON of this type. The message
    /// shows the body.
    pub async fn json<T: DeserializeOwned>(&self) -> T {
        let body = self.bytes().await;
        match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(error) => {
                panic!("{} {}: {error}: {}", self.request_line, self.head.status, shown(&body))
            }
        }
    }

    /// Returns the events of the body, as a client reads them. The returned stream takes the body
    /// out of the response. When you drop the stream, the client leaves.
    ///
    /// # Panics
    ///
    /// Panics if the response is not an event stream, and if this method was called before. The
    /// message shows the response.
    #[track_caller]
    #[must_use]
    pub fn events(&self) -> EventStream<HttpBody> {
        let is_stream =
            self.header("content-type").is_some_and(|text| text.starts_with("text/event-stream"));
        assert!(is_stream, "expected an event stream of {self:?}");
        EventStream::new(self.body_once())
    }

    /// Returns the body as a stream.
    ///
    /// # Panics
    ///
    /// Panics if [`events`](Self::events) has taken the body.
    #[must_use]
    #[track_caller]
    pub fn into_body(self) -> HttpBody {
        self.body_once()
    }

    #[track_caller]
    fn body_once(&self) -> HttpBody {
        match self.take_body() {
            TestBody::Whole(bytes) => HttpBody::full(bytes),
            TestBody::Stream(body) => body,
            TestBody::Taken => panic!("{}", self.taken()),
        }
    }

    /// Takes a stream out of the response. A body that is in memory stays.
    fn take_body(&self) -> TestBody {
        let mut body = self.body();
        match &*body {
            TestBody::Whole(bytes) => TestBody::Whole(bytes.clone()),
            _ => mem::replace(&mut *body, TestBody::Taken),
        }
    }

    fn body(&self) -> MutexGuard<'_, TestBody> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> String {
        let line = &self.request_line;
        format!("{line}: the body was taken before, by `events` or by a call that still reads it")
    }
}

/// Prints the request, the status, the headers, and the body if it was read.
impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.request_line, self.head.status)?;
        for (name, value) in &self.head.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &*self.body() {
            TestBody::Whole(bytes) => write!(f, "\n{}", shown(bytes)),
            TestBody::Stream(_) => write!(f, "\n(a stream)"),
            TestBody::Taken => write!(f, "\n(a stream, taken by `events`)"),
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
