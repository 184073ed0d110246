//! Clients that abuse the protocol, in memory and with a paused clock. Each connection ends with
//! the right reason, and holds no more memory than its limits allow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::direct::received_frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use super::tests::{STALL, connect, get};
use super::*;
use crate::limits::{PING_INTERVAL, PING_TIMEOUT};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const PRIORITY: u8 = 2;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

/// From the static table `:method: GET`, `:scheme: http`, `:path: /`, and the name of `:authority`,
/// which is `a`.
pub(super) const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 1, b'a'];
const ZERO: &[u8] = &[0; 4];
pub(super) const CANCEL: &[u8] = &[0, 0, 0, 8];
/// How much a connection accepts from a client that reads nothing: the two pipes of a test, and the
/// buffers of `h2`.
const HELD: usize = 512 * 1024;
const PIPE: usize = 64 * 1024;

/// The bytes of one frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The stream IDs of a client, in order.
pub(super) fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// Reads the first frame of this type from the server. Returns its stream and its payload.
async fn first(client: &mut DuplexStream, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.expect("a frame of that kind comes");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        client.read_exact(&mut payload).await.expect("a whole frame");
        if head[3] == kind {
            return (u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
        }
    }
}

/// Opens a connection, and sends the beginning of a normal client.
async fn opened() -> (DuplexStream, JoinHandle<()>) {
    let (mut client, _taken, serving) = connect(PIPE);
    client.write_all(PREFACE).await.expect("room");
    client.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("room");
    (client, serving)
}

/// Sends these frames while reading, and expects the connection to end with this reason.
async fn ends_with(what: &str, reason: Reason, frames: impl Iterator<Item = Vec<u8>>) {
    let (client, serving) = opened().await;
    let (mut read, mut write) = tokio::io::split(client);
    let sent: Vec<u8> = frames.flatten().collect();
    let sending = async move {
        // The server may have closed before the end.
        let _ = write.write_all(&sent).await;
        write
    };
    let reading = async {
        let mut all = Vec::new();
        let _ = read.read_to_end(&mut all).await;
        all
    };
    let (_, all) = tokio::join!(sending, reading);
    serving.await.expect("no panic");
    let mut rest = &all[..];
    let mut found = None;
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let (payload, after) = after.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        if *kind == GOAWAY {
            found = Some(Reason::from(u32::from_be_bytes([
                payload[4], payload[5], payload[6], payload[7],
            ])));
        }
        rest = after;
    }
    assert_eq!(found, Some(reason), "{what}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_reset_at_once_end_the_connection() {
    let reset = |stream| {
        [
            frame(HEADERS, END_STREAM | END_HEADERS, stream, GET),
            frame(RST_STREAM, 0, stream, CANCEL),
        ]
    };
    let frames = streams().take(MAX_PENDING_RESETS + 1).flat_map(reset);
    ends_with("rapid reset", Reason::ENHANCE_YOUR_CALM, frames).await;
}

#[tokio::test(start_paused = true)]
async fn resets_that_the_client_provokes_end_the_connection() {
    let enough = || streams().take(MAX_ERROR_RESETS + 1);
    let calm = Reason::ENHANCE_YOUR_CALM;
    // MadeYouReset (CVE-2025-8671): a request that runs, and then an error in its stream.
    let open = |stream| frame(HEADERS, END_HEADERS, stream, GET);
    let too_wide =
        enough().flat_map(|at| [open(at), frame(WINDOW_UPDATE, 0, at, &[0x7f, 0xff, 0xff, 0xff])]);
    ends_with("a window too wide", calm, too_wide).await;
    let malformed = enough().map(|at| frame(HEADERS, END_STREAM | END_HEADERS, at, &GET[1..]));
    ends_with("requests without a method", calm, malformed).await;
    let padded = enough().map(|at| frame(HEADERS, END_STREAM | END_HEADERS | PADDED, at, &[9; 10]));
    ends_with("nothing but padding", calm, padded).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_ends_the_connection() {
    let start = frame(HEADERS, END_STREAM, 1, GET);
    // An empty frame costs the client nine bytes, and a field of the dynamic table one.
    for (what, payload) in [("empty", &[][..]), ("small", &[0x90; 1]), ("large", &[0x90; 16_000])] {
        let more = std::iter::repeat_n(frame(CONTINUATION, 0, 1, payload), 10_000);
        let frames = std::iter::once(start.clone()).chain(more);
        ends_with(what, Reason::ENHANCE_YOUR_CALM, frames).await;
    }
}

#[tokio::test(start_paused = true)]
async fn frames_without_content_end_the_connection() {
    let open = frame(HEADERS, END_HEADERS, 1, GET);
    let padding = [&[200][..], &[0; 200]].concat();
    for (what, flags, payload) in [("empty", 0, &[][..]), ("only padding", PADDED, &padding[..])] {
        let more = std::iter::repeat_n(frame(DATA, flags, 1, payload), 1_000);
        let frames = std::iter::once(open.clone()).chain(more);
        ends_with(what, Reason::ENHANCE_YOUR_CALM, frames).await;
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_connection_end_it() {
    let widest = &[0x7f, 0xff, 0xff, 0xff];
    let large = vec![0; FRAME_BYTES + 1];
    for (what, reason, frame) in [
        ("a window update of zero", Reason::PROTOCOL_ERROR, frame(WINDOW_UPDATE, 0, 0, ZERO)),
        ("the same for a stream", Reason::PROTOCOL_ERROR, {
            [frame(HEADERS, END_HEADERS, 1, GET), frame(WINDOW_UPDATE, 0, 1, ZERO)].concat()
        }),
        ("DATA after the end", Reason::PROTOCOL_ERROR, {
            let late = frame(DATA, END_STREAM, 1, b"late");
            [frame(HEADERS, END_STREAM | END_HEADERS, 1, GET), late].concat()
        }),
        ("a window too wide", Reason::FLOW_CONTROL_ERROR, frame(WINDOW_UPDATE, 0, 0, widest)),
        ("a frame too large", Reason::FRAME_SIZE_ERROR, frame(PING, 0, 0, &large)),
        ("a PING of a stream", Reason::PROTOCOL_ERROR, frame(PING, 0, 1, &[0; 8])),
        ("DATA of no stream", Reason::PROTOCOL_ERROR, frame(DATA, 0, 0, b"x")),
        ("a stream of the server's", Reason::PROTOCOL_ERROR, frame(HEADERS, 5, 2, GET)),
        ("a head that is interrupted", Reason::PROTOCOL_ERROR, {
            [frame(HEADERS, END_STREAM, 1, GET), frame(PING, 0, 0, &[0; 8])].concat()
        }),
    ] {
        ends_with(what, reason, std::iter::once(frame)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn priorities_are_read_and_not_stored() {
    let (mut client, _serving) = opened().await;
    let (mut read, mut write) = tokio::io::split(&mut client);
    let flood = async {
        for stream in streams().take(100_000) {
            // Each is for another idle stream, and depends on the one before.
            let payload = [&(stream - 1).to_be_bytes()[..], &[255]].concat();
            write.write_all(&frame(PRIORITY, 0, stream, &payload)).await.expect("it is read");
        }
        write.write_all(&frame(PING, 0, 0, b"the last")).await.expect("it is read");
    };
    let response = async {
        let mut all = Vec::new();
        while !all.ends_with(b"the last") {
            read.read_buf(&mut all).await.expect("it is responded");
        }
        all.len()
    };
    let ((), responded) = tokio::join!(flood, response);
    assert!(responded < 200, "nothing else is sent: {responded} bytes");
}

/// Sends this repeatedly and reads nothing, until the server accepts no more or has closed. Returns
/// how much it accepted.
async fn until_refused(client: &mut DuplexStream, mut next: impl FnMut() -> Vec<u8>) -> usize {
    let mut taken = 0;
    loop {
        let bytes = next();
        let sending = client.write_all(&bytes);
        // The clock advances when all tasks wait. The server's own timeout would come later.
        match timeout(STALL / 2, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return taken,
        }
        taken += bytes.len();
        assert!(taken < HELD, "{taken} bytes and no end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_not_read_and_then_disconnected() {
    let mut stream = streams();
    let mut refused =
        move || frame(HEADERS, END_STREAM | END_HEADERS, stream.next().expect("enough"), &GET[1..]);
    let mut ping = || frame(PING, 0, 0, &[0; 8]).repeat(10);
    let mut settings = || frame(SETTINGS, 0, 0, &[]).repeat(10);
    let floods: [(&str, &mut dyn FnMut() -> Vec<u8>); 3] =
        [("PING", &mut ping), ("SETTINGS", &mut settings), ("malformed requests", &mut refused)];
    for (what, next) in floods {
        let (mut client, _taken, serving) = connect(1024);
        client.write_all(PREFACE).await.expect("room");
        client.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("room");
        let start = Instant::now();
        until_refused(&mut client, next).await;
        serving.await.expect("no panic");
        assert!(start.elapsed() <= STALL, "{what}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_sends_but_reads_nothing_is_disconnected() {
    for path in ["/long-lived", "/ordinary"] {
        let (client, _taken, serving) = connect(1024);
        let (mut requests, mut connection) = super::tests::greedy(client).await;
        let (response, _) = requests.send_request(get(path), true).expect("an open connection");
        tokio::select! {
            _ = &mut connection => panic!("the connection lives"),
            response = response => assert!(response.is_ok(), "a response"),
        }
        let start = Instant::now();
        serving.await.expect("no panic");
        assert_eq!(start.elapsed(), STALL, "{path}");
        drop((requests, connection));
    }
}

/// A client with these windows, which it never opens further.
async fn with_windows(
    stream: u32,
    connection: u32,
) -> (h2::client::SendRequest<Bytes>, JoinHandle<()>, JoinHandle<()>) {
    let (client, _taken, serving) = connect(PIPE);
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(stream).initial_connection_window_size(connection);
    let (requests, connection) = builder.handshake(client).await.expect("a handshake");
    let driver = tokio::spawn(async move { drop(connection.await) });
    (requests, driver, serving)
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_window_stays_closed_is_reset_and_its_connection_continues() {
    const WIDE: u32 = 1 << 20;
    const NARROWEST: u32 = 65_535;
    for (stream, connection) in [(0, WIDE), (1, WIDE), (WIDE, NARROWEST)] {
        for path in ["/long-lived", "/ordinary", "/short"] {
            if path == "/short" && stream > 0 {
                // This body fits into the window, and its stream ends.
                continue;
            }
            let (mut requests, _driver, serving) = with_windows(stream, connection).await;
            let (response, _) = requests.send_request(get(path), true).expect("an open connection");
            let mut body = response.await.expect("a response").into_body();
            let start = Instant::now();
            let error = loop {
                // The client reads this and does not release the window.
                match body.data().await.expect("no end") {
                    Ok(_data) => {}
                    Err(error) => break error,
                }
            };
            let what = format!("{path} through {stream} and {connection}");
            assert_eq!(error.reason(), Some(Reason::CANCEL), "{what}");
            assert_eq!(start.elapsed(), STALL, "{what}");
            // The client responds to PINGs, so its connection stays open.
            sleep(2 * (PING_INTERVAL + PING_TIMEOUT)).await;
            assert!(!serving.is_finished(), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_that_opens_now_and_then_keeps_its_stream() {
    let (mut requests, _driver, _serving) = with_windows(1, 1 << 20).await;
    let (response, _) = requests.send_request(get("/ordinary"), true).expect("an open connection");
    let mut body = response.await.expect("a response").into_body();
    for _ in 0..5 {
        let data = body.data().await.expect("no end").expect("no reset");
        assert_eq!(data.len(), 1);
        sleep(STALL - Duration::from_secs(1)).await;
        body.flow_control().release_capacity(1).expect("an open stream");
    }
}

#[tokio::test(start_paused = true)]
async fn data_beyond_the_window_ends_the_connection() {
    // A stream has the protocol's default window until the client has applied the server's setting.
    let each = 3 * FRAME_BYTES;
    let upload = |at| {
        let data = frame(DATA, 0, at, &[0; FRAME_BYTES]).repeat(each / FRAME_BYTES);
        [frame(HEADERS, END_HEADERS, at, GET), data].concat()
    };
    let frames = streams().take(CONNECTION_WINDOW as usize / each + 1).map(upload);
    ends_with("more than the window", Reason::FLOW_CONTROL_ERROR, frames).await;
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_ack_is_ignored() {
    let (mut client, _serving) = opened().await;
    let acks = frame(PING, ACK, 0, &[7; 8]).repeat(1_000);
    client.write_all(&acks).await.expect("it is read");
    client.write_all(&frame(PING, 0, 0, b"question")).await.expect("it is read");
    assert_eq!(first(&mut client, PING).await.1, b"question");
}
