//! The body of a request.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::http2::Upload;
use crate::linger::Unread;

/// The body of a request, as it arrives.
///
/// Nothing is read ahead of the reader but what the connection's buffer (HTTP/1) or window (HTTP/2) holds, so a slow reader
/// slows the client down. There is no limit on the length: whoever collects the body must set one. Dropping it
/// unread is fine; an HTTP/1 connection then closes after the response unless the rest has arrived already, and what the client still sends is
/// discarded within [bounds](crate::limits::LINGER_TIME), so that it sees the response.
#[derive(Debug)]
pub struct RequestBody(Kind);

#[derive(Debug)]
enum Kind {
    Http1(Http1),
    Http2(Upload),
}

#[derive(Debug)]
struct Http1 {
    incoming: Incoming,
    unread: Unread,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, unread: Unread) -> Self {
        if incoming.is_end_stream() {
            unread.read();
        } else {
            unread.open();
        }
        Self(Kind::Http1(Http1 { incoming, unread }))
    }

    pub(crate) fn http2(stream: RecvStream, headers: &HeaderMap) -> Self {
        Self(Kind::Http2(Upload::new(stream, headers)))
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        if !self.unread.is_at_end() {
            self.unread.leave();
        }
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
            Kind::Http1(body) => {
                let frame = ready!(Pin::new(&mut body.incoming).poll_frame(cx));
                if frame.is_none() || body.incoming.is_end_stream() {
                    body.unread.read();
                }
                Poll::Ready(frame.map(|result| result.map_err(RequestBodyError::http1)))
            }
            Kind::Http2(body) => body.poll_frame(cx).map_err(RequestBodyError::http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Http1(body) => body.incoming.is_end_stream(),
            Kind::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Http1(body) => body.incoming.size_hint(),
            Kind::Http2(body) => body.size_hint(),
        }
    }
}

/// Why a request body ended before its end.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client left, or its stream was reset. Stop working: nobody waits for an answer.
    #[error("the client left before the end of the request body")]
    Incomplete(#[source] Box<dyn Error + Send + Sync>),
    /// The framing of the body breaks the rules of HTTP. Answer 400.
    #[error("the framing of the request body is malformed")]
    Malformed(#[source] Box<dyn Error + Send + Sync>),
}

impl RequestBodyError {
    fn http1(error: hyper::Error) -> Self {
        if breaks_framing(&error) {
            Self::Malformed(error.into())
        } else {
            Self::Incomplete(error.into())
        }
    }

    fn http2(error: h2::Error) -> Self {
        // What `h2` itself found wrong is a breach of the protocol: DATA that contradicts `content-length`, for one.
        if error.is_library() {
            Self::Malformed(error.into())
        } else {
            Self::Incomplete(error.into())
        }
    }
}

/// Whether hyper's chunk decoder refused the bytes. It says so only by the kind of an `io::Error` among the causes.
fn breaks_framing(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        })
    })
}
