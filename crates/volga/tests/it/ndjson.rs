//! `NdJson` bodies in requests and responses.

use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use volga::{
    App, HttpBody, NdJson, error::Error, http::StatusCode, limits::MAX_NDJSON_LINE,
    test::TestClient,
};

#[derive(Deserialize, Serialize)]
struct Point {
    x: i32,
}

fn app() -> App {
    let mut app = App::new();
    app.map_post("/double", async |points: NdJson<Point>| {
        NdJson::new(points.map(|point| point.map(|point| Point { x: 2 * point.x })))
    });
    app.map_post("/sum", async |mut points: NdJson<Point>| {
        let mut sum = 0;
        while let Some(point) = points.next().await {
            sum += point?.x;
        }
        assert!(points.next().await.is_none(), "it stays at its end");
        Ok::<_, Error>(sum)
    });
    app.map_get("/broken", || {
        // The lines before the error are sent when the stream waits.
        let error = stream::once(async {
            tokio::task::yield_now().await;
            Err(Error::new(StatusCode::CONFLICT, "no more"))
        });
        let after = stream::repeat_with(|| panic!("after the error"));
        NdJson::new(stream::iter([Ok(1)]).chain(error).chain(after))
    });
    app
}

#[tokio::test]
async fn values_are_received_and_sent_line_by_line() {
    for client in [TestClient::new(app()), TestClient::serve(app()).await] {
        let request =
            client.post("/double").header("content-type", "application/jsonl; charset=utf-8");
        let response = request.body("{\"x\":1}\n\n {\"x\":-2}\r\n{\"x\":3}").send().await;
        response.assert_status(200).assert_header("content-type", "application/x-ndjson");
        assert_eq!(response.text().await, "{\"x\":2}\n{\"x\":-4}\n{\"x\":6}\n");
    }
}

#[tokio::test]
async fn errors_name_the_line() {
    let client = TestClient::new(app());
    let long = format!("{{\"x\":1}}\n\"{}\"", "a".repeat(MAX_NDJSON_LINE));
    for (body, status, text) in [
        ("", 200, "0"),
        ("{\"x\":1}\n{\"x\":2}\n", 200, "3"),
        ("{\"x\":1}\n\n{", 400, "line 3: malformed JSON: EOF while parsing an object at column 1"),
        ("{\"x\":1} 2\n", 400, "line 1: malformed JSON: trailing characters at column 9"),
        (
            "{\"x\":1}\n{\"x\":\"a\"}\n{",
            422,
            "line 2: the JSON does not fit at `x`: invalid type: string \"a\", expected i32 at column 8",
        ),
        (&long, 413, "line 2: longer than 1048576 bytes"),
    ] {
        let request = client.post("/sum").header("content-type", "application/x-ndjson");
        let response = request.header("accept", "text/plain").body(body.to_owned()).send().await;
        response.assert_status(status);
        assert_eq!(response.text().await, text);
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_an_incomplete_one_400() {
    let client = TestClient::new(app());
    for content_type in [None, Some("application/json"), Some("text/plain")] {
        let mut request = client.post("/sum").body("{\"x\":1}");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.send().await.assert_status(415);
    }
    let broken = [Ok("{\"x\":1}\n{"), Err("the client left")];
    let request = client.post("/sum").header("content-type", "application/x-ndjson");
    let response = request.body(HttpBody::from_stream(stream::iter(broken))).send().await;
    response.assert_status(400);
}

#[tokio::test]
async fn an_error_cuts_the_body() {
    for client in [TestClient::new(app()), TestClient::serve(app()).await] {
        let response = client.get("/broken").send().await;
        response.assert_status(200);
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "1\n");
        assert!(body.frame().await.unwrap().is_err());
    }
}
