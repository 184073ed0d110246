//! Limits, each of them reached.

use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use volga_http::Server;
use volga_http::limits::{MAX_HEAD_BYTES, MAX_HEAD_FIELDS, MAX_STREAMS, MAX_TARGET_BYTES};

use crate::support::{
    EMPTY_SETTINGS, GET, PREFACE, RawFrame, Running, TestBody, connect, get, raw_get,
    read_to_close, read_until, send, within,
};

fn a_head_of(bytes: usize) -> String {
    let (start, end) = ("GET / HTTP/1.1\r\nhost: a\r\nx-long: ", "\r\n\r\n");
    format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len()))
}

#[tokio::test]
async fn an_http1_head_may_be_as_large_as_the_limit() {
    let server = Running::hello().await;
    let mut client = server.connect().await;
    send(&mut client, a_head_of(MAX_HEAD_BYTES as usize).as_bytes()).await;
    let response = read_until(&mut client, "hello").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");

    send(&mut client, a_head_of(MAX_HEAD_BYTES as usize + 1).as_bytes()).await;
    let response = read_to_close(&mut client).await;
    assert!(response.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&response));
}

#[tokio::test]
async fn an_http1_head_may_have_as_many_fields_as_the_limit() {
    let server = Running::hello().await;
    // The host is one of the fields.
    let head =
        |count: usize| format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    let mut client = server.connect().await;
    send(&mut client, head(MAX_HEAD_FIELDS).as_bytes()).await;
    assert!(read_until(&mut client, "hello").await.starts_with("HTTP/1.1 200 "));
    send(&mut client, head(MAX_HEAD_FIELDS + 1).as_bytes()).await;
    let response = read_to_close(&mut client).await;
    assert!(response.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&response));
}

#[tokio::test]
async fn other_clients_are_served_while_some_flood_and_never_read() {
    const PINGS: usize = 1_000;
    let server = Running::hello().await;
    let floods: Vec<_> = (0..8)
        .map(|_| {
            let address = server.address;
            tokio::spawn(async move {
                let mut client = connect(address).await;
                send(&mut client, &[PREFACE, EMPTY_SETTINGS].concat()).await;
                let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(PINGS);
                // This writes until the sockets are full, and then waits for as long as the test
                // runs.
                while client.write_all(&ping).await.is_ok() {}
            })
        })
        .collect();
    let (mut http2, _driver) = server.connect_h2().await;
    let mut http1 = server.connect().await;
    for _ in 0..100 {
        send(&mut http1, GET).await;
        read_until(&mut http1, "hello").await;
        let (response, _) = http2.send_request(get(), true).expect("an open connection");
        assert_eq!(within(response).await.expect("a response").status(), 200);
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_larger_http2_header_list_gets_431() {
    let server = Running::hello().await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::get("http://a/").header("x-long", "a".repeat(MAX_HEAD_BYTES as usize));
    let (response, _) = client
        .send_request(request.body(()).expect("a request"), true)
        .expect("an open connection");
    assert_eq!(within(response).await.expect("a response").status(), 431);
}

#[tokio::test]
async fn a_longer_http2_target_gets_414() {
    let server = Running::hello().await;
    let (mut client, _driver) = server.connect_h2().await;
    for (bytes, status) in [(MAX_TARGET_BYTES, 200), (MAX_TARGET_BYTES + 1, 414)] {
        let path = "a".repeat(bytes - "a/".len());
        let request = Request::get(format!("http://a/{path}")).body(()).expect("a request");
        let (response, _) = client.send_request(request, true).expect("an open connection");
        assert_eq!(within(response).await.expect("a response").status(), status);
    }
}

#[tokio::test]
async fn a_stream_beyond_the_limit_is_refused() {
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
