//! The routes of the service.

use serde::{Deserialize, Serialize};
use volga::{
    App, HttpResult, Json, Query, created,
    di::Dc,
    error::Error,
    http::{
        HeaderMap, HttpRequest,
        sse::{Abandoned, Answers, Attached, LastEventIdSource, Token},
    },
    no_content, ok, sse, status,
};

use crate::{
    Settings,
    chat::{ChatRequest, Completion},
    error::ApiError,
};

const PAGE: &str = include_str!("index.html");

pub(crate) fn map(app: &mut App) {
    app.map_get("/", || ok!("{PAGE}"; [("content-type", "text/html; charset=utf-8")]));
    app.map_post("/v1/chat/completions", complete);
    app.map_post("/answers", start);
    app.map_get("/answers/{token}", attach);
    app.map_delete("/answers/{token}", cancel);
    app.map_get("/facts", facts);
}

/// The options of a request, in its query.
#[derive(Deserialize)]
struct Options {
    /// What happens to the reply when its last client leaves. The default is to wait for the grace
    /// period.
    when_abandoned: Option<WhenAbandoned>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenAbandoned {
    Cancel,
    RunOn,
}

/// The owner of a reply, which is the client with this API key. The page has no key, so anyone who
/// knows the token may read its replies.
fn owner(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn begin(
    answers: &Answers,
    settings: &Settings,
    headers: &HeaderMap,
    options: &Options,
    completion: Completion,
) -> Result<Token, ApiError> {
    let mut answer = answers.new_answer().owned_by(owner(headers));
    if let Some(policy) = options.when_abandoned {
        answer = answer.when_abandoned(match policy {
            WhenAbandoned::Cancel => Abandoned::Cancel,
            WhenAbandoned::RunOn => Abandoned::RunOn,
        });
    }
    Ok(answer.start(completion.stream(settings.pace))?)
}

/// Responds with a completion, streamed or in one piece. The token of a streamed completion is in a
/// header, for clients that may return.
async fn complete(
    answers: Dc<Answers>,
    settings: Dc<Settings>,
    headers: HeaderMap,
    Query(options): Query<Options>,
    request: Result<Json<ChatRequest>, Error>,
) -> HttpResult {
    let completion = match read(request) {
        Ok((completion, true)) => completion,
        Ok((completion, false)) => return ok!(json: completion.whole(settings.pace).await),
        Err(error) => return error.respond(),
    };
    let token = match begin(&answers, &settings, &headers, &options, completion) {
        Ok(token) => token,
        Err(error) => return error.respond(),
    };
    match answers.claim(token.as_str()).owned_by(owner(&headers)).attach()? {
        // Some clients of such endpoints fail at a block without data, so the stream has none: no
        // reconnection time, and heartbeats of one line.
        Attached::Open(client) => {
            sse!(client.into_sse().without_retry(); [("answer-token", token.as_str())])
        }
        Attached::Over(_) => no_content!(),
    }
}

/// The completion that the request asks for, and whether to stream it.
fn read(request: Result<Json<ChatRequest>, Error>) -> Result<(Completion, bool), ApiError> {
    let Json(request) = request?;
    Ok((Completion::of(&request)?, request.stream))
}

/// Starts a reply that runs by itself. The page attaches to it with an `EventSource`, which
/// reconnects by itself.
async fn start(
    answers: Dc<Answers>,
    settings: Dc<Settings>,
    headers: HeaderMap,
    Query(options): Query<Options>,
    request: Result<Json<ChatRequest>, Error>,
) -> HttpResult {
    let begun = read(request)
        .and_then(|(completion, _)| begin(&answers, &settings, &headers, &options, completion));
    match begun {
        Ok(token) => {
            created!({ "token": token.as_str() }; [("location", format!("/answers/{token}"))])
        }
        Err(error) => error.respond(),
    }
}

/// Streams the reply from the last event that the client has.
async fn attach(token: String, answers: Dc<Answers>, request: HttpRequest) -> HttpResult {
    let source = LastEventIdSource::new().or_parameter("lastEventId");
    let last =
        source.find(request.headers(), request.uri().query()).map_err(Error::client_error)?;
    match answers.claim(&token).owned_by(owner(request.headers())).resume(last).attach() {
        Ok(Attached::Open(client)) => sse!(client),
        // `EventSource` reconnects after every end of a stream. Either of these statuses tells it
        // to stop.
        Ok(Attached::Over(Ok(()))) => no_content!(),
        Ok(Attached::Over(Err(error))) => status!(410, "{error}"),
        Err(error) => status!(error.status(), "{error}"),
    }
}

async fn cancel(token: String, answers: Dc<Answers>, headers: HeaderMap) -> HttpResult {
    match answers.claim(&token).owned_by(owner(&headers)).cancel() {
        Ok(()) => no_content!(),
        Err(error) => status!(error.status(), "{error}"),
    }
}

#[derive(Serialize)]
struct Facts {
    running: usize,
    kept: usize,
    attached: usize,
    bytes: usize,
}

async fn facts(answers: Dc<Answers>) -> Json<Facts> {
    let facts = answers.facts();
    Json(Facts {
        running: facts.running,
        kept: facts.kept,
        attached: facts.attached,
        bytes: facts.bytes,
    })
}
