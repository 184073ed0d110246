//! `HttpBody`: the body of every request and response.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use pin_project_lite::pin_project;

/// Any error, as a body carries it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request or response: nothing, bytes, or a stream of bytes.
///
/// It is `Send` but not `Sync`, so that a stream need not be `Sync` to be a body.
#[derive(Default)]
pub struct HttpBody(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl HttpBody {
    /// A body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// A body of bytes that are all there. Its length is known.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Full(bytes)) }
    }

    /// Any other body. One that is an `HttpBody` already stays as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        let Some(body) = body else { return Self::empty() };
        Self(Inner::Stream(Box::pin(body.map_err(Into::into))))
    }

    /// A body of a stream of bytes. Its length is unknown. An error cuts the body short, so that the other side can tell.
    pub fn from_stream<S, T, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::new(StreamBody::new(Frames { stream }))
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("HttpBody::Empty"),
            Inner::Full(bytes) => write!(f, "HttpBody::Full({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("HttpBody::Stream"),
        }
    }
}

macro_rules! full_from {
    ($($type:ty),*) => { $(
        impl From<$type> for HttpBody {
            fn from(bytes: $type) -> Self {
                Self::full(bytes)
            }
        }
    )* };
}

full_from!(Bytes, &'static str, &'static [u8], String, Vec<u8>);

pin_project! {
    /// A stream of bytes as a stream of frames.
    struct Frames<S> {
        #[pin]
        stream: S,
    }
}

impl<S, T, E> Stream for Frames<S>
where
    S: Stream<Item = Result<T, E>>,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    type Item = Result<Frame<Bytes>, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.project().stream.poll_next(cx).map(|item| {
            item.map(|item| item.map(|bytes| Frame::data(bytes.into())).map_err(Into::into))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_once_and_their_number_is_known() {
        let body = HttpBody::full("seven b");
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "seven b");
        assert!(HttpBody::full("").is_end_stream());
    }

    #[test]
    fn a_body_is_wrapped_once() {
        assert!(matches!(HttpBody::new(HttpBody::full("x")).0, Inner::Full(_)));
        let stream = http_body_util::Full::new(Bytes::from_static(b"x"));
        assert!(matches!(HttpBody::new(stream).0, Inner::Stream(_)));
    }

    #[test]
    fn a_body_is_a_few_words() {
        assert!(size_of::<HttpBody>() <= 5 * size_of::<usize>());
    }
}
