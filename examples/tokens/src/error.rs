//! Errors in the form that clients of chat-completions endpoints expect.

use serde::Serialize;
use volga::{
    HttpResult,
    error::Error,
    http::{StatusCode, sse::StartError},
    status,
};

/// Why there is no completion.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl ApiError {
    /// A mistake in one member of the request.
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            kind: "invalid_request_error",
            param: Some(param),
            code: None,
        }
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist.");
        let (status, code) = (StatusCode::NOT_FOUND, Some("model_not_found"));
        Self { status, code, ..Self::invalid("model", message) }
    }

    pub(crate) fn respond(&self) -> HttpResult {
        let Self { status, message, kind, param, code } = self;
        let error = Body { message, kind, param: *param, code: *code };
        status!(*status, json: Envelope { error })
    }
}

/// A body that is no request.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.public_message();
        Self { status: error.status(), param: None, ..Self::invalid("", message) }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        Self {
            status: error.status(),
            kind: "server_error",
            param: None,
            ..Self::invalid("", error.to_string())
        }
    }
}
