//! Event streams and errors as axum's responses.

use std::{error::Error, iter::successors};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::{
    box_error::BoxError,
    hub::{CreateTopicError, PublishError, SubscribeError, TopicError},
    stream::{body::SseBody, refusal::StreamLimitError, response::Sse, source::SseSource},
};

impl<S> IntoResponse for Sse<S>
where
    S: SseSource,
    SseBody<S>: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn into_response(self) -> Response {
        Self::into_response(self).map(Body::new)
    }
}

/// The response that [`StreamLimitError::response`] makes.
impl IntoResponse for StreamLimitError {
    fn into_response(self) -> Response {
        self.response().map(Body::from)
    }
}

/// The response of an error with its status.
///
/// The client reads the text of an error that it caused, with the chain of causes. A server error's
/// text describes the inside of the program, so the client reads the name of the status instead.
fn error_response(status: StatusCode, error: &dyn Error) -> Response {
    let text = if status.is_server_error() {
        status.canonical_reason().unwrap_or_default().to_owned()
    } else {
        let causes = successors(Some(error), |&error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    let mut response = Response::new(Body::from(text + "\n"));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

macro_rules! error_responses {
    ($($error:ty),*) => {$(
        /// A response with the error's `status` and, for a client's error, its text.
        impl IntoResponse for $error {
            fn into_response(self) -> Response {
                error_response(self.status(), &self)
            }
        }
    )*};
}

error_responses!(CreateTopicError, PublishError, SubscribeError, TopicError);

#[cfg(feature = "replies")]
error_responses!(crate::replies::error::ClaimError, crate::replies::error::StartError);
