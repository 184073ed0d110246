//! Errors that are a status, or a status and a text, in every function that may return them.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use volga::{
    App, HttpResult, Json,
    error::Error,
    http::StatusCode,
    middleware::{HttpContext, Next, NextCall},
    ok,
    test::TestClient,
};

type Texts = Result<Json<u8>, (StatusCode, String)>;

fn found(status: u16) -> Result<Json<u8>, StatusCode> {
    match status {
        200 => Ok(Json(1)),
        _ => Err(StatusCode::from_u16(status).expect("a status")),
    }
}

fn with_text(status: u16) -> Texts {
    found(status).map_err(|status| (status, "a private text".to_owned()))
}

/// Whether the request asks for this status at this place: `/place/status`.
fn asked(ctx: &HttpContext, place: &str) -> Result<(), StatusCode> {
    match ctx.uri.path().strip_prefix(&format!("/{place}/")) {
        Some(status) => Err(StatusCode::from_bytes(status.as_bytes()).expect("a status")),
        None => Ok(()),
    }
}

fn app() -> (App, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.wrap(async |ctx: HttpContext, next: Next| {
        asked(&ctx, "wrap")?;
        Ok::<_, StatusCode>(next.run(ctx).await)
    });
    app.with(async |mut next: NextCall| {
        let text = |status| (status, "a private text");
        asked(next.context_mut(), "with").map_err(text)?;
        Ok::<_, (StatusCode, &'static str)>(next.await)
    });
    app.map_get("/sync/{n}", found);
    app.map_get("/async/{n}", async |n: u16| found(n));
    app.map_get("/text/{n}", with_text);
    app.map_get("/async-text/{n}", async |n: u16| -> Texts {
        let Json(found) = with_text(n)?;
        Ok(Json(found))
    });
    app.map_get("/detached/{n}", volga::detached(async |n: u16| found(n)));
    app.map_get("/macro/{n}", async |n: u16| -> Result<HttpResult, StatusCode> {
        let Json(found) = found(n)?;
        Ok(ok!("{found}"))
    });
    app.map_get("/filter/{n}", |_: u16| "1").filter(|n: u16| found(n).map(|_| true));
    app.map_get("/async-filter/{n}", |_: u16| "1").filter(async |n: u16| with_text(n).map(|_| ()));
    app.map_get("/wrap/{n}", |_: u16| "1");
    app.map_get("/with/{n}", |_: u16| "1");
    app.map_get("/mapped/{n}", |n: u16| (StatusCode::ACCEPTED, n.to_string())).map_ok(
        async |response| match response.status() {
            StatusCode::ACCEPTED => Err((StatusCode::GONE, String::from("a private text"))),
            _ => Ok(response),
        },
    );
    app.group("/fallback", |group| {
        group.map_fallback(|| Err::<(), _>(StatusCode::GONE));
    });
    app.group("/mapper", |group| {
        group.map_get("/{n}", |_: u16| Err::<(), _>(Error::client_error("x")));
        group.map_err(|_: Error| Err::<(), _>((StatusCode::BAD_GATEWAY, "a private text")));
    });
    (app, log)
}

const PLACES: [&str; 10] = [
    "sync",
    "async",
    "text",
    "async-text",
    "detached",
    "macro",
    "filter",
    "async-filter",
    "wrap",
    "with",
];

#[tokio::test]
async fn each_place_responds_with_the_status_of_its_error() {
    let (app, log) = app();
    let client = TestClient::new(app);
    for place in PLACES {
        for status in [400, 401, 404, 409, 422, 429, 499, 500, 502, 503, 599] {
            let response = client.get(&format!("/{place}/{status}")).send().await;
            assert_eq!(response.status(), status, "{place}");
            let problem: Value = response.json().await;
            let told = std::mem::take(&mut *log.lock().unwrap());
            let has_text = ["text", "async-text", "async-filter", "with"].contains(&place);
            if status < 500 {
                let detail = problem.get("detail").and_then(Value::as_str);
                assert_eq!(detail, has_text.then_some("a private text"), "{place}");
                assert!(told.is_empty(), "{told:?}");
            } else {
                assert!(!problem.to_string().contains("private"), "{problem}");
                let reference = problem["reference"].as_str().expect("a reference");
                assert!(told.len() == 1 && told[0].contains(reference), "{told:?}");
                assert_eq!(told[0].contains("private"), has_text, "{told:?}");
            }
        }
        if !["wrap", "with"].contains(&place) {
            client.get(&format!("/{place}/200")).send().await.assert_status(200);
        }
    }
    client.get("/mapped/1").send().await.assert_status(410);
    client.get("/fallback/x").send().await.assert_status(410);
    client.get("/mapper/1").send().await.assert_status(502);
}

#[tokio::test]
async fn a_status_that_is_no_error_is_reported() {
    let (app, log) = app();
    let client = TestClient::new(app);
    for place in PLACES {
        for status in [100, 201, 204, 301, 304, 399] {
            let response = client.get(&format!("/{place}/{status}")).send().await;
            assert_eq!(response.status(), 500, "{place} {status}");
            let problem: Value = response.json().await;
            let reference = problem["reference"].as_str().expect("a reference");
            let told = std::mem::take(&mut *log.lock().unwrap());
            assert!(told.len() == 1 && told[0].contains(reference), "{told:?}");
            assert!(told[0].contains(&format!("an error has the status {status}")), "{told:?}");
        }
    }
}

#[tokio::test]
async fn an_error_mapper_sees_the_status_and_the_text() {
    let (mut app, _) = app();
    app.map_err(|error: Error| (error.status(), format!("mapped: {}", error.public_message())));
    let client = TestClient::new(app);
    for (path, text) in [
        ("/sync/404", "mapped: Not Found"),
        ("/text/404", "mapped: a private text"),
        ("/text/503", "mapped: Service Unavailable"),
        ("/wrap/401", "mapped: Unauthorized"),
        ("/filter/403", "mapped: Forbidden"),
    ] {
        assert_eq!(client.get(path).send().await.text().await, text, "{path}");
    }
}
