//! Streams that end before their bodies do, in memory. The body is dropped, even if it is idle, and
//! however the reset arrives.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use super::abuse::{CANCEL, PING, PREFACE, frame, streams};
use super::bursts::head;
use super::direct::received_frames::{
    END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::tests::connect;
use crate::limits::{MAX_STREAMS, RESETS_AT_ONCE};

const PIPE: usize = 64 * 1024;
/// The clock is paused, so after any time all tasks have done what they can.
const A_WHILE: Duration = Duration::from_secs(1);

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, CANCEL)
}

/// How many bodies exist.
fn bodies(taken: &Arc<AtomicUsize>) -> usize {
    // The service and the test hold one clone each.
    Arc::strong_count(taken) - 2
}

/// A client that has opened this many idle streams, and the counter of its bodies.
async fn quiet(count: usize) -> (DuplexStream, Arc<AtomicUsize>) {
    let (mut client, taken, _serving) = connect(PIPE);
    client.write_all(PREFACE).await.expect("room");
    client.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("room");
    open(&mut client, streams().take(count)).await;
    assert_eq!(bodies(&taken), count);
    (client, taken)
}

async fn open(client: &mut DuplexStream, streams: impl Iterator<Item = u32>) {
    for stream in streams {
        let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("/quiet"));
        client.write_all(&request).await.expect("room");
    }
    sleep(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_drops_a_quiet_body_at_once_whatever_the_cuts() {
    let reset = reset(1);
    for cut in 0..reset.len() {
        let (mut client, taken) = quiet(2).await;
        client.write_all(&reset[..cut]).await.expect("room");
        sleep(A_WHILE).await;
        assert_eq!(bodies(&taken), 2, "{cut} bytes of it");
        client.write_all(&reset[cut..]).await.expect("room");
        sleep(A_WHILE).await;
        assert_eq!(bodies(&taken), 1, "after {cut} bytes of it");
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_resets_in_one_segment_drop_their_bodies_and_no_others() {
    for count in [RESETS_AT_ONCE, RESETS_AT_ONCE + 1, 7 * RESETS_AT_ONCE + 3] {
        let (mut client, taken) = quiet(count + 1).await;
        let resets: Vec<u8> = streams().take(count).flat_map(reset).collect();
        client.write_all(&resets).await.expect("room");
        sleep(A_WHILE).await;
        assert_eq!(bodies(&taken), 1, "{count} resets");
    }
}

#[tokio::test(start_paused = true)]
async fn resets_of_unknown_or_ended_streams_do_not_affect_others() {
    let (mut client, taken) = quiet(2).await;
    let resets = reset(1).repeat(10 * RESETS_AT_ONCE);
    client.write_all(&resets).await.expect("room");
    sleep(A_WHILE).await;
    assert_eq!(bodies(&taken), 1);
}

#[tokio::test(start_paused = true)]
async fn resets_that_wait_behind_a_full_socket_drop_their_bodies_later() {
    let count = RESETS_AT_ONCE;
    let (client, taken) = quiet(count).await;
    let (mut read, mut write) = tokio::io::split(client);
    // Wherever the server stops to read, one reset comes before that point and one after it.
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(500);
    let sent: Vec<u8> =
        streams().take(count).flat_map(|at| [&pings[..], &reset(at)].concat()).collect();
    let mut writing = Box::pin(write.write_all(&sent));
    timeout(A_WHILE, &mut writing).await.expect_err("the client reads nothing");
    let left = bodies(&taken);
    assert!(0 < left && left < count, "{left}");
    let reading = async {
        let mut space = [0; 1024];
        while read.read(&mut space).await.is_ok_and(|size| size > 0) {}
    };
    let rest = async {
        writing.await.expect("it is read again");
        sleep(A_WHILE).await;
    };
    tokio::select! {
        () = reading => panic!("the connection lives"),
        () = rest => assert_eq!(bodies(&taken), 0),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_server_resets_drops_its_quiet_body_at_once() {
    let (mut client, taken) = quiet(2).await;
    let too_wide = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    client.write_all(&too_wide).await.expect("room");
    sleep(A_WHILE).await;
    assert_eq!(bodies(&taken), 1);
}

#[tokio::test(start_paused = true)]
async fn all_streams_can_be_reset_and_opened_again() {
    let (mut client, taken) = quiet(MAX_STREAMS as usize).await;
    let resets: Vec<u8> = streams().take(MAX_STREAMS as usize).flat_map(reset).collect();
    client.write_all(&resets).await.expect("room");
    sleep(A_WHILE).await;
    assert_eq!(bodies(&taken), 0);
    // New streams have taken their places, and nothing would end these.
    open(&mut client, streams().skip(MAX_STREAMS as usize).take(2)).await;
    assert_eq!(bodies(&taken), 2);
}
