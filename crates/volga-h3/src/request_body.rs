//! The body of a request, as a handler reads it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use quinn::Connection;
use volga_http::RequestBodyError;
use volga_http::protocol::BodyWaits;

use crate::request_stream::{BodyPiece, ReadFault, RequestStream};

/// Where a body leaves the rest of its stream when it is dropped.
///
/// If the client were told at once that nobody reads the rest, it might give up the response as
/// well. So the stream stays open until the response is complete. While nothing is read, the
/// stream's window keeps the client from sending.
#[derive(Debug, Default)]
pub(crate) struct UnreadRest(Mutex<RestState>);

#[derive(Debug, Default)]
struct RestState {
    rest: Option<RequestStream>,
    /// Whether the response is complete, so that nothing must be kept.
    is_complete: bool,
}

impl UnreadRest {
    /// Drops the rest, now or as soon as the body is dropped.
    pub(crate) fn discard(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_complete = true;
        let rest = state.rest.take();
        drop(state);
        drop(rest);
    }

    fn keep(&self, rest: RequestStream) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_complete {
            state.rest = Some(rest);
        }
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Http3Body {
    /// `None` once it was dropped or has failed.
    stream: Option<RequestStream>,
    waits: BodyWaits,
    rest: Arc<UnreadRest>,
    connection: Connection,
}

impl Http3Body {
    pub(crate) fn new(
        stream: RequestStream,
        waits: BodyWaits,
        rest: Arc<UnreadRest>,
        connection: Connection,
    ) -> Self {
        Self { stream: Some(stream), waits, rest, connection }
    }

    fn fail(&mut self, fault: ReadFault) -> RequestBodyError {
        self.keep_rest();
        match fault {
            ReadFault::Connection(code) => {
                self.connection.close(code.into(), b"the request body breaks the rules of HTTP/3");
                RequestBodyError::Malformed("it breaks the rules of HTTP/3".into())
            }
            ReadFault::Malformed | ReadFault::TooLarge => {
                RequestBodyError::Malformed("its length or its trailers are not valid".into())
            }
            ReadFault::Disconnected | ReadFault::Incomplete => {
                RequestBodyError::Incomplete("the client has reset the stream".into())
            }
        }
    }

    fn keep_rest(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.rest.keep(stream);
        }
    }
}

impl Body for Http3Body {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        match stream.poll_body(cx) {
            Poll::Pending => {
                let too_slow = self.waits.poll_too_slow(cx);
                if too_slow.is_ready() {
                    self.keep_rest();
                }
                too_slow.map(|error| Some(Err(error)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(self.fail(fault)))),
            Poll::Ready(Some(Ok(BodyPiece::Data(data)))) => {
                self.waits.note_received(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Ok(BodyPiece::Trailers(trailers)))) => {
                self.waits.note_received(0);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RequestStream::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        match self.stream.as_ref().and_then(|stream| stream.left) {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Http3Body {
    fn drop(&mut self) {
        self.keep_rest();
    }
}
