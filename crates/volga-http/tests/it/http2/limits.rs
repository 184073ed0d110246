//! Clients that exceed a limit.

use volga_http::limits::{FRAME_BYTES, MAX_ERROR_RESETS, MAX_PENDING_RESETS};

use crate::support::{EMPTY_SETTINGS, PREFACE, RawFrame, Running, raw_get, read_to_close, send};

const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

/// The error code with which the server ends a connection that sends these frames at once.
async fn goaway(frames: Vec<u8>) -> Vec<u8> {
    let server = Running::hello().await;
    let mut client = server.connect().await;
    send(&mut client, &[PREFACE, EMPTY_SETTINGS, &frames].concat()).await;
    let goaway = RawFrame::read_kind(&mut client, RawFrame::GOAWAY).await;
    read_to_close(&mut client).await;
    goaway.payload[4..8].to_vec()
}

fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let mut frames = Vec::new();
    for stream in streams(MAX_PENDING_RESETS + 1) {
        frames.extend_from_slice(&raw_get(stream));
        frames.extend_from_slice(&[0, 0, 4, RawFrame::RST_STREAM, 0]);
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.extend_from_slice(&[0, 0, 0, 8]);
    }
    assert_eq!(goaway(frames).await, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn too_many_malformed_requests_end_the_connection() {
    let mut frames = Vec::new();
    for stream in streams(MAX_ERROR_RESETS + 1) {
        // HEADERS with END_STREAM and END_HEADERS, and nothing but `:method: GET` in it.
        frames.extend_from_slice(&[0, 0, 1, 1, 5]);
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.push(0x82);
    }
    assert_eq!(goaway(frames).await, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn a_frame_beyond_the_limit_ends_the_connection() {
    const FRAME_SIZE_ERROR: [u8; 4] = [0, 0, 0, 6];
    let size = u32::try_from(FRAME_BYTES + 1).expect("a small number").to_be_bytes();
    // The head of the DATA frame is enough.
    assert_eq!(goaway([&size[1..], &[0, 0, 0, 0, 0, 1]].concat()).await, FRAME_SIZE_ERROR);
}
