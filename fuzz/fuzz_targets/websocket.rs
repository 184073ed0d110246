//! A WebSocket gets any bytes, cut anywhere. The application gets the messages that tungstenite
//! reads from the same bytes, the server sends only whole frames of a server, and the socket ends.
//!
//! The first byte chooses the cuts, and the rest is what the client sends after the handshake.

#![no_main]

use std::future::pending;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use volga_ws::{Message, SocketEnd, WebSocketSettings, serve};

/// The largest message and the largest frame. Small, so that inputs reach it.
const MOST: usize = 1000;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, sent)) = input.split_first() else {
        return;
    };
    let expect = oracle(sent);
    let size = usize::from(cut) + 1;
    let mut ends = Vec::new();
    for size in [size, sent.len().max(1)] {
        let (received, echoed, end) = exchange(sent, size);
        assert_eq!(received, expect, "cut into {size} bytes");
        // The last echoes may come after a close.
        assert!(received.starts_with(&echoed), "echoed {echoed:?} of {received:?}");
        ends.push(end);
    }
    assert_eq!(ends[0], ends[1], "the cuts change the end");
});

/// The messages that tungstenite reads.
fn oracle(sent: &[u8]) -> Vec<Message> {
    let config = WebSocketConfig::default();
    let config = config.max_message_size(Some(MOST)).max_frame_size(Some(MOST));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    // Replies are written behind the input.
    let mut stream = Duplex { input: Cursor::new(sent) };
    let mut messages = Vec::new();
    loop {
        match context.read(&mut stream) {
            Ok(tungstenite::Message::Text(text)) => messages.push(Message::from(text.as_str())),
            Ok(tungstenite::Message::Binary(bytes)) => messages.push(Message::from(bytes)),
            Ok(tungstenite::Message::Close(_)) | Err(_) => return messages,
            Ok(_) => {}
        }
    }
}

struct Duplex<'a> {
    input: Cursor<&'a [u8]>,
}

impl std::io::Read for Duplex<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        std::io::Read::read(&mut self.input, space)
    }
}

impl std::io::Write for Duplex<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sends the bytes in pieces to an echo, and then the end. Returns what the application received,
/// what came back, and how the socket ended.
fn exchange(sent: &[u8], size: usize) -> (Vec<Message>, Vec<Message>, SocketEnd) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let settings = WebSocketSettings::new().max_message_bytes(MOST).max_frame_bytes(MOST);
        let (mut client, io) = duplex(1 << 20);
        let received = Arc::new(Mutex::new(Vec::new()));
        let messages = Arc::clone(&received);
        let serving = tokio::spawn(async move {
            serve(io, &settings, pending(), |mut socket| async move {
                while let Some(message) = socket.recv().await {
                    messages.lock().expect("no panic").push(message.clone());
                    let _ = socket.send(message).await;
                }
            })
            .await
        });
        for piece in sent.chunks(size) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.expect("memory does not fail");
        let end = serving.await.expect("no panic");
        let received = received.lock().expect("no panic").clone();
        (received, frames(&bytes), end)
    })
}

/// Reads the frames of a server, which are whole and have no masks. Returns the messages.
fn frames(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut is_closed = false;
    while let [first, second, rest @ ..] = bytes {
        assert!(!is_closed, "a frame after the close");
        let (length, rest) = match *second {
            length @ ..=125 => (usize::from(length), rest),
            126 => {
                let (length, rest) = rest.split_first_chunk().expect("a length of 2 bytes");
                let length = u16::from_be_bytes(*length);
                assert!(length > 125, "a longer length than needed");
                (usize::from(length), rest)
            }
            _ => panic!("a mask, or a frame that is longer than any message"),
        };
        let (payload, rest) = rest.split_at_checked(length).expect("a whole frame");
        match first {
            0x81 => messages.push(Message::from(std::str::from_utf8(payload).expect("UTF-8"))),
            0x82 => messages.push(Message::from(payload.to_vec())),
            0x88 => {
                is_closed = true;
                assert!(length != 1 && length <= 125, "a malformed close");
                if let Some((_, text)) = payload.split_first_chunk::<2>() {
                    std::str::from_utf8(text).expect("UTF-8");
                }
            }
            0x89 | 0x8a => assert!(length <= 125, "a long control frame"),
            other => panic!("an unknown frame {other:#x}"),
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half of a frame");
    messages
}
