//! Tests the program with a client that only reads bytes.

use std::{error::Error, iter::successors, net::SocketAddr};

use axum::{
    body::to_bytes,
    extract::{Path, State},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use volga_sse::{CloseGroup, EncodeError, Field, StreamLimit};

use super::{
    app,
    ticks::{MAX_PER_NAME, named_events},
};

/// Starts the program on a port that the system chooses.
async fn start() -> SocketAddr {
    start_with(CloseGroup::new()).await
}

async fn start_with(streams: CloseGroup) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app(streams)).await });
    address
}

async fn get(address: SocketAddr, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client
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
    let mut client = get(start().await, "/events").await;
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
    let address = start().await;
    let mut honest = get(address, "/events/beat/clock-").await;
    let text = read(&mut honest, Some("}\n\n")).await;
    assert!(text.contains("event: beat\nid: clock-0\n"), "{text}");

    for (event, id, field) in [
        ("beat\ndata: forged", "clock-", Field::Event),
        ("beat", "clock\r\ndata: forged\r\n\r\n", Field::Id),
        ("beat", "clock\rdata: forged", Field::Id),
    ] {
        let escaped =
            |text: &str| text.replace('\r', "%0D").replace('\n', "%0A").replace(' ', "%20");
        let path = format!("/events/{}/{}", escaped(event), escaped(id));
        let text = read(&mut get(address, &path).await, None).await;
        assert!(!text.contains("forged") && !text.contains("data:"), "{path}: {text}");
        // The last chunk of a complete response is empty. Without it, the client knows that the
        // response was cut.
        assert!(!text.ends_with("0\r\n\r\n"), "{path}: {text}");

        // The client cannot see the reason, but the body's error has it: which field, and why.
        let limit = State(StreamLimit::new(1));
        let response = named_events(limit, Path((event.into(), id.into()))).await.unwrap();
        let error = to_bytes(response.into_body(), usize::MAX).await.unwrap_err();
        let Some(EncodeError::LineBreak { field: found, .. }) = refused(&error) else {
            panic!("{error:?}");
        };
        assert_eq!(*found, field);
    }
}

#[tokio::test]
async fn a_stream_beyond_the_limit_is_refused_and_the_others_continue() {
    let address = start().await;
    let mut open = Vec::new();
    for _ in 0..MAX_PER_NAME {
        let mut client = get(address, "/events/beat/clock-").await;
        read(&mut client, Some("id: clock-0\n")).await;
        open.push(client);
    }
    let text = read(&mut get(address, "/events/beat/clock-").await, Some("\r\n\r\n")).await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nretry-after: "), "{text}");
    read(&mut get(address, "/events/other/clock-").await, Some("id: clock-0\n")).await;
    for mut client in open {
        let text = read(&mut client, Some("id: clock-1\n")).await;
        assert!(text.contains("id: clock-1\n"), "{text}");
    }
}

#[tokio::test]
async fn a_returning_reader_of_the_news_gets_what_it_missed() {
    let address = start().await;
    let mut first = get(address, "/news").await;
    publish(address, "one").await;
    let text = read(&mut first, Some("data: one\n")).await;
    assert!(text.contains("data: one\n"), "{text}");
    let id = publish(address, "two").await;
    drop(first);
    publish(address, "three").await;

    let mut again = get(address, &format!("/news?lastEventId={id}")).await;

    let text = read(&mut again, Some("data: three\n")).await;
    assert!(text.contains("data: three\n") && !text.contains("data: two\n"), "{text}");
}

/// Publishes a text and returns its event ID.
async fn publish(address: SocketAddr, text: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    let length = text.len();
    let request = format!(
        "POST /news HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let response = read(&mut client, None).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    response.split("\r\n\r\n").nth(1).unwrap().trim().to_owned()
}

#[tokio::test]
async fn closing_the_group_gives_every_reader_a_farewell_and_a_proper_end() {
    let streams = CloseGroup::new();
    let mut client = get(start_with(streams.clone()).await, "/events").await;
    read(&mut client, Some("}\n\n")).await;
    streams.close();
    let text = read(&mut client, Some("0\r\n\r\n")).await;
    assert!(text.contains("\nretry: ") && text.ends_with("0\r\n\r\n"), "{text}");
}

#[test]
fn the_guide_shows_this_code() {
    const GUIDE: &str = include_str!("../../../docs/src/volga-sse-elsewhere.md");
    for source in [include_str!("main.rs"), include_str!("ticks.rs")] {
        let code = source.split("// [guide]\n").nth(1).unwrap();
        assert!(GUIDE.contains(code.trim()), "copy what stands between the marks");
    }
}
