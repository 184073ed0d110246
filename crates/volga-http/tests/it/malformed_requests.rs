//! Requests that two servers could take for different ones, as bytes. None of them reaches the
//! service, and no request behind one gets a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use http_body_util::BodyExt;
use volga_http::Server;
use volga_http::limits::{MAX_HEAD_FIELDS, MAX_TARGET_BYTES};

use crate::support::{Running, TestBody, long_lived, read_to_close, read_until, send};

/// The request behind each request below, and a part of the response that a server would send if it
/// read on.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// A server that reads the body, responds with the path and the body's length, and counts its
/// calls.
async fn echo() -> (Running, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Running::start(Server::new(), move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let path = request.uri().path().to_owned();
            match request.into_body().collect().await {
                Ok(body) => {
                    let length = body.to_bytes().len();
                    Response::new(TestBody::full(format!("<{path} {length}>")))
                }
                Err(_) => {
                    let malformed = Response::builder().status(400).body(TestBody::default());
                    malformed.expect("a response")
                }
            }
        }
    })
    .await;
    (server, calls)
}

/// Sends the request with another one behind it, and returns everything that the server sends until
/// it closes.
async fn responses_to(server: &Running, request: &[u8]) -> String {
    let mut client = server.connect().await;
    send(&mut client, &[request, SMUGGLED.as_bytes()].concat()).await;
    String::from_utf8(read_to_close(&mut client).await).expect("text")
}

#[tokio::test]
async fn ambiguous_requests_get_400_and_the_connection_closes() {
    let (server, calls) = echo().await;
    let long = "9".repeat(30);
    let cases: Vec<(&str, Vec<u8>)> = [
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".into()),
        ("the same host twice", "GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n".into()),
        ("two hosts in one", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n".into()),
        ("a user in the host", "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n".into()),
        ("a path in the host", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n".into()),
        ("another host in the target", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("another port in the target", "GET http://a:1/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("a user in the target", "GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("a target without a slash", "GET a HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("an asterisk", "GET * HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("no target", "GET HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("a blank in the target", "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("a tab before the version", "GET /\tHTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("two blanks", "GET  / HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("a blank after the version", "GET / HTTP/1.1 \r\nhost: a\r\n\r\n".into()),
        ("an unknown version", "GET / HTTP/1.2\r\nhost: a\r\n\r\n".into()),
        ("a version without a dot", "GET / HTTP/11\r\nhost: a\r\n\r\n".into()),
        ("NUL in the target", "GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("NUL in a value", "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n".into()),
        ("NUL in a name", "GET / HTTP/1.1\r\nhost: a\r\nx\0: y\r\n\r\n".into()),
        ("a bare CR in a value", "GET / HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n".into()),
        ("a bare CR in a name", "GET / HTTP/1.1\r\nhost: a\r\nx\ry: z\r\n\r\n".into()),
        ("a bare CR as a line's end", "GET / HTTP/1.1\rhost: a\r\n\r\n".into()),
        ("a folded line", "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n".into()),
        ("a folded first line", "GET / HTTP/1.1\r\n host: a\r\n\r\n".into()),
        ("a blank before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n".into()),
        ("no colon", "GET / HTTP/1.1\r\nhost: a\r\nx\r\n\r\n".into()),
        ("no name", "GET / HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n".into()),
        ("a pseudo-header", "GET / HTTP/1.1\r\nhost: a\r\n:path: /b\r\n\r\n".into()),
        ("a length with a sign", post("content-length: +5")),
        ("a negative length", post("content-length: -5")),
        ("a list of lengths", post("content-length: 5, 5")),
        ("a hexadecimal length", post("content-length: 0x5")),
        ("a length with a fraction", post("content-length: 5.0")),
        ("a length with a blank in it", post("content-length: 5 5")),
        ("no length", post("content-length:")),
        ("a length beyond all numbers", post(&format!("content-length: {long}"))),
        ("two lengths", post("content-length: 5\r\ncontent-length: 6")),
        ("a coding twice", post("transfer-encoding: chunked, chunked")),
        ("a coding on two lines", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked")),
        ("an unknown coding", post("transfer-encoding: xchunked")),
        (
            "an unknown coding before",
            post("transfer-encoding: xchunked\r\ntransfer-encoding: chunked"),
        ),
        ("an unknown coding after", post("transfer-encoding: chunked\r\ntransfer-encoding: x")),
        ("a coding that is none", post("transfer-encoding: identity")),
        ("a coding that is none, before", post("transfer-encoding: identity, chunked")),
        ("a coding that is not read", post("transfer-encoding: gzip, chunked")),
        ("a coding in quotes", post("transfer-encoding: \"chunked\"")),
        ("a vertical tab in a coding", post("transfer-encoding: \x0bchunked")),
        ("no coding", post("transfer-encoding:")),
        (
            "chunks in HTTP/1.0",
            "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        ),
        ("two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n".into()),
    ]
    .map(|(what, request)| (what, request.into_bytes()))
    .into();
    for (what, request) in cases {
        let all = responses_to(&server, &request).await;
        assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{what}: {all:?}");
        assert!(all.contains("connection: close\r\n"), "{what}: {all:?}");
        assert!(all.contains("content-length: 0\r\n"), "{what}: {all:?}");
        assert!(all.ends_with("\r\n\r\n"), "{what}: {all:?}");
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{what}: one response: {all:?}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "none reaches the service");
}

fn post(field: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\nhello")
}

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
}

#[tokio::test]
async fn the_handler_is_told_of_bad_chunks_and_nothing_behind_them_is_read() {
    let (server, calls) = echo().await;
    for (number, chunks) in [
        "x\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let all = responses_to(&server, chunked(chunks).as_bytes()).await;
        assert!(all.starts_with("HTTP/1.1 400 "), "{chunks:?}: {all:?}");
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{chunks:?}: {all:?}");
        assert_eq!(calls.load(Ordering::Relaxed), number + 1, "{chunks:?}");
    }
}

/// The requests that the guide lists as accepted, and what the service then sees.
#[tokio::test]
async fn accepted_oddities_do_not_affect_the_next_request() {
    let (server, _calls) = echo().await;
    for (what, request, seen) in [
        ("lines that end with LF", "GET /lf HTTP/1.1\nhost: a\n\n".to_owned(), "</lf 0>"),
        (
            "empty lines before it",
            "\r\n\r\nGET /crlf HTTP/1.1\r\nhost: a\r\n\r\n".into(),
            "</crlf 0>",
        ),
        ("an empty host", "GET /empty HTTP/1.1\r\nhost:\r\n\r\n".into(), "</empty 0>"),
        ("a fragment", "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n".into(), "</a 0>"),
        ("a length twice", post("content-length: 5\r\ncontent-length: 5"), "</ 5>"),
        ("a length with blanks", post("content-length: \t5 "), "</ 5>"),
        ("a length with zeros", post("content-length: 0005"), "</ 5>"),
        (
            "a coding in capitals",
            chunked("5\r\nhello\r\n0\r\n\r\n").replace("chunked", "CHUNKED"),
            "</ 5>",
        ),
        ("a chunk's extension", chunked("5;a=\"b\"\r\nhello\r\n0\r\n\r\n"), "</ 5>"),
        ("a chunk's size with zeros", chunked("0005\r\nhello\r\n0\r\n\r\n"), "</ 5>"),
        (
            "a length among the trailers",
            chunked("5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n"),
            "</ 5>",
        ),
        ("an absolute target", "GET http://a/abs HTTP/1.1\r\nhost: a\r\n\r\n".into(), "</abs 0>"),
    ] {
        let mut client = server.connect().await;
        send(&mut client, &[request.as_bytes(), SMUGGLED.as_bytes()].concat()).await;
        let all = read_until(&mut client, "</smuggled 0>").await;
        assert_eq!(all.matches("HTTP/1.1 200 ").count(), 2, "{what}: {all:?}");
        assert!(all.contains(seen), "{what}: {all:?}");
    }
}

/// RFC 9112, section 6.1: the chunked coding wins, and the connection closes, because the sender
/// may have meant the length.
#[tokio::test]
async fn with_chunks_and_a_length_the_chunks_win_and_the_connection_closes() {
    let (server, _calls) = echo().await;
    let both = [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
    ];
    for fields in both {
        let request =
            format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let all = responses_to(&server, request.as_bytes()).await;
        assert!(all.starts_with("HTTP/1.1 200 ") && all.ends_with("</ 5>"), "{all:?}");
        assert!(all.contains("connection: close\r\n"), "{all:?}");
    }
}

#[tokio::test]
async fn the_same_is_true_if_the_response_is_a_stream() {
    let server =
        Running::start(Server::new(), |_| async { long_lived(TestBody::endless("open")) }).await;
    let fields = "content-length: 3\r\ntransfer-encoding: chunked";
    for request in [
        format!("POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\n{fields}\r\n\r\n0\r\n\r\n"),
        "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n".into(),
    ] {
        let all = responses_to(&server, request.as_bytes()).await;
        assert!(all.starts_with("HTTP/1.1 400 ") && all.ends_with("\r\n\r\n"), "{all:?}");
    }
}

#[tokio::test]
async fn a_refusal_follows_the_responses_to_earlier_requests() {
    let (server, calls) = echo().await;
    let before = "GET /before HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let all = responses_to(&server, before.as_bytes()).await;
    let (first, rest) = all.split_once("</before 0>").expect("the first response");
    assert!(first.starts_with("HTTP/1.1 200 ") && rest.starts_with("HTTP/1.1 400 "), "{all:?}");
    assert_eq!((all.matches("HTTP/1.1 ").count(), calls.load(Ordering::Relaxed)), (2, 1));
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    const BODY: usize = 4 * 1024 * 1024;
    let (server, calls) = echo().await;
    for (status, fields) in [
        (400, String::new()),
        (400, "host: a\r\nx: a\rb\r\n".into()),
        (431, format!("host: a\r\n{}", "x: y\r\n".repeat(MAX_HEAD_FIELDS))),
    ] {
        let head = format!("POST / HTTP/1.1\r\n{fields}content-length: {BODY}\r\n\r\n");
        let mut client = server.connect().await;
        send(&mut client, head.as_bytes()).await;
        send(&mut client, &vec![b'x'; BODY]).await;
        let response = read_until(&mut client, "\r\n\r\n").await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_version_that_is_not_http_1_gets_505() {
    let (server, calls) = echo().await;
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        let all =
            responses_to(&server, format!("GET / {version}\r\nhost: a\r\n\r\n").as_bytes()).await;
        assert!(all.starts_with("HTTP/1.1 505 HTTP Version Not Supported\r\n"), "{all}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_target_longer_than_the_limit_gets_414() {
    let (server, _calls) = echo().await;
    let get = |bytes: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(bytes - 1));
    let all = responses_to(&server, get(MAX_TARGET_BYTES + 1).as_bytes()).await;
    assert!(all.starts_with("HTTP/1.1 414 URI Too Long\r\n") && all.ends_with("\r\n\r\n"), "{all}");
    let mut client = server.connect().await;
    send(&mut client, get(MAX_TARGET_BYTES).as_bytes()).await;
    assert!(read_until(&mut client, " 0>").await.starts_with("HTTP/1.1 200 "));
}
