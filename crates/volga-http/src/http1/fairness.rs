//! A body that always has more lets the sockets of other clients be polled after each of its turns.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::UnixStream;
use tokio::task::yield_now;

use super::testing::{http1, long_lived, serve_all};
use crate::drain::handle::Drain;
use crate::limits::{FRAMES_PER_WRITE, WRITES_PER_TURN};

/// How many bytes the transport holds. The bodies never fill it while the test runs.
const TRANSPORT: usize = 256 << 20;

/// A body that is always ready, and counts its frames.
struct GreedyBody(Arc<AtomicUsize>);

impl Body for GreedyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

/// How many frames a body has given when the bystander notices its byte, counted from the moment at
/// which the byte was written.
async fn frames_before_a_bystander(is_long_lived: bool) -> usize {
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    far.set_nonblocking(true).expect("a socket without waits");
    let mut far = UnixStream::from_std(far).expect("a runtime");
    let (mut client, server) = duplex(TRANSPORT);
    let frames = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&frames);
    let respond = move |_: &_| {
        let body = GreedyBody(Arc::clone(&counter));
        if is_long_lived { long_lived(body) } else { Response::new(body) }
    };
    let serving = tokio::spawn(async move {
        serve_all(http1(&Drain::new()), server, respond).await;
    });
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("room");
    while frames.load(Ordering::Relaxed) == 0 {
        yield_now().await;
    }
    let counter = Arc::clone(&frames);
    let bystander = tokio::spawn(async move {
        far.read_u8().await.expect("a byte comes");
        counter.load(Ordering::Relaxed)
    });
    // The bystander waits for its socket from now on.
    yield_now().await;
    let before = frames.load(Ordering::Relaxed);
    (&near).write_all(b"x").expect("room");
    let noticed = bystander.await.expect("no panic");
    serving.abort();
    noticed - before
}

#[tokio::test]
async fn a_socket_is_noticed_after_a_turn_of_a_body_that_always_has_more() {
    for is_long_lived in [true, false] {
        let frames = frames_before_a_bystander(is_long_lived).await;
        let turns = frames / (WRITES_PER_TURN * FRAMES_PER_WRITE);
        assert!(turns <= 3, "{turns} turns, long-lived: {is_long_lived}");
    }
}
