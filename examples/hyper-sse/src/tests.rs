//! Tests the program with a client that only reads bytes.

use std::{error::Error, iter::successors};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use volga_sse::{EncodeError, Field};

use super::serve;

/// Requests a path on a new connection. The task ends when the server has closed the connection.
async fn get(path: &str) -> (TcpStream, JoinHandle<hyper::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let (connection, _) = listener.accept().await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    (client, tokio::spawn(serve(connection)))
}

/// Reads until `end` has come, or until the connection ends.
async fn read(client: &mut TcpStream, end: Option<&str>) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !end.is_some_and(|end| text.contains(end)) {
        match client.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
        }
    }
    text
}

/// The `EncodeError` in the chain of causes, if there is one.
fn refused<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a EncodeError> {
    successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[tokio::test]
async fn a_plain_client_reads_the_stream() {
    let (mut client, _) = get("/events").await;
    let text = read(&mut client, Some("}\n\n")).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(text.contains(&format!("\r\n{header}\r\n")), "{header}: {text}");
    }
    assert!(text.contains("\nretry: 3000\n"), "{text}");
    assert!(text.contains("\nevent: tick\nid: 0\ndata: {\"seconds\":0}\n\n"), "{text}");
}

#[tokio::test]
async fn a_line_break_in_a_field_ends_the_stream_instead_of_forging_another() {
    let (mut honest, _) = get("/events/beat/clock-").await;
    let text = read(&mut honest, Some("}\n\n")).await;
    assert!(text.contains("event: beat\nid: clock-0\n"), "{text}");

    for (path, field) in [
        ("/events/beat%0Adata:%20forged/clock-", Field::Event),
        ("/events/beat/clock%0D%0Adata:%20forged%0D%0A%0D%0A", Field::Id),
        ("/events/beat/clock%0Ddata:%20forged", Field::Id),
    ] {
        let (mut client, server) = get(path).await;
        let text = read(&mut client, None).await;
        assert!(!text.contains("forged") && !text.contains("data:"), "{path}: {text}");
        // The last chunk of a complete response is empty. Without it, the client knows that the
        // response was cut.
        assert!(!text.ends_with("0\r\n\r\n"), "{path}: {text}");

        // The client cannot see the reason, but the server's error has it: which field, and why.
        let error = server.await.unwrap().unwrap_err();
        let Some(EncodeError::LineBreak { field: found, .. }) = refused(&error) else {
            panic!("{error:?}");
        };
        assert_eq!(*found, field);
    }
}

#[tokio::test]
async fn another_path_is_not_found() {
    let (mut client, _) = get("/").await;
    let text = read(&mut client, Some("\r\n\r\n")).await;
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
}

#[test]
fn the_guide_shows_this_code() {
    const GUIDE: &str = include_str!("../../../docs/src/volga-sse-elsewhere.md");
    let code = include_str!("main.rs").split("// [guide]\n").nth(1).unwrap();
    assert!(GUIDE.contains(code.trim()), "copy what stands between the marks of main.rs");
}
