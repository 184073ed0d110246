//! Checks what a handler or a layer says about the framing of a response, and reports what is
//! wrong.
//!
//! The server decides the framing, so a field that contradicts it never reaches a client. Without a
//! report the mistake would stay unnoticed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use volga_core::{BodyErrorReporterBuilder, BoxError, HttpBody, HttpResponse};
use volga_sse::CloseHandle;

/// A mistake of a handler or a layer.
#[derive(Debug, thiserror::Error)]
enum FramingFault {
    #[error("`transfer-encoding` was removed, because the server decides it; do not set the field")]
    TransferEncoding,
    #[error(
        "`content-length` was removed from an event stream, whose length nobody knows; do not set the field"
    )]
    LengthOfStream,
    #[error(
        "`content-length` was {declared}, but the body has {actual} bytes; do not set the field"
    )]
    OtherLength { declared: u64, actual: u64 },
    #[error("`content-length` was removed, because it is not one number; do not set the field")]
    MalformedLength,
    #[error("a response with 205 has no body, but this one has; use another status")]
    ResetContent,
    #[error("the body has more than the {0} bytes of its `content-length`")]
    TooLong(u64),
    #[error("the body has {actual} of the {declared} bytes of its `content-length`")]
    TooShort { declared: u64, actual: u64 },
}

/// The value of a `content-length` field.
enum ContentLength {
    Number(u64),
    /// The field is not a number, or it is there several times.
    Malformed,
}

/// Corrects the fields of a response that contradict its framing, and reports them. If only the
/// handler knows the length of the body, the body is checked while it is sent.
///
/// It checks the response of an endpoint, so that layers see the right fields, and again what the
/// layers have made of it.
pub(crate) fn check(response: &mut HttpResponse, reporter: &BodyErrorReporterBuilder<'_>) {
    // Most responses have so few fields that looking at all of them is quicker than looking these
    // two up.
    let mut fields = response.headers().keys();
    let has_fields = fields.any(|name| *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING);
    let is_reset = response.status() == StatusCode::RESET_CONTENT;
    if !has_fields && !is_reset {
        return;
    }
    let status = response.status();
    let report = |fault: FramingFault| {
        if let Some(reporter) = reporter.build(status) {
            reporter.report_mistake(&fault);
        }
    };
    if response.headers_mut().remove(TRANSFER_ENCODING).is_some() {
        report(FramingFault::TransferEncoding);
    }
    if is_reset && !response.body().is_end_stream() {
        report(FramingFault::ResetContent);
        *response.body_mut() = HttpBody::empty();
    }
    let Some(declared) = declared(response.headers()) else { return };
    if response.extensions().get::<CloseHandle>().is_some() {
        response.headers_mut().remove(CONTENT_LENGTH);
        return report(FramingFault::LengthOfStream);
    }
    if status == StatusCode::NOT_MODIFIED || response.body().is_end_stream() {
        // The field says what another response would have. A handler of HEAD may say so, too.
        return;
    }
    match (declared, response.body().size_hint().exact()) {
        (ContentLength::Number(declared), Some(actual)) if declared == actual => {}
        (ContentLength::Number(declared), None) => {
            if declared == 0 {
                // The server would not poll a body without bytes, and so would not notice that
                // this one has some.
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            let body = std::mem::take(response.body_mut());
            let body = DeclaredLength { body, declared, sent: 0, next: None };
            *response.body_mut() = HttpBody::new(body);
        }
        (ContentLength::Number(declared), Some(actual)) => {
            response.headers_mut().remove(CONTENT_LENGTH);
            report(FramingFault::OtherLength { declared, actual });
        }
        (ContentLength::Malformed, _) => {
            response.headers_mut().remove(CONTENT_LENGTH);
            report(FramingFault::MalformedLength);
        }
    }
}

fn declared(headers: &HeaderMap) -> Option<ContentLength> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let first = values.next()?;
    let number = first.to_str().ok().and_then(|text| text.parse().ok());
    Some(match number {
        Some(number) if values.next().is_none() => ContentLength::Number(number),
        _ => ContentLength::Malformed,
    })
}

/// A body that ends with an error if it is longer or shorter than declared.
struct DeclaredLength {
    body: HttpBody,
    declared: u64,
    sent: u64,
    /// What the body has returned ahead of time.
    next: Option<PolledFrame>,
}

/// What polling a body returns.
type PolledFrame = Option<Result<Frame<Bytes>, BoxError>>;

impl DeclaredLength {
    /// Whether the body has more bytes ready. What was polled for this comes with the next frame.
    fn has_more(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.body.is_end_stream()
            && let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx)
        {
            self.next = Some(next);
        }
        let next = self.next.as_ref().and_then(|next| next.as_ref()?.as_ref().ok()?.data_ref());
        next.is_some_and(|data| !data.is_empty())
    }
}

impl Body for DeclaredLength {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.next.take() {
            Some(next) => next,
            None => ready!(Pin::new(&mut self.body).poll_frame(cx)),
        };
        let (declared, actual) = (self.declared, self.sent);
        let Some(frame) = frame else {
            let fault = (actual < declared).then_some(FramingFault::TooShort { declared, actual });
            return Poll::Ready(fault.map(|fault| Err(fault.into())));
        };
        let frame = frame?;
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.sent += length;
        // The server does not poll a body that has sent its announced length, so what is ready
        // after that is looked at here.
        if self.sent > declared || self.sent == declared && self.has_more(cx) {
            return Poll::Ready(Some(Err(FramingFault::TooLong(declared).into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.declared && self.next.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.declared {
            0 => SizeHint::default(),
            declared => SizeHint::with_exact(declared - self.sent.min(declared)),
        }
    }
}
