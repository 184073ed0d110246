//! The guide's table of the texts of Volga's own errors has the texts of real responses.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use volga::{
    App, FieldErrors, Json, Valid, Validate,
    auth::Bearer,
    error::Error,
    http::StatusCode,
    middleware::{CrossSiteProtection, Quota, RateLimit},
    test::{TestClient, TestRequest},
};

use super::support::{run_app, soon};

/// A client that reads JSON, and one that reads pages.
const FORMS: [(&str, &str); 2] = [
    ("*/*", "application/problem+json"),
    ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; charset=utf-8"),
];

#[derive(Deserialize)]
struct Person {
    age: u8,
}

impl Validate for Person {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.age < 18 {
            errors.add("age", "is below 18");
        }
        errors
    }
}

/// An app in which a request can cause each error of the table.
fn app() -> App {
    let mut app = App::new()
        .on_error(|_| {})
        .with_body_read_timeout(Duration::from_millis(20))
        .with_max_collected_bytes(100);
    app.map_get("/items/{id}", async |id: u32| id.to_string());
    app.map_get("/token", async |_: Bearer| "");
    app.map_get("/broken", async || Err::<String, _>(Error::server_error("no database")));
    app.map_get("/missing", async || Err::<String, _>(StatusCode::NOT_FOUND));
    app.map_post("/people", async |Json(person): Json<Person>| person.age.to_string());
    app.map_post("/adults", async |_: Valid<Json<Person>>| "");
    app.map_post("/short", async |body: volga::Text| body.0).body_limit(9);
    app.group("/own", |group| {
        group.refuse_cross_site(CrossSiteProtection::new());
        group.map_post("/", async || "");
    });
    app.group("/rare", |group| {
        group.attach(RateLimit::in_all(Quota::per_minute(1)));
        group.map_get("/", async || "");
    });
    app
}

/// The texts of an error that the client gets.
#[derive(Debug, PartialEq)]
struct Texts {
    status: u16,
    title: String,
    /// Empty if the error has no detail.
    detail: String,
}

impl Texts {
    fn of_json(json: &str) -> Self {
        let problem: Value = serde_json::from_str(json).unwrap();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let status = u16::try_from(problem["status"].as_u64().unwrap()).unwrap();
        Self { status, title: text("title"), detail: text("detail") }
    }

    /// The text for a client that does not read JSON, without the reference number.
    fn plain(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

/// The rows of the table on the page.
fn rows() -> Vec<Texts> {
    let page =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/global-error-handling.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## The texts of Volga's own errors\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    rows.filter(|cells| cells[0].parse::<u16>().is_ok())
        .map(|cells| Texts {
            status: cells[0].parse().unwrap(),
            title: cells[2].to_owned(),
            detail: if cells[3] == "–" { String::new() } else { cells[3].to_owned() },
        })
        .collect()
}

/// The response of a server to a body that stops: its head and its body.
async fn stopped_body(app: App, accept: &str) -> (String, String) {
    let server = run_app(app).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "POST /short HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\ncontent-type: text/plain\r\n\
         connection: close\r\ncontent-length: 2\r\n\r\n1"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = soon("the response", stream.read_to_end(&mut response)).await;
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The texts of the responses, in the order of the table.
async fn responses(accept: &str, kind: &str) -> Vec<(u16, String)> {
    let client = TestClient::new(app());
    let read = async |request: TestRequest<'_>| {
        let response = request.header("accept", accept).send().await;
        response.assert_header("content-type", kind);
        let wait = response.header("retry-after").map(|wait| format!("in {wait} seconds"));
        let (status, text) = (response.status().as_u16(), response.text().await);
        // A slow run has waited for some of the seconds already.
        (status, wait.map_or(text.clone(), |wait| text.replace(&wait, "in 60 seconds")))
    };
    let json = |path: &'static str, body: &'static str| {
        client.post(path).header("content-type", "application/json").body(body)
    };
    let other_site = client.post("/own").header("sec-fetch-site", "cross-site");
    client.get("/rare").send().await.assert_status(200);
    let (head, body) = stopped_body(app(), accept).await;
    assert!(head.contains(&format!("content-type: {kind}")), "{head}");
    let timed_out = (head.split(' ').nth(1).unwrap().parse().unwrap(), body);
    vec![
        read(client.get("/items/tea")).await,
        read(json("/people", "{\"age\":")).await,
        read(client.get("/token")).await,
        read(other_site).await,
        read(client.get("/nothing")).await,
        read(client.get("/missing")).await,
        read(client.delete("/people")).await,
        timed_out,
        read(client.post("/short").body("more than nine")).await,
        read(client.post("/people").body("age")).await,
        read(json("/people", "{\"age\":300}")).await,
        read(json("/adults", "{\"age\":7}")).await,
        read(client.get("/rare")).await,
        read(client.get("/broken")).await,
        read(
            client.post("/people").header("content-type", "application/json").body(" ".repeat(101)),
        )
        .await,
    ]
}

#[tokio::test]
async fn the_table_has_the_texts_of_the_responses() {
    let rows = rows();
    let [(all, problem), (html, text)] = FORMS;
    let problems = responses(all, problem).await;
    let of_problems: Vec<_> = problems.iter().map(|(_, json)| Texts::of_json(json)).collect();
    assert_eq!(of_problems, rows);
    let texts = responses(html, text).await;
    for ((status, body), row) in texts.iter().zip(&rows) {
        assert_eq!(*status, row.status);
        let reference = if *status < 500 { "" } else { " (reference " };
        assert!(body.starts_with(&format!("{}{reference}", row.plain())), "{body}");
        assert!(*status >= 500 || body == row.plain(), "{body}");
    }
    let statuses: Vec<_> = problems.iter().map(|(status, _)| *status).collect();
    assert_eq!(
        statuses,
        [400, 400, 401, 403, 404, 404, 405, 408, 413, 415, 422, 422, 429, 500, 503]
    );
}
