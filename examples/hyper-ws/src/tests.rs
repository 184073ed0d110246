//! Tests the program with a client that only reads and writes bytes.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::serve_connection;

const HANDSHAKE: &str = "connection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request with these fields on a new connection, and reads the head of the response.
async fn request(path: &str, fields: &str) -> (String, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (connection, _) = listener.accept().await.unwrap();
    tokio::spawn(serve_connection(connection));
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{fields}\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), client)
}

#[tokio::test]
async fn a_message_comes_back_and_a_close_is_answered() {
    let (head, mut client) = request("/echo", HANDSHAKE).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // A masked text message "hi", and then a masked close with code 1000.
    client.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut echo = [0; 4];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81\x02hi");
    client.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    let mut close = Vec::new();
    client.read_to_end(&mut close).await.unwrap();
    assert_eq!(close, b"\x88\x02\x03\xe8");
}

#[tokio::test]
async fn what_is_no_handshake_has_a_status() {
    let elsewhere = format!("{HANDSHAKE}origin: https://evil.example\r\n");
    for (path, fields, status) in
        [("/", "", 200), ("/none", "", 404), ("/echo", "", 426), ("/echo", &*elsewhere, 403)]
    {
        let (head, _) = request(path, fields).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    }
}

#[test]
fn the_guide_shows_this_code() {
    const GUIDE: &str = include_str!("../../../docs/src/websockets.md");
    let code = include_str!("main.rs").split("// [guide]\n").nth(1).unwrap();
    assert!(GUIDE.contains(code.trim()), "copy what stands between the marks of main.rs");
}
