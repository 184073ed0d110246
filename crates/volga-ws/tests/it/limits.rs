//! Each limit is reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use volga_ws::{CloseReason, SocketEnd, WebSocket, WebSocketSettings};

use crate::support::{Client, PING, TEXT, frame, start, start_echo, whole, within};

async fn yield_often() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_or_frame_that_is_too_large_is_refused_with_1009() {
    let message = WebSocketSettings::new().max_message_bytes(100);
    let frames = WebSocketSettings::new().max_frame_bytes(100);
    for (settings, bytes, is_refused) in [
        (&message, whole(TEXT, &[b'x'; 100]), false),
        (&message, whole(TEXT, &[b'x'; 101]), true),
        (&message, [frame(TEXT, &[b'x'; 60]), frame(0x80, &[b'x'; 40])].concat(), false),
        (&message, [frame(TEXT, &[b'x'; 60]), frame(0x80, &[b'x'; 41])].concat(), true),
        (&frames, whole(TEXT, &[b'x'; 101]), true),
        (&frames, [frame(TEXT, &[b'x'; 100]), frame(0x80, &[b'x'; 100])].concat(), false),
        // The length alone is enough.
        (&frames, frame(0x82, &[b'x'; 70_000])[..14].to_vec(), true),
    ] {
        let mut client = start_echo(settings.clone());
        client.send(&bytes).await;
        if is_refused {
            assert_eq!(client.closed().await, 1009);
            assert!(matches!(client.end().await, SocketEnd::Refused(_)));
        } else {
            assert_eq!(client.frame().await.0, TEXT);
        }
    }
}

#[tokio::test]
async fn a_send_waits_at_the_limit_of_unsent_bytes() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let settings = WebSocketSettings::new().max_unsent_bytes(10_000);
    let mut client = start(settings, 64, async move |mut socket: WebSocket| {
        for _ in 0..1000 {
            socket.send("x".repeat(98)).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    yield_often().await;
    let queued = sent.load(Ordering::Relaxed);
    // 100 bytes for each, and a few that the connection has taken.
    assert!((100..=102).contains(&queued), "{queued} messages");
    for _ in 0..1000 {
        client.expect(TEXT, "x".repeat(98).as_bytes()).await;
    }
    assert_eq!(client.closed().await, 1000);
}

/// Sends these bytes again and again, until the server takes no more. Returns how many it took.
async fn fill(client: &mut Client, bytes: &[u8]) -> usize {
    let mut taken = 0;
    loop {
        let write = client.stream.write_all(bytes);
        tokio::select! {
            biased;
            written = write => written.expect("an open connection"),
            () = yield_often() => return taken,
        }
        taken += bytes.len();
        assert!(taken < 10_000_000, "the server takes everything");
    }
}

#[tokio::test]
async fn nothing_is_read_at_the_limit_of_unread_bytes_or_of_unsent_pongs() {
    let settings = WebSocketSettings::new().max_unread_bytes(6_000);
    let mut client = start(settings, 64, async |mut socket: WebSocket| {
        let () = std::future::pending().await;
        socket.recv().await;
    });
    // Each message counts for 64 bytes and its own, so about 93 messages wait.
    let taken = fill(&mut client, &whole(TEXT, b"x")).await;
    assert!((93 * 7..120 * 7).contains(&taken), "{taken} bytes");

    let settings = WebSocketSettings::new().max_unsent_bytes(6_000);
    let mut client = start(settings, 64, async |mut socket: WebSocket| {
        socket.recv().await;
    });
    let taken = fill(&mut client, &whole(PING, &[0; 100])).await;
    assert!((6_000..7_000).contains(&taken), "{taken} bytes");
}

#[tokio::test]
async fn without_a_reader_messages_are_discarded() {
    let mut client = start(WebSocketSettings::new(), 64, async |socket: WebSocket| {
        let (mut sink, stream) = socket.split();
        drop(stream);
        sink.send("ready").await.unwrap();
        sink.closed().await;
        CloseReason::from(())
    });
    client.expect(TEXT, b"ready").await;
    for _ in 0..2000 {
        within(client.stream.write_all(&whole(TEXT, &[b'x'; 100]))).await.unwrap();
    }
}
