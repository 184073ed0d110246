//! Tests `examples/tokens` with the clients that people use for such endpoints. They read replies
//! to the end, and leave replies early, which then stop or run on, as the request has chosen.

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use ::tokens::Settings;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::{net::TcpListener, task::AbortHandle, time::timeout};
use volga::http::sse::{AnswerError, Answers, Attached, Decoder};

use crate::{
    outcome::{CaseResult, Kind, Outcome},
    program::{Programs, Received, Runtime},
};

/// The time for a token with which a whole reply takes almost no time.
const QUICK: Duration = Duration::from_millis(1);
/// The time for a token with which a reply takes some seconds, long after its client has left.
const SLOW: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_millis(200);
/// How long a slow reply may take to its end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const CLIENTS: &[(&str, Runtime, &str)] = &[
    ("openai (PyPI), tokens", Runtime::Python, "openai_tokens_reader.py"),
    ("openai (npm), tokens", Runtime::Node, "openai_tokens.mjs"),
];

/// The report of a client about one case.
#[derive(Deserialize)]
struct ClientReport {
    text: String,
    tokens: Option<usize>,
    /// The token of the reply that the client left.
    answer: Option<String>,
}

/// The example on a free port. It stops when this value is dropped.
struct Example {
    url: String,
    answers: Answers,
    task: AbortHandle,
}

impl Example {
    async fn start(pace: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (app, answers) = ::tokens::app(Settings { pace, grace: GRACE });
        let running = app.without_greeter().run_with_listener(listener);
        Ok(Self { url, answers, task: tokio::spawn(running).abort_handle() })
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs each client. Clients whose programs are missing are left out.
pub(crate) async fn run(programs: &Programs) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let mut outcomes = Vec::new();
    for &(name, runtime, script) in CLIENTS {
        let (quick, slow) = (Example::start(QUICK).await?, Example::start(SLOW).await?);
        let urls = [&*quick.url, &*slow.url];
        let Some(output) = programs.run::<ClientReport>(runtime, script, &urls).await? else {
            continue;
        };
        // The client's process has ended, so no client is attached to the replies that still run.
        timeout(PATIENCE, slow.answers.wait_idle()).await?;
        let results = check(output.cases, &slow.answers).await;
        outcomes.push(Outcome { kind: Kind::Chat, name, version: output.version, results });
    }
    Ok(outcomes)
}

async fn check(
    mut reports: BTreeMap<String, Received<ClientReport>>,
    answers: &Answers,
) -> Vec<CaseResult> {
    let tokens = ::tokens::reply("Hi");
    let text = tokens.concat();
    let mut results = Vec::new();
    for (case, expect, ending) in [
        ("whole", Some(text.as_str()), None),
        ("streamed", Some(&text), None),
        ("refused", Some("404 model_not_found model"), None),
        ("leaves", None, Some(Ending::Abandoned)),
        ("leaves, cancel", None, Some(Ending::Abandoned)),
        ("leaves, run on", None, Some(Ending::Finished)),
    ] {
        let departure = match reports.remove(case) {
            None => Some("sent no request".to_owned()),
            Some(Received::Failed { error }) => Some(error),
            Some(Received::Read(report)) => match (expect, ending) {
                (Some(expect), _) if report.text != expect => {
                    Some(format!("read {:?}", report.text))
                }
                _ if case == "streamed" && report.tokens != Some(tokens.len()) => {
                    Some(format!("read {:?} as the number of tokens", report.tokens))
                }
                (_, Some(ending)) => check_left_reply(&report, &text, ending, answers).await.err(),
                _ => None,
            },
        };
        results.push(CaseResult { case: case.to_owned(), departure });
    }
    results
}

/// How a reply ended after its client had left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Abandoned,
    Finished,
}

/// Checks the kept events of a reply that its client has left.
async fn check_left_reply(
    report: &ClientReport,
    text: &str,
    expect: Ending,
    answers: &Answers,
) -> Result<(), String> {
    if report.text.is_empty() || !text.starts_with(&report.text) || report.text == text {
        return Err(format!("left after {:?}", report.text));
    }
    let token = report.answer.as_deref().ok_or("saw no token")?;
    let claim = answers.claim(token).owned_by("key");
    let Ok(Attached::Open(client)) = claim.attach() else {
        return Err("the reply is gone".to_owned());
    };
    let (mut messages, mut decoder, mut data) = (client.messages(), Decoder::new(), Vec::new());
    let ending = loop {
        match messages.next().await {
            Some(Ok(message)) => {
                let events = decoder.feed(message.as_bytes()).map_err(|error| error.to_string())?;
                data.extend(events.into_iter().map(|event| event.data().to_owned()));
            }
            Some(Err(AnswerError::Abandoned)) => break Ending::Abandoned,
            Some(Err(error)) => return Err(error.to_string()),
            None => break Ending::Finished,
        }
    };
    let is_done = data.last().is_some_and(|data| data == "[DONE]");
    if ending == expect && is_done == (ending == Ending::Finished) {
        Ok(())
    } else {
        Err(format!("the reply ended with {ending:?} after {} events", data.len()))
    }
}
