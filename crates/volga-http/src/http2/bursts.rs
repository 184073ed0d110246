//! Many requests that arrive together, in memory. Each gets a response, however few of them `h2`
//! may read at once.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::abuse::{PREFACE, frame};
use super::direct::received_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS,
};
use super::tests::{STALL, connect};
use super::*;
use crate::limits::HEADS_AT_ONCE;

/// From the static table `:method: GET` and `:scheme: http`, and the names of `:path` and
/// `:authority`.
pub(super) fn head(path: &str) -> Vec<u8> {
    [&[0x82, 0x86, 0x04, path.len() as u8], path.as_bytes(), &[0x01, 1, b'a']].concat()
}

/// The field `x: y`, as a trailer.
const TRAILERS: &[u8] = &[0, 1, b'x', 1, b'y'];

/// A request, in one of the shapes that its frames can have.
fn request(stream: u32) -> Vec<u8> {
    let path = if stream % 4 == 1 { "/long-lived" } else { "/ordinary" };
    let head = &head(path)[..];
    let (start, rest) = head.split_at(5);
    match stream / 2 % 3 {
        0 => frame(HEADERS, END_STREAM | END_HEADERS, stream, head),
        1 => [
            frame(HEADERS, END_STREAM, stream, start),
            frame(CONTINUATION, 0, stream, &[]),
            frame(CONTINUATION, END_HEADERS, stream, rest),
        ]
        .concat(),
        _ => [
            frame(HEADERS, END_HEADERS, stream, head),
            frame(DATA, 0, stream, &[HEADERS; 100]),
            frame(HEADERS, END_STREAM | END_HEADERS, stream, TRAILERS),
        ]
        .concat(),
    }
}

/// Sends these requests through a transport that holds `size` bytes, and expects a response head
/// for each.
async fn check(count: usize, size: usize) {
    let (client, _taken, _serving) = connect(size);
    let streams: BTreeSet<u32> = (1..).step_by(2).take(count).collect();
    let requests: Vec<u8> = streams.iter().flat_map(|&stream| request(stream)).collect();
    let sent = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &requests].concat();
    let (mut read, mut write) = tokio::io::split(client);
    let reading = async {
        let mut responded = BTreeSet::new();
        while responded.len() < count {
            let mut head = [0; 9];
            read.read_exact(&mut head).await.expect("an open connection");
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            read.read_exact(&mut payload).await.expect("a whole frame");
            if head[3] == HEADERS {
                responded.insert(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
            }
        }
        responded
    };
    let both = async { tokio::join!(write.write_all(&sent), reading) };
    // The clock advances when all tasks wait, as they would if a head were held back and forgotten.
    let what = format!("{count} requests, {size} bytes at a time");
    let (written, responded) = timeout(STALL / 2, both).await.expect(&what);
    written.expect(&what);
    assert_eq!(responded, streams, "{what}");
}

#[tokio::test(start_paused = true)]
async fn every_request_of_a_burst_gets_a_response_whatever_the_cuts() {
    for count in [1, HEADS_AT_ONCE, HEADS_AT_ONCE + 1, 10 * HEADS_AT_ONCE + 3] {
        for size in [1, 2, 9, 13, 100, 1 << 20] {
            check(count, size).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_maximum_of_streams_gets_responses_if_they_arrive_in_one_segment() {
    check(MAX_STREAMS as usize, 1 << 20).await;
}
