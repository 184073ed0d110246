//! A response that is ready before the whole request, and a client that reads it last.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use volga_http::{DrainOutcome, Server};

use crate::support::{Running, TestBody, get, read_to_close, read_until, send, within};

const BIG: usize = 20 * 1024 * 1024;

/// A server that responds with 413 and ignores the body.
async fn refusing() -> Running {
    Running::start(Server::new(), |_| async {
        Response::builder().status(413).body(TestBody::full("too large")).expect("a response")
    })
    .await
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_gets_the_response() {
    let server = refusing().await;
    for _ in 0..10 {
        let mut client = server.connect().await;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BIG}\r\n\r\n");
        send(&mut client, head.as_bytes()).await;
        send(&mut client, &vec![b'a'; BIG]).await;
        let response = read_to_close(&mut client).await;
        let response = String::from_utf8_lossy(&response);
        assert!(
            response.starts_with("HTTP/1.1 413 ") && response.ends_with("too large"),
            "{response}"
        );
    }
}

#[tokio::test]
async fn a_body_that_arrives_with_its_head_does_not_delay_the_connection() {
    let server = refusing().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        send(&mut client, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await;
        let response = read_until(&mut client, "too large").await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    }
    client.shutdown().await.expect("an open socket");
    assert_eq!(read_to_close(&mut client).await, b"");
}

#[tokio::test]
async fn a_connection_whose_bodies_were_read_is_closed_by_the_drain_at_once() {
    let server = Running::start(Server::new(), |request| async move {
        let body = request.into_body().collect().await.expect("a body");
        Response::new(TestBody::full(body.to_bytes()))
    })
    .await;
    let mut client = server.connect().await;
    let chunked =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    send(&mut client, chunked.as_bytes()).await;
    read_until(&mut client, "abc").await;
    server.drain.start();
    let ended = tokio::time::timeout(Duration::from_millis(900), server.task).await;
    let drained = ended.expect("sooner than a pause of lingering").expect("no panic");
    assert!(matches!(drained, Ok(DrainOutcome::Complete)), "{drained:?}");
}

#[tokio::test]
async fn http2_resets_the_stream_without_an_error_after_the_response() {
    let server = refusing().await;
    let (mut client, driver) = server.connect_h2().await;
    let request = Request::post("http://a/").body(()).expect("a request");
    let (response, mut body) = client.send_request(request, false).expect("an open connection");
    body.send_data("some".into(), false).expect("an open stream");
    let response = within(response).await.expect("a response");
    assert_eq!(response.status(), 413);
    let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
    assert_eq!(within(reset).await.expect("a reset"), h2::Reason::NO_ERROR);
    let (response, _) = client.send_request(get(), true).expect("the connection lives");
    assert_eq!(within(response).await.expect("a response").status(), 413);
    assert!(!driver.is_finished());
}
