//! `HttpBody`: the body of every request and response.

use std::{
    any::{Any, TypeId},
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use pin_project_lite::pin_project;

use crate::extract::error::ExtractError;
use crate::response::box_error::BoxError;

/// The body of a request or response: empty, bytes, or a stream of bytes.
///
/// It is `Send` but not `Sync`, so a stream that is not `Sync` can be a body, too.
#[derive(Default)]
pub struct HttpBody(BodyKind);

#[derive(Default)]
enum BodyKind {
    #[default]
    Empty,
    Full {
        bytes: Bytes,
        is_request: bool,
    },
    Stream(DynBody),
    /// A stream whose errors are reported by the code that made it.
    Watched(DynBody),
    /// The body of a request. Its errors are [`ExtractError`]s.
    Request(DynBody),
    /// A body that may exceed its limit of `limit` bytes. `left` bytes may still come.
    Limited {
        body: DynBody,
        left: usize,
        limit: usize,
        is_request: bool,
    },
}

type BoxedBody<E> = Pin<Box<dyn Body<Data = Bytes, Error = E> + Send>>;

pub(crate) type DynBody = BoxedBody<BoxError>;

impl HttpBody {
    /// Creates a body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(BodyKind::Empty)
    }

    /// Creates a body from bytes. Its length is known.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        match bytes.is_empty() {
            true => Self::empty(),
            false => Self(BodyKind::Full { bytes, is_request: false }),
        }
    }

    /// Creates a body from a body of any type. Returns an `HttpBody` unchanged.
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
        if TypeId::of::<B::Error>() == TypeId::of::<BoxError>() {
            // Its errors need no conversion, which every frame would have to pass.
            let mut boxed: Option<BoxedBody<B::Error>> = Some(Box::pin(body));
            if let Some(body) = (&mut boxed as &mut dyn Any).downcast_mut::<Option<DynBody>>() {
                return body.take().map_or_else(Self::empty, |body| Self(BodyKind::Stream(body)));
            }
            return Self::empty();
        }
        Self(BodyKind::Stream(Box::pin(body.map_err(Into::into))))
    }

    /// Whether this is the [empty](Self::empty) body. Another one may turn out to be empty.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.0, BodyKind::Empty)
    }

    /// Marks the body as the one of a request: if it cannot be read, that is the client's fault.
    pub(crate) fn into_request_body(self) -> Self {
        Self(match self.0 {
            BodyKind::Full { bytes, .. } => BodyKind::Full { bytes, is_request: true },
            BodyKind::Stream(body) => BodyKind::Request(body),
            BodyKind::Limited { body, left, limit, .. } => {
                BodyKind::Limited { body, left, limit, is_request: true }
            }
            other => other,
        })
    }

    /// Creates a body from a stream of bytes. Its length is unknown. An error in the stream ends
    /// the body in a way that the other side can tell from a normal end.
    pub fn from_stream<S, T, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::new(StreamBody::new(DataFrames { stream }))
    }

    /// Waits for the next bytes of the body, as they arrive. `None` means the end.
    ///
    /// ```
    /// use volga_core::{Error, HandlerEndpoint, HttpBody, Router};
    ///
    /// let mut router = Router::new();
    /// router.map(http::Method::PUT, "/upload", HandlerEndpoint::new(async |mut body: HttpBody| {
    ///     let mut length = 0;
    ///     while let Some(bytes) = body.next().await {
    ///         length += bytes?.len();
    ///     }
    ///     Ok::<_, Error>(length)
    /// }));
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ExtractError::BodyTooLarge`] or [`ExtractError::BodyTooLargeForLayer`] (status 413) if
    ///   the body exceeds its limit.
    /// - [`ExtractError::BodyTimedOut`] (status 408) if the client took too long to send it.
    /// - [`ExtractError::Body`] (status 400) if the body cannot be read to its end for another
    ///   reason.
    /// - [`ExtractError::OtherBody`] (status 500, or 504 for a time-out) if the body does not
    ///   belong to the request. An example is the body of another server's response.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes, ExtractError>> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) => return Some(Ok(bytes)),
                // The frame holds trailers.
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(ExtractError::of_any_body(error))),
            }
        }
    }

    /// Waits until the body has bytes, ends or fails. Returns `None` if it has ended without bytes,
    /// and otherwise the whole body.
    pub(crate) async fn peek(mut self) -> Option<Self> {
        loop {
            let first = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await?;
            if let Ok(frame) = &first
                && frame.data_ref().is_none_or(Bytes::is_empty)
            {
                continue;
            }
            let body = Self::new(PeekedBody { first: Some(first), rest: self });
            return Some(body.into_request_body());
        }
    }

    /// Limits the body to `limit` bytes. The first piece that exceeds the limit is replaced with
    /// [`ExtractError::BodyTooLarge`]. A body that is known to be longer fails before its first
    /// piece. For a body that is not the request's, the error is [`ExtractError::OtherBody`].
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        // A body that promises to be short enough needs no check, because the server lets no client
        // send more than its `Content-Length`.
        if self.size_hint().upper().is_some_and(|most| most <= limit as u64) {
            return self;
        }
        let is_request = match &self.0 {
            BodyKind::Request(_) => true,
            BodyKind::Full { is_request, .. } | BodyKind::Limited { is_request, .. } => *is_request,
            BodyKind::Empty | BodyKind::Stream(_) | BodyKind::Watched(_) => false,
        };
        let body = match self.0 {
            BodyKind::Stream(body) | BodyKind::Watched(body) | BodyKind::Request(body) => body,
            other => Box::pin(Self(other)) as DynBody,
        };
        Self(BodyKind::Limited { body, left: limit, limit, is_request })
    }

    /// Whether the body comes in pieces and nothing reports its errors yet.
    pub(crate) fn is_unwatched(&self) -> bool {
        matches!(self.0, BodyKind::Stream(_) | BodyKind::Request(_))
    }

    /// Wraps a body that comes in pieces. The result counts as watched.
    pub(crate) fn wrap_watched(&mut self, wrap: impl FnOnce(DynBody) -> DynBody) {
        self.0 = match std::mem::take(&mut self.0) {
            BodyKind::Stream(body) => BodyKind::Watched(wrap(body)),
            request @ BodyKind::Request(_) => BodyKind::Watched(wrap(Box::pin(Self(request)))),
            other => other,
        };
    }

    /// Returns an error if the length is known and exceeds the limit.
    pub(crate) fn check_limit(&self) -> Result<(), ExtractError> {
        match &self.0 {
            BodyKind::Limited { body, left, limit, .. }
                if body.size_hint().lower() > *left as u64 =>
            {
                Err(ExtractError::BodyTooLarge { limit: *limit })
            }
            _ => Ok(()),
        }
    }
}

/// Says that the body of the request could not be read, and why.
#[cold]
fn of_request(error: BoxError) -> BoxError {
    ExtractError::of_body(error).into()
}

/// Says that a body which is not the request's exceeds its limit. The client has not sent it.
#[cold]
fn of_other(error: BoxError) -> BoxError {
    match error.downcast_ref() {
        Some(ExtractError::BodyTooLarge { .. }) => ExtractError::OtherBody(error).into(),
        _ => error,
    }
}

/// Polls a limited body. `left` bytes may still come.
fn poll_limited(
    body: &mut DynBody,
    left: &mut usize,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    let frame = ready!(body.as_mut().poll_frame(cx));
    if let Some(Ok(frame)) = &frame
        && let Some(data) = frame.data_ref()
    {
        match left.checked_sub(data.len()) {
            Some(rest) => *left = rest,
            None => return Poll::Ready(Some(Err(ExtractError::BodyTooLarge { limit }.into()))),
        }
    }
    Poll::Ready(frame)
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            BodyKind::Stream(body) | BodyKind::Watched(body) => body.as_mut().poll_frame(cx),
            _ => self.poll_other(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Empty => true,
            BodyKind::Full { .. } => false,
            BodyKind::Stream(body)
            | BodyKind::Watched(body)
            | BodyKind::Request(body)
            | BodyKind::Limited { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Empty => SizeHint::with_exact(0),
            BodyKind::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            BodyKind::Stream(body) | BodyKind::Watched(body) | BodyKind::Request(body) => {
                body.size_hint()
            }
            BodyKind::Limited { body, left, .. } => {
                let (inner, left) = (body.size_hint(), *left as u64);
                let mut hint = SizeHint::new();
                let upper = inner.upper().map_or(left, |upper| upper.min(left));
                hint.set_lower(inner.lower().min(upper));
                hint.set_upper(upper);
                hint
            }
        }
    }
}

impl HttpBody {
    /// Polls a body of a rarer kind.
    // A function of its own, because a frame of a stream would pay for the other kinds.
    #[inline(never)]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            BodyKind::Empty => Poll::Ready(None),
            BodyKind::Full { bytes, .. } => {
                let bytes = std::mem::take(bytes);
                self.0 = BodyKind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            BodyKind::Stream(body) | BodyKind::Watched(body) => body.as_mut().poll_frame(cx),
            BodyKind::Request(body) => body.as_mut().poll_frame(cx).map_err(of_request),
            BodyKind::Limited { body, left, limit, is_request } => {
                let too_large = body.size_hint().lower() > *left as u64;
                let polled = if too_large {
                    let error = ExtractError::BodyTooLarge { limit: *limit };
                    Poll::Ready(Some(Err(error.into())))
                } else {
                    poll_limited(body, left, *limit, cx)
                };
                let polled = match is_request {
                    true => polled.map_err(of_request),
                    false => polled.map_err(of_other),
                };
                if let Poll::Ready(Some(Err(_))) = &polled {
                    // Nobody reads the rest. Dropping it now lets the server stop reading it now.
                    self.0 = BodyKind::Empty;
                }
                polled
            }
        }
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            BodyKind::Empty => f.write_str("HttpBody::Empty"),
            BodyKind::Full { bytes, .. } => write!(f, "HttpBody::Full({} bytes)", bytes.len()),
            BodyKind::Stream(_) | BodyKind::Watched(_) => f.write_str("HttpBody::Stream"),
            BodyKind::Request(_) => f.write_str("HttpBody::Request"),
            BodyKind::Limited { limit, .. } => write!(f, "HttpBody::Limited({limit} bytes)"),
        }
    }
}

/// A body whose first frame, or first error, was read before.
struct PeekedBody {
    first: Option<Result<Frame<Bytes>, BoxError>>,
    rest: HttpBody,
}

impl Body for PeekedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
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
    /// Turns a stream of bytes into a stream of frames.
    struct DataFrames<S> {
        #[pin]
        stream: S,
    }
}

impl<S, T, E> Stream for DataFrames<S>
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
    async fn bytes_come_once_and_the_length_is_known() {
        let body = HttpBody::full("seven b");
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "seven b");
        assert!(HttpBody::full("").is_end_stream());
    }

    #[test]
    fn a_body_is_wrapped_once() {
        assert!(matches!(HttpBody::new(HttpBody::full("x")).0, BodyKind::Full { .. }));
        let stream = http_body_util::Full::new(Bytes::from_static(b"x"));
        assert!(matches!(HttpBody::new(stream).0, BodyKind::Stream(_)));
    }

    /// A body of unknown length.
    fn stream(pieces: &'static [&'static str]) -> HttpBody {
        let mut pieces = pieces.iter();
        let next = move |_: &mut Context<'_>| {
            Poll::Ready(pieces.next().map(|piece| Ok::<_, BoxError>(*piece)))
        };
        HttpBody::from_stream(PollFn(next))
    }

    struct PollFn<F>(F);

    impl<F: Unpin, T> Stream for PollFn<F>
    where
        F: FnMut(&mut Context<'_>) -> Poll<Option<T>>,
    {
        type Item = T;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            (self.0)(cx)
        }
    }

    #[tokio::test]
    async fn a_limit_holds_to_the_byte_whether_the_length_is_known_or_not() {
        for (limit, fits) in [(0, false), (5, false), (6, true), (7, true)] {
            for body in [HttpBody::full("abcdef"), stream(&["abc", "def"])] {
                let known = body.size_hint().exact().is_some();
                let body = body.into_request_body().limited(limit);
                assert_eq!(body.check_limit().is_ok(), fits || !known, "{limit}");
                match body.collect().await {
                    Ok(all) => assert!(fits && all.to_bytes() == "abcdef", "{limit}"),
                    Err(error) => {
                        assert!(!fits, "{limit}");
                        let error = error.downcast::<ExtractError>().unwrap();
                        assert_eq!(error.status(), 413);
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn a_limited_body_ends_after_its_error_and_is_limited_once() {
        let mut body = stream(&["abc", "def", "ghi"]).limited(5);
        assert_eq!(body.size_hint().upper(), Some(5));
        assert!(
            matches!(body.frame().await, Some(Ok(frame)) if frame.data_ref().unwrap() == "abc")
        );
        assert!(matches!(body.frame().await, Some(Err(_))));
        assert!(body.frame().await.is_none());
        let twice = stream(&["abc"]).limited(5).limited(9);
        assert!(matches!(twice.0, BodyKind::Limited { limit: 5, .. }));
    }

    #[test]
    fn a_body_is_a_few_words() {
        assert!(size_of::<HttpBody>() <= 5 * size_of::<usize>());
    }
}
