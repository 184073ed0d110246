//! Bounds, each reached.

use http::{Request, Response};
use volga_http::Server;
use volga_http::limits::{MAX_HEAD_BYTES, MAX_STREAMS};

use crate::support::{
    EMPTY_SETTINGS, PREFACE, RawFrame, Running, TestBody, raw_get, read_to_close, read_until, send,
    within,
};

fn a_head_of(bytes: usize) -> String {
    let (start, end) = ("GET / HTTP/1.1\r\nhost: a\r\nx-long: ", "\r\n\r\n");
    format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len()))
}

#[tokio::test]
async fn an_http1_head_may_have_the_limit_and_not_a_byte_more() {
    let server = Running::hello().await;
    let mut client = server.connect().await;
    send(&mut client, a_head_of(MAX_HEAD_BYTES as usize).as_bytes()).await;
    let answer = read_until(&mut client, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    send(&mut client, a_head_of(MAX_HEAD_BYTES as usize + 1).as_bytes()).await;
    let answer = read_to_close(&mut client).await;
    assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_larger_http2_header_list_is_answered_with_431() {
    let server = Running::hello().await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::get("http://a/").header("x-long", "a".repeat(MAX_HEAD_BYTES as usize));
    let (response, _) = client
        .send_request(request.body(()).expect("a request"), true)
        .expect("an open connection");
    assert_eq!(within(response).await.expect("a response").status(), 431);
}

#[tokio::test]
async fn one_stream_more_than_the_limit_is_refused() {
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let server =
        Running::start(Server::new(), |_| std::future::pending::<Response<TestBody>>()).await;
    let mut client = server.connect().await;
    let mut sent = [PREFACE, EMPTY_SETTINGS].concat();
    let last = 2 * MAX_STREAMS + 1;
    for stream in (1..=last).step_by(2) {
        sent.extend_from_slice(&raw_get(stream));
    }
    send(&mut client, &sent).await;
    let reset = RawFrame::read_kind(&mut client, RawFrame::RST_STREAM).await;
    assert_eq!((reset.stream, &reset.payload[..]), (last, &REFUSED_STREAM[..]));
}
