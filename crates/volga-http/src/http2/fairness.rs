//! A body that always has more lets the sockets of other clients be polled after each of its turns.

use std::io::Write;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::tests::{connect, get, greedy};
use super::*;

/// How many bytes the transport holds. The bodies never fill it while the test runs.
const TRANSPORT: usize = 256 << 20;

/// How many frames a body has sent when the bystander notices its byte, counted from the moment at
/// which the byte was written.
async fn frames_before_a_bystander(path: &str) -> usize {
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    far.set_nonblocking(true).expect("a socket without waits");
    let mut far = UnixStream::from_std(far).expect("a runtime");
    let (client, taken, _serving) = connect(TRANSPORT);
    let (mut requests, connection) = greedy(client).await;
    // A response that nobody reads: the window of the client is wide, and so is the transport.
    let reading = tokio::spawn(connection);
    let (response, _) = requests.send_request(get(path), true).expect("an open connection");
    let _response = response.await.expect("a head");
    let counter = Arc::clone(&taken);
    let bystander = tokio::spawn(async move {
        far.read_u8().await.expect("a byte comes");
        counter.load(std::sync::atomic::Ordering::Relaxed)
    });
    // The bystander waits for its socket from now on.
    tokio::task::yield_now().await;
    let before = taken.load(std::sync::atomic::Ordering::Relaxed);
    (&near).write_all(b"x").expect("room");
    let noticed = bystander.await.expect("no panic");
    reading.abort();
    noticed - before
}

#[tokio::test]
async fn a_socket_is_noticed_after_a_turn_of_a_body_that_always_has_more() {
    for (path, rounds) in [("/long-lived", ROUNDS_ALONE), ("/ordinary", ROUNDS_PER_TURN)] {
        let frames = frames_before_a_bystander(path).await;
        assert!(frames <= 4 * rounds, "{frames} frames of {path}");
    }
}
