//! An endpoint like those of language models, and the clients that people use for it.

use std::{error::Error, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use volga::{
    HttpResult, error,
    http::sse::{Message, Sse, SseStream},
    sse, sse_stream, status,
};

use crate::{
    corpus::Beat,
    outcome::{CaseResult, Kind, Outcome},
    program::{Programs, Received, Runtime},
    server::Server,
};

/// The pieces of the completion, which look like tokens.
const TOKENS: [&str; 8] = ["Hello", ",", " world", "!\n", "  two", "\u{2028}", " é🦀", ""];
/// The silence between two pieces, which is longer than the interval of heartbeats.
const PAUSE: Duration = Duration::from_millis(50);

/// The ways in which the stream is sent: the path, the name in the guide's table, the heartbeat,
/// and whether the stream opens with a reconnection time.
const WAYS: &[(&str, &str, Beat, bool)] = &[
    ("silent", "no heartbeat", Beat::Off, true),
    ("one-line", "one-line heartbeats", Beat::OneLine, true),
    ("two-lines", "two-line heartbeats", Beat::TwoLines, true),
    ("two-lines-no-retry", "two-line heartbeats, `without_retry()`", Beat::TwoLines, false),
];

pub(crate) struct Client {
    pub(crate) name: &'static str,
    runtime: Runtime,
    script: &'static str,
}

pub(crate) const ALL: &[Client] = &[
    Client { name: "openai (PyPI)", runtime: Runtime::Python, script: "openai_reader.py" },
    Client { name: "openai (npm)", runtime: Runtime::Node, script: "openai.mjs" },
];

/// The completion that a client has put together.
#[derive(Deserialize)]
struct Completion {
    text: String,
}

impl Client {
    /// Lets the client request a completion in each way. Returns `None` if a program is missing.
    pub(crate) async fn run(
        &self,
        server: &Server,
        programs: &Programs,
    ) -> Result<Option<Outcome>, Box<dyn Error>> {
        let mut args = vec![&*server.url];
        args.extend(WAYS.iter().map(|(path, ..)| *path));
        let Some(mut output) = programs.run::<Completion>(self.runtime, self.script, &args).await?
        else {
            return Ok(None);
        };
        let results = WAYS.iter().map(|(path, case, ..)| {
            let departure = match output.cases.remove(*path) {
                Some(Received::Read(answer)) if answer.text == TOKENS.concat() => None,
                Some(Received::Read(answer)) => Some(format!("put together {:?}", answer.text)),
                Some(Received::Failed { error }) => Some(error),
                None => Some("sent no request".to_owned()),
            };
            CaseResult { case: (*case).to_owned(), departure }
        });
        let results = results.collect();
        Ok(Some(Outcome { kind: Kind::Chat, name: self.name, version: output.version, results }))
    }
}

/// The endpoint: a completion in chunks, `[DONE]`, and silences in which heartbeats are sent.
pub(crate) fn answer(way: &str) -> HttpResult {
    let Some((.., heartbeat, opens)) = WAYS.iter().find(|(path, ..)| *path == way) else {
        return status!(404, "unknown way `{way}`");
    };
    let answer = Sse::new(chunks()).finite().heartbeat(heartbeat.setting());
    let answer = if *opens { answer } else { answer.without_retry() };
    sse!(answer)
}

fn chunks() -> SseStream<impl futures_util::Stream<Item = Result<Message, error::Error>> + Send> {
    sse_stream! {
        sleep(PAUSE).await;
        for token in TOKENS {
            yield Message::new().json(chunk(json!({ "content": token }), None));
            sleep(PAUSE).await;
        }
        yield Message::new().json(chunk(json!({}), Some("stop")));
        sleep(PAUSE).await;
        yield Message::new().data("[DONE]");
    }
}

fn chunk(delta: serde_json::Value, finish: Option<&str>) -> serde_json::Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "none",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}
