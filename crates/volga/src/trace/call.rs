//! The future of a response in the span of its request.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use volga_core::{BoxFuture, HttpBody, HttpResponse};

use crate::trace::body::TracedBody;
use crate::trace::record::Record;

/// Polls the future of a response in a span, and passes the record to the body of the response.
pub(super) struct TracedCall {
    /// Taken when it is dropped in the span.
    response: Option<BoxFuture<HttpResponse>>,
    /// Taken when it is passed to the body.
    record: Option<Record>,
}

impl TracedCall {
    pub(super) fn new(response: BoxFuture<HttpResponse>, record: Record) -> Self {
        Self { response: Some(response), record: Some(record) }
    }
}

impl Future for TracedCall {
    type Output = HttpResponse;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HttpResponse> {
        let Self { response, record } = &mut *self;
        let (Some(future), Some(running)) = (response.as_mut(), record.as_mut()) else {
            panic!("the future was polled after it was ready");
        };
        let output = ready!(running.poll(|| future.as_mut().poll(cx)));
        running.responded(&output);
        running.drop_in_span(response.take());
        let Some(record) = record.take() else { return Poll::Ready(output) };
        Poll::Ready(output.map(|body| HttpBody::new(TracedBody::new(body, record))))
    }
}

impl Drop for TracedCall {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.drop_in_span(self.response.take());
        }
    }
}
