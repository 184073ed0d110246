//! The socket over both protocols.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A masked text message "hi", and the echo of it.
const HELLO: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
const ECHO: &[u8] = b"\x81\x02hi";

async fn start() -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shut_down, shutdown) = watch::channel(false);
    tokio::spawn(async move { axum::serve(listener, app(shutdown)).await });
    (address, shut_down)
}

#[tokio::test]
async fn http1_upgrades_and_a_shutdown_closes_with_1001() {
    let (address, shut_down) = start().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: echo\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-protocol: echo\r\n"), "{head}");
    client.write_all(HELLO).await.unwrap();
    let mut echo = [0; 4];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, ECHO);
    shut_down.send_replace(true);
    let mut close = [0; 4];
    client.read_exact(&mut close).await.unwrap();
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1001));
}

#[tokio::test]
async fn a_page_from_elsewhere_is_refused() {
    let (address, _shut_down) = start().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade, close\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\norigin: https://evil.example\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
}

#[tokio::test]
async fn http2_connects() {
    let (address, _shut_down) = start().await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let request = http::Request::connect(format!("http://{address}/echo"))
        .header("sec-websocket-version", "13")
        .extension(h2::ext::Protocol::from_static("websocket"));
    let (response, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    send.send_data(Bytes::from_static(HELLO), false).unwrap();
    assert_eq!(response.into_body().data().await.unwrap().unwrap(), ECHO);
}
