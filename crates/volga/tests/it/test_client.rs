//! The client for tests, in process and over a socket.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use volga::{
    App, HttpBody, Json, Query,
    http::{ClientAddr, HeaderMap, Method, sse::Message},
    ok, sse,
    test::TestClient,
};

use super::support::soon;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Search {
    text: String,
    page: u32,
}

fn app() -> App {
    let mut app = App::new();
    app.map_get("/search", |Query(search): Query<Search>| Json(search))
        .map_post("/search", |Json(search): Json<Search>| Json(search))
        .map_put("/bytes", async |body: HttpBody| body)
        .map_get("/who", |client: ClientAddr| ok!("{}", client.ip()))
        .map_get("/cookie", |headers: HeaderMap| {
            ok!("{}", headers.get("cookie").map_or("none", |value| value.to_str().unwrap()))
        })
        .map_post(
            "/login",
            || ok!("in"; [("set-cookie", "session=7; HttpOnly"), ("set-cookie", "theme=dark")]),
        )
        .map_post("/logout", || ok!("out"; [("set-cookie", "session=; Max-Age=0")]))
        .map(Method::from_bytes(b"PURGE").unwrap(), "/cache", || ok!("purged"))
        .map_get("/events", || {
            let messages = ["one", "two"].map(|text| Message::new().event("tick").data(text));
            sse!(stream::iter(messages))
        })
        .map_get("/endless", || {
            sse!(stream::iter([Message::new().data("first")]).chain(stream::pending()))
        });
    app
}

async fn both() -> [TestClient; 2] {
    [TestClient::new(app()), TestClient::serve(app()).await]
}

#[tokio::test]
async fn json_queries_bodies_and_methods_are_sent() {
    let search = Search { text: "a b&c=ü".to_owned(), page: 2 };
    for client in both().await {
        let response =
            client.get("/search").query("text", &search.text).query("page", 2).send().await;
        response.assert_status(200).assert_header("content-type", "application/json");
        assert_eq!(response.json::<Search>().await, search);
        let response = client.post("/search").json(&search).send().await;
        assert_eq!(response.json::<Search>().await, search);
        let long = vec![7; 1_000_000];
        assert_eq!(client.put("/bytes").body(long.clone()).send().await.bytes().await, long);
        let purge = Method::from_bytes(b"PURGE").unwrap();
        assert_eq!(client.request(purge, "/cache").send().await.text().await, "purged");
        assert_eq!(client.get("/who").send().await.text().await, "127.0.0.1");
        let head = client.head("/cookie").send().await;
        head.assert_status(200).assert_header("content-length", "4");
        assert_eq!(head.text().await, "");
    }
}

#[tokio::test]
async fn cookies_are_kept_between_requests() {
    for client in both().await {
        let cookie = async || client.get("/cookie").send().await.text().await;
        assert_eq!(cookie().await, "none");
        client.post("/login").send().await.assert_status(200);
        assert_eq!(cookie().await, "session=7; theme=dark");
        let own = client.get("/cookie").header("cookie", "own=1").send().await;
        assert_eq!(own.text().await, "own=1");
        client.post("/logout").send().await.assert_status(200);
        assert_eq!(cookie().await, "theme=dark");
    }
}

#[tokio::test]
async fn another_user_has_the_same_app_and_no_cookies() {
    for client in both().await {
        client.post("/login").send().await.assert_status(200);
        let other = client.another_user();
        assert_eq!(other.address(), client.address());
        let cookie = async |client: &TestClient| client.get("/cookie").send().await.text().await;
        assert_eq!(cookie(&other).await, "none");
        other.post("/login").send().await.assert_status(200);
        client.post("/logout").send().await.assert_status(200);
        assert_eq!(cookie(&other).await, "session=7; theme=dark");
        assert_eq!(cookie(&client).await, "theme=dark");
        // The app lives as long as one of them.
        drop(client);
        assert_eq!(cookie(&other).await, "session=7; theme=dark");
    }
}

#[tokio::test]
async fn streams_are_read_as_events_while_they_run() {
    for client in both().await {
        let mut events = client.get("/events").send().await.events();
        for expect in ["one", "two"] {
            let event = soon("an event", events.next()).await.unwrap().unwrap();
            assert_eq!((event.event(), event.data()), ("tick", expect));
        }
        assert!(soon("the end", events.next()).await.is_none());
        let mut endless = client.get("/endless").send().await.events();
        assert_eq!(soon("an event", endless.next()).await.unwrap().unwrap().data(), "first");
    }
}

#[tokio::test]
async fn a_body_can_be_read_after_an_assertion_and_more_than_once() {
    for client in both().await {
        let response = client.get("/search?text=a&page=1").send().await;
        for _ in 0..2 {
            let text = response.assert_status(200).text().await;
            assert_eq!(text, r#"{"text":"a","page":1}"#);
            assert_eq!(response.bytes().await, text);
            let search: Search =
                response.assert_header("content-type", "application/json").json().await;
            assert_eq!(search, Search { text: "a".to_owned(), page: 1 });
        }
        // A stream is kept as well, once it was read to its end.
        let response = client.get("/events").send().await;
        let text = response.text().await;
        assert!(text.ends_with("data: two\n\n"), "{text}");
        let mut events = response.assert_status(200).events();
        assert_eq!(events.next().await.unwrap().unwrap().data(), "one");
        assert_eq!(response.text().await, text);
    }
}

#[tokio::test]
#[should_panic(expected = "GET /events: the body was taken before, by `events`")]
async fn a_stream_that_events_has_taken_cannot_be_read_again() {
    let client = TestClient::new(app());
    let response = client.get("/events").send().await;
    let _events = response.events();
    assert!(format!("{response:?}").ends_with("(a stream, taken by `events`)"));
    let _ = response.text().await;
}

#[tokio::test]
async fn a_failed_assertion_shows_the_response() {
    for client in both().await {
        let response = client.get("/nothing").query("a", 1).send().await;
        let panic = catch_unwind(AssertUnwindSafe(|| {
            response.assert_status(200);
        }))
        .unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        for part in
            ["status 200", "GET /nothing?a=1", "404 Not Found", "no route matches this path"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
#[should_panic(expected = "conflicts with")]
async fn faults_of_the_app_panic() {
    let mut app = App::new();
    app.map_get("/", || "").map_get("/", || "");
    let _ = TestClient::new(app);
}

/// Calls a method of a client, and returns the panic's message.
fn panic_of(call: impl FnOnce(&TestClient)) -> String {
    let client = TestClient::new(app());
    let panic = catch_unwind(AssertUnwindSafe(|| call(&client))).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_path_that_no_client_sends_panics_where_the_request_starts() {
    for path in ["hello", "hello?a=1", "localhost:80/hello", "", "?a", "a b", "*", "/a b", "/\n"] {
        for method in ["GET", "POST", "PURGE"] {
            let text = panic_of(|client| drop(client.request(method.parse().unwrap(), path)));
            assert!(text.contains(&format!("{path:?}")), "{text}");
            assert!(text.contains("write") || text.contains("percent-encode"), "{text}");
        }
    }
    let text = panic_of(|client| drop(client.get("hello")));
    assert!(text.contains("write \"/hello\""), "{text}");
}

#[tokio::test]
async fn a_query_is_added_before_the_fragment() {
    for client in both().await {
        let request = client.get("/search?text=a#top").query("page", 2);
        assert_eq!(request.send().await.json::<Search>().await.page, 2);
    }
}

#[tokio::test]
#[should_panic(expected = "leave the header out")]
async fn a_wrong_length_panics() {
    let client = TestClient::new(app());
    let _ = client.put("/bytes").header("content-length", "2").body("abc").send().await;
}
