//! An endpoint as language models have it, and the clients that people use for it.

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
    program::{Needs, Programs, Received},
    server::Server,
};

/// The pieces of the answer: what tokens look like.
const TOKENS: [&str; 8] = ["Hello", ",", " world", "!\n", "  two", "\u{2028}", " é🦀", ""];
/// Silence between two pieces: longer than a heartbeat's interval.
const PAUSE: Duration = Duration::from_millis(50);

/// The ways in which the stream is sent: path, what the guide calls it, heartbeat, and whether it opens with a reconnection time.
const WAYS: &[(&str, &str, Beat, bool)] = &[
    ("silent", "no heartbeat", Beat::Off, true),
    ("one-line", "one-line heartbeats", Beat::OneLine, true),
    ("two-lines", "two-line heartbeats", Beat::TwoLines, true),
    ("two-lines-no-retry", "two-line heartbeats, `without_retry()`", Beat::TwoLines, false),
];

pub(crate) struct Client {
    pub(crate) name: &'static str,
    needs: Needs,
    script: &'static str,
}

pub(crate) const ALL: &[Client] = &[
    Client { name: "openai (PyPI)", needs: Needs::Python, script: "openai_reader.py" },
    Client { name: "openai (npm)", needs: Needs::Node, script: "openai.mjs" },
];

/// What a client put together.
#[derive(Deserialize)]
struct Answer {
    text: String,
}

impl Client {
    /// Asks for an answer in each way, or nothing if a program is missing.
    pub(crate) async fn run(
        &self,
        server: &Server,
        programs: &Programs,
    ) -> Result<Option<Outcome>, Box<dyn Error>> {
        let mut args = vec![&*server.url];
        args.extend(WAYS.iter().map(|(path, ..)| *path));
        let Some(mut said) = programs.run::<Answer>(self.needs, self.script, &args).await? else {
            return Ok(None);
        };
        let results = WAYS.iter().map(|(path, case, ..)| {
            let departure = match said.cases.remove(*path) {
                Some(Received::Read(answer)) if answer.text == TOKENS.concat() => None,
                Some(Received::Read(answer)) => Some(format!("put together {:?}", answer.text)),
                Some(Received::Failed { error }) => Some(error),
                None => Some("did not ask".to_owned()),
            };
            CaseResult { case: (*case).to_owned(), departure }
        });
        let results = results.collect();
        Ok(Some(Outcome { kind: Kind::Chat, name: self.name, version: said.version, results }))
    }
}

/// The endpoint: an answer in chunks, `[DONE]`, and silences that a heartbeat fills.
pub(crate) fn answer(way: &str) -> HttpResult {
    let Some((.., heartbeat, opens)) = WAYS.iter().find(|(path, ..)| *path == way) else {
        return status!(404, "no way `{way}`");
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
