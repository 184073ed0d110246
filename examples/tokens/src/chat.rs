//! What the endpoint reads and writes: the request, the chunks of a streamed completion, and the
//! whole one.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, SystemTime},
};

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use volga::{
    error::Error,
    http::sse::{Message, SseStream},
    sse_stream,
};

use crate::{error::ApiError, generate::reply};

const MODEL: &str = "volga-1";

#[derive(Deserialize)]
pub(crate) struct ChatRequest {
    model: String,
    messages: Vec<ChatMessage>,
    #[serde(default)]
    pub(crate) stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct ChatMessage {
    role: String,
    content: Option<Content>,
}

/// A text, or parts of which some are texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

/// A completion about to be given.
pub(crate) struct Completion {
    id: String,
    created: u64,
    tokens: Vec<String>,
    finish_reason: &'static str,
    usage: Usage,
    include_usage: bool,
}

#[derive(Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

impl Completion {
    pub(crate) fn of(request: &ChatRequest) -> Result<Self, ApiError> {
        if request.model != MODEL {
            return Err(ApiError::unknown_model(&request.model));
        }
        let asked = request.messages.iter().rev().find(|message| message.role == "user");
        let prompt = asked.and_then(|message| message.content.as_ref()).map(Content::text);
        let prompt = prompt.filter(|prompt| !prompt.trim().is_empty()).ok_or_else(|| {
            ApiError::invalid("messages", "There is no message of the role `user` with a text.")
        })?;

        let mut tokens = reply(&prompt);
        let max = request.max_completion_tokens.or(request.max_tokens).unwrap_or(usize::MAX);
        let finish_reason = if tokens.len() > max { "length" } else { "stop" };
        tokens.truncate(max);
        let (prompt_tokens, completion_tokens) = (prompt.split_whitespace().count(), tokens.len());
        let total_tokens = prompt_tokens + completion_tokens;
        Ok(Self {
            id: format!("chatcmpl-{:016x}", RandomState::new().build_hasher().finish()),
            created: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs()),
            tokens,
            finish_reason,
            usage: Usage { prompt_tokens, completion_tokens, total_tokens },
            include_usage: request.stream_options.include_usage,
        })
    }

    /// The completion in chunks, one for each token.
    pub(crate) fn stream(
        self,
        pace: Duration,
    ) -> SseStream<impl Stream<Item = Result<Message, Error>> + Send + 'static> {
        sse_stream! {
            yield self.chunk(Delta { role: Some("assistant"), content: Some("") }, None);
            for token in &self.tokens {
                sleep(pace).await;
                yield self.chunk(Delta { role: None, content: Some(token) }, None);
            }
            yield self.chunk(Delta::default(), Some(self.finish_reason));
            if self.include_usage {
                yield self.object(&[], Some(self.usage));
            }
            yield Message::new().data("[DONE]");
        }
    }

    /// The completion in one piece, after the time that it takes.
    pub(crate) async fn whole(self, pace: Duration) -> impl Serialize {
        sleep(pace * u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)).await;
        let message = WholeMessage { role: "assistant", content: self.tokens.concat() };
        let choice = WholeChoice { index: 0, message, finish_reason: self.finish_reason };
        Object {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: MODEL,
            choices: [choice],
            usage: Some(self.usage),
        }
    }

    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&str>) -> Message {
        self.object(&[Choice { index: 0, delta, finish_reason }], None)
    }

    fn object(&self, choices: &[Choice<'_>], usage: Option<Usage>) -> Message {
        Message::new().json(Object {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: MODEL,
            choices,
            usage,
        })
    }
}

#[derive(Serialize)]
struct Object<I, C> {
    id: I,
    object: &'static str,
    created: u64,
    model: &'static str,
    choices: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

#[derive(Serialize)]
struct WholeChoice {
    index: u32,
    message: WholeMessage,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct WholeMessage {
    role: &'static str,
    content: String,
}
