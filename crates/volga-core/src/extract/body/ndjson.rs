//! `NdJson<T>`: newline-delimited JSON in a request or a response.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body;
use serde::{Serialize, de::DeserializeOwned};

use crate::extract::FromRequest;
use crate::extract::body::json::{read_line, without_bom};
use crate::extract::body::lines::Lines;
use crate::extract::error::ExtractError;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::body_budget::CollectedBytes;
use crate::request::parts::RequestParts;
use crate::response::box_error::BoxError;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse, with_content_type};
use crate::response::json_text::to_json;

const CONTENT_TYPE: &str = "application/x-ndjson";

/// A stream of values as a body of newline-delimited JSON: one value on each line.
///
/// As the last argument of a handler it reads the body while it arrives: [`next`](Self::next) waits
/// for the next value. `Content-Type` must be `application/x-ndjson`, `application/ndjson` or
/// `application/jsonl`; otherwise the status is 415. A line that is not a value is an [`Error`]
/// with the number of the line and the status that [`Json`](crate::Json) has. The status is 413 for
/// a line of more than [`MAX_NDJSON_LINE`](crate::MAX_NDJSON_LINE) bytes, and for a body that
/// exceeds its limit. After an error the stream ends. Empty lines are skipped.
///
/// As the result of a handler it sends a line for each value of a stream. An error of the stream
/// ends the body in a way that the client can tell from a normal end.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, NdJson, Router};
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/sum", HandlerEndpoint::new(async |mut numbers: NdJson<u64>| {
///     let mut sum = 0;
///     while let Some(number) = numbers.next().await {
///         sum += number?;
///     }
///     Ok::<_, Error>(sum)
/// }));
/// ```
pub struct NdJson<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T> NdJson<T> {
    /// Creates a response from a stream of values.
    pub fn new<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        E: Into<Error> + 'static,
        T: 'static,
    {
        Self(Box::pin(IntoErrors { stream: Box::pin(stream) }))
    }

    /// Waits for the next value. `None` means the end.
    ///
    /// # Errors
    ///
    /// Returns an error if a line is not a value, or if the body cannot be read. The stream ends
    /// after it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl<T> Stream for NdJson<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for NdJson<T> {
    fn describe(description: &mut Description) {
        description
            .reads_body(&[CONTENT_TYPE])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        check_content_type(&parts.headers)?;
        let share = parts.collected_bytes();
        let reader =
            NdJsonReader { body: Some(body), lines: Lines::default(), share, value: read_line };
        Ok(Self(Box::pin(reader)))
    }
}

impl<T: Serialize + 'static> IntoResponse for NdJson<T> {
    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &[CONTENT_TYPE]);
    }

    fn into_response(self) -> HttpResult {
        const VALUE: HeaderValue = HeaderValue::from_static(CONTENT_TYPE);
        with_content_type(VALUE, HttpBody::from_stream(NdJsonLines(self)))
    }
}

impl<T> fmt::Debug for NdJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NdJson").finish_non_exhaustive()
    }
}

/// Reads the values of a request body.
struct NdJsonReader<T> {
    /// `None` after the end of the body, or after an error.
    body: Option<HttpBody>,
    lines: Lines,
    /// The memory for the line that has not arrived completely.
    share: CollectedBytes,
    value: fn(&[u8]) -> Result<T, ExtractError>,
}

impl<T> NdJsonReader<T> {
    fn value(&mut self, line: Result<(u64, Bytes), ExtractError>) -> Result<T, Error> {
        let value = line.and_then(|(line, text)| {
            let text = if line == 1 { without_bom(&text) } else { Ok(&text[..]) };
            text.and_then(self.value)
                .map_err(|error| ExtractError::Line { line, error: Box::new(error) })
        });
        value.map_err(|error| self.fail(error.into()))
    }

    /// Ends the stream after an error.
    fn fail(&mut self, error: Error) -> Error {
        self.body = None;
        self.lines = Lines::default();
        self.share = CollectedBytes::default();
        error
    }
}

impl<T> Stream for NdJsonReader<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.lines.next() {
                return Poll::Ready(Some(self.value(line)));
            }
            let pending = self.lines.pending();
            if let Err(error) = self.share.resize(pending) {
                return Poll::Ready(Some(Err(self.fail(error))));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.lines.push(&piece);
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(self.value(Err(ExtractError::of_body(error)))));
                }
                None => {
                    self.body = None;
                    self.share = CollectedBytes::default();
                    let last = self.lines.last();
                    return Poll::Ready(last.map(|line| self.value(line)));
                }
            }
        }
    }
}

/// The lines of a response body.
struct NdJsonLines<T>(NdJson<T>);

impl<T: Serialize> Stream for NdJsonLines<T> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let value = ready!(Pin::new(&mut self.0).poll_next(cx));
        Poll::Ready(value.map(|value| {
            let mut line = to_json(&value.map_err(Error::into_cause)?)?;
            line.push(b'\n');
            Ok(line.into())
        }))
    }
}

/// Converts the errors of a stream to [`Error`]s.
struct IntoErrors<S> {
    stream: Pin<Box<S>>,
}

impl<S, T, E> Stream for IntoErrors<S>
where
    S: Stream<Item = Result<T, E>>,
    E: Into<Error>,
{
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx).map(|item| item.map(|item| item.map_err(Into::into)))
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ExtractError> {
    const NAMES: [&str; 3] = [CONTENT_TYPE, "application/ndjson", "application/jsonl"];
    let found = match headers.get(header::CONTENT_TYPE) {
        None => "but the request names no content type".to_owned(),
        Some(value) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            let essence = text.split(';').next().unwrap_or_default().trim();
            if NAMES.iter().any(|name| essence.eq_ignore_ascii_case(name)) {
                return Ok(());
            }
            format!("not `{text}`")
        }
    };
    Err(ExtractError::ContentType { expected: CONTENT_TYPE, found })
}
