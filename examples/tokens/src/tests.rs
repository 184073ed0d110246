//! The endpoint through the test client, in process, with a paused clock.

use serde_json::{Value, json};
use volga::{
    HttpBody,
    http::sse::{DEFAULT_HEARTBEAT, EventStream, Replies},
    test::{TestClient, TestRequest, TestResponse},
};

use crate::{Settings, reply};

const PROMPT: &str = "Where do rivers end?";

fn client() -> (TestClient, Replies, Settings) {
    let settings = Settings::default();
    let (app, replies) = crate::app(settings);
    (TestClient::new(app), replies, settings)
}

fn request(stream: bool) -> Value {
    json!({ "model": "volga-1", "stream": stream, "messages": [{ "role": "user", "content": PROMPT }] })
}

async fn ask(client: &TestClient, query: &str, body: &Value) -> TestResponse {
    client.post(&format!("/v1/chat/completions{query}")).json(body).send().await
}

/// The data of the events that are left, and the ID of the last one.
async fn rest(events: &mut EventStream<HttpBody>) -> (Vec<String>, String) {
    let (mut data, mut id) = (Vec::new(), String::new());
    while let Some(event) = events.next().await {
        let event = event.expect("a whole event");
        data.push(event.data().to_owned());
        event.id().clone_into(&mut id);
    }
    (data, id)
}

/// The text of these chunks.
fn text(data: &[String]) -> String {
    let chunks = data.iter().filter(|data| *data != "[DONE]");
    let chunk = |data: &String| serde_json::from_str::<Value>(data).expect("JSON");
    chunks
        .map(|data| chunk(data)["choices"][0]["delta"]["content"].as_str().unwrap_or("").to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_streamed_completion_has_chunks_as_clients_expect_them() {
    let (client, ..) = client();
    let mut body = request(true);
    body["stream_options"] = json!({ "include_usage": true });
    let response = ask(&client, "", &body).await;
    response.assert_status(200).assert_header("content-type", "text/event-stream");
    let (data, _) = rest(&mut response.events()).await;

    assert_eq!(text(&data), reply(PROMPT).concat());
    assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
    let chunks: Vec<Value> =
        data[..data.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let (first, usage) = (&chunks[0], &chunks[chunks.len() - 1]);
    assert_eq!(first["object"], "chat.completion.chunk");
    assert_eq!(first["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(first["choices"][0]["finish_reason"], Value::Null);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == first["id"] && chunk["created"] == first["created"])
    );
    assert_eq!(
        chunks[chunks.len() - 2]["choices"][0],
        json!({ "index": 0, "delta": {}, "finish_reason": "stop" })
    );
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], reply(PROMPT).len());
}

#[tokio::test(start_paused = true)]
async fn no_block_of_the_stream_is_without_data_though_it_is_silent_for_long() {
    let pace = DEFAULT_HEARTBEAT * 2;
    let (app, _) = crate::app(Settings { pace, ..Settings::default() });
    let client = TestClient::new(app);
    let mut body = request(true);
    body["max_tokens"] = json!(2);
    let text = ask(&client, "", &body).await.text().await;
    assert!(text.contains(r#""finish_reason":"length""#), "{text}");
    assert!(text.contains("\n:\n") && !text.contains("retry:"), "{text}");
    for block in text.split_terminator("\n\n") {
        assert!(block.lines().any(|line| line.starts_with("data: ")), "{block:?} of {text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_completion_is_the_same_text() {
    let (client, replies, _) = client();
    let response = ask(&client, "", &request(false)).await;
    response.assert_status(200).assert_header("content-type", "application/json");
    let whole: Value = response.json().await;
    assert_eq!(whole["object"], "chat.completion");
    let message = json!({ "role": "assistant", "content": reply(PROMPT).concat() });
    assert_eq!(
        whole["choices"][0],
        json!({ "index": 0, "message": message, "finish_reason": "stop" })
    );
    assert_eq!(replies.counts().running, 0);
}

#[tokio::test]
async fn what_cannot_be_completed_is_an_error_as_clients_expect_it() {
    let (client, ..) = client();
    let unknown = json!({ "model": "gpt-0", "messages": [] });
    let silent = json!({ "model": "volga-1", "messages": [{ "role": "user", "content": " " }] });
    for (body, status, param, code) in [
        (&unknown, 404, json!("model"), json!("model_not_found")),
        (&silent, 400, json!("messages"), json!(null)),
        (&json!({ "model": "volga-1" }), 422, json!(null), json!(null)),
    ] {
        let response = ask(&client, "", body).await;
        response.assert_status(status);
        let error = &response.json::<Value>().await["error"];
        assert_eq!((&error["param"], &error["code"]), (&param, &code), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_and_returns_within_the_grace_gets_the_rest_and_nothing_twice() {
    let (client, _, settings) = client();
    let response = ask(&client, "", &request(true)).await;
    let token = response.header("reply-token").expect("a token").to_owned();
    let mut events = response.events();
    let (mut data, mut id) = (Vec::new(), String::new());
    for _ in 0..10 {
        let event = events.next().await.expect("more").expect("a whole event");
        data.push(event.data().to_owned());
        event.id().clone_into(&mut id);
    }
    drop(events);
    tokio::time::advance(settings.grace / 2).await;
    let back = client.get(&format!("/replies/{token}")).header("last-event-id", &id).send().await;
    let (more, last) = rest(&mut back.events()).await;
    data.extend(more);
    assert_eq!(text(&data), reply(PROMPT).concat());

    // Who has everything is told not to return.
    let path = format!("/replies/{token}?lastEventId={last}");
    client.get(&path).send().await.assert_status(204);
    client.get("/replies/AAAAAAAAAAAAAAAAAAAAAAAA").send().await.assert_status(404);
    // Whoever has an ID that no event has is told so, and gets everything.
    for id in ["7", "%FF", "e-1"] {
        let path = format!("/replies/{token}?lastEventId={id}");
        let mut events = client.get(&path).send().await.events();
        let gap = events.next().await.expect("an event").expect("a whole one");
        assert_eq!((gap.event(), gap.id()), ("gap", ""), "{id}");
        let (data, _) = rest(&mut events).await;
        assert_eq!(text(&data), reply(PROMPT).concat());
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_for_good_stops_the_reply_after_the_grace_at_once_or_not_at_all() {
    let grace = Settings::default().grace;
    for (query, running_at_once, running_later) in
        [("", 1, 0), ("?when_abandoned=cancel", 0, 0), ("?when_abandoned=run-on", 1, 1)]
    {
        // Slow enough to run all the while.
        let (app, replies) = crate::app(Settings { pace: grace, grace });
        let client = TestClient::new(app);
        let mut events = ask(&client, query, &request(true)).await.events();
        assert!(events.next().await.is_some());
        drop(events);
        assert_eq!(replies.counts().running, running_at_once, "{query}");
        tokio::time::advance(grace).await;
        assert_eq!(replies.counts().running, running_later, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_stopped_by_its_token_and_says_so() {
    let (client, ..) = client();
    let started = client.post("/replies").json(&request(true)).send().await;
    started.assert_status(201);
    let path = started.header("location").expect("a place").to_owned();
    let mut events = client.get(&path).send().await.events();
    let first = events.next().await.expect("an event").expect("a whole one");
    client.delete(&path).send().await.assert_status(204);
    assert!(events.next().await.is_some_and(|event| event.is_err()), "the stream is cut");
    let over = client.get(&format!("{path}?lastEventId={}", first.id())).send().await;
    over.assert_status(410);
    assert_eq!(over.text().await, "the reply was cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_a_key_is_for_that_key_alone() {
    let (client, ..) = client();
    fn with_key<'a>(request: TestRequest<'a>, key: &str) -> TestRequest<'a> {
        request.header("authorization", &format!("Bearer {key}"))
    }
    let started = with_key(client.post("/replies").json(&request(true)), "one").send().await;
    let path = started.header("location").expect("a place").to_owned();
    client.get(&path).send().await.assert_status(404);
    with_key(client.get(&path), "two").send().await.assert_status(404);
    with_key(client.delete(&path), "two").send().await.assert_status(404);
    with_key(client.get(&path), "one").send().await.assert_status(200);
}
