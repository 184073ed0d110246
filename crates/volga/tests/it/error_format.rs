//! The format of errors that a group, a route or the app sets.

use serde_json::Value;
use volga::{
    App, FieldErrors, Form, Valid, Validate,
    error::{Error, ErrorFormat, Problem},
    http::{Bytes, StatusCode},
    middleware::{HttpContext, Next},
    ok,
    test::{TestClient, TestRequest, TestResponse},
};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

impl Validate for Named {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.name.is_empty() {
            errors.add("name", "is empty");
        }
        errors
    }
}

/// The same routes, below each of these prefixes.
fn map(group: &mut volga::Group) {
    group.map_get("/number/{n}", async |n: u8| ok!("{n}"));
    group.map_post("/names", async |Valid(Form(named)): Valid<Form<Named>>| ok!("{}", named.name));
    group.map_get("/broken", async || Err::<(), _>(Error::server_error("no database")));
    group.map_get("/panic", async || {
        if true {
            panic!("on purpose")
        }
    });
    group.map_get("/status", async || Err::<(), _>(StatusCode::CONFLICT));
    group.map_get("/problem", async || Err::<(), _>(Problem::new(409)));
    group.map_post("/body", async |body: Bytes| ok!("{}", body.len())).body_limit(4);
    group.map_get("/refused", || "").filter(|| false);
    group.group("/inner", |inner| {
        inner.wrap(async |ctx: HttpContext, next: Next| {
            if ctx.uri.path().ends_with("/wrap") {
                return Err(Error::client_error("the wrap refuses"));
            }
            Ok(next.run(ctx).await)
        });
        inner.map_get("/wrap", || "");
    });
}

/// A request for each kind of error, and its status.
fn failing<'a>(client: &'a TestClient, prefix: &str) -> Vec<(TestRequest<'a>, u16)> {
    let get = |path: &str| client.get(&format!("{prefix}{path}"));
    let post = |path: &str| client.post(&format!("{prefix}{path}"));
    vec![
        (get("/number/x"), 400),
        (get("/number/%zz"), 400),
        (get("/nothing"), 404),
        (post("/number/1"), 405),
        (post("/names").form(&[("name", "")]), 422),
        (post("/names").body("name=x"), 415),
        (post("/body").body("too long"), 413),
        (get("/broken"), 500),
        (get("/panic"), 500),
        (get("/status"), 409),
        (get("/problem"), 409),
        (get("/refused"), 403),
        (get("/inner/wrap"), 400),
        (get("/inner/nothing"), 404),
    ]
}

fn kind(response: &TestResponse) -> &str {
    response.header("content-type").unwrap_or_default()
}

#[tokio::test]
async fn every_error_of_a_group_has_the_format_of_the_group() {
    let mut app = App::new().on_error(|_| {});
    app.group("/problems", |group| {
        group.error_format(ErrorFormat::Problem);
        map(group);
    });
    app.group("/texts", |group| {
        group.error_format(ErrorFormat::Text);
        map(group);
    });
    app.group("/others", map);
    let client = TestClient::new(app);
    const PROBLEM: &str = "application/problem+json";
    const TEXT: &str = "text/plain; charset=utf-8";
    for (prefix, accept, expect) in [
        ("/problems", BROWSER, PROBLEM),
        ("/problems", "*/*", PROBLEM),
        ("/problems", "text/plain", PROBLEM),
        ("/texts", BROWSER, TEXT),
        ("/texts", "application/json", TEXT),
        ("/others", BROWSER, TEXT),
        ("/others", "application/json", PROBLEM),
    ] {
        for (number, (request, status)) in failing(&client, prefix).into_iter().enumerate() {
            // A path that cannot be decoded is of no group.
            let expect = match number {
                1 if accept == BROWSER || accept == "text/plain" => TEXT,
                1 => PROBLEM,
                _ => expect,
            };
            let response = request.header("accept", accept).send().await;
            response.assert_status(status);
            assert_eq!(kind(&response), expect, "{number} of {prefix} for {accept}");
        }
    }
    let invalid = client.post("/problems/names").header("accept", BROWSER);
    let problem: Value = invalid.form(&[("name", "")]).send().await.json().await;
    assert_eq!(problem["errors"][0]["detail"], "is empty", "{problem}");
}

#[tokio::test]
async fn the_nearest_format_applies_and_a_mapper_goes_before_it() {
    let mut app = App::new();
    app.error_format(ErrorFormat::Problem);
    app.group("/texts", |group| {
        group.error_format(ErrorFormat::Text);
        group.map_get("/text/{n}", async |n: u8| ok!("{n}"));
        group.map_get("/accept/{n}", async |n: u8| ok!("{n}")).error_format(ErrorFormat::ByAccept);
    });
    app.group("/mapped", |group| {
        group.map_err(async |error: Error| ok!("mapped: {}", error.status().as_u16()));
        group.map_get("/{n}", async |n: u8| ok!("{n}"));
    });
    let client = TestClient::new(app);
    for (path, accept, starts) in [
        ("/nothing", "text/plain", "{"),
        ("/texts/text/x", "application/json", "path argument"),
        ("/texts/accept/x", "application/json", "{"),
        ("/texts/accept/x", "text/plain", "path argument"),
        ("/mapped/x", "text/plain", "mapped: 400"),
    ] {
        let text = client.get(path).header("accept", accept).send().await.text().await;
        assert!(text.starts_with(starts), "{path} for {accept}: {text}");
    }
}

/// `Accept` is read before the middleware of the app. `before_routing` comes earlier.
#[tokio::test]
async fn accept_counts_as_it_was_before_the_middleware() {
    let mut app = App::new();
    app.wrap(async |mut ctx: HttpContext, next: Next| {
        ctx.headers.insert("accept", "application/json".parse()?);
        Ok::<_, Error>(next.run(ctx).await)
    });
    let client = TestClient::new(app);
    let response = client.get("/").header("accept", BROWSER).send().await;
    assert_eq!(kind(&response), "text/plain; charset=utf-8");
}
