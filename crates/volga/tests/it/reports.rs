//! Reports of server errors, and the responses that the client gets.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::Value;
use volga::{
    App, HttpBody, Json,
    error::{Error, Problem},
    http::{
        StatusCode,
        sse::{Message, Sse},
    },
    ok, sse,
    test::TestClient,
};

type Log = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
struct Outer(io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("payment failed")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn app() -> (App, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| {
        assert!(report.status().is_server_error());
        kept.lock().unwrap().push(report.to_string());
    });
    app.map_get("/orders/{id}", |_: u32| -> Result<(), Error> {
        Err(Outer(io::Error::other("password x")).into())
    });
    app.map_get("/panic", || -> () { panic!("on purpose") });
    app.map_get("/client", || Err::<(), _>(Error::client_error("no")));
    app.map_get("/problem", || Err::<(), Error>(Problem::new(503).with_detail("later").into()));
    (app, log)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn the_reference_of_a_server_error_is_in_the_response_and_in_the_log() {
    let (app, log) = app();
    let client = TestClient::new(app);
    for (path, line, status) in [
        ("/orders/7?token=x", "500 GET /orders/7: payment failed: password x", 500),
        ("/panic", "500 GET /panic: panic: on purpose", 500),
        ("/problem", "503 GET /problem: later", 503),
    ] {
        let response = client.get(path).send().await;
        response.assert_status(status);
        let problem: Value = response.json().await;
        let reference = problem["reference"].as_str().unwrap();
        assert_eq!(reference.len(), 16);
        assert_eq!(taken(&log), [format!("{line} (reference {reference})")]);
        assert!(!problem.to_string().contains("password"), "{problem}");

        let text = client.get(path).header("accept", "text/plain").send().await.text().await;
        let logged = taken(&log).concat();
        let (_, reference) = logged.rsplit_once(" (").unwrap();
        assert!(text.ends_with(reference) && !text.contains("password"), "{text}");
    }
    client.get("/client").send().await.assert_status(400);
    client.get("/nothing").send().await.assert_status(404);
    assert!(taken(&log).is_empty());
}

#[tokio::test]
async fn an_error_that_arises_in_the_application_is_a_server_error_and_shows_nothing() {
    use io::ErrorKind as Kind;
    let log = Log::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.map_get("/unwritable", || {
        let map = HashMap::from([(vec!["secret"], 1)]);
        ok!("{}", serde_json::to_string(&map)?)
    });
    app.map_get("/row", || ok!("{}", serde_json::from_str::<u8>(r#"{"secret":1}"#)?));
    app.map_get("/file", || ok!("{}", std::fs::read_to_string("/secret/file")?));
    let kinds = [Kind::InvalidData, Kind::InvalidInput, Kind::NotFound, Kind::PermissionDenied];
    app.map_get("/io/{n}", move |n: usize| ok!("{}", failed(kinds[n], "secret")?));
    app.map_get("/upstream", || ok!("{}", failed(Kind::TimedOut, "secret")?));
    app.map_get("/slow", async || {
        let upstream = tokio::time::timeout(std::time::Duration::ZERO, std::future::pending());
        ok!("{}", upstream.await.map(|()| "never")?)
    });
    app.map_get("/filtered", || "").filter(|| failed(Kind::NotFound, "secret").map(|_| ()));
    // What the framework has read from the request is the client's fault.
    app.map_post("/json", |Json(number): Json<u8>| ok!("{number}"));
    let client = TestClient::new(app);
    for (path, status) in [
        ("/unwritable", 500),
        ("/row", 500),
        ("/file", 500),
        ("/io/0", 500),
        ("/io/1", 500),
        ("/io/2", 500),
        ("/io/3", 500),
        ("/upstream", 504),
        ("/slow", 504),
        ("/filtered", 500),
    ] {
        let response = client.get(path).send().await;
        assert_eq!(response.status(), status, "{path}");
        let problem: Value = response.json().await;
        assert!(!problem.to_string().contains("secret"), "{problem}");
        let reference = problem["reference"].as_str().unwrap();
        let log = taken(&log);
        assert!(log.len() == 1 && log[0].contains(reference), "{path}: {log:?}");
        assert!(log[0].starts_with(&format!("{status} GET {path}: ")), "{log:?}");
    }
    let malformed = client.post("/json").header("content-type", "application/json").body("x");
    malformed.send().await.assert_status(400);
    assert!(taken(&log).is_empty());
}

/// A step of a handler that fails.
fn failed(kind: io::ErrorKind, text: &str) -> Result<String, io::Error> {
    Err(io::Error::new(kind, text))
}

#[tokio::test]
async fn an_error_that_much_middleware_handles_is_reported_once() {
    let (mut app, log) = app();
    for _ in 0..3 {
        app.wrap(|ctx, next| async move {
            let response = next.run(ctx).await;
            match response.extensions().get::<Error>() {
                Some(error) => Err(error.clone()),
                None => Ok(response),
            }
        });
    }
    let problem: Value = TestClient::new(app).get("/orders/7").send().await.json().await;
    let reference = problem["reference"].as_str().unwrap();
    let log = taken(&log);
    assert!(log.len() == 1 && log[0].contains(reference), "{log:?}");
}

#[tokio::test]
async fn the_status_of_the_mapped_response_decides_about_the_report() {
    let (mut app, log) = app();
    app.group("/kind", |group| {
        group.map_get("/", || Err::<(), _>(Error::server_error("row not found")));
        group.map_err(|error: Error| (StatusCode::NOT_FOUND, error.to_string()));
    });
    app.group("/shown", |group| {
        group.map_get("/", || Err::<(), _>(Error::server_error("inner")));
        group.map_err(|error: Error| {
            (StatusCode::BAD_GATEWAY, error.reference().unwrap_or_default())
        });
    });
    app.group("/panics", |group| {
        group.map_get("/", || Err::<(), _>(Error::client_error("inner")));
        group.map_err(|_: Error| -> String { panic!("in the mapper") });
    });
    let client = TestClient::new(app);
    client.get("/kind").send().await.assert_status(404);
    assert!(taken(&log).is_empty());
    let response = client.get("/shown").send().await;
    response.assert_status(502);
    let reference = response.text().await;
    assert_eq!(taken(&log), [format!("502 GET /shown: inner (reference {reference})")]);
    client.get("/panics").send().await.assert_status(500);
    let log = taken(&log).concat();
    assert!(log.starts_with("500 GET /panics: panic: in the mapper (reference "), "{log}");
}

#[tokio::test]
async fn a_hook_that_panics_does_not_fail_the_request() {
    let mut app = App::new().on_error(|_| panic!("the log is full"));
    app.map_get("/", || Err::<(), _>(Error::server_error("x")));
    TestClient::new(app).get("/").send().await.assert_status(500);
}

#[tokio::test]
async fn an_error_in_a_stream_is_reported_unless_the_stream_has_an_observer() {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    let failing = || {
        let error = Outer(io::Error::other("connection lost"));
        Sse::new(stream::iter([Ok(Message::new().data("x")), Err(error)]))
    };
    // A permit that the stream holds is not an observer.
    app.map_get("/events/{id}", move |_: u32| sse!(failing().hold("a permit")));
    app.map_get("/observed", move || sse!(failing().on_end(|_| {})));
    app.map_get("/refused", || sse!(stream::iter([Message::new().id("a\nid: forged")])));
    let counters = app.counters();
    let service = app.into_service().unwrap();
    for (path, expect) in [
        (
            "/events/7?token=x",
            vec!["200 GET /events/7 was cut short: payment failed: connection lost"],
        ),
        ("/observed", vec![]),
        (
            "/refused",
            vec![
                "200 GET /refused was cut short: the event ID holds a line break at byte 1; remove it or send the text as data",
            ],
        ),
    ] {
        let request = http::Request::get(path).body(HttpBody::empty()).unwrap();
        let body = service.respond(request).await.into_body();
        body.collect().await.unwrap_err();
        assert_eq!(taken(&log), expect, "{path}");
    }
    let counts = counters.snapshot();
    assert_eq!((counts.streams_opened, counts.streams_failed, counts.streams_open), (3, 3, 0));
}

#[tokio::test]
async fn a_status_that_is_not_final_is_a_server_error_and_reported() {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.map_get("/{status}", |status: u16| StatusCode::from_u16(status).expect("a status"));
    let client = TestClient::new(app);
    for status in [100, 101, 103, 199] {
        assert_eq!(client.get(&format!("/{status}")).send().await.status(), 500);
        let told = taken(&log);
        let expect = format!("a handler responded with {status}");
        assert!(told.len() == 1 && told[0].contains(&expect), "{told:?}");
    }
    assert_eq!(client.get("/204").send().await.status(), 204);
    assert!(taken(&log).is_empty());
}

#[tokio::test]
async fn each_app_decides_the_status_of_an_error_by_its_own_rules() {
    // Both apps respond with the same error, which was created before them.
    let error = Error::from(Outer(io::Error::other("password x")));
    let app = |status: Option<u16>| {
        let mut app = App::new().on_error(|_| {});
        if let Some(status) = status {
            let status = StatusCode::from_u16(status).unwrap();
            app = app
                .with_status_rule(|error| error.is::<Outer>().then_some(StatusCode::GONE))
                .with_status_rule(move |error| error.is::<Outer>().then_some(status));
        }
        let (shared, again) = (error.clone(), error.clone());
        app.map_get("/shared", move || Err::<(), _>(shared.clone()));
        app.map_get("/set", move || Err::<(), _>(again.clone().with_status(StatusCode::CONFLICT)));
        app.map_get("/new", || Err::<(), _>(Outer(io::Error::other("x"))));
        app.map_get("/filtered", || "").filter(|| Err::<(), _>(Outer(io::Error::other("x"))));
        app.group("/mapped", |group| {
            group.map_get("", || Err::<(), _>(Outer(io::Error::other("x"))));
            group.map_err(|error: Error| (StatusCode::OK, error.status().as_str().to_owned()));
        });
        app.group("/given-up", |group| {
            group.map_get("", || Err::<(), _>(Error::client_error("x")));
            group.map_err(|_| Err::<(), _>(Outer(io::Error::other("x"))));
        });
        TestClient::new(app)
    };
    let apps = [(app(Some(402)), 402), (app(None), 500), (app(Some(503)), 503)];
    for _ in 0..2 {
        for (app, status) in &apps {
            for path in ["/shared", "/new", "/filtered", "/given-up"] {
                app.get(path).send().await.assert_status(*status);
            }
            app.get("/set").send().await.assert_status(409);
            assert_eq!(app.get("/mapped").send().await.text().await, status.to_string());
        }
    }
}
