//! Request bodies: their limit, their time limit, and the memory for all of them. A client that is
//! still sending gets the reason for a refusal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, stream};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use volga::{
    App, HttpBody, Json, NdJson, Text,
    error::Error,
    http::{BodyLimit, Bytes, HeaderMap},
    limits::{DEFAULT_MAX_BODY, LINGER_BYTES},
    ok,
    test::{TestClient, TestRequest},
};

use super::support::{http2, read_to_end, run, run_app, soon};

const BIG: usize = 20 * 1024 * 1024;

/// A body of unknown length.
fn pieces(count: usize, bytes: usize) -> HttpBody {
    let piece = Bytes::from(vec![b'1'; bytes]);
    HttpBody::from_stream(stream::iter(vec![Ok::<_, Error>(piece); count]))
}

/// Every way to take a body, with a limit of ten bytes.
fn takers() -> App {
    let mut app = App::new();
    app.body_limit(10);
    app.map_post("/bytes", async |body: Bytes| ok!("{}", body.len()));
    app.map_post("/text", async |body: Text| ok!("{}", body.len()));
    app.map_post("/json", async |Json(number): Json<u64>| ok!("{number}"));
    app.map_post("/ndjson", async |mut numbers: NdJson<u64>| {
        while let Some(number) = numbers.next().await {
            number?;
        }
        Ok::<_, Error>(())
    });
    app.map_post("/stream", async |mut body: HttpBody| {
        let mut length = 0;
        while let Some(bytes) = body.next().await {
            length += bytes?.len();
        }
        Ok::<_, Error>(length)
    });
    app.map_post("/request", async |request: volga::HttpRequest| {
        let mut body = request.into_body();
        while let Some(bytes) = body.next().await {
            bytes?;
        }
        Ok::<_, Error>(())
    });
    app.map_post("/result", async |body: Result<Json<u64>, Error>| {
        let error = body.expect_err("too large");
        (error.status(), "the handler has seen it")
    });
    app
}

fn typed<'a>(request: TestRequest<'a>, path: &str) -> TestRequest<'a> {
    let name = if path == "/ndjson" { "application/x-ndjson" } else { "application/json" };
    request.header("content-type", name)
}

#[tokio::test]
async fn every_way_to_take_a_body_has_exactly_the_limit() {
    for client in [TestClient::new(takers()), TestClient::serve(takers()).await] {
        for path in ["/bytes", "/text", "/json", "/ndjson", "/stream", "/request"] {
            for (body, status) in [
                (HttpBody::full("1234567890"), 200),
                (HttpBody::full("12345678901"), 413),
                (pieces(5, 2), 200),
                (pieces(11, 1), 413),
            ] {
                let response = typed(client.post(path), path).body(body).send().await;
                response.assert_status(status);
            }
        }
        for body in [HttpBody::full("12345678901"), pieces(11, 1)] {
            let response = typed(client.post("/result"), "/result").body(body).send().await;
            response.assert_status(413);
            assert_eq!(response.text().await, "the handler has seen it");
        }
    }
}

#[tokio::test]
async fn the_nearest_limit_applies_and_5_mib_is_the_default() {
    let mut app = App::new();
    let length = async |body: Bytes| ok!("{}", body.len());
    app.map_post("/default", length);
    app.group("/in", |group| {
        group.map_post("/group", length);
        group.map_post("/route", length).body_limit(5);
        group.map_post("/any", length).body_limit(BodyLimit::UNLIMITED);
        group.body_limit(3);
        group.map_fallback(length);
    });
    let client = TestClient::new(app);
    for (path, most) in [
        ("/default", DEFAULT_MAX_BODY),
        ("/in/group", 3),
        ("/in/route", 5),
        ("/in/nothing/here", 3),
    ] {
        for body in [HttpBody::full(vec![0; most]), pieces(1, most)] {
            client.post(path).body(body).send().await.assert_status(200);
        }
        for body in [HttpBody::full(vec![0; most + 1]), pieces(1, most + 1)] {
            client.post(path).body(body).send().await.assert_status(413);
        }
    }
    client.post("/in/any").body(pieces(6, 1024 * 1024)).send().await.assert_status(200);
}

#[tokio::test]
async fn a_large_body_refuses_only_handlers_that_take_a_body() {
    let mut app = App::new();
    app.body_limit(3);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    app.map_post("/none", |headers: HeaderMap| ok!("{}", headers.len()));
    app.map_post("/takes", move |_: HttpBody| {
        counted.fetch_add(1, Ordering::Relaxed);
        "called"
    });
    let client = TestClient::serve(app).await;
    client.post("/none").body("1234").send().await.assert_status(200);
    let response = client.post("/takes").body("1234").send().await;
    response.assert_status(413).assert_header("content-type", "application/problem+json");
    let expect =
        r#"{"status":413,"title":"Payload Too Large","detail":"the body is larger than 3 bytes"}"#;
    assert_eq!(response.text().await, expect);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_middleware_has_made_longer_is_limited_again() {
    let mut app = App::new();
    app.body_limit(10);
    app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
    app.wrap(|mut ctx, next| async move {
        *ctx.body_mut() = pieces(1000, 1000);
        next.run(ctx).await
    });
    TestClient::new(app).post("/").body("small").send().await.assert_status(413);
}

/// Sends a whole request with a body of 20 MB before it reads anything. Returns what it then reads.
async fn send_all_then_read(mut stream: TcpStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    let sending = async {
        let mut left = BIG;
        while left > 0 {
            let piece =
                if head.contains("chunked") { &*chunk } else { &chunk[..left.min(0x10000)] };
            stream.write_all(piece.as_bytes()).await.expect("the server reads on");
            left = left.saturating_sub(piece.len());
        }
    };
    soon("the end of sending", sending).await;
    read_to_end(&mut stream).await
}

#[tokio::test]
async fn a_client_that_sends_everything_first_reads_413_over_http1() {
    const { assert!(BIG < LINGER_BYTES) };
    let server = run(|app| {
        app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
        app.map_post("/none", || "no body wanted");
    })
    .await;
    for (path, length, expect) in [
        ("/", format!("content-length: {BIG}"), "HTTP/1.1 413 "),
        ("/", "transfer-encoding: chunked".to_owned(), "HTTP/1.1 413 "),
        ("/none", format!("content-length: {BIG}"), "HTTP/1.1 200 "),
        ("/nothing", format!("content-length: {BIG}"), "HTTP/1.1 404 "),
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let answer = send_all_then_read(
            stream,
            &format!("POST {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n"),
        )
        .await;
        assert!(answer.starts_with(expect), "{path} {length}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_refused_before_it_sends() {
    let server = run(|app| {
        app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {BIG}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    soon("the answer", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn http2_answers_413_and_resets_the_stream_without_an_error() {
    let server = run(|app| {
        app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
    })
    .await;
    let mut client = soon("a stream", http2(server.address).await.ready()).await.unwrap();
    let request =
        http::Request::post("http://test/").header("content-length", BIG).body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"some"), false).unwrap();
    let response = soon("the response", response).await.unwrap();
    assert_eq!(response.status(), 413);
    let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
    assert_eq!(soon("the reset", reset).await.unwrap(), h2::Reason::NO_ERROR);
    let text = soon("the body", response.into_body().data()).await.unwrap().unwrap();
    assert!(text.starts_with(br#"{"status":413"#), "{text:?}");
}

/// Reads a response to the end of the connection, and checks that it reports a timeout of the body.
async fn assert_timed_out(stream: &mut TcpStream, case: &str) {
    let answer = read_to_end(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{case}: {answer}");
    assert!(answer.contains("connection: close\r\n"), "{case}: {answer}");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{case}: {answer}");
    assert!(answer.contains("took too long to send the body"), "{case}: {answer}");
}

#[tokio::test]
async fn a_body_that_stops_has_status_408_for_every_extractor() {
    let server = run_app(takers().with_body_read_timeout(Duration::from_millis(20))).await;
    for path in ["/bytes", "/text", "/json", "/ndjson", "/stream", "/request"] {
        let content_type =
            if path == "/ndjson" { "application/x-ndjson" } else { "application/json" };
        for (framing, sent) in [
            ("content-length: 9", ""),
            ("content-length: 9", "12345678"),
            ("transfer-encoding: chunked", "5"),
            ("transfer-encoding: chunked", "1\r\n1\r\n"),
            ("transfer-encoding: chunked", "1\r\n1\r\n0\r\nx-sum: 1\r\n"),
        ] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}");
            let request = format!("{head}\r\n{framing}\r\n\r\n{sent}");
            stream.write_all(request.as_bytes()).await.unwrap();
            assert_timed_out(&mut stream, &format!("{path}, {framing}, {sent:?}")).await;
        }
        let mut client = soon("a stream", http2(server.address).await.ready()).await.unwrap();
        let request = http::Request::post(format!("http://test{path}"))
            .header("content-type", content_type)
            .body(())
            .unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"1"), false).unwrap();
        let response = soon("the response", response).await.unwrap();
        assert_eq!(response.status(), 408, "{path}");
        let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
        assert_eq!(soon("the reset", reset).await.unwrap(), h2::Reason::NO_ERROR, "{path}");
    }
}

#[tokio::test]
async fn a_slow_body_has_status_408_unless_the_rate_limit_is_off() {
    let second = Duration::from_secs(1);
    for (rate, expect) in [(1_000_000, "HTTP/1.1 408 "), (0, "HTTP/1.1 200 ")] {
        let app = takers().with_body_read_timeout(second).with_min_body_rate(rate);
        let server = run_app(app).await;
        let (mut read, mut write) = TcpStream::connect(server.address).await.unwrap().into_split();
        let head =
            "POST /bytes HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n";
        write.write_all(head.as_bytes()).await.unwrap();
        let trickle = tokio::spawn(async move {
            for _ in 0..10 {
                // The sum of the pauses exceeds the timeout, but each single pause does not.
                tokio::time::sleep(second / 8).await;
                if write.write_all(b"1").await.is_err() {
                    break;
                }
            }
            write
        });
        let mut answer = String::new();
        let _ = soon("the answer", read.read_to_string(&mut answer)).await;
        assert!(answer.starts_with(expect), "{rate}: {answer}");
        trickle.abort();
    }
}

/// A body with a first piece, and then the pieces of a channel.
fn told(first: &'static str) -> (tokio::sync::mpsc::UnboundedSender<&'static str>, HttpBody) {
    let (tell, pieces) = tokio::sync::mpsc::unbounded_channel();
    tell.send(first).unwrap();
    let pieces = stream::unfold(pieces, |mut pieces| async {
        let piece: &str = pieces.recv().await?;
        Some((Ok::<_, Error>(piece), pieces))
    });
    (tell, HttpBody::from_stream(pieces))
}

#[tokio::test]
async fn collected_bodies_have_a_limit_together_and_give_their_bytes_back() {
    for (path, first, counted) in [
        ("/bytes", "12345", 5),
        ("/text", "12345", 5),
        ("/json", "12345", 5),
        // For `NdJson` only the incomplete line counts.
        ("/ndjson", "123\n45", 2),
        ("/stream", "12345", 0),
        ("/request", "12345", 0),
    ] {
        for way_out in ["end", "error", "leave"] {
            let reports = Arc::new(AtomicUsize::new(0));
            let reported = Arc::clone(&reports);
            let app = takers().with_max_collected_bytes(8).on_error(move |report| {
                assert_eq!(report.status(), 503);
                reported.fetch_add(1, Ordering::Relaxed);
            });
            let client = TestClient::new(app);
            let case = format!("{path}, {way_out}");
            let (tell, body) = told(first);
            let mut waits = Box::pin(typed(client.post(path), path).body(body).send());
            assert!((&mut waits).now_or_never().is_none(), "{case}");
            let room = 8 - counted;
            for at_once in [true, false] {
                let send = |bytes: usize| {
                    let pieces =
                        if at_once { HttpBody::full(vec![b'1'; bytes]) } else { pieces(bytes, 1) };
                    client.post("/bytes").body(pieces).send()
                };
                send(room).await.assert_status(200);
                for _ in 0..3 {
                    let refused = send(room + 1).await;
                    refused.assert_status(503).assert_header("retry-after", "5");
                }
            }
            // Until half of the budget is free, only one refusal is reported.
            assert_eq!(reports.load(Ordering::Relaxed), if counted == 5 { 1 } else { 6 }, "{case}");
            match way_out {
                "end" => {
                    drop(tell);
                    waits.await.assert_status(200);
                }
                "error" => {
                    tell.send("12345678901").unwrap();
                    let status = if counted > 0 { [413, 503] } else { [413, 413] };
                    assert!(status.contains(&waits.await.status().as_u16()), "{case}");
                }
                _ => drop(waits),
            }
            client.post("/bytes").body(pieces(8, 1)).send().await.assert_status(200);
        }
    }
}

#[tokio::test]
async fn an_error_mapper_may_change_the_refusal_and_keeps_its_retry_after() {
    let mut app = App::new().with_max_collected_bytes(3);
    app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
    app.map_err(|error: Error| (error.status(), "shaped"));
    let client = TestClient::new(app);
    let response = client.post("/").body("1234").send().await;
    response.assert_status(503).assert_header("retry-after", "5");
    assert_eq!(response.text().await, "shaped");
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9\n\r \\[\\]{}\",:a-z-]{0,14}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn every_body_has_one_of_the_documented_statuses(
        path in prop::sample::select(vec!["/bytes", "/text", "/json", "/ndjson", "/stream", "/request"]),
        content_type in prop::option::of(prop_oneof![
            Just("application/json".to_owned()),
            Just("application/x-ndjson".to_owned()),
            "[ -~]{0,30}",
        ]),
        body in any_body(),
        cut in 1..20_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = runtime.block_on(async {
            let client = TestClient::new(takers());
            let pieces: Vec<_> = body.chunks(cut).map(|piece| Ok::<_, Error>(piece.to_vec())).collect();
            let mut request = client.post(path).body(HttpBody::from_stream(stream::iter(pieces)));
            if let Some(content_type) = &content_type {
                request = request.header("content-type", content_type);
            }
            request.send().await.status().as_u16()
        });
        let documented: &[u16] = match path {
            "/bytes" | "/stream" | "/request" => &[200, 413],
            "/text" => &[200, 400, 413, 415],
            _ => &[200, 400, 413, 415, 422],
        };
        prop_assert!(documented.contains(&status), "{path} {status}");
        if body.len() > 10 {
            prop_assert!(status != 200);
        } else {
            prop_assert!(status != 413);
        }
    }
}
