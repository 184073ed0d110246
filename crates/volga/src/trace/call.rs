//! The future of a response, within its span.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use volga_core::{BoxFuture, HttpBody, HttpResponse};

use super::{body::TracedBody, record::Record};

/// Answers a request within its span, and hands the record on to the body of the response.
pub(super) struct TracedCall {
    /// Taken to be dropped within the span.
    response: Option<BoxFuture<HttpResponse>>,
    /// Taken by the body.
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
        let (Some(answering), Some(asked)) = (response.as_mut(), record.as_mut()) else {
            panic!("polled after it was ready");
        };
        let answer = ready!(asked.poll(|| answering.as_mut().poll(cx)));
        asked.answered(&answer);
        asked.drop_in_span(response.take());
        let Some(record) = record.take() else { return Poll::Ready(answer) };
        Poll::Ready(answer.map(|body| HttpBody::new(TracedBody::new(body, record))))
    }
}

impl Drop for TracedCall {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.drop_in_span(self.response.take());
        }
    }
}
