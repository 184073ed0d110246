//! `examples/tokens`, asked by the clients that people use for such endpoints: to the end, and left
//! early, when the reply stops or runs on as it was declared.

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use ::tokens::Settings;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::{net::TcpListener, task::AbortHandle, time::timeout};
use volga::http::sse::{AttachOutcome, Decoder, Replies, ReplyError};

use crate::{
    outcome::{CaseResult, Kind, Outcome},
    program::{Programs, Received, Runtime},
};

/// A whole reply takes no time worth mentioning.
const QUICK: Duration = Duration::from_millis(1);
/// A reply takes some seconds: long after its client has left.
const SLOW: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_millis(200);
/// How long a slow reply may take to its end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const CLIENTS: &[(&str, Runtime, &str)] = &[
    ("openai (PyPI), tokens", Runtime::Python, "openai_tokens_reader.py"),
    ("openai (npm), tokens", Runtime::Node, "openai_tokens.mjs"),
];

/// What a client says of one case.
#[derive(Deserialize)]
struct Said {
    text: String,
    tokens: Option<usize>,
    /// The token of the reply that it left.
    answer: Option<String>,
}

/// The example on a free port. It ends when dropped.
struct Example {
    url: String,
    replies: Replies,
    task: AbortHandle,
}

impl Example {
    async fn start(pace: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (app, replies) = ::tokens::app(Settings { pace, grace: GRACE });
        let running = app.without_greeter().run_with_listener(listener);
        Ok(Self { url, replies, task: tokio::spawn(running).abort_handle() })
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Has each client ask, and says what came of it; clients whose programs are missing are left out.
pub(crate) async fn run(programs: &Programs) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let mut outcomes = Vec::new();
    for &(name, needs, script) in CLIENTS {
        let (quick, slow) = (Example::start(QUICK).await?, Example::start(SLOW).await?);
        let urls = [&*quick.url, &*slow.url];
        let Some(said) = programs.run::<Said>(needs, script, &urls).await? else { continue };
        // The client's process has ended, so nobody is attached to what still runs.
        timeout(PATIENCE, slow.replies.wait_idle()).await?;
        let results = check(said.cases, &slow.replies).await;
        outcomes.push(Outcome { kind: Kind::Chat, name, version: said.version, results });
    }
    Ok(outcomes)
}

async fn check(mut said: BTreeMap<String, Received<Said>>, replies: &Replies) -> Vec<CaseResult> {
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
        let departure = match said.remove(case) {
            None => Some("did not ask".to_owned()),
            Some(Received::Failed { error }) => Some(error),
            Some(Received::Read(said)) => match (expect, ending) {
                (Some(expect), _) if said.text != expect => Some(format!("read {:?}", said.text)),
                _ if case == "streamed" && said.tokens != Some(tokens.len()) => {
                    Some(format!("read {:?} as the number of tokens", said.tokens))
                }
                (_, Some(ending)) => left(&said, &text, ending, replies).await.err(),
                _ => None,
            },
        };
        results.push(CaseResult { case: case.to_owned(), departure });
    }
    results
}

/// How a reply ends that was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Abandoned,
    Finished,
}

/// Finds the fault of a reply whose client left, from the part that is kept of it.
async fn left(said: &Said, text: &str, expect: Ending, replies: &Replies) -> Result<(), String> {
    if said.text.is_empty() || !text.starts_with(&said.text) || said.text == text {
        return Err(format!("left after {:?}", said.text));
    }
    let token = said.answer.as_deref().ok_or("saw no token")?;
    let claim = replies.claim(token).owner("key");
    let Ok(AttachOutcome::Open(client)) = claim.attach() else {
        return Err("the reply is gone".to_owned());
    };
    let (mut messages, mut decoder, mut data) = (client.messages(), Decoder::new(), Vec::new());
    let ending = loop {
        match messages.next().await {
            Some(Ok(message)) => {
                let events = decoder.feed(message.as_bytes()).map_err(|error| error.to_string())?;
                data.extend(events.into_iter().map(|event| event.data().to_owned()));
            }
            Some(Err(ReplyError::Abandoned)) => break Ending::Abandoned,
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
