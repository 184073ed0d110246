//! `EventStream`: a response body, or a reader, as a stream of events.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use futures_core::Stream;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::io::AsyncRead;

use super::{DecodeError, Decoder, ReaderBody};
use crate::box_error::BoxError;
use crate::codec::event::Event;

pin_project! {
    /// The events of a response body, or of any reader.
    ///
    /// The stream ends with the body. As the standard says, an event without its blank line does
    /// not count. So a body that was cut short and a body that ended well look the same here,
    /// unless the transport reports an error. After an error the stream has ended. Trailers are
    /// skipped.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use volga_sse::EventStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), volga_sse::ReadError> {
    /// let body = Full::new(&b"data: one\n\nid: 2\ndata: two\n\n"[..]);
    /// let mut events = EventStream::new(body);
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.data());
    /// }
    /// assert_eq!(events.decoder().last_event_id(), "2");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Check the status and the content type yourself, before you read the body as events: see
    /// [`Rejection::of`](crate::client::reconnect::Rejection::of).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future of `next()` loses nothing, because all bytes that were read
    /// are in the stream. So it may be a `select!` branch.
    pub struct EventStream<B: Body> {
        // `None` after the end, so that the connection is released then, not when the stream is
        // dropped.
        #[pin]
        body: Option<B>,
        decoder: Decoder,
        chunk: Option<B::Data>,
    }
}

impl<B: Body> EventStream<B> {
    /// Reads the events of a body, with the default limits.
    pub fn new(body: B) -> Self {
        Self::with_decoder(body, Decoder::new())
    }

    /// Reads the events of a body with a decoder that has other limits or was used before. The
    /// decoder is restarted and keeps its last event ID.
    pub fn with_decoder(body: B, mut decoder: Decoder) -> Self {
        decoder.restart();
        Self { body: Some(body), decoder, chunk: None }
    }

    /// The last reconnection time from the server, as far as the stream has been read. Read it when
    /// [`next`](Self::next) has returned `None`, to see the one of a farewell.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga_sse::EventStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut events = EventStream::from_reader(&b"retry: 500\n\n"[..]);
    /// assert_eq!(events.retry(), None);
    /// assert!(events.next().await.is_none());
    /// assert_eq!(events.retry(), Some(Duration::from_millis(500)));
    /// # }
    /// ```
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// The decoder, which has the last event ID and the reconnection time.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Returns the decoder, for the next connection.
    pub fn into_decoder(self) -> Decoder {
        self.decoder
    }
}

impl<B> EventStream<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// Waits for the next event. `None` means that the body has ended.
    ///
    /// A body that is not `Unpin` is read through the `Stream` instead, after
    /// [`pin!`](std::pin::pin).
    ///
    /// # Errors
    ///
    /// Returns an error if the body fails, or if the stream exceeds a limit. After that the stream
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    ///
    /// ```
    /// use volga_sse::EventStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), volga_sse::ReadError> {
    /// let mut events = EventStream::from_reader(&b"data: one\n\n"[..]);
    /// assert_eq!(events.next().await.expect("an event")?.data(), "one");
    /// assert!(events.next().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Event, ReadError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<R: AsyncRead> EventStream<ReaderBody<R>> {
    /// Reads the events of any reader: a socket, a file, standard input.
    pub fn from_reader(reader: R) -> Self {
        Self::new(ReaderBody::new(reader))
    }
}

impl<B> Stream for EventStream<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Item = Result<Event, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            if let Some(data) = this.chunk {
                match decode(this.decoder, data) {
                    Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                    Ok(None) => *this.chunk = None,
                    Err(error) => {
                        *this.chunk = None;
                        this.body.set(None);
                        return Poll::Ready(Some(Err(ReadError::Decode(error))));
                    }
                }
            }
            let Some(body) = this.body.as_mut().as_pin_mut() else {
                return Poll::Ready(None);
            };
            match ready!(body.poll_frame(cx)) {
                Some(Ok(frame)) => *this.chunk = frame.into_data().ok(),
                Some(Err(error)) => {
                    this.body.set(None);
                    return Poll::Ready(Some(Err(ReadError::Transport(error.into()))));
                }
                None => this.body.set(None),
            }
        }
    }
}

/// Reads the next event of a chunk, which may lie in several pieces.
fn decode(decoder: &mut Decoder, data: &mut impl Buf) -> Result<Option<Event>, DecodeError> {
    while data.has_remaining() {
        let mut piece = data.chunk();
        let before = piece.len();
        let event = decoder.next(&mut piece)?.map(Event::from);
        let read = before - piece.len();
        data.advance(read);
        if event.is_some() {
            return Ok(event);
        }
    }
    Ok(None)
}

impl<B: Body> fmt::Debug for EventStream<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ended", &self.body.is_none())
            .field("decoder", &self.decoder)
            .finish_non_exhaustive()
    }
}

/// Why an [`EventStream`] ended before its body did.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The body or the reader failed: the connection broke, or the response was cut short.
    /// Reconnect with the last event ID.
    Transport(BoxError),
    /// The stream exceeded a limit. If you reconnect, the same data may come again.
    Decode(DecodeError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transport(_) => "the event stream broke off",
            Self::Decode(_) => "the event stream exceeded a limit",
        })
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) => Some(&**error),
            Self::Decode(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, error::Error, io};

    use futures_util::{FutureExt, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    type Frames = Vec<io::Result<Frame<VecDeque<u8>>>>;

    /// Everything that is there without waiting, each error as its message.
    fn read(frames: Frames) -> Vec<String> {
        let body = StreamBody::new(stream::iter(frames));
        collect(EventStream::with_decoder(body, Decoder::new().with_max_line(20)))
    }

    fn collect<B: Body<Error: Into<BoxError>>>(events: EventStream<B>) -> Vec<String> {
        let text = |event: Result<Event, ReadError>| match event {
            Ok(event) => event.into_data(),
            Err(error) => format!("{error}: {}", error.source().expect("a cause")),
        };
        events.map(text).collect::<Vec<_>>().now_or_never().expect("a body that is ready")
    }

    /// A chunk that lies in two pieces.
    fn data(front: &str, back: &str) -> io::Result<Frame<VecDeque<u8>>> {
        let mut chunk = VecDeque::from(back.as_bytes().to_vec());
        front.bytes().rev().for_each(|byte| chunk.push_front(byte));
        Ok(Frame::data(chunk))
    }

    #[test]
    fn events_come_from_chunks_in_pieces() {
        let frames =
            vec![data("data: a\n\nda", "ta: b\n"), data("", ""), data("\nda", "ta: c\n\n")];
        assert_eq!(read(frames), ["a", "b", "c"]);
    }

    #[test]
    fn an_event_without_its_end_and_trailers_are_passed_over() {
        let trailers = Ok(Frame::trailers(http::HeaderMap::new()));
        assert_eq!(read(vec![data("data: a\n\n", "data: b\n"), trailers]), ["a"]);
    }

    #[test]
    fn an_error_of_the_transport_is_not_one_of_the_stream_and_both_end_it() {
        let broken = || Err(io::Error::other("reset"));
        let broke = "the event stream broke off: reset";
        assert_eq!(
            read(vec![data("data: a\n\n", ""), broken(), data("data: b\n\n", "")]),
            ["a", broke]
        );

        let long = data("data: a\n\n", "data: 123456789012345\n\ndata: b\n\n");
        let found = read(vec![long, data("data: c\n\n", "")]);
        assert_eq!(found.len(), 2);
        assert!(
            found[1].starts_with("the event stream exceeded a limit: a line exceeds 20 bytes"),
            "{}",
            found[1]
        );
    }

    #[tokio::test]
    async fn a_reader_is_read_to_its_end_with_room_that_is_used_again() {
        let text: String = (0..5_000).map(|n| format!("id: {n}\ndata: {n}\n\n")).collect();
        let mut events = EventStream::from_reader(text.as_bytes());
        for n in 0..5_000 {
            let event = events.next().await.expect("an event").expect("no error");
            assert_eq!((event.data(), event.id()), (&*n.to_string(), &*n.to_string()));
        }
        assert!(events.next().await.is_none());
        assert!(events.next().await.is_none(), "it stays at its end");
        assert_eq!(events.into_decoder().last_event_id(), "4999");
    }

    #[tokio::test]
    async fn a_dropped_wait_loses_nothing() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let frames = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let mut events = EventStream::new(StreamBody::new(frames));
        let cut =
            [("da", None), ("ta: a\r", None), ("\n\r", Some("a")), ("\ndata: b\n\n", Some("b"))];
        for (piece, expect) in cut {
            sender.send(data(piece, "")).unwrap();
            // Polled once, then dropped.
            let event = events.next().now_or_never();
            let event = event.map(|event| event.expect("the body goes on").expect("no error"));
            assert_eq!(event.as_ref().map(Event::data), expect);
        }
    }
}
