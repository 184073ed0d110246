//! Tests the service in process, through the test client.

use futures_util::future::join_all;
use serde_json::{Value, json};
use volga::{
    HttpBody,
    http::sse::EventStream,
    test::{TestClient, TestResponse},
};

fn client() -> TestClient {
    TestClient::new(crate::app(crate::store::IN_MEMORY).unwrap())
}

async fn add(client: &TestClient, title: &str) -> TestResponse {
    client.post("/todos").json(&json!({ "title": title })).send().await
}

async fn list(client: &TestClient) -> Value {
    client.get("/todos").send().await.json().await
}

/// The name, the ID and the data of the next event.
async fn next(events: &mut EventStream<HttpBody>) -> (String, String, Value) {
    let event = events.next().await.expect("the stream goes on").expect("a whole event");
    let data = serde_json::from_str(event.data()).unwrap();
    (event.event().to_owned(), event.id().to_owned(), data)
}

#[tokio::test]
async fn a_todo_is_added_read_changed_and_deleted() {
    let client = client();
    assert_eq!(list(&client).await, json!([]));

    let added = add(&client, "  water the plants ").await;
    added.assert_status(201).assert_header("location", "/todos/1");
    let todo = json!({ "id": 1, "title": "water the plants", "done": false });
    assert_eq!(added.json::<Value>().await, todo);
    assert_eq!(client.get("/todos/1").send().await.json::<Value>().await, todo);

    for (patch, expect) in [
        (json!({ "done": true }), json!({ "id": 1, "title": "water the plants", "done": true })),
        (json!({ "title": "rest" }), json!({ "id": 1, "title": "rest", "done": true })),
        (json!({}), json!({ "id": 1, "title": "rest", "done": true })),
    ] {
        let changed = client.patch("/todos/1").json(&patch).send().await;
        assert_eq!(changed.json::<Value>().await, expect, "{patch}");
        assert_eq!(list(&client).await, json!([expect]));
    }

    client.delete("/todos/1").send().await.assert_status(204);
    assert_eq!(list(&client).await, json!([]));
}

#[tokio::test]
async fn an_impossible_request_gets_a_problem() {
    let client = client();
    add(&client, "stays").await.assert_status(201);
    let unfit = |length: usize| {
        json!({
            "status": 422,
            "title": "unfit title",
            "detail": format!("a title has 1 to 200 characters, not {length}"),
            "field": "title",
            "max": 200,
        })
    };
    let unknown = json!({ "status": 404, "title": "no such todo", "detail": "there is no todo 7" });
    let title = |title: &str| json!({ "title": title });
    for (request, expect) in [
        (client.post("/todos").json(&title(" ")), unfit(0)),
        (client.post("/todos").json(&title(&"ü".repeat(201))), unfit(201)),
        (client.patch("/todos/1").json(&title("")), unfit(0)),
        (client.get("/todos/7"), unknown.clone()),
        (client.patch("/todos/7").json(&json!({ "done": true })), unknown.clone()),
        (client.delete("/todos/7"), unknown),
    ] {
        let what = format!("{request:?}");
        let response = request.send().await;
        response.assert_header("content-type", "application/problem+json");
        let status = response.status().as_u16();
        let problem: Value = response.json().await;
        assert_eq!(problem, expect, "{what}");
        assert_eq!(problem["status"], status, "{what}");
    }
    client.get("/todos/first").send().await.assert_status(400);
    client.post("/todos").json(&json!({})).send().await.assert_status(422);
    client.post("/todos").body("title").send().await.assert_status(415);
    assert_eq!(list(&client).await, json!([{ "id": 1, "title": "stays", "done": false }]));
}

#[tokio::test]
async fn a_reader_gets_the_list_and_then_every_change() {
    let client = client();
    add(&client, "one").await.assert_status(201);
    let one = json!({ "id": 1, "title": "one", "done": false });
    let two = json!({ "id": 2, "title": "two", "done": false });
    let done = json!({ "id": 1, "title": "one", "done": true });

    let mut events = client.get("/events").send().await.events();
    assert_eq!(next(&mut events).await, ("list".into(), "1".into(), json!([one])));
    add(&client, "two").await.assert_status(201);
    add(&client, "").await.assert_status(422);
    client.patch("/todos/1").json(&json!({ "done": true })).send().await.assert_status(200);
    client.delete("/todos/2").send().await.assert_status(204);
    for (name, id, todo) in [("added", "2", &two), ("changed", "3", &done), ("deleted", "4", &two)]
    {
        assert_eq!(next(&mut events).await, (name.into(), id.into(), todo.clone()));
    }
    let mut later = client.get("/events").send().await.events();
    assert_eq!(next(&mut later).await, ("list".into(), "4".into(), json!([done])));
}

/// Readers connect while many changes wait for the database. So some changes happen between a
/// reader's subscription and its list.
#[tokio::test]
async fn a_reader_misses_no_change_and_sees_none_twice() {
    const READERS: usize = 4;
    const CHANGES: usize = 20;
    let client = client();
    let open = async |_| client.get("/events").send().await.events();
    let change = async |_| add(&client, "busy").await;
    let rounds = (0..READERS)
        .map(async |reader| tokio::join!(join_all((0..CHANGES).map(change)), open(reader)).1);
    let readers = join_all(rounds).await;
    add(&client, "last").await.assert_status(201);

    for mut events in readers {
        let (name, id, todos) = next(&mut events).await;
        let mut known = todos.as_array().unwrap().len();
        assert_eq!((name.as_str(), id), ("list", known.to_string()));
        while known <= READERS * CHANGES {
            known += 1;
            let (name, id, todo) = next(&mut events).await;
            assert_eq!((name.as_str(), id), ("added", known.to_string()));
            assert_eq!(todo["id"], known);
        }
    }
}

#[tokio::test]
async fn without_javascript_the_forms_of_the_page_change_the_list() {
    let client = client();
    let page = async || client.get("/").send().await.text().await;
    let send =
        async |path: &str, fields: &[(&str, &str)]| client.post(path).form(&fields).send().await;
    let added = send("/form", &[("title", "<b>not bold</b>")]).await;
    added.assert_status(303).assert_header("location", "/");
    let shown = page().await;
    assert!(shown.contains("<span class=title>&lt;b&gt;not bold&lt;/b&gt;</span>"), "{shown}");
    assert!(shown.contains(r#"action="/form/1""#) && shown.contains(r#"value="true""#), "{shown}");

    send("/form/1", &[("done", "true")]).await.assert_status(303);
    assert_eq!(list(&client).await[0]["done"], true);
    assert!(page().await.contains(r#"value="false""#));

    for (path, fields, status, text) in [
        ("/form", [("title", " ")], 422, "a title has 1 to 200 characters, not 0"),
        ("/form/7", [("done", "true")], 404, "there is no todo 7"),
        ("/form/7/delete", [("", "")], 404, "there is no todo 7"),
    ] {
        let refused = send(path, &fields).await;
        refused.assert_status(status).assert_header("content-type", "text/html; charset=utf-8");
        let shown = refused.text().await;
        assert!(shown.contains(&format!(r#"role="alert">{text}</p>"#)), "{shown}");
        assert!(shown.contains("&lt;b&gt;not bold"), "the list stays: {shown}");
    }
    send("/form", &[("name", "x")]).await.assert_status(422);
    send("/form/1", &[("done", "yes")]).await.assert_status(422);
    send("/form/1/delete", &[]).await.assert_status(303);
    assert_eq!(list(&client).await, json!([]));
}

#[tokio::test]
async fn a_file_keeps_the_todos() {
    let folder = std::env::temp_dir().join(format!("volga-todo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("todos.sqlite");
    let path = path.to_str().unwrap();
    {
        let client = TestClient::new(crate::app(path).unwrap());
        add(&client, "kept").await.assert_status(201);
    }
    let client = TestClient::new(crate::app(path).unwrap());
    assert_eq!(list(&client).await, json!([{ "id": 1, "title": "kept", "done": false }]));
    drop(client);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn every_response_says_how_long_it_took() {
    let client = client();
    for path in ["/", "/todos", "/todos/7", "/events", "/nothing"] {
        let response = client.get(path).send().await;
        let timing = response.header("server-timing").expect(path);
        assert!(timing.starts_with("app;dur="), "{path}: {timing}");
    }
}
