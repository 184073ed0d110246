//! Messages in both directions.

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use volga_ws::{JsonError, Message, SocketEnd, WebSocket, WebSocketSettings};

use crate::support::{BINARY, CLOSE, PING, PONG, TEXT, frame, reason, start, start_echo, whole};

#[tokio::test]
async fn an_echo_returns_messages_of_every_size_and_kind() {
    for length in [0, 1, 125, 126, 127, 1024, 1025, 0xffff, 0x10000, 1 << 20] {
        for kind in [TEXT, BINARY] {
            let mut client = start_echo(WebSocketSettings::new());
            let payload = vec![b'x'; length];
            let message = whole(kind, &payload);
            let (mut read, mut write) = tokio::io::split(client.stream);
            let sending = tokio::spawn(async move {
                tokio::io::AsyncWriteExt::write_all(&mut write, &message).await.unwrap();
                write
            });
            let mut head = [0; 10];
            let header = match length {
                ..=125 => 2,
                126..=0xffff => 4,
                _ => 10,
            };
            tokio::io::AsyncReadExt::read_exact(&mut read, &mut head[..header]).await.unwrap();
            let mut found = vec![0; length];
            tokio::io::AsyncReadExt::read_exact(&mut read, &mut found).await.unwrap();
            assert!(head[0] == 0x80 | kind && found == payload, "{length} bytes");
            client.stream = read.unsplit(sending.await.unwrap());
            client.send(&whole(CLOSE, &reason(1000, "done"))).await;
            client.expect(CLOSE, &reason(1000, "done")).await;
            let SocketEnd::ClosedByClient(Some(end)) = client.end().await else { panic!() };
            assert_eq!((end.code().number(), end.text()), (1000, "done"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the fragments, the pings between them and the pieces in which the bytes arrive, the
    /// message is the same and each ping has its pong.
    #[test]
    fn fragments_and_pieces_do_not_matter(
        fragments in prop::collection::vec("[a-zäß€🎈]{0,40}", 1..6),
        ping in any::<bool>(),
        piece in 1_usize..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = start_echo(WebSocketSettings::new());
            let mut bytes = Vec::new();
            for (at, fragment) in fragments.iter().enumerate() {
                let kind = if at == 0 { TEXT } else { 0 };
                let fin = if at + 1 == fragments.len() { 0x80 } else { 0 };
                bytes.extend(frame(fin | kind, fragment.as_bytes()));
                if ping {
                    bytes.extend(whole(PING, &[at as u8]));
                }
            }
            for piece in bytes.chunks(piece) {
                client.send(piece).await;
                tokio::task::yield_now().await;
            }
            let expect = fragments.concat();
            let (mut pongs, mut texts) = (Vec::new(), Vec::new());
            while texts.is_empty() || (ping && pongs.len() < fragments.len()) {
                match client.frame().await {
                    (PONG, payload) => pongs.extend(payload),
                    (kind, payload) => texts.push((kind, payload)),
                }
            }
            assert_eq!(texts, [(TEXT, expect.into_bytes())]);
            let expect: Vec<u8> = (0..fragments.len() as u8).filter(|_| ping).collect();
            assert_eq!(pongs, expect);
        });
    }
}

#[tokio::test]
async fn the_halves_are_a_stream_and_a_sink_and_may_outlive_the_function() {
    let mut client = start(WebSocketSettings::new(), 4096, async |socket: WebSocket| {
        let (mut sink, stream) = socket.split();
        tokio::spawn(async move {
            let doubled = stream.map(|message| {
                let text = message.as_text().unwrap();
                Ok(Message::from(format!("{text}{text}")))
            });
            doubled.take(2).forward(&mut sink).await.unwrap();
        });
    });
    client.send(&whole(TEXT, b"a")).await;
    client.expect(TEXT, b"aa").await;
    client.send(&whole(TEXT, b"b")).await;
    client.expect(TEXT, b"bb").await;
    // `forward` closes the sink, which closes the socket.
    assert_eq!(client.closed().await, 1000);
    client.send(&whole(CLOSE, &reason(1000, ""))).await;
    assert!(matches!(client.end().await, SocketEnd::ClosedByServer(_)));
}

#[tokio::test]
async fn a_flush_waits_until_everything_is_written() {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let mut client = start(WebSocketSettings::new(), 16, async move |mut socket: WebSocket| {
        socket.feed(Message::from("x".repeat(20_000))).await.unwrap();
        told.send("queued").unwrap();
        socket.flush().await.unwrap();
        told.send("written").unwrap();
    });
    assert_eq!(tell.recv().await, Some("queued"));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(tell.try_recv().is_err(), "the client has read nothing");
    client.expect(TEXT, "x".repeat(20_000).as_bytes()).await;
    assert_eq!(tell.recv().await, Some("written"));
}

#[tokio::test]
async fn values_are_sent_and_received_as_json_and_a_wrong_one_ends_nothing() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Point {
        x: i32,
        y: i32,
    }
    let mut client = start(WebSocketSettings::new(), 4096, async |mut socket: WebSocket| {
        while let Some(point) = socket.recv_json::<Point>().await {
            match point {
                Ok(Point { x, y }) => socket.send_json(&Point { x: y, y: x }).await.unwrap(),
                Err(JsonError::Json(error)) => socket.send(error.to_string()).await.unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
    });
    client.send(&whole(TEXT, br#"{"x":1,"y":2}"#)).await;
    client.expect(TEXT, br#"{"x":2,"y":1}"#).await;
    client.send(&whole(TEXT, br#"{"x":1}"#)).await;
    let (_, text) = client.frame().await;
    assert!(String::from_utf8(text).unwrap().starts_with("missing field `y`"));
    client.send(&whole(BINARY, br#"{"x":3,"y":4}"#)).await;
    client.expect(TEXT, br#"{"x":4,"y":3}"#).await;
}
