//! Routing and the response macros, as a client sees them.

use futures_util::stream;
use volga::{
    error::Error,
    http::{HeaderValue, StatusCode},
    ok, status, stream,
};

use super::support::{ask, get2, http2, run};

#[track_caller]
fn check(response: &str, status: &str, header: &str, body: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
    assert!(response.contains(header), "{response}");
    let (_, found) = response.split_once("\r\n\r\n").expect("a whole head");
    assert_eq!(found, body);
}

#[tokio::test]
async fn macros_create_text_json_and_headers() {
    let server = run(|app| {
        app.map_get("/text", || ok!("literal"))
            .map_get("/hello/{name}", async |name: String| ok!("Hello, {name}! {}", 1 + 1))
            .map_get("/object", || ok!({ "a": [1, null] }))
            .map_get(
                "/value",
                || ok!(vec![1, 2]; [("x-id", "7"), ("Content-Type", "application/x")]),
            )
            .map_get("/literal", || ok!(json: "text"))
            .map_get("/empty", || ok!())
            .map_get("/status", || status!(418, "teapot"; [("x-a", HeaderValue::from_static("1"))]))
            .map_get("/code", || status!(StatusCode::ACCEPTED))
            .map_get("/headers", || ok!(; [("x-a", "1"), ("x-a", "2")]))
            .map_get("/bad", || ok!("text"; [("x-a", "1\n2")]))
            .map_get("/bytes", || stream!(stream::iter(["a", "b"].map(Ok::<_, Error>))));
    })
    .await;
    let ask = async |path: &str| ask(server.address, &format!("GET {path}")).await;

    check(&ask("/text").await, "200", "content-type: text/plain; charset=utf-8\r\n", "literal");
    check(&ask("/hello/A%20B").await, "200", "content-length: 13\r\n", "Hello, A B! 2");
    check(&ask("/object").await, "200", "content-type: application/json\r\n", r#"{"a":[1,null]}"#);
    let value = ask("/value").await;
    check(&value, "200", "x-id: 7\r\n", "[1,2]");
    assert_eq!(value.matches("content-type").count(), 1);
    check(&ask("/literal").await, "200", "application/json", "\"text\"");
    check(&ask("/empty").await, "200", "content-length: 0\r\n", "");
    check(&ask("/status").await, "418", "x-a: 1\r\n", "teapot");
    check(&ask("/code").await, "202", "", "");
    check(&ask("/headers").await, "200", "x-a: 1\r\nx-a: 2\r\n", "");
    let bad = ask("/bad").await;
    assert!(bad.starts_with("HTTP/1.1 500") && bad.contains("application/problem+json"), "{bad}");
    assert!(
        bad.contains(r#"{"status":500,"title":"Internal Server Error","reference":""#),
        "{bad}"
    );
    check(
        &ask("/bytes").await,
        "200",
        "transfer-encoding: chunked",
        "1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
    );
}

#[tokio::test]
async fn unknown_paths_methods_and_arguments_have_their_statuses() {
    let server = run(|app| {
        app.map_get("/users/{id}", |id: u32| ok!("{id}"))
            .map_delete("/users/{id}", |_: u32| status!(204));
    })
    .await;
    let address = server.address;
    let unknown = r#"{"status":404,"title":"Not Found","detail":"no route matches this path"}"#;
    check(&ask(address, "GET /nothing").await, "404", "", unknown);
    let other = r#"{"status":405,"title":"Method Not Allowed","detail":"this path does not support this method"}"#;
    check(&ask(address, "POST /users/7").await, "405", "allow: GET, HEAD, DELETE\r\n", other);
    let argument = r#"{"status":400,"title":"Bad Request","detail":"path argument `id`: invalid digit found in string"}"#;
    check(&ask(address, "GET /users/x").await, "400", "application/problem+json", argument);
    check(&ask(address, "HEAD /users/7").await, "200", "content-length: 1\r\n", "");
    check(&ask(address, "DELETE /users/7").await, "204", "", "");

    let client = http2(address).await;
    assert_eq!(get2(&client, "/users/7").await.status(), 200);
    assert_eq!(get2(&client, "/nothing").await.status(), 404);
}
