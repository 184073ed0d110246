//! What is at which path.

use serde::{Deserialize, Serialize};
use volga::{
    App, HttpResult, Json, Query, created,
    di::Dc,
    error::Error,
    html,
    http::{
        HeaderMap,
        sse::{AbandonPolicy, AttachOutcome, Replies, ReplyToken, Resume},
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
    app.map_get("/", || html!(PAGE));
    app.map_post("/v1/chat/completions", complete);
    app.map_post("/replies", start);
    app.map_get("/replies/{token}", attach);
    app.map_delete("/replies/{token}", cancel);
    app.map_get("/facts", facts);
}

/// What a request may say beside its body.
#[derive(Deserialize)]
struct Options {
    /// What happens to the reply when its last client leaves, in place of the grace.
    when_abandoned: Option<WhenAbandoned>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenAbandoned {
    Cancel,
    RunOn,
}

/// Whose replies they are: who has the key. The page has none, so its replies are for whoever has
/// the token.
fn owner(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn begin(
    replies: &Replies,
    settings: &Settings,
    headers: &HeaderMap,
    options: &Options,
    completion: Completion,
) -> Result<ReplyToken, ApiError> {
    let mut reply = replies.new_reply().owner(owner(headers));
    if let Some(policy) = options.when_abandoned {
        reply = reply.abandon_policy(match policy {
            WhenAbandoned::Cancel => AbandonPolicy::Cancel,
            WhenAbandoned::RunOn => AbandonPolicy::KeepRunning,
        });
    }
    Ok(reply.start(completion.stream(settings.pace))?)
}

/// A completion, streamed or whole. The token of a streamed one is in a header, for those who may
/// want to come back.
async fn complete(
    replies: Dc<Replies>,
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
    let token = match begin(&replies, &settings, &headers, &options, completion) {
        Ok(token) => token,
        Err(error) => return error.respond(),
    };
    match replies.claim(token.as_str()).owner(owner(&headers)).attach()? {
        // Some clients of this endpoint stumble over any block without data, so there is none: no
        // reconnection time, and a heartbeat of one line.
        AttachOutcome::Open(client) => {
            sse!(client.into_sse().without_retry(); [("reply-token", token.as_str())])
        }
        AttachOutcome::Ended(_) => no_content!(),
    }
}

/// The completion that is asked for, and whether it is to be streamed.
fn read(request: Result<Json<ChatRequest>, Error>) -> Result<(Completion, bool), ApiError> {
    let Json(request) = request?;
    Ok((Completion::of(&request)?, request.stream))
}

/// A reply that runs by itself, for the page: it attaches with an `EventSource`, which returns by
/// itself.
async fn start(
    replies: Dc<Replies>,
    settings: Dc<Settings>,
    headers: HeaderMap,
    Query(options): Query<Options>,
    request: Result<Json<ChatRequest>, Error>,
) -> HttpResult {
    let begun = read(request)
        .and_then(|(completion, _)| begin(&replies, &settings, &headers, &options, completion));
    match begun {
        Ok(token) => {
            created!({ "token": token.as_str() }; [("location", format!("/replies/{token}"))])
        }
        Err(error) => error.respond(),
    }
}

/// The reply, after what the client has of it.
async fn attach(
    token: String,
    Resume(last): Resume,
    replies: Dc<Replies>,
    headers: HeaderMap,
) -> HttpResult {
    match replies.claim(&token).owner(owner(&headers)).resume(last).attach()? {
        AttachOutcome::Open(client) => sse!(client),
        // `EventSource` comes back after every end. Either status tells it to stop.
        AttachOutcome::Ended(Ok(())) => no_content!(),
        AttachOutcome::Ended(Err(error)) => status!(410, "{error}"),
    }
}

async fn cancel(token: String, replies: Dc<Replies>, headers: HeaderMap) -> HttpResult {
    replies.claim(&token).owner(owner(&headers)).cancel()?;
    no_content!()
}

#[derive(Serialize)]
struct Facts {
    running: usize,
    kept: usize,
    attached: usize,
    bytes: usize,
}

async fn facts(replies: Dc<Replies>) -> Json<Facts> {
    let facts = replies.counts();
    Json(Facts {
        running: facts.running,
        kept: facts.kept,
        attached: facts.attached,
        bytes: facts.bytes,
    })
}
