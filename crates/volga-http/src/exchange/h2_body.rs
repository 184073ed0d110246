//! The body of an HTTP/2 request, as `h2` receives it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::drain::client_timeouts::ClientTimeouts;
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::body_timer::BodyTimer;
use crate::exchange::request_body_error::RequestBodyError;

/// The flow-control window that all uploads of a connection share.
pub(crate) trait ClientWindow: fmt::Debug + Send + Sync {
    /// The moment until which the client could not send: `now` if the window is closed, `None` if
    /// the window was never closed.
    fn closed_until(&self, now: Instant) -> Option<Instant>;
}

/// The receiving half of a stream.
///
/// Reading from this widens the client's window. If this is dropped early, the rest of the body is
/// discarded. Once the response is complete, the stream is then reset without an error, which tells
/// the client to stop sending (RFC 9113, section 8.1).
#[derive(Debug)]
pub(crate) struct H2Body {
    stream: RecvStream,
    /// How many bytes are still to come, if the client has announced the length.
    left: Option<u64>,
    are_trailers_next: bool,
    timer: BodyTimer,
    /// Says whether the client may send. `None` for a body that is complete.
    window: Option<Arc<dyn ClientWindow>>,
}

impl H2Body {
    pub(crate) fn new(
        stream: RecvStream,
        headers: &HeaderMap,
        limits: PaceLimits,
        timeouts: ClientTimeouts,
        window: Arc<dyn ClientWindow>,
    ) -> Self {
        let is_over = stream.is_end_stream();
        let left = if is_over {
            Some(0)
        } else {
            // `h2` has checked the field, and checks the frames against it.
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
        };
        let window = (!is_over).then_some(window);
        Self {
            stream,
            left,
            are_trailers_next: false,
            timer: BodyTimer::new(limits, timeouts),
            window,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let received = self.poll_received(cx);
        let window = &self.window;
        let closed_until = |now: Instant| window.as_ref()?.closed_until(now);
        match &received {
            Poll::Pending => {
                let reason = ready!(self.timer.poll_too_slow(closed_until, cx));
                return Poll::Ready(Some(Err(RequestBodyError::too_slow(reason))));
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.timer.note_received(frame.data_ref().map_or(0, Bytes::len), closed_until);
            }
            Poll::Ready(_) => {}
        }
        received.map_err(RequestBodyError::http2)
    }

    fn poll_received(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.are_trailers_next {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // This fails when the stream is over, and then there is no window to widen.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.are_trailers_next = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
