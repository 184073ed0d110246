//! The spans and events of requests and streams that a subscriber of `tracing` gets.

use std::{
    io,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;
use volga::{
    App, CancellationToken, HttpResponse,
    cookies::{CookieKeys, SignedCookies},
    detached,
    http::{
        Extension,
        sse::{Message, Sse},
    },
    ok, sse, sse_stream,
    test::TestClient,
    trace::{TraceParent, TraceRequests},
};

use super::support::{data2, get2, http2, read_until, run, send, soon};

/// The lines that a subscriber has written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Subscribes for this thread. A test has only one thread.
    fn subscribe() -> (Self, DefaultGuard) {
        Self::subscribe_to(Level::INFO)
    }

    fn subscribe_to(level: Level) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .without_time()
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn taken(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits for a line with this end, and returns all lines so far.
    async fn until(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let written = async {
            loop {
                lines.extend(self.taken());
                if lines.iter().any(|line| line.ends_with(end)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(end, written).await;
        lines
    }

    /// Waits for the end of the next span.
    async fn until_closed(&self) -> Vec<String> {
        self.until(": volga::request: close").await
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the line of the access log, without the fields that differ between runs.
#[track_caller]
fn access(lines: &[String]) -> String {
    let mut found = lines.iter().filter(|line| line.contains("volga::access: "));
    let (Some(line), None) = (found.next(), found.next()) else {
        panic!("one access line: {lines:#?}");
    };
    let (_, fields) = line.split_once("volga::access: ").unwrap();
    let stays = |field: &&str| {
        !["peer=", "first_byte_ms=", "duration_ms="].iter().any(|name| field.starts_with(name))
    };
    fields.split(' ').filter(stays).collect::<Vec<_>>().join(" ")
}

fn map(app: &mut App) {
    app.attach(TraceRequests::new());
    app.map_get("/hello/{name}", |name: String| {
        tracing::info!("in the handler");
        ok!("Hello, {name}!")
    });
    app.map_get("/panic", || -> () { panic!("on purpose") });
    app.map_get("/short", || {
        sse_stream! {
            yield Message::new().data("one");
            tracing::info!("in the stream");
            yield Message::new().data("two");
        }
    });
    app.map_get("/failing", || sse!(stream::iter([Ok(Message::new().data("x")), Err("broken")])));
    app.map_get("/events", || sse!(Sse::new(stream::pending::<Message>())));
    app.map_get("/close", || {
        let sse = Sse::new(stream::pending::<Message>());
        sse.close_handle().close();
        sse!(sse)
    });
    app.map_get("/broken", || ok!()).wrap(async |_, _| -> HttpResponse { panic!("on purpose") });
    app.map_get("/never", async || {
        tracing::info!("waits");
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn each_request_has_one_line_with_its_end() {
    let (lines, _subscribed) = Lines::subscribe();
    let server = run(map).await;
    for (line, enough, expect) in [
        (
            "GET /hello/anna?token=x",
            "anna!",
            r#"method=GET path=/hello/anna route=/hello/{name} version=HTTP/1.1 status=200 bytes=12 end="finished""#,
        ),
        (
            "HEAD /hello/anna",
            "\r\n\r\n",
            r#"method=HEAD path=/hello/anna route=/hello/{name} version=HTTP/1.1 status=200 bytes=0 end="finished""#,
        ),
        (
            "HEAD /events",
            "\r\n\r\n",
            r#"method=HEAD path=/events route=/events version=HTTP/1.1 status=200 bytes=0 end="finished""#,
        ),
        (
            "OPTIONS /events",
            "\r\n\r\n",
            r#"method=OPTIONS path=/events version=HTTP/1.1 status=204 bytes=0 end="finished""#,
        ),
        (
            "GET /nothing",
            "matches this path",
            r#"method=GET path=/nothing version=HTTP/1.1 status=404 bytes=72 end="finished""#,
        ),
        (
            "GET /short",
            "two",
            r#"method=GET path=/short route=/short version=HTTP/1.1 status=200 bytes=34 messages=2 end="finished""#,
        ),
        (
            "GET /failing",
            "data: x",
            r#"method=GET path=/failing route=/failing version=HTTP/1.1 status=200 bytes=21 messages=1 end="failed""#,
        ),
        (
            "GET /events",
            "retry: 3000",
            r#"method=GET path=/events route=/events version=HTTP/1.1 status=200 bytes=12 messages=0 end="client left""#,
        ),
    ] {
        let mut client = send(server.address, line).await;
        read_until(&mut client, enough).await;
        // The other clients stay connected. Otherwise they might leave before the end of the
        // request.
        let stays = (!expect.ends_with(r#"end="client left""#)).then_some(client);
        let lines = lines.until_closed().await;
        drop(stays);
        assert_eq!(access(&lines), expect, "{line}");
        let written = lines.join("\n");
        assert!(!written.contains("token"), "{written}");
        assert!(written.contains(" peer=127.0.0.1:"), "{written}");
        assert_eq!(written.matches(" duration_ms=").count(), 2, "in the span, too: {written}");
    }
}

#[tokio::test]
async fn an_end_outside_of_the_stream_is_logged_too() {
    let (lines, _subscribed) = Lines::subscribe();
    let server = run(map).await;
    read_until(&mut send(server.address, "GET /close").await, "\r\n0\r\n\r\n").await;
    assert!(access(&lines.until_closed().await).ends_with(r#"messages=0 end="closed""#));
    read_until(&mut send(server.address, "GET /panic").await, "500").await;
    assert!(access(&lines.until_closed().await).contains(" status=500 "));

    let mut client = send(server.address, "GET /broken").await;
    read_until(&mut client, "500 ").await;
    let line = access(&lines.until_closed().await);
    assert!(line.contains(" status=500 ") && line.ends_with(r#"end="finished""#), "{line}");

    // The client leaves before the response.
    let client = send(server.address, "GET /never").await;
    lines.until("waits").await;
    drop(client);
    let line = access(&lines.until_closed().await);
    assert!(line.ends_with(r#"version=HTTP/1.1 bytes=0 end="client left""#), "{line}");

    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "retry: 3000").await;
    server.shutdown.shutdown();
    assert!(access(&lines.until_closed().await).ends_with(r#"end="drained""#));
}

#[tokio::test]
async fn a_span_lives_as_long_as_its_stream_and_has_its_log_lines() {
    let (lines, _subscribed) = Lines::subscribe();
    let server = run(map).await;
    let client = http2(server.address).await;
    let mut body = get2(&client, "/events").await.into_body();
    data2(&mut body).await.unwrap().unwrap();
    assert!(lines.taken().is_empty(), "it is open");
    // Only this stream is reset.
    drop(body);
    let written = lines.until_closed().await;
    assert!(access(&written).contains(r#"version=HTTP/2.0 status=200 bytes=12"#), "{written:?}");

    for (path, logged) in [("/short", "in the stream"), ("/hello/x", "in the handler")] {
        let mut body = get2(&client, path).await.into_body();
        while data2(&mut body).await.is_some() {}
        let written = lines.until_closed().await;
        let line = written.iter().find(|line| line.contains(logged)).expect(logged);
        assert!(line.contains(&format!(" request{{method=GET path={path} ")), "{line}");
    }
}

#[tokio::test]
async fn a_valid_traceparent_is_used_and_a_malformed_one_is_ignored() {
    const PROPER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (lines, _subscribed) = Lines::subscribe();
    let mut app = App::new();
    map(&mut app);
    app.map_get("/trace", |parent: Option<Extension<TraceParent>>| match parent {
        Some(Extension(parent)) => ok!("{parent}"),
        None => ok!("none"),
    });
    let client = TestClient::new(app);
    let response = client.get("/trace").header("traceparent", PROPER).send().await;
    assert_eq!(response.text().await, PROPER);
    let written = lines.taken().join("\n");
    let ids = "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 parent_id=00f067aa0ba902b7";
    assert_eq!(written.matches(ids).count(), 2, "{written}");

    let response = client.get("/trace").header("traceparent", &PROPER[1..]).send().await;
    assert_eq!(response.text().await, "none");
    assert!(!lines.taken().join("\n").contains("trace_id"));
}

#[tokio::test]
async fn a_detached_handler_continues_in_the_span_of_its_request() {
    let (lines, _subscribed) = Lines::subscribe();
    let server = run(|app| {
        map(app);
        app.map_get(
            "/detached",
            detached(|token: CancellationToken| async move {
                tracing::info!("waits");
                token.cancelled().await;
                tracing::info!("after the client left");
            }),
        );
    })
    .await;
    let client = send(server.address, "GET /detached").await;
    lines.until("waits").await;
    drop(client);
    let written = lines.until_closed().await;
    let line = written.iter().find(|line| line.contains("after the client left"));
    assert!(line.is_some_and(|line| line.contains(r#"path=/detached"#)), "{written:?}");
}

#[tokio::test]
async fn a_cookie_that_is_not_valid_is_a_line_at_the_level_debug() {
    let (lines, _guard) = Lines::subscribe_to(Level::DEBUG);
    let mut app = App::new();
    app.add_singleton(CookieKeys::random().unwrap());
    app.map_get("/", async |cookies: SignedCookies| ok!("{:?}", cookies.get("user")));
    let client = TestClient::new(app);
    for (cookie, expect) in [("user=forged", 1), ("other=forged", 0)] {
        let response = client.get("/").header("cookie", cookie).send().await;
        assert_eq!(response.text().await, "None");
        let taken = lines.taken();
        let is_told = |line: &&String| {
            line.contains("DEBUG")
                && line.contains("ignored a signed cookie that is not valid cookie=\"user\"")
        };
        assert_eq!(taken.iter().filter(is_told).count(), expect, "{taken:?}");
        assert!(!taken.concat().contains("forged"), "{taken:?}");
    }
}
