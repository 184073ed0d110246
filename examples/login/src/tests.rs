//! The accounts, the sessions and the streams, through the app.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use serde_json::{Value, json};
use volga::{
    HttpBody,
    http::sse::EventStream,
    test::{TestClient, TestResponse},
};

use crate::app;
use crate::database::{Database, IN_MEMORY};

const PASSWORD: &str = "correct horse";

fn database() -> Database {
    Database::open(IN_MEMORY).expect("a database in memory")
}

fn client() -> TestClient {
    TestClient::new(app(database()))
}

async fn submit(client: &TestClient, path: &str, name: &str, password: &str) -> TestResponse {
    client.post(path).form(&[("name", name), ("password", password)]).send().await
}

async fn create(client: &TestClient, name: &str) {
    let response = submit(client, "/accounts", name, PASSWORD).await;
    response.assert_status(303);
    assert_eq!(response.headers()["location"], "/");
}

async fn token(client: &TestClient) -> String {
    let response = client.post("/tokens").send().await;
    response.assert_status(200);
    let body = response.json::<Value>().await;
    format!("Bearer {}", body["token"].as_str().expect("a token"))
}

/// The data of the next notification, without the events about presence.
async fn notification(events: &mut EventStream<HttpBody>) -> Value {
    loop {
        let event = events.next().await.expect("an event").expect("a readable stream");
        if event.event() == "message" {
            return serde_json::from_str(event.data()).expect("JSON");
        }
    }
}

#[tokio::test]
async fn an_account_signs_in_and_out() {
    let client = client();
    client.get("/").send().await.assert_status(303);
    client.get("/events").send().await.assert_status(401);
    create(&client, "anna").await;
    assert!(client.get("/").send().await.text().await.contains("Hello, <span id=\"name\">anna"));
    client.get("/login").send().await.assert_status(303);
    client.post("/logout").send().await.assert_status(303);
    client.get("/").send().await.assert_status(303);
    let wrong = submit(&client, "/login", "anna", "wrong horse").await;
    wrong.assert_status(401);
    let unknown = submit(&client, "/login", "ben", PASSWORD).await;
    unknown.assert_status(401);
    assert_eq!(wrong.text().await, unknown.text().await, "nothing tells which names exist");
    submit(&client, "/login", "anna", PASSWORD).await.assert_status(303);
    client.get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_name_or_a_password_that_does_not_fit_is_refused_with_the_form() {
    let client = client();
    create(&client, "anna").await;
    let long = "x".repeat(300);
    for (name, password, status) in [
        ("anna", PASSWORD, 409),
        ("", PASSWORD, 422),
        ("a.b", PASSWORD, 422),
        ("*", PASSWORD, 422),
        ("<b>", PASSWORD, 422),
        (&*long, PASSWORD, 422),
        ("ben", "short", 422),
        ("ben", &*long, 422),
    ] {
        let response = submit(&client, "/accounts", name, password).await;
        response.assert_status(status);
        assert!(response.text().await.contains("Create an account"));
    }
    submit(&client, "/login", "anna", &long).await.assert_status(401);
}

#[tokio::test]
async fn notifications_arrive_and_the_stream_ends_in_every_tab_at_the_sign_out() {
    let client = client();
    create(&client, "anna").await;
    let mut tabs = Vec::new();
    for _ in 0..2 {
        tabs.push(client.get("/events").send().await.events());
    }
    for text in ["one", "two"] {
        let body = json!({ "to": "anna", "text": text });
        client.post("/notifications").json(&body).send().await.assert_status(201);
        for tab in &mut tabs {
            assert_eq!(notification(tab).await, json!({ "from": "anna", "text": text }));
        }
    }
    client.post("/logout").send().await.assert_status(303);
    for mut tab in tabs {
        while let Some(event) = tab.next().await {
            event.expect("a proper end");
        }
    }
    client.get("/events").send().await.assert_status(401);
}

/// Polls a request so many times and then drops it, as if its client had left. Returns whether the
/// response came before.
async fn leave_after(polls: usize, at_once: bool, request: impl Future) -> bool {
    let (mut request, mut done) = (pin!(request), 0);
    poll_fn(|cx| {
        if done == polls {
            return Poll::Ready(false);
        }
        done += 1;
        match request.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if at_once && done == polls => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A session without its streams, or streams without their session, would stay so for hours.
#[tokio::test]
async fn a_client_that_leaves_during_the_sign_out_leaves_no_stream_open() {
    // The client leaves while a step is running, or when the step is done.
    for at_once in [true, false] {
        let mut signed_out = 0;
        for polls in 0.. {
            let client = client();
            create(&client, "anna").await;
            let mut tab = client.get("/events").send().await.events();
            let is_done = leave_after(polls, at_once, client.post("/logout").send()).await;
            if client.get("/").send().await.status() == 303 {
                signed_out += 1;
                let end = async {
                    while let Some(event) = tab.next().await {
                        event.expect("a proper end");
                    }
                };
                let end = tokio::time::timeout(Duration::from_secs(10), end).await;
                end.unwrap_or_else(|_| panic!("left after {polls} polls: the stream stays open"));
            }
            if is_done {
                break;
            }
        }
        assert!(signed_out > 0);
    }
}

#[tokio::test]
async fn a_session_survives_a_restart_and_its_cookie_a_sign_out_does_not() {
    let database = database();
    let cookie = {
        let client = TestClient::new(app(database.clone()));
        let response = submit(&client, "/accounts", "anna", PASSWORD).await;
        let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
        cookie.split(';').next().expect("a pair").to_owned()
    };
    let client = TestClient::new(app(database));
    client.get("/").header("cookie", &cookie).send().await.assert_status(200);
    client.post("/logout").header("cookie", &cookie).send().await.assert_status(303);
    client.get("/").header("cookie", &cookie).send().await.assert_status(303);
}

#[tokio::test]
async fn a_page_of_another_site_signs_nobody_out() {
    let client = client();
    create(&client, "anna").await;
    for from in ["cross-site", "same-site"] {
        let request = client.post("/logout").header("sec-fetch-site", from);
        request.send().await.assert_status(403);
        client.get("/").send().await.assert_status(200);
    }
    let request = client.post("/logout").header("sec-fetch-site", "same-origin");
    request.send().await.assert_status(303);
}

#[tokio::test]
async fn a_token_opens_the_api_and_a_ticket_a_stream() {
    let client = client();
    client.post("/tokens").send().await.assert_status(401);
    create(&client, "anna").await;
    let token = token(&client).await;
    for (authorization, status) in [(&*token, 201), ("Bearer login_x", 401), ("Basic YTpi", 401)] {
        let request = client.post("/api/notifications").header("authorization", authorization);
        let response = request.json(&json!({ "to": "anna", "text": "hi" })).send().await;
        response.assert_status(status);
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
    client.get("/ticket-events?ticket=x").send().await.assert_status(401);
    let request = client.post("/api/tickets").header("authorization", &token);
    let ticket = request.send().await.json::<Value>().await;
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    let path = format!("/ticket-events?ticket={ticket}");
    let mut by_ticket = client.get(&path).send().await.events();
    let mut by_token =
        client.get("/api/events").header("authorization", &token).send().await.events();
    client.get(&path).send().await.assert_status(401);
    let body = json!({ "to": "anna", "text": "hello" });
    client.post("/notifications").json(&body).send().await.assert_status(201);
    for events in [&mut by_ticket, &mut by_token] {
        // A stream that opens begins with the last notifications.
        assert_eq!(notification(events).await["text"], "hi");
        assert_eq!(notification(events).await["text"], "hello");
    }
}

#[tokio::test]
async fn the_stream_says_who_is_online() {
    let database = database();
    let app = app(database);
    let client = TestClient::serve(app).await;
    create(&client, "anna").await;
    let mut events = client.get("/events").send().await.events();
    loop {
        let event = events.next().await.expect("an event").expect("a readable stream");
        if event.event() == "online" {
            assert_eq!(event.data(), r#"["anna"]"#);
            return;
        }
    }
}

#[tokio::test]
async fn the_health_of_the_app_depends_on_its_database() {
    let client = client();
    assert_eq!(
        client.get("/ready").send().await.json::<Value>().await,
        json!({ "status": "ready" })
    );
    client.get("/live").send().await.assert_status(200);
}
