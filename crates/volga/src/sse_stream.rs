//! `SseStream`: the result of `sse_stream!`.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use http::StatusCode;
use pin_project_lite::pin_project;
use volga_core::{Description, HttpResult, IntoResponse};
use volga_sse::{Sse, SseItem};

pin_project! {
    /// A stream of messages that a handler may return as it is.
    /// [`sse_stream!`](crate::sse_stream) creates it.
    ///
    /// To change settings of the stream, pass it to [`Sse::new`]:
    /// `sse!(Sse::new(stream).retry(..))`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::{App, http::sse::{Message, Sse, SseStream}, sse, sse_stream};
    ///
    /// let mut app = App::new();
    /// app.map_get("/one", async || sse_stream! { yield Message::new().data("one"); });
    /// app.map_get("/slow", async || {
    ///     let stream = sse_stream! { yield Message::new().data("one"); };
    ///     sse!(Sse::new(stream).retry(Duration::from_secs(30)))
    /// });
    /// // A stream of your own becomes one, too.
    /// let one = futures_util::stream::iter([Message::new().data("one")]);
    /// app.map_get("/own", move || SseStream::new(one.clone()));
    /// # app.check().unwrap();
    /// ```
    #[derive(Debug)]
    #[must_use = "a stream does nothing until it is returned from a handler"]
    pub struct SseStream<S> {
        #[pin]
        stream: S,
    }
}

impl<S> SseStream<S>
where
    S: Stream,
    S::Item: SseItem,
{
    /// Creates the stream from a stream of messages.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }
}

impl<S: Stream> Stream for SseStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.project().stream.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S> IntoResponse for SseStream<S>
where
    S: Stream + Send + 'static,
    S::Item: SseItem,
{
    fn into_response(self) -> HttpResult {
        let mut response = Sse::new(self.stream).into_response().into_response()?;
        // The stream reports its own errors. What is put around it is watched.
        response.body_mut().set_watched();
        Ok(response)
    }

    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &["text/event-stream"]);
    }
}
