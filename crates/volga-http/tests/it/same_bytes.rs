//! The mark of a long-lived response changes how it is sent, and no byte of what is sent.

use http::{Request, Response, StatusCode};
use volga_http::{LongLivedResponse, RequestBody, Server};

use crate::support::{Running, Step, TestBody, data, read_to_close, send};

/// The response of each case, by the path of its request.
fn respond(request: &Request<RequestBody>) -> Response<TestBody> {
    let events = || TestBody::steps([data("first"), data(""), data("second")]);
    let response = Response::builder().header("content-type", "text/event-stream");
    let response = match request.uri().path() {
        "/plain" => response.body(events()),
        "/status" => response.status(207).body(events()),
        "/unknown-status" => response.status(299).body(events()),
        "/no-content" => response.status(StatusCode::NO_CONTENT).body(TestBody::default()),
        "/not-modified" => response.status(StatusCode::NOT_MODIFIED).body(TestBody::default()),
        "/fields" => response
            .header("set-cookie", "a=1")
            .header("x-other", "")
            .header("set-cookie", "b=2")
            .header("x-bytes", &b"\xff"[..])
            .body(events()),
        "/date" => response.header("date", "Sun, 06 Nov 1994 08:49:37 GMT").body(events()),
        "/connection-close" => response.header("connection", "close").body(events()),
        "/connection-keep-alive" => response.header("connection", "Keep-Alive").body(events()),
        "/connection-several" => response
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("connection", "y-hop, z-hop")
            .body(events()),
        "/chunked" => response.header("transfer-encoding", "chunked").body(events()),
        "/gzip" => response.header("transfer-encoding", "gzip").body(events()),
        "/trailer" => response.header("trailer", "x-sum").body(events()),
        "/length" => response.body(events().of_length(11)),
        "/length-field" => response.header("content-length", "11").body(events()),
        "/length-too-short" => response.body(events().of_length(7)),
        "/empty" => response.body(TestBody::default()),
        "/no-steps" => response.body(TestBody::steps([])),
        "/full" => response.body(TestBody::full("all of it")),
        "/large" => response.body(TestBody::steps([
            data("small"),
            Step::Data(vec![b'x'; 300_000].into()),
            Step::Data(vec![b'y'; 9_000].into()),
        ])),
        "/many" => response.body(TestBody::steps((0..300).map(|_| data("x")))),
        path => panic!("no case for {path}"),
    };
    response.expect("a response")
}

const PATHS: [&str; 21] = [
    "/plain",
    "/status",
    "/unknown-status",
    "/no-content",
    "/not-modified",
    "/fields",
    "/date",
    "/connection-close",
    "/connection-keep-alive",
    "/connection-several",
    "/chunked",
    "/gzip",
    "/trailer",
    "/length",
    "/length-field",
    "/length-too-short",
    "/empty",
    "/no-steps",
    "/full",
    "/large",
    "/many",
];

const REQUESTS: [&str; 9] = [
    "GET {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "GET {} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n\r\nGET {} HTTP/1.1\r\nhost: a\r\nconnection: x, CLOSE\r\n\r\n",
    "GET {} HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n",
    "GET {} HTTP/1.0\r\n\r\n",
    "GET {} HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET {} HTTP/1.0\r\n\r\n",
    "GET {} HTTP/1.0\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n",
    "HEAD {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "DELETE {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "POST {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
];

async fn server(marked: bool) -> Running {
    Running::start(Server::new(), move |request| async move {
        let mut response = respond(&request);
        if marked {
            response.extensions_mut().insert(LongLivedResponse);
        }
        response
    })
    .await
}

/// Everything that the server sends. The clock's dates are blanked, and a date that a case sets is
/// kept.
async fn sent_for(server: &Running, request: &str) -> String {
    let mut client = server.connect().await;
    send(&mut client, request.as_bytes()).await;
    let sent = read_to_close(&mut client).await;
    let sent = String::from_utf8_lossy(&sent).into_owned();
    let lines = sent.split("\r\n").map(|line| match line.strip_prefix("date: ") {
        Some(date) if !date.contains(" 1994 ") => "date: now",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
async fn a_long_lived_response_has_the_same_bytes_as_an_ordinary_one() {
    let (marked, plain) = (server(true).await, server(false).await);
    for request in REQUESTS {
        for path in PATHS {
            let request = request.replace("{}", path);
            let expect = sent_for(&plain, &request).await;
            assert!(expect.starts_with("HTTP/1."), "{request}{expect}");
            let sent = sent_for(&marked, &request).await;
            assert!(sent == expect, "{request}{sent:.600}\n\nand not\n\n{expect:.600}");
        }
    }
}
