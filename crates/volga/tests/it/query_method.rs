//! The method QUERY (RFC 10008), on an app, in a group and after another route.

use serde::{Deserialize, Serialize};
use volga::{
    App, HttpBody, Json, NdJson, Text,
    error::Error,
    http::{Bytes, HttpRequest, Method},
    ok,
    test::{TestClient, TestResponse},
};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Search {
    words: Vec<String>,
}

fn app() -> App {
    let mut app = App::new();
    app.map_query("/books", async |Json(search): Json<Search>| Json(search))
        .map_get("/books", || ok!("all"))
        .map_query("/text", async |Text(text)| text)
        .map_post("/text", || ok!("posted"))
        .map_query("/none", || ok!("nothing to read"));
    app.group("/shops/{shop}", |shop| {
        shop.map_query("/items/{kind}", async |shop: String, kind: String, body: Bytes| {
            ok!("{shop} {kind} {}", body.len())
        });
        shop.map_get("/items/{other}", async |_: String, _: String| ok!("one"));
        shop.map_options("/items/{other}", async |_: String, _: String| ok!("own"));
    });
    app.map_query("/lines", async |_: NdJson<u8>| ok!("lines"))
        .map_query("/optional", async |_: Option<Json<Search>>| ok!("optional"))
        .map_query("/request", async |_: HttpRequest| ok!("request"))
        .map_query("/body", async |_: HttpBody| ok!("body"))
        .map_query("/fallible", async |_: Result<Json<Search>, Error>| ok!("fallible"))
        .map_query("/own", async |_: Bytes| ok!("own"; [("accept-query", "text/csv")]));
    app
}

async fn send(client: &TestClient, line: &str, content_type: Option<&str>) -> TestResponse {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = client.request(method.parse().unwrap(), path);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type).body(r#"{"words":["tea"]}"#);
    }
    request.send().await
}

#[tokio::test]
async fn a_query_reads_its_body_and_tells_which_types_it_takes() {
    for client in [TestClient::new(app()), TestClient::serve(app()).await] {
        let search = Search { words: vec!["tea".to_owned()] };
        let query = client.request(Method::QUERY, "/books?x=1").json(&search);
        let response = query.send().await;
        response.assert_status(200).assert_header("accept-query", "application/json");
        assert_eq!(response.json::<Search>().await, search);
        let json = Some("application/json");
        for (line, content_type, status, accept) in [
            ("QUERY /books", None, 400, Some("application/json")),
            ("QUERY /books", Some("text/plain"), 415, Some("application/json")),
            ("QUERY /books", Some("application/merge-patch+json"), 200, Some("application/json")),
            ("QUERY /text", json, 200, Some("*/*")),
            ("QUERY /text", None, 400, Some("*/*")),
            ("QUERY /none", json, 200, None),
            ("QUERY /none", None, 400, None),
            ("QUERY /shops/tea/items/green", json, 200, Some("*/*")),
            ("QUERY /shops/tea/items/green", None, 400, Some("*/*")),
            ("QUERY /lines", json, 415, Some("application/x-ndjson")),
            ("QUERY /optional", json, 200, Some("application/json")),
            ("QUERY /request", json, 200, Some("*/*")),
            ("QUERY /body", json, 200, Some("*/*")),
            ("QUERY /fallible", json, 200, Some("application/json")),
            ("QUERY /own", json, 200, Some("text/csv")),
            // Where clients look before they send a query.
            ("GET /books", None, 200, Some("application/json")),
            ("HEAD /books/", None, 200, Some("application/json")),
            ("OPTIONS /books", None, 204, Some("application/json")),
            ("DELETE /books", None, 405, Some("application/json")),
            ("OPTIONS /shops/tea/items/x", None, 200, Some("*/*")),
            ("GET /shops/tea/items/x", None, 200, Some("*/*")),
            ("POST /text", None, 200, None),
            ("OPTIONS /none", None, 204, None),
            ("GET /shops/tea", None, 404, None),
        ] {
            let response = send(&client, line, content_type).await;
            response.assert_status(status);
            assert_eq!(response.header("accept-query"), accept, "{line}");
            if matches!(status, 204 | 405) {
                assert!(response.header("allow").unwrap().contains("QUERY"), "{line}");
            }
        }
        let text = send(&client, "QUERY /books", None).await.text().await;
        assert!(text.contains("needs the header `content-type`"), "{text}");
    }
}

#[test]
fn two_queries_of_one_pattern_are_a_fault() {
    let mut app = App::new();
    app.map_query("/a/{x}", |_: u8| "").map_query("/a/{y}", |_: u8| "");
    assert!(app.check().unwrap_err().to_string().contains("`QUERY /a/{y}` conflicts with"));
}

#[test]
fn the_description_has_the_body_and_the_content_type() {
    let mut app = App::new();
    let route = app.map_query("/", async |_: Json<Search>| "");
    let description = route.description();
    assert_eq!(description.body().unwrap().media_types, ["application/json"]);
    assert!(description.headers().iter().any(|header| header.name == "content-type"));
    assert_eq!(route.method().as_str(), "QUERY");
}
