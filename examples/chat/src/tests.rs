//! Tests the service in process, through the test client.

use serde_json::{Value, json};
use volga::{
    HttpBody,
    http::sse::{Event, EventStream},
    test::{TestClient, TestResponse},
};

use crate::HELD;

type Events = EventStream<HttpBody>;

async fn enter(client: &TestClient, name: &str, last: Option<&str>) -> Events {
    let mut request = client.get(&format!("/rooms/lounge/events?name={name}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.events()
}

async fn say(client: &TestClient, text: &str) -> TestResponse {
    let draft = json!({ "author": "Ann", "text": text });
    client.post("/rooms/lounge/messages").json(&draft).send().await
}

async fn next(events: &mut Events) -> Event {
    events.next().await.expect("the stream goes on").expect("a whole event")
}

/// The next event of this kind. Skips other events.
async fn next_of(events: &mut Events, kind: &str) -> Value {
    loop {
        let event = next(events).await;
        if event.event() == kind {
            return serde_json::from_str(event.data()).unwrap();
        }
    }
}

async fn next_text(events: &mut Events) -> Value {
    next_of(events, "message").await["text"].take()
}

#[tokio::test]
async fn a_room_delivers_new_messages_and_its_history() {
    let client = TestClient::new(crate::app(crate::rooms().build()));
    say(&client, " first ").await.assert_status(201);
    let mut ann = enter(&client, "Ann", None).await;
    assert_eq!(next_text(&mut ann).await, "first");
    say(&client, "second").await.assert_status(201);
    let said = next_of(&mut ann, "message").await;
    assert_eq!((&said["author"], &said["text"]), (&json!("Ann"), &json!("second")));
    assert!(said["time"].as_u64().unwrap() > 1_600_000_000_000);
}

#[tokio::test]
async fn a_client_that_returns_gets_the_missed_messages_or_a_gap() {
    let client = TestClient::new(crate::app(crate::rooms().build()));
    let mut ann = enter(&client, "Ann", None).await;
    // The client has read no message yet, but it has an ID to return with.
    next_of(&mut ann, "here").await;
    let before = ann.decoder().last_event_id().to_owned();
    for index in 0..HELD {
        say(&client, &index.to_string()).await.assert_status(201);
    }
    let mut again = enter(&client, "Ann", Some(&before)).await;
    for index in 0..HELD {
        assert_eq!(next_text(&mut again).await, index.to_string());
    }
    say(&client, "one more").await.assert_status(201);
    let mut again = enter(&client, "Ann", Some(&before)).await;
    assert_eq!(next_of(&mut again, "gap").await["after"], before);
    assert_eq!(next_text(&mut again).await, "1");

    let mut stranger = enter(&client, "Ann", Some("of-another-run")).await;
    assert_eq!(next_of(&mut stranger, "gap").await["after"], Value::Null);
}

#[tokio::test]
async fn a_room_shows_the_people_in_it() {
    let client = TestClient::new(crate::app(crate::rooms().build()));
    let mut ann = enter(&client, "Ann", None).await;
    assert_eq!(next_of(&mut ann, "here").await, json!(["Ann"]));
    let mut ben = enter(&client, "Ben", None).await;
    assert_eq!(next_of(&mut ben, "here").await, json!(["Ann", "Ben"]));
    assert_eq!(next_of(&mut ann, "joined").await, "Ben");
    drop(ben);
    assert_eq!(next_of(&mut ann, "left").await, "Ben");
}

#[tokio::test]
async fn an_invalid_name_or_text_is_refused() {
    let client = TestClient::new(crate::app(crate::rooms().build()));
    say(&client, "  ").await.assert_status(422);
    say(&client, &"ü".repeat(2_000)).await.assert_status(201);
    say(&client, &"ü".repeat(2_001)).await.assert_status(422);
    for (path, status) in [
        ("/rooms/lounge/events", 400),
        ("/rooms/lounge/events?name=%20", 422),
        // The name of a room cannot be a pattern or name another topic.
        ("/rooms/*/events?name=Ann", 400),
        ("/rooms/a.b/events?name=Ann", 400),
        ("/rooms/Lounge/events?name=Ann", 400),
    ] {
        client.get(path).send().await.assert_status(status);
    }
}
