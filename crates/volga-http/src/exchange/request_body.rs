//! The body of a request.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exchange::body_pace::TooSlow;
use crate::http1::{Fault, Incoming};
use crate::http2::Upload;

/// The body of a request, as it arrives.
///
/// Nothing is read ahead of the reader but what the connection's buffer (HTTP/1) or window (HTTP/2) holds, so a slow reader
/// slows the client down. There is no limit on the length: whoever collects the body must set one.
/// There is one on the [time](crate::Server::body_read_timeout) that the client may take, which
/// counts only while somebody waits for it here. Dropping it
/// unread is fine; an HTTP/1 connection then closes after the response unless the rest has arrived already, and what the client still sends is
/// discarded within [bounds](crate::limits::LINGER_TIME), so that it sees the response.
#[derive(Debug)]
pub struct RequestBody(Kind);

#[derive(Debug)]
enum Kind {
    Empty,
    Http1(Incoming),
    Http2(Upload),
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Empty)
    }

    pub(crate) fn http1(incoming: Incoming) -> Self {
        Self(Kind::Http1(incoming))
    }

    pub(crate) fn http2(upload: Upload) -> Self {
        Self(Kind::Http2(upload))
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
            Kind::Empty => Poll::Ready(None),
            Kind::Http1(body) => body.poll_frame(cx).map_err(RequestBodyError::http1),
            Kind::Http2(body) => {
                let polled = body.poll_frame(cx);
                if let Poll::Ready(Some(Err(RequestBodyError::TimedOut(_)))) = &polled {
                    // The client may send what is left, and nobody will read it: so `h2` is to drop
                    // it and give the window back.
                    self.0 = Kind::Empty;
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Http1(body) => body.is_end_stream(),
            Kind::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Http1(body) => body.size_hint(),
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
    /// The client sent nothing for [too long](crate::Server::body_read_timeout), or [too
    /// little](crate::Server::min_body_rate). Answer 408.
    ///
    /// The source is an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), and says
    /// which. On HTTP/1 the connection closes after the response; on HTTP/2 the stream is reset
    /// after it.
    #[error("the client took too long to send the request body")]
    TimedOut(#[source] Box<dyn Error + Send + Sync>),
}

impl RequestBodyError {
    fn http1(fault: Fault) -> Self {
        let source = io::Error::from(fault).into();
        match fault {
            Fault::Incomplete => Self::Incomplete(source),
            Fault::Malformed(_) => Self::Malformed(source),
            Fault::TooSlow(_) => Self::TimedOut(source),
        }
    }

    pub(crate) fn too_slow(reason: TooSlow) -> Self {
        Self::http1(Fault::TooSlow(reason))
    }

    pub(crate) fn http2(error: h2::Error) -> Self {
        // What `h2` itself found wrong is a breach of the protocol: DATA that contradicts `content-length`, for one.
        if error.is_library() {
            Self::Malformed(error.into())
        } else {
            Self::Incomplete(error.into())
        }
    }
}
