//! A connection whose client has closed its sending side and may still read.
//!
//! The end of a client's input does not say whether the client still reads. By default the response
//! gets a short grace, because it may only wait for another task, such as one that reads the last
//! piece of the body. Then the client counts as disconnected. If the server allows half-closed
//! connections, the response continues, and only a broken connection counts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep};

use crate::exchange::half_close::HalfCloseCallback;
use crate::io::transport::Transport;
use crate::limits::{HALF_CLOSE_GRACE, HALF_CLOSED_CHECK};

/// The state of the client's sending side.
#[derive(Debug, Default)]
pub(crate) struct HalfClose {
    /// Called when the sending side closes. `None` once it was called.
    callback: Option<HalfCloseCallback>,
    is_closed: bool,
    /// The next check, or the end of the grace. `Some` only while the connection is half-closed.
    timer: Option<Pin<Box<Sleep>>>,
}

impl HalfClose {
    /// Sets the function of the response that is sent now. If the sending side is closed already,
    /// the function is called at once.
    pub(crate) fn set_callback(&mut self, callback: HalfCloseCallback) {
        if self.is_closed {
            callback.call();
        } else {
            self.callback = Some(callback);
        }
    }

    /// Forgets the function, because its response was sent.
    pub(crate) fn clear_callback(&mut self) {
        self.callback = None;
    }

    /// Whether the client has closed its sending side.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Notes that the client has closed its sending side, and waits until the connection is broken.
    ///
    /// The kernel does not wake a task for that: the socket stays readable from the end of the
    /// input on. So the state of the socket is checked from time to time. The next write notices it
    /// as well.
    pub(crate) fn poll_broken<I: Transport>(&mut self, io: &I, cx: &mut Context<'_>) -> Poll<()> {
        self.is_closed = true;
        if let Some(callback) = self.callback.take() {
            callback.call();
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED_CHECK)));
        loop {
            if io.is_broken() {
                return Poll::Ready(());
            }
            ready!(timer.as_mut().poll(cx));
            timer.as_mut().reset(Instant::now() + HALF_CLOSED_CHECK);
        }
    }

    /// Notes that the client has closed its sending side, and waits until the grace is over or the
    /// connection is broken.
    pub(crate) fn poll_grace<I: Transport>(&mut self, io: &I, cx: &mut Context<'_>) -> Poll<()> {
        self.is_closed = true;
        if io.is_broken() {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSE_GRACE)));
        timer.as_mut().poll(cx)
    }

    /// Forgets the timer. The next poll begins the time of a check, or the grace, again.
    pub(crate) fn restart_timer(&mut self) {
        self.timer = None;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::Duration;

    use super::*;
    use crate::drain::handle::Drain;
    use crate::exchange::request_body::RequestBody;
    use crate::http1::NextStage;
    use crate::http1::testing::{AsyncFnService, connection_service, http1, read_all};
    use crate::limits::{MAX_PIPELINED_BYTES, READ_BYTES};

    /// Returns the length of the request's body, which another task reads. The task pauses after
    /// each piece.
    async fn read_elsewhere(
        request: Request<RequestBody>,
        pause: Duration,
    ) -> Response<Full<Bytes>> {
        let reading = tokio::spawn(async move {
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.ok()?.into_data().expect("no trailers").len();
                sleep(pause).await;
            }
            Some(length)
        });
        let length = reading.await.expect("no panic").expect("a whole body");
        Response::new(Full::new(length.to_string().into()))
    }

    /// Sends a body of this length, closes the sending side, and returns what comes back.
    async fn received(length: usize, pause: Duration) -> String {
        let (mut client, server) = duplex(1 << 20);
        let http1 = http1(&Drain::new());
        tokio::spawn(async move {
            let service = AsyncFnService(move |request| read_elsewhere(request, pause));
            match http1.serve(server, Bytes::new(), connection_service(service)).await {
                NextStage::SendRest(io, unsent) => http1.send_rest(io, *unsent).await,
                NextStage::Linger(io) => http1.linger(io).await,
                _ => {}
            }
        });
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        client.write_all(&[head.as_bytes(), &vec![b'x'; length]].concat()).await.expect("room");
        client.shutdown().await.expect("memory does not fail");
        read_all(&mut client).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_begins_again_with_each_piece_of_the_body() {
        let reads = (0..12).map(|reads| reads * READ_BYTES);
        let bounds = (1..8).map(|bounds| bounds * MAX_PIPELINED_BYTES);
        let lengths = reads.chain(bounds).flat_map(|length| [length + 1, length + READ_BYTES / 2]);
        for length in lengths {
            for pause in [Duration::ZERO, HALF_CLOSE_GRACE / 2, HALF_CLOSE_GRACE * 9 / 10] {
                let all = received(length, pause).await;
                let body = all.split_once("\r\n\r\n").map(|(_, body)| body);
                assert_eq!(body, Some(&*length.to_string()), "{pause:?}: {all}");
            }
            let all = received(length, HALF_CLOSE_GRACE * 11 / 10).await;
            assert_eq!(all, "", "{length} bytes");
        }
    }
}
