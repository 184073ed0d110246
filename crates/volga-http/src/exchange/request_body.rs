//! The body of a request.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exchange::body_channel::ChannelBody;
use crate::exchange::h2_body::H2Body;
use crate::exchange::request_body_error::RequestBodyError;

/// The body of a request, as it arrives.
///
/// The server reads ahead only as much as the connection's buffer (HTTP/1) or window (HTTP/2)
/// holds, so a slow reader slows the client down. The length has no limit here: code that collects
/// a body must set one. The [time](crate::Server::body_read_timeout) that the client may take is
/// limited, and counts only while something reads the body.
///
/// You may drop the body unread. An HTTP/1 connection then closes after the response, unless the
/// rest of the body has arrived already. The rest of what the client sends is discarded within
/// [limits](crate::limits::LINGER_TIME), so that the client can read the response.
#[derive(Debug)]
pub struct RequestBody(BodyKind);

#[derive(Debug)]
enum BodyKind {
    Empty,
    Channel(ChannelBody),
    H2(H2Body),
    /// A body of any other type, in a box. Most requests have one of the two fast kinds above, or
    /// no body.
    Boxed(BoxedBody),
}

pin_project! {
    /// A body of any type, whose errors become those of request bodies.
    struct AdaptedBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for AdaptedBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        self.project().body.poll_frame(cx).map_err(|error| {
            match error.into().downcast::<RequestBodyError>() {
                Ok(error) => *error,
                Err(error) => RequestBodyError::Failed(error),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body of any other type.
struct BoxedBody(Pin<Box<dyn Body<Data = Bytes, Error = RequestBodyError> + Send>>);

impl fmt::Debug for BoxedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedBody")
    }
}

impl RequestBody {
    /// Turns any body into a request body: the body of another protocol's server, a body that
    /// middleware has wrapped, or the body of a test.
    ///
    /// An error of `body` becomes [`RequestBodyError::Failed`], unless it is a [`RequestBodyError`]
    /// already. A server of another protocol uses that to report what its client did.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use volga_http::RequestBody;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let body = RequestBody::new(Full::from("hello"));
    /// assert_eq!(body.collect().await.expect("it does not fail").to_bytes(), "hello");
    /// # }
    /// ```
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self(BodyKind::Boxed(BoxedBody(Box::pin(AdaptedBody { body }))))
    }

    /// Creates a body without content.
    pub fn empty() -> Self {
        Self(BodyKind::Empty)
    }

    pub(crate) fn from_channel(body: ChannelBody) -> Self {
        Self(BodyKind::Channel(body))
    }

    pub(crate) fn h2(body: H2Body) -> Self {
        Self(BodyKind::H2(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut self.0 {
            BodyKind::Empty => Poll::Ready(None),
            BodyKind::Channel(body) => body.poll_frame(cx).map_err(RequestBodyError::from_fault),
            BodyKind::Boxed(BoxedBody(body)) => body.as_mut().poll_frame(cx),
            BodyKind::H2(body) => {
                let polled = body.poll_frame(cx);
                if let Poll::Ready(Some(Err(RequestBodyError::TimedOut(_)))) = &polled {
                    // The client may still send the rest, and nothing will read it. Dropping the
                    // stream lets `h2` discard the rest and give the window back.
                    self.0 = BodyKind::Empty;
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Empty => true,
            BodyKind::Channel(body) => body.is_end_stream(),
            BodyKind::H2(body) => body.is_end_stream(),
            BodyKind::Boxed(BoxedBody(body)) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Empty => SizeHint::with_exact(0),
            BodyKind::Channel(body) => body.size_hint(),
            BodyKind::H2(body) => body.size_hint(),
            BodyKind::Boxed(BoxedBody(body)) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::{BodyExt, Empty};

    use super::*;

    /// A body with these frames.
    struct Frames<E>(VecDeque<Result<Frame<Bytes>, E>>);

    impl<E: Unpin> Body for Frames<E> {
        type Data = Bytes;
        type Error = E;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    #[tokio::test]
    async fn any_body_keeps_its_data_its_trailers_and_its_errors() {
        assert!(RequestBody::new(Empty::new()).is_end_stream());

        let trailers =
            http::HeaderMap::from_iter([(http::header::ETAG, "x".parse().expect("one"))]);
        let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers)];
        let body = RequestBody::new(Frames(frames.map(Ok::<_, fmt::Error>).into()));
        let collected = body.collect().await.expect("no error");
        assert!(collected.trailers().is_some_and(|trailers| trailers.len() == 1));
        assert_eq!(collected.to_bytes(), "data");

        type Any = Box<dyn Error + Send + Sync>;
        let own: Any = Box::new(RequestBodyError::Incomplete("gone".into()));
        for (error, expect) in [
            (own, "the client disconnected before the end of the request body"),
            ("another".into(), "the request body failed"),
        ] {
            let failed = RequestBody::new(Frames(VecDeque::from([Err(error)]))).collect().await;
            assert_eq!(failed.expect_err("it fails").to_string(), expect);
        }
    }
}
