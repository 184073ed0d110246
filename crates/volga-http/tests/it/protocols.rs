//! Both protocols on one port, detected by the first bytes.

use http::Version;

use crate::support::{
    EMPTY_SETTINGS, GET, PREFACE, RawFrame, Running, get, read_until, send, within,
};

#[tokio::test]
async fn one_port_serves_both() {
    let server = Running::hello().await;

    let mut http1 = server.connect().await;
    send(&mut http1, GET).await;
    let response = read_until(&mut http1, "hello").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");

    let (mut http2, _driver) = server.connect_h2().await;
    let (response, _) = http2.send_request(get(), true).expect("an open connection");
    let response = within(response).await.expect("a response");
    assert_eq!((response.version(), response.status().as_u16()), (Version::HTTP_2, 200));
    let body = within(response.into_body().data()).await.expect("a body").expect("data");
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn the_preface_may_arrive_in_two_parts() {
    let server = Running::hello().await;
    for cut in 1..PREFACE.len() {
        let mut client = server.connect().await;
        client.set_nodelay(true).expect("an open socket");
        send(&mut client, &PREFACE[..cut]).await;
        tokio::task::yield_now().await;
        send(&mut client, &PREFACE[cut..]).await;
        send(&mut client, EMPTY_SETTINGS).await;
        assert_eq!(RawFrame::read(&mut client).await.kind, RawFrame::SETTINGS, "cut at {cut}");
    }
}
