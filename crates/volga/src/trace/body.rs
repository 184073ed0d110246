//! The body of a response in the span of its request.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use volga_core::{BoxError, HttpBody};

use crate::trace::record::{BodyEnd, Record};

/// A body that is polled and dropped in a span.
pub(super) struct TracedBody {
    body: HttpBody,
    record: Record,
}

impl TracedBody {
    pub(super) fn new(body: HttpBody, record: Record) -> Self {
        Self { body, record }
    }
}

impl Body for TracedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, record } = &mut *self;
        let frame = ready!(record.poll(|| Pin::new(body).poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => record.ended(BodyEnd::Failed),
            None => record.ended(BodyEnd::Finished),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TracedBody {
    fn drop(&mut self) {
        // A server does not poll a body again that says it is at its end.
        if self.body.is_end_stream() {
            self.record.ended(BodyEnd::Finished);
        }
        self.record.drop_in_span(mem::take(&mut self.body));
    }
}
