//! `sse!`, `sse_stream!` and `stream!`: responses with a stream as their body.

use bytes::Bytes;
use futures_core::Stream;
use http::Response;
use volga_core::{BoxError, HttpBody, HttpResult, IntoResponse};
use volga_sse::IntoSse;

/// Creates a response with an event stream.
///
/// It takes a stream of [`Message`](crate::http::sse::Message), of
/// [`EncodedMessage`](crate::http::sse::EncodedMessage) or of a `Result` of one; a hub's
/// [`Subscription`](crate::http::sse::Subscription); or an [`Sse`](crate::http::sse::Sse), to
/// change settings of the stream. Headers follow after a semicolon, as in [`ok!`](crate::ok).
///
/// ```
/// use volga::{HttpResult, http::sse::{Hub, Message, Sse}, sse, sse_stream};
///
/// fn of_a_hub(hub: &Hub) -> HttpResult {
///     sse!(hub.subscribe("news").open()?)
/// }
///
/// fn with_settings() -> HttpResult {
///     let messages = sse_stream! {
///         yield Message::new().data("one");
///     };
///     sse!(Sse::new(messages).finite(); [("x-id", "7")])
/// }
/// assert_eq!(of_a_hub(&Hub::new()).unwrap().headers()["content-type"], "text/event-stream");
/// assert_eq!(with_settings().unwrap().headers()["x-id"], "7");
/// ```
#[macro_export]
macro_rules! sse {
    ($stream:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::sse($stream) $(, $headers)?)
    };
}

/// Creates an event stream from a block of code. In the block, `yield` sends a message, and `?`
/// ends the stream with an error.
///
/// The block is async, so it may await anything between two messages. It runs only as fast as the
/// client reads. When the client leaves, it is dropped at its current `yield` or `await`. A handler
/// may return the result, an [`SseStream`](crate::http::sse::SseStream), as it is.
///
/// ```
/// use std::time::Duration;
/// use volga::{App, http::sse::Message, sse_stream};
///
/// let mut app = App::new();
/// app.map_get("/countdown/{from}", async |from: u32| {
///     sse_stream! {
///         for n in (0..=from).rev() {
///             yield Message::new().event("tick").json(n);
///             tokio::time::sleep(Duration::from_secs(1)).await;
///         }
///     }
/// });
/// ```
#[macro_export]
macro_rules! sse_stream {
    ($($body:tt)*) => {
        $crate::http::sse::SseStream::new($crate::__private::generate::<_, $crate::error::Error, _, _>(
            |yielder| $crate::__private::yields!(yielder { $($body)* }),
        ))
    };
}

/// Creates a response whose body is a stream of bytes: a `Stream` of `Result`s of text or bytes. An
/// error ends the body in a way that the client can tell from a normal end.
///
/// The response has no default content type. Headers follow after a semicolon, as in
/// [`ok!`](crate::ok).
///
/// ```
/// use futures_util::stream;
/// use volga::{error::Error, stream};
///
/// let lines = stream::iter(["one\n", "two\n"]).map(Ok::<_, Error>);
/// # use futures_util::StreamExt;
/// let response = stream!(lines; [("content-type", "text/plain")]).unwrap();
/// assert_eq!(response.headers()["content-type"], "text/plain");
/// ```
#[macro_export]
macro_rules! stream {
    ($stream:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::stream($stream) $(, $headers)?)
    };
}

/// Creates a response with an event stream.
pub fn sse<S>(stream: S) -> HttpResult
where
    S: IntoSse,
    S::Source: Send + 'static,
{
    let mut response = stream.into_sse().into_response().into_response()?;
    // The stream reports its own errors. What is put around it is watched.
    response.body_mut().set_watched();
    Ok(response)
}

/// Creates a response with a stream of bytes.
pub fn stream<S, T, E>(stream: S) -> HttpResult
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    Ok(Response::new(HttpBody::from_stream(stream)))
}
