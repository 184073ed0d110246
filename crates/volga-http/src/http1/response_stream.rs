//! A long-lived response as a task of its own, without the code and memory that read and route
//! requests.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::io::AsyncWrite;

use super::body_writer::{BodyWriter, SendError, UnsentBytes};
use super::pipelined_bytes::PipelinedBytes;
use crate::connection::info::ConnectionInfo;
use crate::exchange::tunnel::TunnelFuture;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;

/// What follows a stage of a connection.
pub(crate) enum NextStage<I, B> {
    /// Nothing: the connection is closed.
    Closed,
    /// The handshake is done, and the first request is read.
    Serve(I, ConnectionInfo),
    /// A long-lived response.
    Stream(Box<ResponseStream<I, B>>),
    /// A long-lived response is complete, and more requests may follow. These bytes of them were
    /// read already.
    Requests(I, Bytes),
    /// The connection must be closed, while the client may still be sending.
    Linger(I),
    /// The client has closed its sending side. It gets the rest of what was taken from the body,
    /// and then the connection is closed.
    SendRest(I, Box<UnsentBytes>),
    /// The application uses the rest of the connection.
    Tunnel(TunnelFuture),
}

impl<I, B> NextStage<I, B> {
    /// What follows when the client's input has ended before the response. `is_unread` says whether
    /// the client may have sent more than was read.
    pub(crate) fn after_input_end(
        io: I,
        unsent: Option<Box<UnsentBytes>>,
        is_unread: bool,
    ) -> Self {
        match unsent {
            Some(unsent) => Self::SendRest(io, unsent),
            // Bytes that were not read would reset the connection, and the client could lose what
            // was sent before.
            None if is_unread => Self::Linger(io),
            None => Self::Closed,
        }
    }
}

pin_project! {
    /// A response that is being sent, and its connection.
    ///
    /// It holds only what it needs while it waits, because a server may hold many thousands of
    /// them.
    #[project = ResponseStreamProj]
    pub(crate) struct ResponseStream<I, B> {
        #[pin]
        body_writer: BodyWriter<B>,
        // `None` once the stream is over.
        io: Option<WriteTimeout<I>>,
        pipelined: PipelinedBytes,
    }
}

impl<I: Transport, B: Body<Data = Bytes>> ResponseStream<I, B> {
    pub(crate) fn new(
        io: WriteTimeout<I>,
        pipelined: PipelinedBytes,
        body_writer: BodyWriter<B>,
    ) -> Self {
        Self { body_writer, io: Some(io), pipelined }
    }
}

impl<I: Transport, B: Body<Data = Bytes>> Future for ResponseStream<I, B> {
    type Output = NextStage<I, B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<NextStage<I, B>> {
        let mut this = self.project();
        match ready!(this.turn(cx)) {
            Err(SendError::Broken) => Poll::Ready(NextStage::Closed),
            Err(SendError::ClientLeft) => Poll::Ready(this.leave()),
            Ok(()) => this.poll_end(cx),
        }
    }
}

impl<I: Transport, B: Body<Data = Bytes>> ResponseStreamProj<'_, I, B> {
    /// Sends what is ready. Ready once the whole body was sent.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(io) = self.io.as_mut() else { return Poll::Ready(Err(SendError::Broken)) };
        let disconnect = self.pipelined.poll_disconnect(io, cx);
        // The client may have closed only its sending side. So the head and the frames that are
        // ready are sent in any case.
        let sent = self.body_writer.as_mut().poll_send(io, &mut None, cx);
        if sent.is_pending() { disconnect.map(|()| Err(SendError::ClientLeft)) } else { sent }
    }

    /// Decides what follows when the client has left.
    fn leave(&mut self) -> NextStage<I, B> {
        let Some(io) = self.io.take() else { return NextStage::Closed };
        let unsent = self.body_writer.as_mut().take_unsent();
        NextStage::after_input_end(io.into_inner(), unsent, self.pipelined.is_full())
    }

    /// Decides what follows a complete response.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<NextStage<I, B>> {
        let is_draining = self.io.as_ref().is_none_or(|io| io.timeouts().drain().is_started());
        let may_go_on = self.body_writer.keeps_alive() && !is_draining;
        if !may_go_on && !self.pipelined.is_full() {
            if let Some(io) = self.io.as_mut() {
                let _ = ready!(Pin::new(io).poll_shutdown(cx));
            }
            return Poll::Ready(NextStage::Closed);
        }
        let Some(io) = self.io.take() else { return Poll::Ready(NextStage::Closed) };
        let io = io.into_inner();
        // If the client has sent more than was read, the next request may not be complete, so it is
        // not read.
        Poll::Ready(if self.pipelined.is_full() {
            NextStage::Linger(io)
        } else {
            NextStage::Requests(io, self.pipelined.take())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::mpsc::UnboundedSender;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::drain::client_timeouts::ClientTimeouts;
    use crate::drain::handle::Drain;
    use crate::http1::batch::Batch;
    use crate::http1::body_framing::BodyFraming;
    use crate::http1::response_head::WrittenHead;
    use crate::http1::testing::{
        BodyStep, CountingTransport, EndableBody, STALL, ScriptedBody, data, read_all, read_some,
    };
    use crate::limits::MAX_PIPELINED_BYTES;

    const HEAD: &str = "head\r\n\r\n";

    /// A stream with this body and framing, whose client has sent these bytes.
    fn begun<I: Transport, B: Body<Data = Bytes>>(
        io: I,
        received: &'static [u8],
        (framing, body): (BodyFraming, B),
        keep_alive: bool,
        drain: &Drain,
    ) -> ResponseStream<I, B> {
        let promise = WrittenHead { framing, keep_alive, trailers: None };
        let body_writer = BodyWriter::new(body, promise).with_head(HEAD.into(), None);
        let pipelined = PipelinedBytes::new(Bytes::from_static(received), None);
        let io = WriteTimeout::new(io, ClientTimeouts::with_defaults(drain));
        ResponseStream::new(io, pipelined, body_writer)
    }

    fn stream<I: Transport, B: Body<Data = Bytes>>(io: I, body: B) -> ResponseStream<I, B> {
        begun(io, b"", (BodyFraming::Chunked, body), true, &Drain::new())
    }

    /// The clock is paused: it advances once all tasks wait.
    async fn all_wait() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    type Running = JoinHandle<NextStage<DuplexStream, ScriptedBody>>;

    /// A running stream, its client, whose transport holds `size` bytes, and the sender that
    /// scripts its body.
    fn start(size: usize) -> (Running, DuplexStream, UnboundedSender<BodyStep>) {
        let (client, server) = duplex(size);
        let (tell, body) = ScriptedBody::new();
        (tokio::spawn(stream(server, body)), client, tell)
    }

    /// A task has room for a future of 152 bytes, one word of which is its token. With a larger
    /// future its memory grows from 256 to 384 bytes.
    #[test]
    fn a_stream_with_a_body_of_four_words_fits_a_small_task() {
        let size = size_of::<ResponseStream<tokio::net::TcpStream, [usize; 4]>>();
        assert!(size <= 152 - size_of::<usize>(), "{size} bytes");
    }

    #[tokio::test]
    async fn the_head_and_all_ready_frames_are_one_write() {
        let (mut client, server) = duplex(64 * 1024);
        let (server, writes) = CountingTransport::new(server);
        let (tell, body) = ScriptedBody::new();
        for step in [data("a"), data(""), data("bc")] {
            tell.send(step).expect("the body is there");
        }
        let running = tokio::spawn(stream(server, body));
        let expect = format!("{HEAD}1\r\na\r\n2\r\nbc\r\n");
        assert_eq!(read_some(&mut client, expect.len()).await, expect);
        assert_eq!(writes.load(Ordering::Relaxed), 1);

        tell.send(data("d")).expect("the body is there");
        assert_eq!(read_some(&mut client, 6).await, "1\r\nd\r\n");
        assert_eq!(writes.load(Ordering::Relaxed), 2, "one for each delivery");

        tell.send(BodyStep::Data(vec![b'x'; 10_000].into())).expect("the body is there");
        let large = read_some(&mut client, 6 + 10_000 + 2).await;
        assert!(large.starts_with("2710\r\nx") && large.ends_with("x\r\n"));
        assert_eq!(writes.load(Ordering::Relaxed), 3, "large or small");

        drop(tell);
        assert_eq!(read_some(&mut client, 5).await, "0\r\n\r\n");
        assert!(matches!(running.await, Ok(NextStage::Requests(..))));
    }

    #[tokio::test]
    async fn unsent_bytes_are_limited_before_a_write_could_exceed_the_limit() {
        let head = HEAD.len() as u32;
        for limit in [1, head, head + 20, 1_000, 16 * 1024, 64 * 1024] {
            for length in [0, 1, 500, 5_000, 20_000, 300_000] {
                let (mut client, server) = duplex(1 << 20);
                let (server, _writes) = CountingTransport::new(server);
                let limited_after = server.limited_after();
                let (tell, body) = ScriptedBody::new();
                let mut opening = HEAD.len();
                if length > 0 {
                    opening += format!("{length:x}\r\n\r\n").len() + length;
                    let data = BodyStep::Data(vec![b'x'; length].into());
                    tell.send(data).expect("the body is there");
                }
                let framing = BodyFraming::Chunked;
                let promise = WrittenHead { framing, keep_alive: true, trailers: None };
                let body_writer =
                    BodyWriter::new(body, promise).with_head(HEAD.into(), NonZeroU32::new(limit));
                let io = WriteTimeout::new(server, ClientTimeouts::with_defaults(&Drain::new()));
                let pipelined = PipelinedBytes::new(Bytes::new(), None);
                tokio::spawn(ResponseStream::new(io, pipelined, body_writer));
                read_some(&mut client, opening).await;
                let is_small = opening <= limit as usize;
                let expect = (!is_small).then_some(0);
                assert_eq!(limited_after.get().copied(), expect, "{opening} of {limit} bytes");

                tell.send(data("a")).expect("the body is there");
                read_some(&mut client, 6).await;
                let expect = if is_small { opening } else { 0 };
                assert_eq!(limited_after.get(), Some(&expect), "{opening} of {limit} bytes");
                tell.send(data("b")).expect("the body is there");
                read_some(&mut client, 6).await;
            }
        }
    }

    #[tokio::test]
    async fn the_head_does_not_wait_for_the_body() {
        let (_running, mut client, _tell) = start(1024);
        assert_eq!(read_some(&mut client, HEAD.len()).await, HEAD);
    }

    #[tokio::test]
    async fn every_size_of_write_gives_the_same_bytes() {
        let large = "x".repeat(9_000);
        let steps = || [data("a"), BodyStep::Data(large.clone().into()), data("b")];
        let expect = format!("{HEAD}1\r\na\r\n2328\r\n{large}\r\n1\r\nb\r\n0\r\n\r\n");
        for size in (1..=20).chain([9_000, 9_019, 9_020, 9_021, 20_000]) {
            let (mut client, server) = duplex(size);
            let running = tokio::spawn(stream(server, ScriptedBody::ready(steps())));
            assert_eq!(read_some(&mut client, expect.len()).await, expect, "{size} at a time");
            assert!(matches!(running.await, Ok(NextStage::Requests(..))), "{size} at a time");
        }
    }

    #[tokio::test]
    async fn trailers_end_a_body() {
        let (mut client, server) = duplex(1024);
        let body = ScriptedBody::ready([data("a"), BodyStep::Trailers, data("never")]);
        let running = tokio::spawn(stream(server, body));
        assert!(matches!(running.await, Ok(NextStage::Requests(..))));
        assert_eq!(read_all(&mut client).await, format!("{HEAD}1\r\na\r\n0\r\n\r\n"));
    }

    #[tokio::test]
    async fn a_body_is_cut_to_its_length_and_a_shorter_one_breaks_the_connection() {
        for (steps, expect, is_whole) in [
            (&["abc", "defg"][..], "abcde", true),
            (&["abcde"], "abcde", true),
            (&["abc"], "abc", false),
        ] {
            let (mut client, server) = duplex(1024);
            let body = ScriptedBody::ready(steps.iter().map(|text| data(text)));
            let next =
                begun(server, b"", (BodyFraming::Length(5), body), true, &Drain::new()).await;
            assert_eq!(matches!(next, NextStage::Requests(..)), is_whole, "{steps:?}");
            drop(next);
            assert_eq!(read_all(&mut client).await, format!("{HEAD}{expect}"));
        }
    }

    #[tokio::test]
    async fn the_frames_of_a_failed_body_are_sent_before_the_connection_breaks() {
        for size in [4, 1024] {
            let (mut client, server) = duplex(size);
            let body = ScriptedBody::ready([data("a"), data("b"), BodyStep::Fail]);
            let running = tokio::spawn(stream(server, body));
            let sent = read_all(&mut client).await;
            assert_eq!(sent, format!("{HEAD}1\r\na\r\n1\r\nb\r\n"), "{size} at a time");
            assert!(matches!(running.await, Ok(NextStage::Closed)));
        }
    }

    #[tokio::test]
    async fn a_body_that_panics_ends_its_connection() {
        let (running, mut client, tell) = start(1024);
        tell.send(data("a")).expect("the body is there");
        read_some(&mut client, HEAD.len() + 6).await;
        tell.send(BodyStep::Panic).expect("the body is there");
        assert_eq!(read_all(&mut client).await, "");
        assert!(matches!(running.await, Ok(NextStage::Closed)));
        assert!(Batch::new().is_empty(), "the next stream finds a clean buffer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_disconnected_at_the_limit() {
        let (running, _client, tell) = start(HEAD.len());
        tell.send(data("a")).expect("the body is there");
        let start = Instant::now();
        assert!(matches!(running.await, Ok(NextStage::Closed)));
        assert_eq!(start.elapsed(), STALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_response_is_cut_when_its_body_ends_if_it_has_the_mark() {
        let whole = format!("{HEAD}3\r\nabc\r\n0\r\n\r\n");
        // At every byte at which the client may have stopped to read. The body ends while the frame
        // waits, or right after it gave the frame. Then it says that the frame is its last one, or
        // not.
        let ends =
            [(true, false, false), (true, true, false), (true, true, true), (false, false, false)];
        for (size, (is_marked, ends_first, says_so)) in
            (1..HEAD.len() + 8).flat_map(|size| ends.map(|end| (size, end)))
        {
            let (mut client, server) = duplex(size);
            let (tell, body) = ScriptedBody::new();
            let has_ended = Arc::<AtomicBool>::default();
            let body = EndableBody { body, has_ended: Arc::clone(&has_ended), says_so };
            let promise =
                WrittenHead { framing: BodyFraming::Chunked, keep_alive: true, trailers: None };
            let body_writer =
                BodyWriter::new(body, promise).cut_at_end(is_marked).with_head(HEAD.into(), None);
            let pipelined = PipelinedBytes::new(Bytes::new(), None);
            let io = WriteTimeout::new(server, ClientTimeouts::with_defaults(&Drain::new()));
            tell.send(data("abc")).expect("the body is there");
            has_ended.store(ends_first, Ordering::Relaxed);
            let running = tokio::spawn(ResponseStream::new(io, pipelined, body_writer));
            all_wait().await;
            has_ended.store(true, Ordering::Relaxed);
            tokio::time::sleep(STALL / 2).await;
            let is_cut = is_marked && !says_so;
            assert_eq!(tell.is_closed(), is_cut, "{size}: whether the body is dropped");
            drop(tell);
            if is_cut {
                assert_eq!(read_all(&mut client).await, whole[..size], "what was sent before");
                assert!(matches!(running.await, Ok(NextStage::Closed)));
            } else {
                assert_eq!(read_some(&mut client, whole.len()).await, whole, "{size}");
                assert!(matches!(running.await, Ok(NextStage::Requests(..))));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_client_stalls_the_body_is_not_polled() {
        let (mut client, server) = duplex(HEAD.len());
        let (tell, body) = ScriptedBody::new();
        let taken = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&taken);
        let body = body.map_frame(move |frame| {
            counter.fetch_add(1, Ordering::Relaxed);
            frame
        });
        let _running = tokio::spawn(stream(server, body));
        tell.send(data("a")).expect("the body is there");
        for _ in 0..3 {
            all_wait().await;
            tell.send(data("b")).expect("the body is there");
        }
        all_wait().await;
        assert_eq!(taken.load(Ordering::Relaxed), 1);
        // What was stuck is followed by one write with all frames that came meanwhile.
        let expect = format!("{HEAD}1\r\na\r\n1\r\nb\r\n1\r\nb\r\n1\r\nb\r\n");
        assert_eq!(read_some(&mut client, expect.len()).await, expect);
    }

    #[tokio::test]
    async fn a_disconnect_is_noticed_whatever_the_client_sent_and_whether_it_reads() {
        for (size, sent) in [(1024, &b""[..]), (1024, b"GET /next"), (HEAD.len(), b""), (4, b"GET")]
        {
            let (running, mut client, tell) = start(size);
            tell.send(data("a")).expect("the body is there");
            client.write_all(sent).await.expect("the server reads");
            client.shutdown().await.expect("memory does not fail");
            // What was taken from the body may still be sent.
            let next = running.await;
            let has_left = matches!(next, Ok(NextStage::Closed | NextStage::SendRest(..)));
            assert!(has_left, "{size}, {sent:?}");
            assert!(tell.is_closed(), "the body is gone");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_sent_during_a_stream_are_kept_for_the_next_request() {
        let (mut client, server) = duplex(1024);
        let (tell, body) = ScriptedBody::new();
        let body = (BodyFraming::Chunked, body);
        let running = tokio::spawn(begun(server, b"before and ", body, true, &Drain::new()));
        client.write_all(b"after").await.expect("the server reads");
        all_wait().await;
        drop(tell);
        let Ok(NextStage::Requests(_, received)) = running.await else {
            panic!("the connection stays open")
        };
        assert_eq!(received, "before and after");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_too_much_is_disconnected_after_the_stream() {
        const SENT: usize = 2 * MAX_PIPELINED_BYTES;
        let (running, client, tell) = start(1024);
        let (mut read, mut write) = tokio::io::split(client);
        let sending = tokio::spawn(async move { write.write_all(&[b'x'; SENT]).await });
        tell.send(data("a")).expect("the body is there");
        let mut response = vec![0; HEAD.len() + 6];
        read.read_exact(&mut response).await.expect("the stream continues");
        all_wait().await;
        drop(tell);
        let Ok(NextStage::Linger(mut io)) = running.await else { panic!("the connection closes") };
        let mut rest = 0;
        while !sending.is_finished() {
            rest += io.read(&mut [0; 1024]).await.expect("the client sends");
        }
        assert!(SENT - rest - 1024 <= MAX_PIPELINED_BYTES, "{rest} were not read");
    }

    #[tokio::test]
    async fn without_keep_alive_and_in_a_drain_the_connection_closes() {
        for keep_alive in [true, false] {
            let (mut client, server) = duplex(1024);
            let drain = Drain::new();
            let (tell, body) = ScriptedBody::new();
            let body = (BodyFraming::Chunked, body);
            let running = tokio::spawn(begun(server, b"GET", body, keep_alive, &drain));
            tell.send(data("a")).expect("the body is there");
            read_some(&mut client, HEAD.len() + 6).await;
            if keep_alive {
                drain.start();
            }
            tell.send(data("b")).expect("the stream continues");
            drop(tell);
            assert_eq!(read_all(&mut client).await, "1\r\nb\r\n0\r\n\r\n");
            assert!(matches!(running.await, Ok(NextStage::Closed)));
        }
    }

    #[tokio::test]
    async fn a_body_that_is_always_ready_lets_other_tasks_run() {
        struct AlwaysReadyBody(&'static str);
        impl Body for AlwaysReadyBody {
            type Data = Bytes;
            type Error = std::convert::Infallible;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
                Poll::Ready(Some(Ok(http_body::Frame::data(self.0.into()))))
            }
        }
        for text in ["", "x"] {
            let (_client, server) = duplex(usize::MAX / 2);
            let mut stream = std::pin::pin!(stream(server, AlwaysReadyBody(text)));
            let first =
                std::future::poll_fn(|cx| Poll::Ready(stream.as_mut().poll(cx).is_pending()));
            assert!(first.await, "{text:?}: a turn ends");
        }
    }
}
