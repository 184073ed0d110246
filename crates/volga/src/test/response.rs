//! `TestResponse`: what the app answered.

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

/// How much of a body a failure shows.
const SHOWN: usize = 4096;

/// The response to a [`TestRequest`](super::TestRequest). What a stream sends is read when it is asked for.
pub struct TestResponse {
    /// Method and target, for failures.
    asked: String,
    head: response::Parts,
    body: Read,
}

enum Read {
    Whole(Bytes),
    Stream(HttpBody),
}

impl TestResponse {
    pub(super) async fn read(asked: String, response: HttpResponse) -> Self {
        let (head, body) = response.into_parts();
        let body = if body.size_hint().exact().is_some() {
            Read::Whole(collect(&asked, body).await)
        } else {
            Read::Stream(body)
        };
        Self { asked, head, body }
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

    /// A header as text; `None` where it is missing or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Goes on if the response has this status.
    ///
    /// # Panics
    ///
    /// It has another one: then the response is shown.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert!(self.status().as_u16() == status, "expected the status {status} of {self:?}");
        self
    }

    /// Goes on if the response has this header with this value.
    ///
    /// # Panics
    ///
    /// It has not: then the response is shown.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        assert!(self.header(name) == Some(value), "expected `{name}: {value}` of {self:?}");
        self
    }

    /// The whole body.
    ///
    /// # Panics
    ///
    /// It breaks off.
    pub async fn bytes(self) -> Bytes {
        match self.body {
            Read::Whole(bytes) => bytes,
            Read::Stream(body) => collect(&self.asked, body).await,
        }
    }

    /// The whole body as text.
    ///
    /// # Panics
    ///
    /// It breaks off, or is no UTF-8.
    pub async fn text(self) -> String {
        let asked = self.asked.clone();
        match String::from_utf8(self.bytes().await.into()) {
            Ok(text) => text,
            Err(error) => panic!("{asked}: the body is no UTF-8: {error}"),
        }
    }

    /// The value of the body, which is JSON.
    ///
    /// # Panics
    ///
    /// The body is none of such a value: then it is shown.
    pub async fn json<T: DeserializeOwned>(self) -> T {
        let (asked, status) = (self.asked.clone(), self.head.status);
        let body = self.bytes().await;
        match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(error) => panic!("{asked} {status}: {error}: {}", shown(&body)),
        }
    }

    /// The events of the body, as a client reads them.
    ///
    /// # Panics
    ///
    /// The response is no event stream: then it is shown.
    #[track_caller]
    #[must_use]
    pub fn events(self) -> EventStream<HttpBody> {
        let is_stream =
            self.header("content-type").is_some_and(|text| text.starts_with("text/event-stream"));
        assert!(is_stream, "expected an event stream of {self:?}");
        EventStream::new(self.into_body())
    }

    /// The body as it comes.
    #[must_use]
    pub fn into_body(self) -> HttpBody {
        match self.body {
            Read::Whole(bytes) => HttpBody::full(bytes),
            Read::Stream(body) => body,
        }
    }
}

/// The request, the status, the headers and the body, as far as it has come.
impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.asked, self.head.status)?;
        for (name, value) in &self.head.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &self.body {
            Read::Whole(bytes) => write!(f, "\n{}", shown(bytes)),
            Read::Stream(_) => write!(f, "\n(a stream)"),
        }
    }
}

async fn collect(asked: &str, body: HttpBody) -> Bytes {
    match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => panic!("{asked}: the body broke off: {error}"),
    }
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
    let more = body.len().saturating_sub(SHOWN);
    if more > 0 { format!("{text}… and {more} bytes more") } else { text }
}

/// A body and what must live as long.
pub(super) struct Held<B, H> {
    pub(super) body: B,
    pub(super) _held: H,
}

impl<B, H> Body for Held<B, H>
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
